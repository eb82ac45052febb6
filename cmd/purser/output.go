package main

import (
	"fmt"
	"io"
	"slices"

	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
)

// reporter prints a flow's events as they happen, except with --output json, and passes
// them on.
func (a *app) reporter(also func(lifecycle.Event)) func(lifecycle.Event) {
	return func(e lifecycle.Event) {
		if !a.output.JSON {
			a.line(a.out, credential.Granted, string(e.Step), e.Text)
		}
		for _, f := range []func(lifecycle.Event){also, a.follow} {
			if f != nil {
				f(e)
			}
		}
	}
}

func (a *app) printNotes(c credential.Credential, res lifecycle.StoreResult) {
	for _, n := range append(slices.Clone(res.Proof.Notes), present.Endless(c, res)) {
		if n != "" {
			_, _ = fmt.Fprintf(a.out, "note: %s\n", n)
		}
	}
}

// report prints a report if --output json wants one and standard output has nothing yet. It
// returns whether it did.
func (a *app) report(r present.Report) bool {
	s, ok := a.out.(*present.Stream)
	if !a.output.JSON || a.lent || ok && s.Used.Load() {
		return false
	}
	a.writeJSON(r)
	return true
}

// printError says what happened, why, and what to type next.
func (a *app) printError(err error) {
	if a.report(present.ReportOf(err)) {
		return
	}
	a.told(a.err).Error(err)
	a.jobFailed(present.ExitCode(err))
}

// told returns w with the settings for what people read.
func (a *app) told(w io.Writer) present.Out {
	return present.Out{To: w, NoColor: a.env.NoColor, Dumb: a.env.Term == "dumb", Given: a.given}
}

func (a *app) line(w io.Writer, v credential.Verdict, label, text string) {
	a.told(w).Line(v, label, text)
}

// interactive reports whether purser can ask an unexpected question: there is a terminal,
// and the output goes to one.
func (a *app) interactive() bool {
	if !a.asks && !present.IsTerminal(a.out) && !present.IsTerminal(a.err) {
		return false
	}
	f, err := a.tty.Open()
	if err != nil {
		return false
	}
	return f.Close() == nil
}

func (a *app) tellManual(folder string, files []string, err error) error {
	switch {
	case err != nil:
		return err
	case a.output.JSON:
		a.writeJSON(present.ReportOf(nil).With("manual", files))
		return nil
	}
	a.line(a.out, credential.Granted, "Manual", counted(len(files), "page")+" in "+folder)
	return nil
}

func (a *app) writeJSON(r present.Report) { r.Write(a.out) }

// printJSON prints a report, and returns an error with the exit code of err.
func (a *app) printJSON(r present.Report, err error) error {
	a.writeJSON(r)
	if err != nil {
		return &present.Reported{Code: present.ExitCode(err)}
	}
	return nil
}

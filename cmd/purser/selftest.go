package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"purser/internal/credential"
	"purser/internal/exposure"
)

func (a *app) selftestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "selftest",
		Short:   "Prove on this machine what purser promises",
		Example: `  sudo purser selftest exposure`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var o exposureOptions
	search := &cobra.Command{
		Use:   "exposure",
		Short: "Search everything that leaves purser for the secrets that it was given",
		Long: `exposure runs every command of purser under strace, with made-up tokens and
stand-ins on loopback: when all goes well, when the registry or AWS refuses, hangs,
breaks off or repeats the token in its answers, and when the process is interrupted,
crashes or is killed. It then searches what was printed, the arguments and the
environment of child processes, every byte written to any file or socket, the hosts
that were called, and what was left behind, for the tokens, passwords and bearers:
plain, reversed, and in base64, hex, URL-, JSON- and shell-escaped form, every piece
of six characters. A shell that leaks on purpose shows that the search can find.

It needs Linux, strace and root: purser forbids that its own user traces it.
It ends with 0 when nothing was found and with 1 otherwise.`,
		Example: `  sudo purser selftest exposure`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.exposure(cmd.Context(), o) },
	}
	search.Flags().StringVar(&o.program, "program", "", "the purser `FILE` to watch instead of this one")
	search.Flags().StringVar(&o.helper, "helper", "", "the docker-credential-purser `FILE` to watch as well (default the one beside purser)")
	search.Flags().StringVar(&o.leaking, "leaking", "", "a purser `FILE` built with -tags leak: adds panics, and leaks that must be found")
	search.Flags().StringVar(&o.only, "only", "", "run only flows whose name has this `TEXT` in it")
	cmd.AddCommand(search)
	return cmd
}

type exposureOptions struct{ program, helper, leaking, only string }

// exposureRow is a flow with what was found in it.
type exposureRow struct {
	flow   exposureFlow
	result exposure.Result
	err    error
}

func (a *app) exposure(ctx context.Context, o exposureOptions) error {
	watcher, err := exposure.NewWatcher()
	if err != nil {
		return &credential.Fault{Reason: credential.CannotWatch, What: "programs cannot be watched here", Why: err.Error(), Err: err}
	}
	if o.program == "" {
		if o.program, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
	}
	if beside := filepath.Join(filepath.Dir(o.program), "docker-credential-purser"); o.helper == "" {
		if _, err := os.Stat(beside); err == nil {
			o.helper = beside
		}
	}
	for _, program := range []*string{&o.program, &o.helper, &o.leaking} {
		if *program == "" {
			continue
		}
		// Each flow has a working directory of its own.
		if *program, err = filepath.Abs(*program); err != nil {
			return fmt.Errorf("find %s: %w", *program, err)
		}
	}
	flows, controls := exposureFlows(), exposureControls()
	if o.leaking != "" {
		flows, controls = append(flows, panicFlows()...), append(controls, leakControls()...)
	}
	flows = append(flows, helperFlows()...)
	if o.helper == "" {
		flows = slices.DeleteFunc(flows, func(f exposureFlow) bool { return f.helper != noHelper })
	}
	flows = slices.DeleteFunc(flows, func(f exposureFlow) bool { return !strings.Contains(f.name, o.only) })
	if err := a.runControls(ctx, watcher, o, controls); err != nil {
		return err
	}
	rows, err := a.runFlows(ctx, watcher, o, flows)
	if err != nil {
		return err
	}
	return a.printExposure(rows, len(controls), o.leaking != "")
}

// runControls shows that the search finds what is there to be found.
func (a *app) runControls(ctx context.Context, watcher *exposure.Watcher, o exposureOptions, controls []exposureFlow) error {
	rows, err := a.runFlows(ctx, watcher, o, controls)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if !row.result.Found(row.flow.leaks) {
			return &credential.Fault{
				Reason: credential.CannotWatch, What: "the search is blind", Why: row.flow.name + ", and it was not found",
			}
		}
	}
	return nil
}

// runFlows runs them side by side, as many as there are processors, each with
// stand-ins of its own.
func (a *app) runFlows(ctx context.Context, watcher *exposure.Watcher, o exposureOptions, flows []exposureFlow) ([]exposureRow, error) {
	rows := make([]exposureRow, len(flows))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range next {
				rows[i] = exposureRow{flow: flows[i]}
				rows[i].result, rows[i].err = a.watch(ctx, watcher, o, flows[i])
			}
		})
	}
	for i := range flows {
		next <- i
	}
	close(next)
	wg.Wait()
	var errs []error
	for _, row := range rows {
		if row.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", row.flow.name, row.err))
		}
	}
	return rows, errors.Join(errs...)
}

// problem says what is wrong with a row; empty when nothing is. A flow that did
// not end as it should did not go where it was meant to, and proves nothing.
func (r exposureRow) problem() string {
	if r.result.Code != r.flow.want {
		return fmt.Sprintf("ended with %d instead of %d", r.result.Code, r.flow.want)
	}
	return ""
}

type exposureJSON struct {
	Flows []exposureFlowJSON `json:"flows"`
	Found int                `json:"found"`
}

type exposureFlowJSON struct {
	Name     string                   `json:"name"`
	Command  string                   `json:"command"`
	Exit     int                      `json:"exit"`
	Searched map[exposure.Channel]int `json:"searched_bytes"`
	Findings []exposure.Finding       `json:"findings"`
	Problem  string                   `json:"problem,omitempty"`
}

func (a *app) printExposure(rows []exposureRow, controls int, panics bool) error {
	out := exposureJSON{Flows: []exposureFlowJSON{}}
	problems := 0
	for _, r := range rows {
		out.Found += len(r.result.Findings)
		if r.problem() != "" {
			problems++
		}
		out.Flows = append(out.Flows, exposureFlowJSON{
			Name: r.flow.name, Command: r.flow.commandLine(), Exit: r.result.Code, Searched: r.result.Searched,
			Findings: append([]exposure.Finding{}, r.result.Findings...), Problem: r.problem(),
		})
	}
	code := exitOK
	if out.Found > 0 || problems > 0 || len(rows) == 0 {
		code = exitFailed
	}
	if a.output.json {
		a.writeJSON(report{Schema: schemaVersion, Exit: code, Exposure: &out})
	} else {
		a.printExposureTable(rows)
		bytes := 0
		for _, r := range rows {
			for _, n := range r.result.Searched {
				bytes += n
			}
		}
		_, _ = fmt.Fprintf(a.out, "\n%d flows in %d channels, %.1f MB searched: %d found\n%d deliberate leaks: all found\n",
			len(rows), len(exposure.Channels()), float64(bytes)/1e6, out.Found, controls)
		if !panics {
			_, _ = fmt.Fprintln(a.out, "panics inside purser were left out: they take --leaking and a build with -tags leak")
		}
	}
	if code != exitOK {
		return &reportedError{code}
	}
	return nil
}

func (a *app) printExposureTable(rows []exposureRow) {
	t := tabwriter.NewWriter(a.out, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprint(t, "FLOW\tEXIT")
	for _, c := range exposure.Channels() {
		_, _ = fmt.Fprintf(t, "\t%s", strings.ToUpper(string(c)))
	}
	_, _ = fmt.Fprintln(t)
	for _, r := range rows {
		_, _ = fmt.Fprintf(t, "%s\t%d", r.flow.name, r.result.Code)
		for _, c := range exposure.Channels() {
			found := 0
			for _, f := range r.result.Findings {
				if f.Channel == c {
					found++
				}
			}
			_, _ = fmt.Fprintf(t, "\t%d", found)
		}
		_, _ = fmt.Fprintln(t)
	}
	_ = t.Flush()
	for _, r := range rows {
		if p := r.problem(); p != "" {
			_, _ = fmt.Fprintf(a.out, "✗ %s: %s\n", r.flow.name, p)
		}
		for _, f := range r.result.Findings {
			_, _ = fmt.Fprintf(a.out, "✗ %s: %s: %s: %s %s\n", r.flow.name, f.Channel, credential.Quote(f.Where), or(f.Canary, "unsearched"), f.What)
		}
	}
}

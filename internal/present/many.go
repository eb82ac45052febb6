package present

import (
	"context"
	"fmt"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// Count is the number of credentials with one outcome.
type Count struct {
	N   int
	How string
}

// Sums prints the last line about several things. It prints no line for one thing, and no zeros.
func (o Out) Sums(all int, things string, counts ...Count) {
	var parts []string
	for _, c := range counts {
		if c.N > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.N, c.How))
		}
	}
	if all > 1 {
		o.Text(fmt.Sprintf("%d %s: %s", all, things, strings.Join(parts, ", ")))
	}
}

// CutShort reports whether a failure only means that the run was stopped.
func CutShort(err error) bool {
	f, ok := AsFault(err)
	return ok && (f.Reason == credential.Interrupted || f.Reason == credential.TimedOut)
}

// Unfinished prints one error for all credentials that a stopped run did not finish.
func (o Out) Unfinished(err error, verb string, all int, names []string) {
	f, ok := AsFault(err)
	if !ok || len(names) == 0 {
		return
	}
	const few = 3
	left := names
	if len(names) > few+1 {
		left = append(names[:few:few], fmt.Sprintf("%d more", len(names)-few))
	}
	o.Error(&credential.Fault{
		Reason: f.Reason, What: f.What, Unchanged: f.Unchanged,
		Why: fmt.Sprintf("purser %s %d of %d, but not %s", verb, all-len(names), all, listed(left)),
	})
}

// Checks prints the results of checks as they arrive, but in the order of purser.yaml.
type Checks struct {
	out      Out
	silent   bool
	blocks   []*Block
	results  []*lifecycle.CheckResult
	progress *Progress
}

// Checks starts printing about credentials. If silent, it only shows progress.
func (o Out) Checks(ctx context.Context, now func() time.Time, names []string, silent bool) (context.Context, *Checks) {
	c := &Checks{out: o, silent: silent, results: make([]*lifecycle.CheckResult, len(names))}
	row := NewBlocks()
	for range names {
		c.blocks = append(c.blocks, row.Add())
	}
	ctx, c.progress = o.Follow(ctx, now, "checked", names)
	return ctx, c
}

// Done prints the i-th result. End reports the checks that were cut short.
func (c *Checks) Done(i int, r lifecycle.CheckResult) {
	c.results[i] = &r
	c.progress.Done(i)
	if cut := cutShort(r); !c.silent && (cut == nil || len(c.results) == 1) {
		to := c.out
		to.To = c.blocks[i].Writer(c.out.To)
		to.check(r)
	}
	c.blocks[i].End()
}

// End prints how many checks had which outcome, and on errs which did not finish.
func (c *Checks) End(errs Out) {
	c.progress.End()
	if c.silent || len(c.results) < 2 {
		return
	}
	verdicts, missed := map[credential.Verdict]int{}, []string{}
	var why error
	for _, r := range c.results {
		if cut := cutShort(*r); cut != nil {
			why, missed = cut, append(missed, string(r.Name))
		} else {
			verdicts[r.Verdict]++
		}
	}
	c.out.Sums(len(c.results), "credentials", Count{verdicts[credential.Granted], "fine"}, Count{verdicts[credential.Refused], "refused"},
		Count{verdicts[credential.Unknown], "unknown"}, Count{len(missed), "not checked"})
	errs.Unfinished(why, "checked", len(c.results), missed)
}

// cutShort returns the fault that stopped a check; nil if it finished.
func cutShort(r lifecycle.CheckResult) error {
	for _, p := range r.Places {
		if p.Fault != nil && CutShort(p.Fault) {
			return p.Fault
		}
	}
	return nil
}

// check prints a check's result.
func (o Out) check(r lifecycle.CheckResult) {
	for _, p := range r.Places {
		text := "no answer"
		switch {
		case p.Fault != nil:
			text = p.Fault.What
		case p.Verdict == credential.Granted:
			text = checkedText(p)
		}
		o.Line(p.Verdict, string(r.Name), p.Target.String()+": "+text)
		if p.Fault != nil {
			o.because(p.Fault)
		}
	}
}

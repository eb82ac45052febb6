package present

import (
	"context"
	"fmt"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// Count is how many credentials ended in one way.
type Count struct {
	N   int
	How string
}

// Sums is the last line about many credentials; nothing is said of one, or of what is zero.
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

// CutShort reports whether a failure says no more than that the run was ended.
func CutShort(err error) bool {
	f, ok := AsFault(err)
	return ok && (f.Reason == credential.Interrupted || f.Reason == credential.TimedOut)
}

// Unfinished says once of many credentials that the run was ended before they were done, in
// the place of as many failures.
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
		Why: fmt.Sprintf("purser had %s %d of %d; it had not %s %s", verb, all-len(names), all, verb, listed(left)),
	})
}

// Checks are told of as they end, in the order of purser.yaml: a result stands where it stood
// in an earlier run, and the row of progress names what holds it up.
type Checks struct {
	out      Out
	silent   bool
	blocks   []*Block
	results  []*lifecycle.CheckResult
	progress *Progress
}

// Checks begins to tell of the checks of credentials; silent: only their progress is shown.
func (o Out) Checks(ctx context.Context, now func() time.Time, names []string, silent bool) (context.Context, *Checks) {
	c := &Checks{out: o, silent: silent, results: make([]*lifecycle.CheckResult, len(names))}
	row := NewBlocks()
	for range names {
		c.blocks = append(c.blocks, row.Add())
	}
	ctx, c.progress = o.Follow(ctx, now, "checked", names)
	return ctx, c
}

// Done tells of the i-th check. One that was cut short is told of in the end.
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

// End tells how many went how, and on errs what was not done.
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

// cutShort is what ended a check before it was done; nil: it was done.
func cutShort(r lifecycle.CheckResult) error {
	for _, p := range r.Places {
		if p.Fault != nil && CutShort(p.Fault) {
			return p.Fault
		}
	}
	return nil
}

// check tells what a check has found.
func (o Out) check(r lifecycle.CheckResult) {
	for _, p := range r.Places {
		text := "not answered"
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

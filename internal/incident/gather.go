package incident

import (
	"context"
	"strings"
	"time"

	"purser/internal/audit"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
)

// Witness reports a token's use at a registry.
type Witness interface {
	Pushes(ctx context.Context, repo credential.Repository, since time.Time) ([]credential.TagPush, bool, error)
	Events(ctx context.Context, since time.Time) ([]credential.AccountEvent, bool, error)
}

// Sources are Gather's.
type Sources struct {
	Trail   func(ctx context.Context, t credential.Target) (audit.Trail, error)
	Witness Witness // nil: there is no session at the registry
	Now     func() time.Time
}

// Gather collects the facts. It names what it cannot get, and goes on.
func Gather(ctx context.Context, from Sources, c credential.Credential, req lifecycle.RespondRequest, res lifecycle.RespondResult, began, since time.Time) *Record {
	if since.IsZero() {
		since = res.Since
	}
	i := &Record{
		Schema: present.SchemaVersion, Credential: string(c.Name), Registry: string(c.Registry), Account: c.Username, Repositories: present.Texts(c.Repositories),
		DryRun: req.DryRun, Began: began.UTC(), Since: since.UTC(), Version: string(res.Version), Stopped: present.Moment(res.Stopped), Replaced: present.Moment(res.Replaced), Ended: present.Moment(res.Ended), Bearers: present.BearersReport(res.Bearers),
		Tokens: []Token{}, Places: []Place{}, Readers: []Reader{}, Pushes: []Push{}, Log: []Event{}, Missing: []string{}, Check: []string{}, // empty lists, not null, in JSON
	}
	for _, t := range res.Leaked {
		i.Tokens = append(i.Tokens, Token{ID: t.ID, Label: credential.Quote(t.Label), Created: t.Created.UTC(), LastUsed: present.Moment(t.LastUsed)})
	}
	for _, p := range res.Store.Places {
		i.Places = append(i.Places, Place{Where: p.Target.String(), Region: p.Target.Region, Version: string(p.Version), Replaced: string(p.Replaced)})
	}
	gatherReads(ctx, from, req.Places, i)
	gatherUses(ctx, from.Witness, c, i)
	return i
}

func gatherReads(ctx context.Context, from Sources, places []lifecycle.Place, i *Record) {
	for _, p := range places {
		if p.Target.Traits().Cloud == "" {
			i.Unknown("who read " + p.Target.String() + ": " + p.Target.Traits().Title + " does not record reads")
			continue
		}
		d, err := p.Store.Describe(ctx)
		if err != nil {
			i.Unknown("who read " + p.Target.String() + ": " + inOneLine(err))
			continue
		}
		trail, err := from.Trail(ctx, p.Target)
		if err != nil {
			i.Unknown("who read " + p.Target.String() + ": " + inOneLine(err))
			continue
		}
		name := p.Target.Name
		if strings.HasPrefix(name, "arn:") {
			name = ""
		}
		reads, err := trail.Reads(ctx, name, d.Where, i.Since, from.Now())
		if err != nil {
			i.Unknown("who read " + p.Target.String() + ": " + inOneLine(err))
		}
		i.AddReads(p.Target, reads, err == nil)
	}
}

func gatherUses(ctx context.Context, w Witness, c credential.Credential, i *Record) {
	if w == nil {
		i.Unknown("what was pushed, and the account's log: purser has no session at " + string(c.Registry))
		return
	}
	for _, repo := range c.Repositories {
		pushes, complete, err := w.Pushes(ctx, repo, i.Since)
		switch {
		case err != nil:
			i.Unknown("what was pushed to " + string(repo) + ": " + inOneLine(err))
		case !complete:
			i.Unknown("some pushes to " + string(repo) + ": it has more tags than purser looks at")
		}
		for _, p := range pushes {
			i.Pushes = append(i.Pushes, Push{Repository: string(p.Repository), Tag: p.Tag, At: p.At.UTC(), By: p.By})
		}
	}
	events, complete, err := w.Events(ctx, i.Since)
	switch {
	case err != nil:
		i.Unknown("the account's log: " + inOneLine(err))
	case !complete:
		i.Unknown("some of the account's log: it has more entries than purser looks at")
	}
	for _, e := range events {
		i.Log = append(i.Log, Event{At: e.At.UTC(), Actor: e.Actor, Action: e.Action, Name: e.Name})
	}
}

func inOneLine(err error) string { return strings.ReplaceAll(credential.Quote(err.Error()), "\n", " ") }

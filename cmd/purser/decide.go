package main

import (
	"context"
	"sync"

	"purser/internal/agent"
	"purser/internal/askpage"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/wire"
)

// onePerson allows one question at a time, however many credentials purser handles at once.
var onePerson sync.Mutex

// decide asks the person: through a.consent if an agent started purser, otherwise at the
// terminal. With neither, it returns ConsentNeeded. Call it before anything changes.
func (a *app) decide(ctx context.Context, d present.Decision) error {
	if err := present.AwaitTurn(ctx); err != nil {
		return err
	}
	onePerson.Lock()
	defer onePerson.Unlock()
	if a.consent != nil {
		return a.consent(ctx, d)
	}
	err := a.tty.Confirm(ctx, d.Text())
	if credential.ReasonOf(err) == credential.NoTerminal {
		return d.Unasked()
	}
	return err
}

// decideOnPage asks on a page. Only show gets its address: an agent that knew it could
// answer.
func (a *app) decideOnPage(ctx context.Context, d present.Decision, show agent.Show) error {
	page, err := askpage.OpenDecision(ctx, askpage.Decision{Question: d.Question, Facts: d.Facts, Random: a.random})
	if err != nil {
		return err
	}
	defer func() { _ = page.Close() }()
	ctx, failed, why := agent.Watch(ctx)
	defer failed(nil)
	remove, err := show(ctx, page.Address(), failed)
	if err != nil {
		return err
	}
	defer remove()
	yes, err := page.Answer(ctx)
	if err == nil && !yes {
		return present.Declined(nil)
	}
	return why(err)
}

// facts describe the account of a credential and the places that store its token.
func facts(w *wire.Wire, c credential.Credential) []string {
	return present.Facts(c, destinations(w, c))
}

func destinations(w *wire.Wire, c credential.Credential) []string {
	all := make([]string, 0, len(c.Targets))
	for _, t := range c.Targets {
		all = append(all, w.Destination(c, t))
	}
	return all
}

// agreeOnRegistry asks whether a value that somebody stored by hand belongs to the
// credential's registry.
func (a *app) agreeOnRegistry(ctx context.Context, c credential.Credential, t credential.Target) error {
	return a.decide(ctx, present.WhetherItBelongs(c, a.wire().Destination(c, t)))
}

// agreeOnPlaces asks whether a token may go to places that never held that credential.
func (a *app) agreeOnPlaces(ctx context.Context, places []lifecycle.NewPlace) error {
	w := a.wire()
	return a.decide(ctx, present.WhetherItGoes(places, func(p lifecycle.NewPlace) string { return w.Destination(p.Credential, p.Target) }))
}

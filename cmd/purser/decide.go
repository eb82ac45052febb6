package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"purser/internal/askpage"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/wire"
)

// onePerson is held while a person is asked: one question at a time, however many
// credentials are looked at.
var onePerson sync.Mutex

// decide asks a person, where whoever started purser cannot answer: on the page or in
// the client's own dialog that a.consent gives, else at the terminal. Without any of
// them it is ConsentNeeded. Call it before anything changes and before a token is asked
// for: some clients bring the answer by having the command run again.
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

// decideOnPage asks on a page in the person's browser. Its address goes to the browser
// alone: an agent that had it could answer.
func (a *app) decideOnPage(ctx context.Context, d present.Decision) error {
	page, err := askpage.OpenDecision(ctx, askpage.Decision{Question: d.Question, Facts: d.Facts, Random: a.random})
	if err != nil {
		return err
	}
	defer func() { _ = page.Close() }() // it is over in any case
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	remove, err := a.wire().OpenBrowser(ctx, page.Address(), func() { stop(errNotOpened) })
	if err != nil {
		return d.Unasked()
	}
	defer remove()
	_, _ = fmt.Fprintln(a.err, "a page has opened in the person's browser, and purser waits for the answer: "+d.Question)
	yes, err := page.Answer(ctx)
	switch {
	case errors.Is(context.Cause(ctx), errNotOpened):
		return d.Unasked()
	case err != nil:
		return err
	case !yes:
		return present.Declined(nil)
	}
	return nil
}

var errNotOpened = errors.New("the browser did not open")

// facts say whose token a credential's is and where it goes.
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

// agreeOnRegistry asks whether a value that was stored by hand belongs to a credential's
// registry.
func (a *app) agreeOnRegistry(ctx context.Context, c credential.Credential, t credential.Target) error {
	return a.decide(ctx, present.WhetherItBelongs(c, a.wire().Destination(c, t)))
}

// agreeOnPlaces asks whether a token may go where none of that credential has been.
func (a *app) agreeOnPlaces(ctx context.Context, places []lifecycle.NewPlace) error {
	w := a.wire()
	return a.decide(ctx, present.WhetherItGoes(places, func(p lifecycle.NewPlace) string { return w.Destination(p.Credential, p.Target) }))
}

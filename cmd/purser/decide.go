package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"purser/internal/credential"
	"purser/internal/form"
	"purser/internal/wire"
)

// decision is a question that only a person may answer, because a token is about to
// go somewhere new, or to be taken from somewhere. No argument of an agent's tool
// answers it; a script's --yes only spares a question about what docker has.
type decision struct {
	Question string   // one sentence, such as "Send the token in mockserver-build/dockerhub to docker.io?"
	Facts    []string // what the person needs to know: registry, account, every destination
}

// decide asks a person, where whoever started purser cannot answer: on the page or in
// the client's own dialog that a.consent gives, else at the terminal. Without any of
// them it is ConsentNeeded. Call it before anything changes and before a token is asked
// for: some clients bring the answer by having the command run again.
func (a *app) decide(ctx context.Context, d decision) error {
	if a.consent != nil {
		return a.consent(ctx, d)
	}
	err := a.tty.confirm(ctx, d.text())
	if credential.ReasonOf(err) == credential.NoTerminal {
		return d.unasked()
	}
	return err
}

// text is the decision in lines, the question last.
func (d decision) text() string {
	return strings.Join(slices.Concat(d.Facts, []string{d.Question}), "\n")
}

// unasked is the failure where no person can be asked.
func (d decision) unasked() error {
	return &credential.Fault{
		Reason: credential.ConsentNeeded, What: "a person has to decide this, and no one can be asked here: " + d.Question,
		Why: strings.Join(d.Facts, "; "),
	}
}

// decideOnPage asks on a page in the person's browser. Its address goes to the browser
// alone: an agent that had it could answer.
func (a *app) decideOnPage(ctx context.Context, d decision) error {
	page, err := form.OpenDecision(ctx, form.Decision{Question: d.Question, Facts: d.Facts, Random: a.random})
	if err != nil {
		return err
	}
	defer func() { _ = page.Close() }() // it is over in any case
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	remove, err := a.wire().OpenBrowser(ctx, page.Address(), func() { stop(errNotOpened) })
	if err != nil {
		return d.unasked()
	}
	defer remove()
	_, _ = fmt.Fprintln(a.err, "a page has opened in the person's browser, and purser waits for the answer: "+d.Question)
	yes, err := page.Answer(ctx)
	switch {
	case errors.Is(context.Cause(ctx), errNotOpened):
		return d.unasked()
	case err != nil:
		return err
	case !yes:
		return declined(nil)
	}
	return nil
}

var errNotOpened = errors.New("the browser did not open")

// facts say whose token a credential's is and where it goes.
func facts(w *wire.Wire, c credential.Credential) []string {
	all := []string{"registry: " + string(c.Registry), "account: " + or(c.Username, "the one that the token belongs to")}
	for _, d := range destinations(w, c) {
		all = append(all, "stored in: "+d)
	}
	return all
}

func destinations(w *wire.Wire, c credential.Credential) []string {
	all := make([]string, 0, len(c.Targets))
	for _, t := range c.Targets {
		all = append(all, w.Destination(c, t))
	}
	return all
}

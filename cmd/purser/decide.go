package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"purser/internal/present"

	"purser/internal/askpage"
	"purser/internal/credential"
	"purser/internal/lifecycle"
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
	all := append([]string{"registry: " + string(c.Registry), "account: " + cmp.Or(c.Username, "the one that the token belongs to")}, way(c)...)
	for _, d := range destinations(w, c) {
		all = append(all, "stored in: "+d)
	}
	return all
}

// way says what besides the registry's own domain and the system's certificates may see a
// credential's token, where others may have written the configuration.
func way(c credential.Credential) []string {
	var all []string
	if c.Via != "" && c.CAFile != "" {
		all = append(all, "certificates: purser.yaml trusts "+c.CAFile+" for "+string(c.Registry)+"; who holds their key can read the token on its way.")
	}
	if c.Via != "" && len(c.AuthHosts) > 0 {
		all = append(all, "sign-in: purser.yaml lets "+strings.Join(c.AuthHosts, " and ")+" ask for the token.")
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

// agreeOnRegistry asks whether a value that was stored by hand belongs to a credential's
// registry.
func (a *app) agreeOnRegistry(ctx context.Context, c credential.Credential, t credential.Target) error {
	return a.decide(ctx, present.Decision{
		Facts:    way(c),
		Question: fmt.Sprintf("Does the token in %s belong to %s? purser sends it there, and from now on nowhere else.", a.wire().Destination(c, t), whose(c)),
	})
}

// agreeOnPlaces asks whether a token may go where none of that credential has been.
func (a *app) agreeOnPlaces(ctx context.Context, places []lifecycle.NewPlace) error {
	var facts, names []string
	c, w := places[0].Credential, a.wire()
	facts = way(c)
	for _, p := range places {
		name := w.Destination(c, p.Target)
		names = append(names, name)
		switch {
		case p.Foreign != "":
			facts = append(facts, name+" is in another AWS account, "+p.Foreign+", whose owner can read what is stored there.")
		case p.Mark.Is(credential.MarkOf(c)):
		case p.Mark.IsZero():
			facts = append(facts, name+" is a new place: purser has not stored this token there before.")
		case p.Mark.Registry != c.Registry:
			facts = append(facts, fmt.Sprintf("%s belongs to %s. What it holds now is never sent to %s.", name, p.Mark.Registry, c.Registry))
		default:
			facts = append(facts, fmt.Sprintf("%s holds the token of %s.", name, p.Mark.Name))
		}
	}
	return a.decide(ctx, present.Decision{
		Facts: facts, Question: fmt.Sprintf("Put the token of %s for %s into %s?", c.Name, whose(c), strings.Join(names, " and ")),
	})
}

// whose is a credential's account, for a question.
func whose(c credential.Credential) string {
	if c.Username == "" {
		return string(c.Registry)
	}
	return "account " + c.Username + " of " + string(c.Registry)
}

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// decision is a question that only a person may answer, because a token is about to
// go somewhere new, or to be taken from somewhere. No flag and no tool's argument
// answers it.
type decision struct {
	Question string   // one sentence, such as "Send the token in mockserver-build/dockerhub to docker.io?"
	Facts    []string // what the person needs to know: registry, account, every destination
}

var asking sync.Mutex

// decide asks a person, where whoever started purser cannot answer: on the page or in
// the client's own dialog that a.consent gives, else at the terminal. Without any of
// them it is ConsentNeeded.
func (a *app) decide(ctx context.Context, d decision) error {
	asking.Lock() // one question at a time, however many credentials are looked at
	defer asking.Unlock()
	if a.consent != nil {
		return a.consent(ctx, d)
	}
	terminal, err := a.tty.open()
	if err != nil {
		return &credential.Fault{
			Reason: credential.ConsentNeeded, What: "a person has to decide this, and no one can be asked here: " + d.Question,
			Why: strings.Join(d.Facts, "; "),
		}
	}
	_ = terminal.Close()
	return a.tty.confirm(ctx, strings.Join(append(d.Facts, d.Question), "\n"))
}

// agreeOnRegistry asks whether a value that was stored by hand belongs to a credential's
// registry.
func (a *app) agreeOnRegistry(ctx context.Context, c credential.Credential, t credential.Target) error {
	return a.decide(ctx, decision{
		Question: fmt.Sprintf("Does the token in %s belong to %s? purser sends it there, and from now on nowhere else.", placeText(t), whose(c)),
	})
}

// agreeOnPlaces asks whether a token may go where none of that credential has been.
func (a *app) agreeOnPlaces(ctx context.Context, places []lifecycle.NewPlace) error {
	var facts, names []string
	c := places[0].Credential
	for _, p := range places {
		name := placeText(p.Target)
		names = append(names, name)
		switch {
		case p.Mark.IsZero():
			facts = append(facts, name+" is a new place: purser has not stored this token there before.")
		case p.Mark.Registry != c.Registry:
			facts = append(facts, fmt.Sprintf("%s belongs to %s. What it holds now is never sent to %s.", name, p.Mark.Registry, c.Registry))
		default:
			facts = append(facts, fmt.Sprintf("%s holds the token of %s.", name, p.Mark.Name))
		}
	}
	return a.decide(ctx, decision{
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

// placeText is a target with what tells it from one of the same name elsewhere.
func placeText(t credential.Target) string {
	text := t.String()
	if t.Region != "" {
		text += " in " + t.Region
	}
	if t.Profile != "" {
		text += " (profile " + credential.Quote(t.Profile) + ")"
	}
	return text
}

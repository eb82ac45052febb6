package main

import (
	"context"
	"strings"

	"purser/internal/credential"
)

// decision is a question that only a person may answer, because a token is about to
// go somewhere new, or to be taken from somewhere. No flag and no tool's argument
// answers it.
type decision struct {
	Question string   // one sentence, such as "Send the token in mockserver-build/dockerhub to docker.io?"
	Facts    []string // what the person needs to know: registry, account, every destination
}

// decide asks a person, where whoever started purser cannot answer: on the page or in
// the client's own dialog that a.consent gives, else at the terminal. Without any of
// them it is ConsentNeeded.
func (a *app) decide(ctx context.Context, d decision) error {
	if err := awaitTurn(ctx); err != nil {
		return err
	}
	if a.consent != nil {
		return a.consent(ctx, d)
	}
	if !a.interactive() {
		return &credential.Fault{
			Reason: credential.ConsentNeeded, What: "a person has to decide this, and no one can be asked here: " + d.Question,
			Why: strings.Join(d.Facts, "; "),
		}
	}
	return a.tty.confirm(ctx, strings.Join(append(d.Facts, d.Question), "\n"))
}

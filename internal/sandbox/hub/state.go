package hub

import (
	"maps"
	"slices"

	"purser/internal/sandbox/saved"
)

type tokenState struct {
	Token
	Secret saved.Secret // replaces Token.Secret
}

type passwordState struct {
	Secret       saved.Secret
	SecondFactor bool
	Code         string
	SSO          bool
}

// State is the saved form of Accounts.
type State struct {
	Organizations map[string]*Organization
	Passwords     map[string]passwordState
	Tokens        []tokenState
	Repositories  map[string]repository
	Pushes        map[string]map[string]push
	Log           []logEntry
}

// State returns the accounts in saved form.
func (a *Accounts) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := State{
		Organizations: maps.Clone(a.organizations), Log: slices.Clone(a.log), Passwords: map[string]passwordState{},
		Repositories: maps.Clone(a.repositories), Pushes: map[string]map[string]push{},
	}
	for name, p := range a.passwords {
		out.Passwords[name] = passwordState{saved.Secret{Value: p.secret}, p.secondFactor, p.code, p.sso}
	}
	for _, t := range a.tokens {
		out.Tokens = append(out.Tokens, tokenState{*t, saved.Secret{Value: t.Secret}})
	}
	for repo, tags := range a.pushes {
		out.Pushes[repo] = maps.Clone(tags)
	}
	return out
}

// Restore loads saved accounts.
func (a *Accounts) Restore(from State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = from.Log
	maps.Copy(a.organizations, from.Organizations)
	for name, p := range from.Passwords {
		a.passwords[name] = password{p.Secret.Value, p.SecondFactor, p.Code, p.SSO}
	}
	for _, t := range from.Tokens {
		token := t.Token
		token.Secret = t.Secret.Value
		a.keep(&token)
	}
	maps.Copy(a.repositories, from.Repositories)
	maps.Copy(a.pushes, from.Pushes)
}

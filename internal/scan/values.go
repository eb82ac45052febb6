package scan

import (
	"context"
	"slices"

	"purser/internal/credential"
)

// Reader reads a credential's values from a place, as a consumer does. It is a store.Store.
type Reader interface {
	Open(ctx context.Context) (who string, err error)
	Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error)
}

// shortest is the length of the shortest value to look for. Shorter ones are in many places
// by chance.
const shortest = 12

// Values reads what a target holds: the current value, and those before and after it.
//
// Whoever chose the target and wrote the files learns from a scan which of his guesses is
// right. A token is not to be guessed; a password is, so guesses says whether to look for it.
func Values(ctx context.Context, c credential.Credential, t credential.Target, from Reader, guesses bool) ([]Value, error) {
	if _, err := from.Open(ctx); err != nil {
		return nil, err
	}
	var all []Value
	for _, stage := range []credential.Stage{credential.Current, credential.Pending, credential.Previous} {
		id, stored, err := from.Read(ctx, stage)
		if credential.ReasonOf(err) == credential.SecretEmpty && (stage != credential.Current) {
			continue
		}
		if err != nil {
			return all, err
		}
		login, err := t.Shape.Decode(stored, c.Registry)
		if err != nil {
			return all, err
		}
		prefix, _ := credential.SplitToken(login.Token)
		unfit := ""
		switch {
		case login.Token.Len() < shortest:
			unfit = "it is so short that it is in many files by chance"
		case prefix == "" && !guesses:
			unfit = "it does not look like a token; if it is a password, the scan would tell the author of these files which guess is right. Scan at a terminal, or with a configuration that others cannot write"
		}
		if unfit != "" {
			return all, &credential.Fault{Reason: credential.NotLookedFor, Credential: c.Name, Target: t, What: "purser did not look for the value in " + t.String(), Why: unfit}
		}
		if !slices.ContainsFunc(all, func(v Value) bool { return v.Login.Token.Equal(login.Token) }) {
			all = append(all, Value{Credential: c.Name, Stage: stage, Version: id, Login: login})
		}
	}
	return all, nil
}

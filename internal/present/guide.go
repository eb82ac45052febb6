package present

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"purser/internal/askpage"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/registry"
)

// Guide is what a person does on the registry's page to get a token, step by step.
func Guide(c credential.Credential) []askpage.Step {
	page := PageOf(c.Registry, c.Access)
	actions := strings.Join(c.Access.Actions(), " and ")
	if page.URL == "" {
		return []askpage.Step{{Text: "Make an access token on the pages of " + string(c.Registry) + " that can " + actions}}
	}
	open := "Open the page for access tokens of " + cmp.Or(c.Username, "the account")
	if page.Note != "" {
		open += " (" + page.Note + ")"
	}
	permission := "the right to " + actions + ", "
	if page.Permission != "" {
		permission = "access permissions “" + page.Permission + "”, "
	}
	return append([]askpage.Step{{Text: open, URL: page.URL}},
		askpage.Step{Text: "Make a token: description “purser " + string(c.Name) + "”, " + permission + "expiration “" + expiration(c) + "”"},
		askpage.Step{Text: "Copy it: the page shows it once"})
}

// expiration is what to choose: a little longer than the time after which it is
// rotated, among what registries' pages offer.
func expiration(c credential.Credential) string {
	const day = 24 * time.Hour
	switch needed := lifecycle.Life(c); {
	case needed == 0 || needed > 90*day:
		return "one year"
	case needed > 30*day:
		return "90 days"
	}
	return "30 days"
}

// Judge says what is wrong with a token by its form alone, "" for nothing.
func Judge(c credential.Credential, allowPassword bool) func(credential.Secret) string {
	return func(s credential.Secret) string {
		login := credential.Login{Username: c.Username, Token: s}
		if _, err := credential.ParseToken([]byte(s.Reveal())); err != nil {
			f, _ := AsFault(err)
			return f.Why
		}
		if c.Username != "" && strings.HasPrefix(s.Reveal(), c.Username+":") {
			return "there is the user name in front of it: copy the token alone"
		}
		kind := credential.Classify(c.Registry, login)
		const whole = 36
		switch {
		case kind == credential.Session || kind == credential.IdentityToken:
			if registry.KindOf(c.Registry).Accounts != nil {
				return "that is a " + string(kind) + ", which ends soon: make an access token, or let purser make one with your sign-in (--mint)"
			}
			return "that is a " + string(kind) + ", which ends soon: make an access token"
		case kind == credential.Password && !allowPassword:
			return fmt.Sprintf("that looks like a password, not an access token (%d characters): a password opens the whole account, and purser takes one only with --allow-password", s.Len())
		case kind == credential.PersonalToken && hasPrefix(s) && s.Len() < whole-8:
			return fmt.Sprintf("it is cut off: only %d characters arrived", s.Len())
		}
		return ""
	}
}

// hasPrefix reports whether a token has a vendor's prefix.
func hasPrefix(s credential.Secret) bool {
	prefix, _ := credential.SplitToken(s)
	return prefix != ""
}

// Told is what can be said of a text while it arrives: its kind and its length.
func Told(c credential.Credential, raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	login := credential.Login{Username: c.Username, Token: credential.NewSecret(string(raw))}
	return fmt.Sprintf("%s, %d characters", cmp.Or(credential.Around(login.Token), string(credential.Classify(c.Registry, login))), len(raw))
}

// Endless says what is missing where nobody knows when a token ends that a person has given,
// and nothing renews it; "" where something does.
func Endless(c credential.Credential, res lifecycle.StoreResult) string {
	if c.Rotate.Every > 0 || !res.Expires.IsZero() || res.Made.ID != "" {
		return ""
	}
	return "nothing renews this token: set rotate.every in purser.yaml, or say with --expires when it ends"
}

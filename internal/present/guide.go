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

// Guide returns the steps that make a token on the registry's page.
func Guide(c credential.Credential) []askpage.Step {
	page := PageOf(c.Registry, c.Access)
	actions := strings.Join(c.Access.Actions(), " and ")
	if page.URL == "" {
		return []askpage.Step{{Text: "On the website of " + string(c.Registry) + ", make an access token that can " + actions}}
	}
	open := "Open the access tokens page of " + cmp.Or(c.Username, "the account")
	if page.Note != "" {
		open += " (" + page.Note + ")"
	}
	permission := "permission to " + actions + ", "
	if page.Permission != "" {
		permission = "access permissions “" + page.Permission + "”, "
	}
	return append([]askpage.Step{{Text: open, URL: page.URL}},
		askpage.Step{Text: "Make a token: description “purser " + string(c.Name) + "”, " + permission + "expiration “" + expiration(c) + "”"},
		askpage.Step{Text: "Copy it: the page shows it once"})
}

// expiration returns the choice on registries' pages that outlasts the token's next rotation.
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

// Judge says what is wrong with the form of a token; "" if nothing is.
func Judge(c credential.Credential, allowPassword bool) func(credential.Secret) string {
	return func(s credential.Secret) string {
		login := credential.Login{Username: c.Username, Token: s}
		if _, err := credential.ParseToken([]byte(s.Reveal())); err != nil {
			f, _ := AsFault(err)
			return f.Why
		}
		if c.Username != "" && strings.HasPrefix(s.Reveal(), c.Username+":") {
			return "the user name is in front of it; copy only the token"
		}
		kind := credential.Classify(c.Registry, login)
		const whole = 36
		switch {
		case kind == credential.Session || kind == credential.IdentityToken:
			if registry.KindOf(c.Registry).Accounts != nil {
				return "that is a " + string(kind) + ", which expires soon; make an access token, or let purser sign in and make one (--mint)"
			}
			return "that is a " + string(kind) + ", which expires soon; make an access token"
		case kind == credential.Password && !allowPassword:
			return fmt.Sprintf("that looks like a password, not an access token (%d characters); a password opens the whole account, so purser stores one only with --allow-password", s.Len())
		case kind == credential.PersonalToken && hasPrefix(s) && s.Len() < whole-8:
			return fmt.Sprintf("the token is cut off: only %d characters arrived", s.Len())
		}
		return ""
	}
}

// hasPrefix reports whether a token has a vendor's prefix.
func hasPrefix(s credential.Secret) bool {
	prefix, _ := credential.SplitToken(s)
	return prefix != ""
}

// Told describes a text while it arrives, by kind and length.
func Told(c credential.Credential, raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	login := credential.Login{Username: c.Username, Token: credential.NewSecret(string(raw))}
	return fmt.Sprintf("%s, %d characters", cmp.Or(credential.Around(login.Token), string(credential.Classify(c.Registry, login))), len(raw))
}

// Endless warns about a token that a person gave, whose expiry is unknown and that nothing
// renews; "" for others.
func Endless(c credential.Credential, res lifecycle.StoreResult) string {
	if c.Rotate.Every > 0 || !res.Expires.IsZero() || res.Made.ID != "" {
		return ""
	}
	return "this token has no schedule: set rotate.every in purser.yaml, or note when it expires with --expires"
}

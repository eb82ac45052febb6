package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"purser/internal/present"

	"purser/internal/askpage"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/wire"
)

// guide is what a person does on the registry's page to get a token, step by step.
func (a *app) guide(c credential.Credential) []askpage.Step {
	page := present.PageOf(c.Registry, c.Access)
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
	switch needed := c.Rotate.Every + c.Rotate.Overlap; {
	case c.Rotate.Every == 0 || needed > 90*day:
		return "one year"
	case needed > 30*day:
		return "90 days"
	}
	return "30 days"
}

// judge says what is wrong with a token by its form alone, "" for nothing.
func judge(c credential.Credential, allowPassword bool) func(credential.Secret) string {
	return func(s credential.Secret) string {
		login := credential.Login{Username: c.Username, Token: s}
		if _, err := credential.ParseToken([]byte(s.Reveal())); err != nil {
			f, _ := present.AsFault(err)
			return f.Why
		}
		if c.Username != "" && strings.HasPrefix(s.Reveal(), c.Username+":") {
			return "there is the user name in front of it: copy the token alone"
		}
		kind := credential.Classify(c.Registry, login)
		const whole = 36
		switch {
		case kind == credential.Session || kind == credential.IdentityToken:
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

// told is what can be said of a text while it arrives: its kind and its length.
func told(c credential.Credential, raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	login := credential.Login{Username: c.Username, Token: credential.NewSecret(string(raw))}
	return fmt.Sprintf("%s, %d characters", cmp.Or(credential.Around(login.Token), string(credential.Classify(c.Registry, login))), len(raw))
}

// guidedPrompt shows the steps at the terminal and asks there, without echo, saying
// the kind and the length of what arrives. What is wrong by its form is asked for
// again.
func (a *app) guidedPrompt(c credential.Credential, allowPassword bool) func(context.Context) (lifecycle.Candidate, error) {
	return func(ctx context.Context) (lifecycle.Candidate, error) {
		var b strings.Builder
		for i, s := range a.guide(c) {
			fmt.Fprintf(&b, "%d. %s\n", i+1, strings.TrimSpace(s.Text+" "+s.URL))
		}
		whose := ""
		if c.Username != "" {
			whose = " of " + c.Username
		}
		question := "Token" + whose + " for " + string(c.Registry) + " (not shown): "
		check := judge(c, allowPassword)
		for range pasteTries {
			raw, err := a.tty.Pasted(ctx, b.String(), question, func(raw []byte) string { return told(c, raw) })
			if err != nil {
				return lifecycle.Candidate{}, err
			}
			s := credential.NewSecret(string(raw))
			problem := check(s)
			if problem == "" {
				token, err := credential.ParseToken(raw)
				if err != nil {
					return lifecycle.Candidate{}, err
				}
				login := credential.Login{Username: c.Username, Token: token}
				return lifecycle.Candidate{Login: login, Kind: credential.Classify(c.Registry, login), Where: "the terminal"}, nil
			}
			b.Reset()
			b.WriteString("purser cannot take that: " + problem + "\n")
		}
		return lifecycle.Candidate{}, &credential.Fault{Reason: credential.BadToken, What: "no token was given", Why: fmt.Sprintf("%d times it had not the form of one", pasteTries)}
	}
}

// pasteTries is how often something else than a token is pasted before it is enough.
const pasteTries = 5

// byForm asks in the person's browser, and has the page follow what happens.
func (a *app) byForm(c credential.Credential, w *wire.Wire, flags storeFlags) (find func(context.Context) (lifecycle.Candidate, error), follow func(lifecycle.Event), end func(error)) {
	var page *askpage.Form
	remove := func() {}
	find = func(ctx context.Context) (lifecycle.Candidate, error) {
		cfg := askpage.Config{
			Credential: string(c.Name), Registry: string(c.Registry), Account: c.Username, Steps: a.guide(c), Check: judge(c, flags.allowPassword), Random: a.random,
		}
		if !flags.dryRun {
			cfg.Destinations = destinations(w, c)
		}
		f, err := askpage.Open(ctx, cfg)
		if err != nil {
			return lifecycle.Candidate{}, err
		}
		page = f
		text := "open this page in your browser and give the token there: "
		if opened, err := w.OpenBrowser(ctx, f.Address(), func() {}); err == nil {
			remove = opened
			text = "a page has opened in your browser; give the token there. If not, open "
		}
		_, _ = fmt.Fprintln(a.err, text+f.Address())
		token, err := f.Ask(ctx)
		if err != nil {
			return lifecycle.Candidate{}, err
		}
		login := credential.Login{Username: c.Username, Token: token}
		return lifecycle.Candidate{Login: login, Kind: credential.Classify(c.Registry, login), Where: "the browser form"}, nil
	}
	follow = func(e lifecycle.Event) {
		if page != nil {
			page.Line("ok", string(e.Step), e.Text)
		}
	}
	end = func(err error) {
		if page == nil {
			return
		}
		remove()
		if err != nil {
			page.Line("bad", "Not stored", credential.Quote(err.Error()))
		}
		_ = page.Close() // it is over in any case
	}
	return find, follow, end
}

// input is what standard input has; a stream of another program's is left alone.
func (a *app) input() present.Waiting {
	if f, ok := a.in.(*os.File); ok {
		return present.InputOf(f)
	}
	return present.InputOpen
}

// unread refuses to look elsewhere for a token where one may have been piped in.
func (a *app) unread(c credential.Credential, f storeFlags) error {
	if f.from != "" || f.stdin || f.mint || a.input() != present.InputWaits {
		return nil
	}
	return &credential.Fault{
		Reason: credential.SourceUnclear, Registry: c.Registry, Account: c.Username,
		What: "something is on standard input, and nothing says that it is the token", Why: "purser reads it with --token-stdin only",
	}
}

// somebody fails where a page would wait for nobody.
func (a *app) somebody(w *wire.Wire, c credential.Credential) error {
	if w.Browser() == nil || a.input() != present.InputOver {
		return nil
	}
	return &credential.Fault{
		Reason: credential.NoTerminal, Registry: c.Registry, Account: c.Username,
		What: "there is nobody to ask for a token", Why: "there is no terminal, no browser that could be opened, and nothing on standard input",
	}
}

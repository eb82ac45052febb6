package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"purser/internal/agent"
	"purser/internal/askpage"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/wire"
)

// guidedPrompt shows the steps at the terminal and asks for the token without echo. It
// shows the kind and length of what you paste, and asks again if that cannot be a token.
func (a *app) guidedPrompt(c credential.Credential, allowPassword bool) func(context.Context) (lifecycle.Candidate, error) {
	return func(ctx context.Context) (lifecycle.Candidate, error) {
		var b strings.Builder
		for i, s := range present.Guide(c) {
			fmt.Fprintf(&b, "%d. %s\n", i+1, strings.TrimSpace(s.Text+" "+s.URL))
		}
		whose := ""
		if c.Username != "" {
			whose = " of " + c.Username
		}
		question := "Token" + whose + " for " + string(c.Registry) + " (not shown): "
		check := present.Judge(c, allowPassword)
		for range pasteTries {
			raw, err := a.tty.Pasted(ctx, b.String(), question, func(raw []byte) string { return present.Told(c, raw) })
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
			b.WriteString("that does not work: " + problem + "\n")
		}
		return lifecycle.Candidate{}, &credential.Fault{Reason: credential.BadToken, What: "you gave no token", Why: fmt.Sprintf("%d pastes did not look like one", pasteTries)}
	}
}

// pasteTries is the number of wrong pastes after which purser gives up.
const pasteTries = 5

// byForm asks for the token on a page in the browser, which then shows the progress.
func (a *app) byForm(c credential.Credential, w *wire.Wire, flags storeFlags) (find func(context.Context) (lifecycle.Candidate, error), follow func(lifecycle.Event), end func(error)) {
	var page *askpage.Form
	remove := func() {}
	find = func(ctx context.Context) (lifecycle.Candidate, error) {
		cfg := askpage.Config{
			Credential: string(c.Name), Registry: string(c.Registry), Account: c.Username, Steps: present.Guide(c), Check: present.Judge(c, flags.allowPassword), Random: a.random,
		}
		if !flags.dryRun {
			cfg.Destinations = destinations(w, c)
		}
		f, err := askpage.Open(ctx, cfg)
		if err != nil {
			return lifecycle.Candidate{}, err
		}
		page = f
		ctx, failed, why := agent.Watch(ctx)
		defer failed(nil)
		remove = a.showForm(ctx, w, c, f.Address(), failed)
		token, err := f.Ask(ctx)
		if err != nil {
			return lifecycle.Candidate{}, why(err)
		}
		if a.person != nil {
			remove() // the person has answered
			remove = func() {}
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
		_ = page.Close()
	}
	return find, follow, end
}

// showForm opens the form in the browser, or tells where it is. Call remove at the end.
func (a *app) showForm(ctx context.Context, w *wire.Wire, c credential.Credential, address string, failed func(error)) (remove func()) {
	if a.person != nil {
		return a.person.Open(ctx, agent.Page{Address: address, Wanted: "paste the token for " + string(c.Name)}, failed)
	}
	text := "open this page in your browser and paste the token there: "
	remove, err := w.OpenBrowser(ctx, address, func() {
		_, _ = fmt.Fprintln(a.err, "no browser opened; open the page yourself: "+address)
	})
	if err == nil {
		text = "a page opened in your browser; paste the token there. If it did not, open "
	} else {
		remove = func() {}
	}
	_, _ = fmt.Fprintln(a.err, text+address)
	return remove
}

// input says whether standard input has data.
func (a *app) input() present.Waiting {
	if f, ok := a.in.(*os.File); ok {
		return present.InputOf(f)
	}
	return present.InputOpen
}

// unread fails if somebody may have piped in a token that no flag asks for.
func (a *app) unread(c credential.Credential, f storeFlags) error {
	if f.from != "" || f.stdin || f.mint || a.input() != present.InputWaits {
		return nil
	}
	return &credential.Fault{
		Reason: credential.SourceUnclear, Registry: c.Registry, Account: c.Username,
		What: "standard input has data, and purser does not know whether it is the token", Why: "purser reads it only with --token-stdin",
	}
}

// somebody fails if a page would wait for a person who is not there.
func (a *app) somebody(w *wire.Wire, c credential.Credential) error {
	if w.Browser() == nil || a.input() != present.InputOver {
		return nil
	}
	return &credential.Fault{
		Reason: credential.NoTerminal, Registry: c.Registry, Account: c.Username,
		What: "purser cannot ask for a token", Why: "there is no terminal, no browser to open, and nothing on standard input",
	}
}

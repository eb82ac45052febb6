package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/exposure"
	"purser/internal/present"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
)

// hubFlows sign in to Docker Hub, make, list and revoke tokens, and ask for one in a browser form. Each
// token that Docker Hub makes is a canary at once.
func hubFlows() []flow {
	const bySignal = 128
	answers := func(code string) func(*scene) []exposure.Answer {
		return func(s *scene) []exposure.Answer {
			return []exposure.Answer{
				{After: "Account name", Type: credential.NewSecret("mockserver")}, {After: "Password of mockserver", Type: s.box.Password}, {After: "second factor", Type: credential.NewSecret(code)},
			}
		}
	}
	signIn := typed(answers(sandboxhub.DefaultCode))
	// session is what docker login leaves in its credential store; the search knows it.
	session := func(s *scene) error {
		bearer, err := s.box.Hub.Session("mockserver", time.Hour)
		if err != nil {
			return err
		}
		return dockerSession(s, bearer)
	}
	mint := []string{"store", "dockerhub", "--mint", "--create"}
	found := append([]string{"--output", "json"}, append(mint, "--yes")...)
	hubFault := func(kind string, f sandbox.Fault) func(*scene) error {
		return func(s *scene) error {
			f := f
			f.Struck = s.reach
			s.box.Hub.Fault(kind, f)
			return nil
		}
	}
	hang := hubFault("mint", sandbox.Fault{Hang: true})
	list := []string{"tokens", "list", "--yes"}
	browser := func(s *scene) error {
		s.run.Env = append(s.run.Env, "BROWSER=none")
		return nil
	}
	return []flow{
		{name: "login dockerhub: with a password", args: []string{"login", "dockerhub", "--password"}, set: signIn},
		{name: "login dockerhub: a wrong code", args: []string{"login", "dockerhub", "--password"}, want: present.ExitFailed, set: typed(func(s *scene) []exposure.Answer {
			return append(answers("000000")(s), exposure.Answer{After: "second factor", Type: credential.NewSecret("000001")}, exposure.Answer{After: "second factor", Type: credential.NewSecret("000002")})
		})},
		{name: "login dockerhub: Docker Hub repeats what it got", args: []string{"login", "dockerhub", "--password"}, want: present.ExitUnknown, set: all(typed(func(s *scene) []exposure.Answer {
			return answers("")(s)[:2]
		}), hubFault("exchange", sandbox.Fault{Echo: true}))},
		{name: "mint: signing in", args: mint, set: all(signIn, marked)},
		{name: "mint: with docker's session", args: found, set: all(session, marked)},
		{name: "mint: --debug", args: append([]string{"--debug"}, found...), set: all(session, marked)},
		{name: "mint: a lost answer", args: found, want: present.ExitUnknown, set: all(session, marked, hubFault("mint", sandbox.Fault{After: true}))},
		{name: "mint: Docker Hub repeats what it got", args: found, want: present.ExitUnknown, set: all(session, marked, hubFault("mint", sandbox.Fault{Echo: true}))},
		{name: "mint: an answer that is cut", args: found, want: present.ExitUnknown, set: all(session, marked, hubFault("mint", sandbox.Fault{After: true, Status: http.StatusCreated, Body: `{"token":"dckr_pat_`}))},
		{name: "mint: SIGQUIT", args: found, want: bySignal + 3, set: all(session, marked, hang, signalled(syscall.SIGQUIT))},
		{name: "mint: killed", args: found, want: -9, set: all(session, marked, hang, signalled(syscall.SIGKILL))},
		{name: "tokens create", args: []string{"tokens", "create", "dockerhub", "--yes"}, set: all(stored(secondToken, "dockerhub"), session)},
		{name: "tokens list", args: list, set: session},
		{name: "tokens list: --debug", args: append([]string{"--debug", "--output", "json"}, list...), set: session},
		{name: "tokens list: Docker Hub repeats what it got", args: list, want: present.ExitUnknown, set: all(session, hubFault("tokens", sandbox.Fault{Echo: true}))},
		{name: "tokens revoke: no such token", args: []string{"tokens", "revoke", "00000000", "--yes"}, want: present.ExitFailed, set: session},
		{name: "tokens deactivate: no session", args: []string{"tokens", "deactivate", "00000000", "--yes"}, want: present.ExitFailed},
		{name: "tokens activate: no session", args: []string{"tokens", "activate", "00000000", "--yes"}, want: present.ExitFailed},
		{name: "tokens", args: []string{"tokens"}},
		{name: "form: nobody gives one", args: []string{"store", "dockerhub", "--create", "--from", "form", "--timeout", "1s"}, want: present.ExitUnknown, set: browser},
		{name: "form: a person gives it", args: []string{"store", "dockerhub", "--create", "--from", "form"}, set: formGiven(pushToken)},
		{name: "form: one that may not push", args: []string{"store", "dockerhub", "--create", "--from", "form"}, want: present.ExitBad, set: formGiven(func(b *sandbox.Sandbox) credential.Secret { return b.ReadOnlyToken })},
		{name: "mcp", args: []string{"mcp"}},
		{name: "mcp: a person agrees on the page", args: []string{"mcp"}, set: all(session, agentStores("yes", `"identical":true`))},
		{name: "mcp: a person refuses on the page", args: []string{"mcp"}, set: all(session, agentStores("no", `"declined"`))},
		{name: "mcp: --debug, a person agrees on the page", args: []string{"--debug", "mcp"}, set: all(session, agentStores("yes", `"identical":true`))},
		{name: "rotate: a first token", args: []string{"rotate", "dockerhub", "--yes"}, want: present.ExitMissing, set: session},
		{name: "rotate: another token", args: []string{"rotate", "dockerhub", "--force", "--yes"}, set: all(stored(pushToken, "dockerhub"), session)},
		{name: "rotate: --debug, a lost answer", args: []string{"--debug", "rotate", "dockerhub", "--force", "--yes"}, want: present.ExitUnknown, set: all(stored(pushToken, "dockerhub"), session, hubFault("mint", sandbox.Fault{After: true}))},
		{name: "rotate: killed", args: []string{"rotate", "dockerhub", "--force", "--yes"}, want: -9, set: all(stored(pushToken, "dockerhub"), session, hang, signalled(syscall.SIGKILL))},
		{name: "rollback: nothing to go back to", args: []string{"rollback", "dockerhub", "--yes"}, want: present.ExitBad, set: all(stored(pushToken, "dockerhub"), session)},
		{name: "respond: a leak", args: []string{"respond", "dockerhub", "--yes"}, set: all(stored(pushToken, "dockerhub"), session)},
		{name: "respond: waits for bearer tokens", args: []string{"--debug", "respond", "dockerhub", "--yes", "--wait", "--wait-limit", "1s"}, set: all(stored(pushToken, "dockerhub"), session)},
		{name: "respond: --debug, a lost answer", args: []string{"--debug", "respond", "dockerhub", "--yes"}, want: present.ExitUnknown, set: all(stored(pushToken, "dockerhub"), session, hubFault("mint", sandbox.Fault{After: true}))},
		{name: "respond: killed", args: []string{"respond", "dockerhub", "--yes"}, want: -9, set: all(stored(pushToken, "dockerhub"), session, hang, signalled(syscall.SIGKILL))},
		{name: "respond: no session", args: []string{"respond", "dockerhub", "--yes", "--output", "json", "--from", "stdin"}, want: present.ExitFailed, set: stored(pushToken, "dockerhub")},
		{name: "rotate: with a receipt", args: []string{"rotate", "dockerhub", "--force", "--yes"}, set: all(stored(pushToken, "dockerhub"), session, recorded)},
		{name: "respond: with a signed record", args: []string{"respond", "dockerhub", "--yes"}, set: all(stored(pushToken, "dockerhub"), session, recorded)},
		{name: "receipt", args: []string{"receipt"}},
		{name: "receipt verify: none", args: []string{"receipt", "verify", "purser.yaml", "--kms-key", "alias/receipts"}, want: present.ExitFailed},
		{name: "revoke: not purser's", args: []string{"revoke", "dockerhub", "--yes"}, want: present.ExitFailed, set: all(stored(pushToken, "dockerhub"), session)},
	}
}

// recorded makes each change leave a receipt signed in KMS.
func recorded(s *scene) error {
	return s.file(config.FileName, "receipts: {key: alias/receipts, file: receipts.jsonl, event-bus: default}\n"+configuration, false)
}

// dockerSession puts a browser sign-in's session into docker's credential store.
func dockerSession(s *scene, bearer credential.Secret) error {
	answer := `{"ServerURL":"https://index.docker.io/v1/access-token","Username":"mockserver","Secret":"` + bearer.Reveal() + `"}`
	script := "#!/bin/sh\nread -r url\nif [ \"$url\" = https://index.docker.io/v1/access-token ]; then cat " + filepath.Join(s.run.Dir, "answer") +
		"; else echo 'credentials not found in native keychain'; exit 1; fi\n"
	return errors.Join(s.file(".docker/config.json", `{"credsStore":"fake"}`, false), s.file("answer", answer, false), s.file("docker-credential-fake", script, true))
}

// formGiven enters a token in the form, as a person would.
func formGiven(token func(*sandbox.Sandbox) credential.Secret) func(*scene) error {
	return pageAnswered(func(s *scene) url.Values { return url.Values{"token": {token(s.box).Reveal()}} })
}

// agentStores has an agent's client ask for a token made by Docker Hub, and a person answer on the page.
// The client leaves when the result contains until.
func agentStores(answer, until string) func(*scene) error {
	return all(pageAnswered(func(*scene) url.Values { return url.Values{"answer": {answer}} }), func(s *scene) error {
		s.run.Until = until
		s.run.Input = credential.NewSecret(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"search","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"_meta":{"progressToken":1},"name":"store","arguments":{"name":"dockerhub","from":"mint","create":true}}}
`)
		return nil
	})
}

// pageAnswered has a person answer a page: the browser that is opened leaves the file
// that leads there, and the answer is sent from outside of what is watched.
func pageAnswered(answer func(*scene) url.Values) func(*scene) error {
	return func(s *scene) error {
		at := filepath.Join(s.run.Dir, "address")
		go func() {
			ctx, stop := context.WithTimeout(context.Background(), personPatience)
			defer stop()
			_, address, _ := strings.Cut(appears(ctx, at), "url=")
			address, _, _ = strings.Cut(address, `"`)
			given := answer(s)
			_, own, _ := strings.Cut(exchanged(ctx, http.MethodGet, address, ""), `name="once" value="`)
			own, _, _ = strings.Cut(own, `"`)
			given.Set("once", own)
			exchanged(ctx, http.MethodPost, address, given.Encode())
		}()
		return s.file("xdg-open", "#!/bin/sh\nsed -n p \"$1\" >"+at+".part && mv "+at+".part "+at+"\n", true)
	}
}

// exchanged sends a request, a form where there is a body, and reads the answer.
func exchanged(ctx context.Context, method, address, body string) string {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return ""
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}

// personPatience is for how long the browser is waited for.
const personPatience = 30 * time.Second

// appears waits for a file and reads it.
func appears(ctx context.Context, path string) string {
	const look = 10 * time.Millisecond
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if raw, err := os.ReadFile(path); err == nil { //nolint:gosec // in the flow's own folder
			return string(raw)
		}
		select {
		case <-ctx.Done():
			return ""
		case <-ticker.C:
		}
	}
}

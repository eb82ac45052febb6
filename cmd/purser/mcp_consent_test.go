package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/internal/credential"
	"purser/internal/present"
)

// signedIn puts a session at Docker Hub and a token into docker's credential store, as a
// browser login does.
func (s *agentSession) signedIn() {
	s.Helper()
	bearer, err := s.box.Hub.Session("mockserver", time.Hour)
	if err != nil {
		s.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.dir, ".docker"), 0o700); err != nil {
		s.Fatal(err)
	}
	writeFile(s.T, filepath.Join(s.dir, ".docker", "config.json"), `{"credsStore":"fake"}`)
	script := `#!/bin/sh
read -r url
case "$url" in
*/access-token) secret='` + bearer.Reveal() + `';;
*) secret='` + s.box.PushToken.Reveal() + `';;
esac
printf '{"ServerURL":"%s","Username":"mockserver","Secret":"%s"}' "$url" "$secret"
`
	if err := os.WriteFile(filepath.Join(s.dir, "docker-credential-fake"), []byte(script), 0o700); err != nil {
		s.Fatal(err)
	}
	s.Setenv("PATH", s.dir+":"+os.Getenv("PATH"))
	s.leaks()
}

// leaks adds a credential, leaked, whose token respond can stop.
func (s *agentSession) leaks() {
	s.Helper()
	const name = "mockserver-build/leaked"
	value := credential.NewSecret(`{"username":"mockserver","token":"` + s.box.SecondPushToken.Reveal() + `"}`)
	if err := errors.Join(s.box.SecretsManager.AddEmpty(name, "eu-west-2", "", "docker.io leaked"), s.box.SecretsManager.AddValue(name, "eu-west-2", credential.VersionID(newToken()), value)); err != nil {
		s.Fatal(err)
	}
	writeFile(s.T, filepath.Join(s.dir, "purser.yaml"), agentConfig+"  leaked: {registry: docker.io, username: mockserver, repositories: [mockserver/mockserver], store: {secret: "+name+"}}\n")
}

// consentCalls are calls that use what the person has, with the facts that the person must
// see before.
var consentCalls = map[string]consentCall{
	"a token that Docker Hub makes": {"store", map[string]any{"name": "dockerhub", "from": "mint", "create": true},
		[]string{"registry: docker.io", "account: mockserver", "stored in: mockserver-build/dockerhub in eu-west-2", "session of mockserver", "make and revoke tokens for dockerhub?"}},
	"the token that docker has": {"store", map[string]any{"name": "dockerhub", "from": "docker", "create": true},
		[]string{"registry: docker.io", "account: mockserver", "stored in: mockserver-build/dockerhub in eu-west-2", "personal access token of mockserver", "store it for dockerhub?"}},
	"the list of tokens": {"tokens_list", nil,
		[]string{"registry: docker.io", "session of mockserver", "list the account's tokens?"}},
}

// destroyingCalls are calls that end a token or replace the current one.
var destroyingCalls = map[string]consentCall{
	"renewing":       {"rotate", map[string]any{"names": []string{"dockerhub"}, "force": true}, []string{"registry: docker.io", "Renew dockerhub?"}},
	"going back":     {"rollback", map[string]any{"name": "dockerhub"}, []string{"account: mockserver", "docker has a session"}},
	"a leak":         {"respond", map[string]any{"name": "leaked"}, []string{"Switch off the token of leaked now?"}},
	"ending a token": {"revoke", map[string]any{"name": "dockerhub"}, []string{"End the AWSCURRENT token of dockerhub?"}},
}

type consentCall struct {
	tool      string
	arguments map[string]any
	facts     []string
}

// unused fails if a call used what the person has.
func (s *agentSession) unused(tokens int) {
	s.Helper()
	if n := len(s.box.Accounts.Tokens("mockserver")); n != tokens {
		s.Errorf("the account has %d tokens, and had %d", n, tokens)
	}
	r, _ := s.call(s.Context(), "status", nil)
	for r.Waiting != nil {
		r, _ = s.call(s.Context(), "wait", map[string]any{"id": r.Waiting.ID})
	}
	if r.code() != present.ExitMissing {
		s.Errorf("something was stored: %+v", r)
	}
}

// TestAnAgentCannotAgreeForThePerson: no tool has an argument for it, and purser uses
// nothing if it cannot ask.
func TestAnAgentCannotAgreeForThePerson(t *testing.T) {
	s := newAgentSession(t)
	s.signedIn()
	before := len(s.box.Accounts.Tokens("mockserver"))
	tools, err := s.session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools.Tools {
		raw, _ := json.Marshal(tool.InputSchema)
		for _, word := range []string{"agreed", "consent", "confirm", `"yes"`} {
			if strings.Contains(string(raw), word) {
				t.Errorf("%s takes %s: %s", tool.Name, word, raw)
			}
		}
	}
	calls := maps.Clone(consentCalls)
	maps.Copy(calls, destroyingCalls)
	for name, c := range calls {
		r, failed := s.call(t.Context(), c.tool, c.arguments)
		if !failed || r.reason() != credential.ConsentNeeded {
			t.Fatalf("%s: %+v", name, r.Error)
		}
		if next := r.Error.Next[0]; !strings.HasPrefix(next, "ask a person to type this at a terminal: purser "+strings.ReplaceAll(c.tool, "_", " ")) {
			t.Errorf("%s: the next step is %s", name, next)
		}
		for _, argument := range []string{"agreed", "yes", "consent"} {
			with := map[string]any{argument: true}
			for k, v := range c.arguments {
				with[k] = v
			}
			if r, failed := s.call(t.Context(), c.tool, with); !failed || r.Store != nil || r.Tokens != nil {
				t.Errorf("%s, with %s: %+v", name, argument, r)
			}
		}
		for _, flag := range []string{"--yes", "-y"} {
			if r, failed := s.call(t.Context(), "store", map[string]any{"name": flag, "from": "mint"}); !failed || r.Error.Reason != string(credential.Usage) {
				t.Errorf("%s for a name: %+v", flag, r.Error)
			}
		}
	}
	s.unused(before)
}

// TestThePersonDecidesInTheClient asks in the dialog of clients of both protocol versions:
// by a request of the server, and by a repeated call.
func TestThePersonDecidesInTheClient(t *testing.T) {
	yes := map[string]any{"agree": true}
	answers := map[string]struct {
		res  mcp.ElicitResult
		good bool
	}{
		"yes":                      {mcp.ElicitResult{Action: "accept", Content: yes}, true},
		"no":                       {mcp.ElicitResult{Action: "decline"}, false},
		"the dialog is closed":     {mcp.ElicitResult{Action: "cancel"}, false},
		"a client that just nods":  {mcp.ElicitResult{Action: "accept"}, false},
		"the box is empty":         {mcp.ElicitResult{Action: "accept", Content: map[string]any{"agree": false}}, false},
		"a yes that was withdrawn": {mcp.ElicitResult{Action: "decline", Content: yes}, false},
	}
	for _, protocol := range []string{"2025-06-18", "2025-11-25", "2026-07-28"} {
		for answer, a := range answers {
			t.Run(protocol+", "+answer, func(t *testing.T) {
				var asked []string
				s := startAgentSession(t, agentClient{protocol: protocol, dialog: func(p *mcp.ElicitParams) *mcp.ElicitResult {
					asked = append(asked, p.Message)
					res := a.res
					return &res
				}})
				s.signedIn()
				before := len(s.box.Accounts.Tokens("mockserver"))
				c := consentCalls["a token that Docker Hub makes"]
				r, failed := s.call(t.Context(), c.tool, c.arguments)
				if len(asked) != 1 {
					t.Fatalf("asked %d times: %q", len(asked), asked)
				}
				for _, fact := range c.facts {
					if !strings.Contains(asked[0], fact) {
						t.Errorf("the question does not say %q: %s", fact, asked[0])
					}
				}
				if a.good {
					if failed || r.Store == nil || len(r.Store.Places) != 1 || !r.Store.Places[0].Identical {
						t.Errorf("after a yes: %+v %+v", r.Error, r.Store)
					}
					return
				}
				if !failed || r.Error == nil || r.Error.Reason != string(credential.Declined) {
					t.Errorf("after %s: %+v", answer, r.Error)
				}
				s.unused(before)
			})
		}
	}
}

// TestThePersonDecidesOnThePage if the client has no dialog. The agent never gets the
// address.
func TestThePersonDecidesOnThePage(t *testing.T) {
	for name, c := range consentCalls {
		for _, decision := range []string{"yes", "no"} {
			t.Run(name+", "+decision, func(t *testing.T) {
				s := startAgentSession(t, agentClient{browser: true})
				s.signedIn()
				before := len(s.box.Accounts.Tokens("mockserver"))
				page := filepath.Join(t.TempDir(), "page.html")
				t.Setenv("DECISION", decision)
				t.Setenv("FORM_ASKED", page)
				r, failed := s.call(t.Context(), c.tool, c.arguments)
				raw, err := os.ReadFile(page)
				if err != nil {
					t.Fatal(err)
				}
				for _, fact := range c.facts {
					if !strings.Contains(strings.ReplaceAll(string(raw), "&#39;", "'"), fact) {
						t.Errorf("the page does not say %q: %s", fact, raw)
					}
				}
				if formAddress.MatchString(s.said.String()) {
					t.Error("the agent was told the page's address")
				}
				if left, _ := filepath.Glob(filepath.Join(s.dir, "purser-page-*")); len(left) > 0 {
					t.Errorf("left behind: %s", left)
				}
				if decision == "yes" {
					if failed {
						t.Errorf("after a yes: %+v", r.Error)
					}
					return
				}
				if !failed || r.Error == nil || r.Error.Reason != string(credential.Declined) {
					t.Errorf("after a no: %+v", r.Error)
				}
				s.unused(before)
			})
		}
	}
}

func TestABrowserThatDoesNotOpenEndsTheQuestion(t *testing.T) {
	s := startAgentSession(t, agentClient{browser: true})
	s.signedIn()
	if err := os.WriteFile(filepath.Join(s.dir, "xdg-open"), []byte("#!/bin/sh\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	r, failed := s.call(ctx, "tokens_list", nil)
	if !failed || r.Error == nil || r.Error.Reason != string(credential.ConsentNeeded) {
		t.Errorf("%+v", r.Error)
	}
}

// TestEveryDecisionOfACallIsAsked drives a tool that asks twice: a yes counts for one
// question alone, in both ways to ask.
func TestEveryDecisionOfACallIsAsked(t *testing.T) {
	for _, protocol := range []string{"2025-11-25", "2026-07-28"} {
		for no, want := range map[int]credential.Reason{0: "", 1: credential.Declined, 2: credential.Declined} {
			var asked []string
			s := startAgentSession(t, agentClient{protocol: protocol, modes: canOpen, dialog: func(p *mcp.ElicitParams) *mcp.ElicitResult {
				asked = append(asked, p.Message)
				go answerPage(p.URL, url.Values{"answer": {map[bool]string{true: "no", false: "yes"}[len(asked) == no]}})
				return &mcp.ElicitResult{Action: "accept"}
			}})
			s.signedIn()
			before := s.box.Accounts.Tokens("mockserver")
			r, failed := s.call(t.Context(), "revoke", map[string]any{"name": "dockerhub", "id": before[0].ID})
			after := len(s.box.Accounts.Tokens("mockserver"))
			switch {
			case want == "" && (failed || len(asked) != 2 || asked[0] == asked[1] || after != len(before)-1):
				t.Errorf("%s: %+v, %d tokens, asked %q", protocol, r.Error, after, asked)
			case want != "" && (!failed || r.reason() != want || len(asked) != no || after != len(before)):
				t.Errorf("%s, no to question %d: %+v, %d tokens, asked %q", protocol, no, r.Error, after, asked)
			}
		}
	}
}

// TestNoErrorOffersTheFlagThatAnswersForYou: an agent with a shell reads errors too.
func TestNoErrorOffersTheFlagThatAnswersForYou(t *testing.T) {
	for _, reason := range present.Reasons() {
		text := present.ErrorText(&credential.Fault{Reason: reason, What: "what happened", Credential: "dockerhub", Registry: "docker.io"})
		if strings.Contains(text, "--yes") {
			t.Errorf("%s: %s", reason, text)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/sandbox"
	"purser/internal/wire"
)

// transcript is everything that passes between an agent's client and purser.
type transcript struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.String()
}

// agentSession is a client of the SDK that drives purser, over pipes as over standard
// input and output.
type agentSession struct {
	*testing.T
	box     *sandbox.Sandbox
	dir     string // of purser.yaml, and the home
	said    *transcript
	session *mcp.ClientSession
	lines   chan string // of progress
}

func newAgentSession(t *testing.T) *agentSession {
	t.Helper()
	return startAgentSession(t, agentClient{})
}

// agentClient is what an agent's client can do.
type agentClient struct {
	dialog   func(*mcp.ElicitParams) *mcp.ElicitResult // shows the person what the server asks; nil: it cannot
	protocol string                                    // "": the latest
	browser  bool                                      // the machine has one
	revokes  bool                                      // the server has one more tool, which asks twice
}

func startAgentSession(t *testing.T, c agentClient) *agentSession {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "purser.yaml"), strings.Replace(scriptConfig, "profile: mockserver-build, ", "", 1))
	s := &agentSession{T: t, box: box, dir: dir, said: &transcript{}, lines: make(chan string, 100)}
	fromClient, toServer := io.Pipe()
	fromServer, toClient := io.Pipe()
	a := &app{
		env: config.Environment{Home: dir, Browser: map[bool]string{false: "none"}[c.browser], TempDir: dir}, in: fromClient, out: io.MultiWriter(toClient, s.said), err: io.Discard, now: time.Now, random: rand.Reader,
		transport: box.Transport(), aws: &wire.LocalAWS{Endpoint: box.SecretsManagerURL}, dir: dir, tty: present.Terminal{Path: filepath.Join(dir, "no terminal")},
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		if !c.revokes {
			ended <- run(ctx, []string{"mcp"}, a)
			return
		}
		server := a.mcpServer()
		mcp.AddTool(server, &mcp.Tool{Name: "revoke"}, tool(a, func(in namesInput) []string { return append([]string{"tokens", "revoke", "--"}, in.Names...) }))
		ended <- present.ExitCode(a.serveMCP(ctx, server, &mcp.IOTransport{Reader: fromClient, Writer: present.KeptOpen{Writer: a.out}}))
	}()
	options := &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, n *mcp.ProgressNotificationClientRequest) { s.lines <- n.Params.Message },
	}
	if c.dialog != nil {
		options.ElicitationHandler = func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return c.dialog(req.Params), nil
		}
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, options)
	s.session, err = client.Connect(t.Context(), &mcp.IOTransport{Reader: fromServer, Writer: toServer}, &mcp.ClientSessionOptions{ProtocolVersion: c.protocol})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.session.Close()
		_ = toServer.Close()
		stop()
		if code := <-ended; code != present.ExitOK {
			t.Errorf("purser mcp ended with %d", code)
		}
		for name, secret := range map[string]credential.Secret{"the token": box.PushToken, "the read-only token": box.ReadOnlyToken, "the password": box.Password} {
			if credential.Shows(s.said.String(), secret) {
				t.Errorf("the transcript shows %s", name)
			}
		}
		for _, made := range box.Accounts.Tokens("mockserver") {
			if credential.Shows(s.said.String(), made.Secret) {
				t.Error("the transcript shows a token")
			}
		}
	})
	return s
}

func (s *agentSession) call(ctx context.Context, name string, arguments map[string]any) (toolReport, bool) {
	s.Helper()
	params := &mcp.CallToolParams{Name: name, Arguments: arguments}
	params.SetProgressToken("p")
	res, err := s.session.CallTool(ctx, params)
	if err != nil {
		if ctx.Err() != nil {
			return toolReport{}, true
		}
		s.Fatal(err)
	}
	var r toolReport
	raw, err := json.Marshal(res.StructuredContent)
	if err != nil || json.Unmarshal(raw, &r) != nil {
		s.Fatalf("%v %s", err, raw)
	}
	return r, res.IsError
}

var formAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+/\S+`)

// give is the person, who gives a token on the page when its address is told.
func (s *agentSession) give(token credential.Secret) {
	for line := range s.lines {
		address := formAddress.FindString(line)
		if address == "" {
			continue
		}
		resp, err := http.PostForm(address, url.Values{"token": {token.Reveal()}})
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		return
	}
}

// TestAnAgentDrivesAWholeStore and never sees the token.
func TestAnAgentDrivesAWholeStore(t *testing.T) {
	s := newAgentSession(t)
	tools, err := s.session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range tools.Tools {
		names = append(names, tool.Name)
		raw, _ := json.Marshal(tool.InputSchema)
		if strings.Contains(string(raw), `"token"`) || strings.Contains(string(raw), "password") {
			t.Errorf("%s takes a secret: %s", tool.Name, raw)
		}
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "check doctor status store tokens_list" {
		t.Errorf("tools: %s", got)
	}
	if r, failed := s.call(t.Context(), "check", nil); !failed || r.Exit != present.ExitMissing {
		t.Errorf("check before: %+v", r)
	}
	go s.give(s.box.PushToken)
	r, failed := s.call(t.Context(), "store", map[string]any{"name": "dockerhub", "create": true})
	if failed || r.Store == nil || r.Store.Source != "the browser form" || len(r.Store.Places) != 1 || !r.Store.Places[0].Identical {
		t.Fatalf("store: %+v %+v", r.Error, r.Store)
	}
	if r, failed := s.call(t.Context(), "check", map[string]any{"names": []string{"dockerhub"}}); failed || r.Credentials[0].Verdict != "granted" {
		t.Errorf("check after: %+v", r)
	}
	if r, failed := s.call(t.Context(), "status", nil); failed || len(r.Credentials) != 1 {
		t.Errorf("status: %+v", r)
	}
	if r, _ := s.call(t.Context(), "doctor", nil); len(r.Doctor) == 0 {
		t.Errorf("doctor: %+v", r)
	}
}

func TestWhatAnAgentMayNotDo(t *testing.T) {
	s := newAgentSession(t)
	for name, c := range map[string]struct {
		tool      string
		arguments map[string]any
		reason    credential.Reason
	}{
		"a token for a name":       {"store", map[string]any{"name": s.box.PushToken.Reveal()}, credential.TokenInArguments},
		"a token for a source":     {"store", map[string]any{"name": "dockerhub", "from": s.box.PushToken.Reveal()}, credential.TokenInArguments},
		"a flag for a name":        {"store", map[string]any{"name": "--token-stdin"}, credential.Usage},
		"the terminal":             {"store", map[string]any{"name": "dockerhub", "from": "prompt", "create": true}, credential.NoTerminal},
		"a name that there is not": {"check", map[string]any{"names": []string{"nobody"}}, credential.Usage},
		"tokens without a session": {"tokens_list", nil, credential.SessionNeeded},
	} {
		r, failed := s.call(t.Context(), c.tool, c.arguments)
		if !failed || r.Error == nil || r.Error.Reason != string(c.reason) || r.Exit == present.ExitOK {
			t.Errorf("%s: %+v %+v", name, r, r.Error)
		}
	}
}

// TestAnAgentCancels: the page is gone, and nothing was stored.
func TestAnAgentCancels(t *testing.T) {
	s := newAgentSession(t)
	ctx, stop := context.WithCancel(t.Context())
	address := make(chan string, 1)
	go func() {
		for line := range s.lines {
			if at := formAddress.FindString(line); at != "" {
				address <- at
				stop()
				return
			}
		}
	}()
	s.call(ctx, "store", map[string]any{"name": "dockerhub", "create": true})
	at := <-address
	if r, _ := s.call(t.Context(), "status", nil); r.Exit != present.ExitMissing {
		t.Errorf("status after: %+v", r)
	}
	if resp, err := http.PostForm(at, url.Values{"token": {s.box.PushToken.Reveal()}}); err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusAccepted {
			t.Error("the page still takes a token")
		}
	}
}

// TestTheSkillIsOne checks the form of the skill and that its commands are purser's.
func TestTheSkillIsOne(t *testing.T) {
	raw, err := os.ReadFile("../../skills/registry-credentials/SKILL.md")
	if err != nil {
		t.Fatal(err)
	}
	front := regexp.MustCompile(`(?s)^---\nname: registry-credentials\ndescription: (.+?)\n---\n`).FindStringSubmatch(string(raw))
	if front == nil || len(front[1]) > 1024 {
		t.Fatal("the skill's front matter is not right")
	}
	for _, trigger := range []string{"docker hub token", "rotate", "docker push", "registry"} {
		if !strings.Contains(strings.ToLower(front[1]), trigger) {
			t.Errorf("the description does not say %q", trigger)
		}
	}
	if !strings.Contains(string(raw), "Never ask for, read, type or repeat a token") {
		t.Error("the contract is not there")
	}
}

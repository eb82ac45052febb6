package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
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

	"purser/internal/account"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/doctor"
	"purser/internal/incident"
	"purser/internal/present"
	"purser/internal/sandbox"
	"purser/internal/wire"
)

// transcript is all that passes between an agent's client and purser.
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

// agentSession is a client of the SDK that drives purser over pipes.
type agentSession struct {
	*testing.T
	box     *sandbox.Sandbox
	dir     string // of purser.yaml, and the home
	said    *transcript
	session *mcp.ClientSession
	lines   chan string // of progress, or of the log
	silent  bool        // the client asks for no progress
	over    chan string // the pages that the client may close
}

// toolReport is what tests read of a tool's result.
type toolReport struct {
	Schema      string                   `json:"schema"`
	Exit        *int                     `json:"exit"`
	Error       *present.ErrorJSON       `json:"error"`
	Store       *present.StoreJSON       `json:"store"`
	Credentials []present.CredentialJSON `json:"credentials"`
	Doctor      []doctor.Reported        `json:"doctor"`
	Tokens      []account.Row            `json:"tokens"`
	Rotations   []present.RotationJSON   `json:"rotations"`
	Init        *initJSON                `json:"init"`
	Session     *sessionJSON             `json:"session"`
	Terraform   *terraformJSON           `json:"terraform"`
	Incident    *incident.Record         `json:"incident"`
	Bearers     *present.BearersJSON     `json:"bearers"`
	Exec        []struct {
		Commands []string `json:"commands"`
	} `json:"exec"`
	Waiting *struct {
		ID, For, Address string
		Next             []string
	} `json:"waiting"`
	text string // for clients that show text alone
}

// code is the exit code; -1 of a call that still waits.
func (r toolReport) code() int {
	if r.Exit == nil {
		return -1
	}
	return *r.Exit
}

func (r toolReport) reason() credential.Reason {
	if r.Error == nil {
		return ""
	}
	return credential.Reason(r.Error.Reason)
}

// agentConfig is the purser.yaml of an agent's project.
var agentConfig = strings.Replace(scriptConfig, "profile: mockserver-build, ", "", 1)

func newAgentSession(t *testing.T) *agentSession {
	t.Helper()
	return startAgentSession(t, agentClient{})
}

// agentClient is what an agent's client can do.
type agentClient struct {
	dialog   func(*mcp.ElicitParams) *mcp.ElicitResult // shows the person what the server asks; nil: it cannot
	modes    *mcp.ElicitationCapabilities              // nil: the default
	protocol string                                    // "": the latest
	browser  bool                                      // the machine has one
	silent   bool                                      // it asks for no progress
	logs     bool                                      // it asks for log messages
	patience time.Duration
}

func startAgentSession(t *testing.T, c agentClient) *agentSession {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "purser.yaml"), agentConfig)
	s := &agentSession{T: t, box: box, dir: dir, said: &transcript{}, lines: make(chan string, 100), silent: c.silent, over: make(chan string, 100)}
	fromClient, toServer := io.Pipe()
	fromServer, toClient := io.Pipe()
	a := &app{
		env: config.Environment{Home: dir, Browser: map[bool]string{false: "none"}[c.browser], TempDir: dir}, in: fromClient, out: io.MultiWriter(s.said, toClient), err: io.Discard, now: time.Now, random: rand.Reader,
		transport: box.Transport(), aws: &wire.LocalAWS{Endpoint: box.SecretsManagerURL}, dir: dir, tty: present.Terminal{Path: filepath.Join(dir, "no terminal")}, patience: c.patience,
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"mcp"}, a) }()
	options := &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, n *mcp.ProgressNotificationClientRequest) { s.lines <- n.Params.Message },
		LoggingMessageHandler:       func(_ context.Context, n *mcp.LoggingMessageRequest) { s.lines <- fmt.Sprint(n.Params.Data) }, //nolint:staticcheck // clients still listen so
	}
	options.ElicitationCompleteHandler = func(_ context.Context, n *mcp.ElicitationCompleteNotificationRequest) {
		s.over <- n.Params.ElicitationID
	}
	if c.modes != nil {
		options.Capabilities = &mcp.ClientCapabilities{Elicitation: c.modes}
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
	if c.logs {
		if err := s.session.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "info"}); err != nil { //nolint:staticcheck // clients still ask so
			t.Fatal(err)
		}
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
	if !s.silent {
		params.SetProgressToken("p")
	}
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
	for _, c := range res.Content {
		r.text += c.(*mcp.TextContent).Text
	}
	return r, res.IsError
}

var formAddress = regexp.MustCompile(`http://127\.0\.0\.1:\d+/\S+`)

// give pastes a token on the page when its address arrives.
func (s *agentSession) give(token credential.Secret) {
	for line := range s.lines {
		address := formAddress.FindString(line)
		if address == "" {
			continue
		}
		answerPage(address, url.Values{"token": {token.Reveal()}})
		return
	}
}

// answerPage opens a page, sends its form, and returns the page's answer and the status.
func answerPage(address string, answer url.Values) (page string, status int) {
	resp, err := http.Get(address)
	if err != nil {
		return "", 0
	}
	raw, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	answer.Set("once", string(once.FindSubmatch(raw)[1]))
	if resp, err = http.PostForm(address, answer); err != nil {
		return string(raw), 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return string(raw), resp.StatusCode
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
	if got := strings.Join(names, " "); got != "check doctor exec_advice init login respond revoke rollback rotate scan status store terraform tokens_list wait" {
		t.Errorf("tools: %s", got)
	}
	if r, failed := s.call(t.Context(), "check", nil); !failed || r.code() != present.ExitMissing {
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
		if !failed || r.Error == nil || r.Error.Reason != string(c.reason) || r.code() == present.ExitOK {
			t.Errorf("%s: %+v %+v", name, r, r.Error)
		}
	}
}

// TestAnAgentCancels: the page is gone, and nothing is stored.
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
	if r, _ := s.call(t.Context(), "status", nil); r.code() != present.ExitMissing {
		t.Errorf("status after: %+v", r)
	}
	if _, status := answerPage(at, url.Values{"token": {s.box.PushToken.Reveal()}}); status == http.StatusOK || status == http.StatusAccepted {
		t.Error("the page still takes a token")
	}
}

// TestTheSkillIsValid checks the skill's form, and that its commands are purser's.
func TestTheSkillIsValid(t *testing.T) {
	raw, err := os.ReadFile("../../skills/registry-credentials/SKILL.md")
	if err != nil {
		t.Fatal(err)
	}
	front := regexp.MustCompile(`(?s)^---\nname: registry-credentials\ndescription: (.+?)\n---\n`).FindStringSubmatch(string(raw))
	if front == nil || len(front[1]) > 1024 {
		t.Fatal("the skill's front matter is not right")
	}
	for _, trigger := range []string{"docker hub credentials", "configure docker hub", "docker hub token", "rotate", "leaked", "docker push", "registry"} {
		if !strings.Contains(strings.ToLower(front[1]), trigger) {
			t.Errorf("the description does not say %q", trigger)
		}
	}
	for _, part := range []string{"Never ask for, read, type or repeat a token", "go install ./cmd/purser", "purser respond NAME", "`wait` with `waiting.id`"} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("the skill does not say %q", part)
		}
	}
	tools, err := newAgentSession(t).session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools.Tools {
		if !strings.Contains(string(raw), "`"+tool.Name+"`") {
			t.Errorf("the skill does not say when to call %s", tool.Name)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z]+-[a-z-]+)`").FindAllStringSubmatch(string(raw), -1) {
		if !slices.Contains(present.Reasons(), credential.Reason(m[1])) {
			t.Errorf("%s is no reason", m[1])
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/sandbox"
)

// What agents' clients can show.
var (
	canNothing *mcp.ElicitationCapabilities
	canOpen    = &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}}
	canForm    = &mcp.ElicitationCapabilities{Form: &mcp.FormElicitationCapabilities{}}
	canBoth    = &mcp.ElicitationCapabilities{URL: &mcp.URLElicitationCapabilities{}, Form: &mcp.FormElicitationCapabilities{}}
	canUnnamed = &mcp.ElicitationCapabilities{} // of protocol versions before modes had names
)

// brief is shorter than any person takes, for tests in which nobody answers.
const brief = 20 * time.Millisecond

// callForPerson calls a tool, and waits until a person has to act.
func (s *agentSession) callForPerson(name string, arguments map[string]any) (toolReport, bool) {
	s.Helper()
	r, failed := s.call(s.Context(), name, arguments)
	for r.Waiting != nil && !strings.Contains(r.Waiting.For, "person") {
		r, failed = s.call(s.Context(), "wait", map[string]any{"id": r.Waiting.ID})
	}
	return r, failed
}

// aPerson does what the client shows, and notes how it reached them.
type aPerson struct {
	reached []string
	answer  url.Values // on a page
}

// asked is the person at a client that elicits.
func (p *aPerson) asked(params *mcp.ElicitParams) *mcp.ElicitResult {
	p.reached = append(p.reached, params.Mode)
	if params.Mode == "form" {
		return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"agree": true}}
	}
	go answerPage(params.URL, p.answer)
	return &mcp.ElicitResult{Action: "accept"}
}

// TestEveryClientReachesThePerson tries the three kinds of requests with every kind of
// client: each reaches the person in the first way that the client has.
func TestEveryClientReachesThePerson(t *testing.T) {
	const inResult, inProgress, inBrowser, nowhere = "the result", "progress", "the browser", "nowhere"
	kinds := map[string]struct {
		tool      string
		arguments map[string]any
		answer    func(*agentSession) url.Values
	}{
		"a token":                    {"store", map[string]any{"name": "dockerhub", "create": true}, func(s *agentSession) url.Values { return url.Values{"token": {s.box.PushToken.Reveal()}} }},
		"a yes":                      {"tokens_list", nil, func(*agentSession) url.Values { return url.Values{"answer": {"yes"}} }},
		"a yes to what ends a token": {"rotate", map[string]any{"names": []string{"dockerhub"}}, func(*agentSession) url.Values { return url.Values{"answer": {"yes"}} }},
	}
	for can, modes := range map[string]*mcp.ElicitationCapabilities{"nothing": canNothing, "pages": canOpen, "forms": canForm, "pages and forms": canBoth, "what has no name": canUnnamed} {
		for _, protocol := range []string{"2025-06-18", "2025-11-25", "2026-07-28"} {
			for _, listens := range []string{"", "progress", "logs"} {
				for what, kind := range kinds {
					for _, browser := range []bool{false, true} {
						switch {
						case what == "a token" && browser: // the tests' browser needs a file
							continue
						case protocol == "2026-07-28" && listens == "logs": // that version has no logging/setLevel
							continue
						case browser && protocol != "2025-11-25": // one version is enough for a browser
							continue
						case modes != nil && (listens == "logs" || browser && listens != ""): // elicitation comes first
							continue
						case protocol == "2025-06-18" && modes != nil && modes != canUnnamed: // that version has no modes
							continue
						}
						want := nowhere
						switch {
						case modes != nil && modes.URL != nil:
							want = "url"
						case what == "a token" && listens == "":
							want = inResult
						case what == "a token":
							want = inProgress
						case what == "a yes" && modes != nil:
							want = "form"
						case browser:
							want = inBrowser
						}
						name := fmt.Sprintf("%s, a client that shows %s, protocol %s, listening to %q, browser %v", what, can, protocol, listens, browser)
						t.Run(name, func(t *testing.T) {
							p := &aPerson{}
							c := agentClient{modes: modes, protocol: protocol, browser: browser, silent: listens != "progress", logs: listens == "logs"}
							if modes != nil {
								c.dialog = p.asked
							}
							s := startAgentSession(t, c)
							s.signedIn()
							p.answer = kind.answer(s)
							t.Setenv("DECISION", "yes")
							page := filepath.Join(t.TempDir(), "page.html")
							t.Setenv("FORM_ASKED", page)
							if want == inProgress {
								go s.give(s.box.PushToken)
							}
							r, failed := s.call(t.Context(), kind.tool, kind.arguments)
							switch {
							case r.Waiting == nil:
							case r.Waiting.Address != "":
								p.reached = append(p.reached, inResult)
								go answerPage(r.Waiting.Address, p.answer)
							}
							for r.Waiting != nil {
								r, failed = s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID})
							}
							if _, err := os.Stat(page); err == nil {
								p.reached = append(p.reached, inBrowser)
							}
							got := strings.Join(p.reached, " and ")
							switch want {
							case nowhere:
								if !failed || r.reason() != credential.ConsentNeeded || got != "" {
									t.Errorf("%v, reached by %s", r.Error, got)
								}
							case inProgress:
								if failed || got != "" {
									t.Errorf("%v, reached by %s", r.Error, got)
								}
							default:
								// rotate asks twice.
								if r.reason() == credential.Declined || r.reason() == credential.ConsentNeeded || !strings.HasPrefix(got+" and ", want+" and ") || strings.Contains(got, "form") && want != "form" {
									t.Errorf("%v, reached by %s, want %s", r.Error, got, want)
								}
							}
						})
					}
				}
			}
		}
	}
}

// withoutElicitation drops what only the client sees.
func withoutElicitation(transcript string) string {
	var kept []string
	for line := range strings.Lines(transcript) {
		if !strings.Contains(line, "elicitation/create") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// TestTheAgentNeverLearnsWhereToAgree, however purser asks the person.
func TestTheAgentNeverLearnsWhereToAgree(t *testing.T) {
	for _, protocol := range []string{"2025-11-25", "2026-07-28"} {
		for _, modes := range []*mcp.ElicitationCapabilities{canNothing, canOpen, canBoth} {
			for _, silent := range []bool{false, true} {
				p := &aPerson{answer: url.Values{"answer": {"no"}}}
				c := agentClient{modes: modes, protocol: protocol, browser: true, silent: silent}
				if modes != nil {
					c.dialog = p.asked
				}
				s := startAgentSession(t, c)
				s.signedIn()
				t.Setenv("DECISION", "no")
				r, _ := s.call(t.Context(), "respond", map[string]any{"name": "leaked"})
				for r.Waiting != nil {
					if r.Waiting.Address != "" {
						t.Fatalf("the agent has the address %s", r.Waiting.Address)
					}
					r, _ = s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID})
				}
				if r.reason() != credential.Declined {
					t.Errorf("%s: %+v", protocol, r.Error)
				}
				if told := formAddress.FindString(withoutElicitation(s.said.String())); told != "" {
					t.Errorf("the agent was told %s", told)
				}
			}
		}
	}
}

// TestAClientThatAgreesByItselfAgreesToNothing: to accept means to show the page; the
// answer is on the page.
func TestAClientThatAgreesByItselfAgreesToNothing(t *testing.T) {
	for _, protocol := range []string{"2025-11-25", "2026-07-28"} {
		s := startAgentSession(t, agentClient{protocol: protocol, modes: canBoth, patience: brief, dialog: func(*mcp.ElicitParams) *mcp.ElicitResult {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"agree": true, "answer": "yes"}}
		}})
		s.signedIn()
		before := len(s.box.Accounts.Tokens("mockserver"))
		for _, c := range destroyingCalls {
			r, failed := s.callForPerson(c.tool, c.arguments)
			if failed || r.Waiting == nil {
				t.Fatalf("%s: %+v", c.tool, r.Error)
			}
			if r, _ = s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID}); r.Waiting == nil {
				t.Errorf("%s did not wait for the page: %+v", c.tool, r.Error)
			}
			if r, failed = s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID, "stop": true}); !failed {
				t.Errorf("%s, stopped: %+v", c.tool, r)
			}
		}
		s.unused(before)
	}
}

// TestAnAgentThatKnowsTheAddressCannotPostTheForm blindly, nor guess ids, nor answer for
// its client.
func TestAnAgentThatKnowsTheAddressCannotPostTheForm(t *testing.T) {
	s := startAgentSession(t, agentClient{silent: true, patience: brief})
	r, failed := s.callForPerson("store", map[string]any{"name": "dockerhub", "create": true})
	if failed || r.Waiting == nil || r.Waiting.Address == "" || !strings.Contains(r.text, r.Waiting.Address) {
		t.Fatalf("no address: %+v %+v", r.Error, r.Waiting)
	}
	for _, answer := range []url.Values{
		{"token": {s.box.PushToken.Reveal()}}, {"token": {s.box.PushToken.Reveal()}, "once": {r.Waiting.ID}}, {"token": {s.box.PushToken.Reveal()}, "once": {r.Waiting.Address}},
	} {
		resp, err := http.PostForm(r.Waiting.Address, answer)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("a post without the page: %d", resp.StatusCode)
		}
	}
	for _, id := range []string{"", "1", "x" + r.Waiting.ID[1:], r.Waiting.ID + "x", strings.ToUpper(r.Waiting.ID), s.box.PushToken.Reveal()} {
		if guessed, failed := s.call(t.Context(), "wait", map[string]any{"id": id}); !failed || guessed.reason() != credential.Usage || len(guessed.Error.Next) == 0 {
			t.Errorf("waiting for %q: %+v", id, guessed)
		}
	}
	for _, argument := range []string{"agree", "answer", "yes", "token", "once"} {
		if r, failed := s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID, argument: "yes"}); !failed || r.reason() != credential.Usage {
			t.Errorf("wait takes %s: %+v", argument, r)
		}
	}
	still, failed := s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID})
	if failed || still.Waiting == nil || still.Waiting.Address != r.Waiting.Address {
		t.Fatalf("it no longer waits: %+v", still)
	}
	go answerPage(r.Waiting.Address, url.Values{"token": {s.box.PushToken.Reveal()}})
	for still.Waiting != nil {
		still, failed = s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID})
	}
	if failed || still.Store == nil {
		t.Errorf("the person's token: %+v", still.Error)
	}
	if again, failed := s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID}); !failed || again.reason() != credential.Usage {
		t.Errorf("a result is given once: %+v", again)
	}
}

// TestAnUnaskedAnswerDoesNotCount: with the later protocol, a client brings
// answers with a call, and the state of a call that does not exist.
func TestAnUnaskedAnswerDoesNotCount(t *testing.T) {
	s := startAgentSession(t, agentClient{protocol: "2026-07-28"})
	s.signedIn()
	before := len(s.box.Accounts.Tokens("mockserver"))
	yes := &mcp.ElicitResult{Action: "accept", Content: map[string]any{"agree": true}}
	d := present.Decision{Question: "End the AWSCURRENT token of dockerhub?"}
	for _, state := range []string{"", "guessed", d.Key()} {
		params := &mcp.CallToolParams{Name: "revoke", Arguments: map[string]any{"name": "dockerhub"}, RequestState: state, InputResponses: mcp.InputResponseMap{d.Key(): yes, "": yes}}
		res, err := s.session.CallTool(t.Context(), params)
		if err != nil || !res.IsError {
			t.Errorf("state %q: %v %+v", state, err, res)
		}
	}
	s.unused(before)
}

// TestAPersonWhoRefusesInTheClientStopsTheCall, for both kinds of pages.
func TestAPersonWhoRefusesInTheClientStopsTheCall(t *testing.T) {
	for _, protocol := range []string{"2025-11-25", "2026-07-28"} {
		for _, action := range []string{"decline", "cancel"} {
			s := startAgentSession(t, agentClient{protocol: protocol, modes: canBoth, dialog: func(p *mcp.ElicitParams) *mcp.ElicitResult {
				if p.Mode == "form" {
					t.Errorf("a form for %s", p.Message)
				}
				return &mcp.ElicitResult{Action: action}
			}})
			s.signedIn()
			before := len(s.box.Accounts.Tokens("mockserver"))
			for _, c := range []consentCall{destroyingCalls["a leak"], {tool: "store", arguments: map[string]any{"name": "dockerhub", "create": true}}} {
				if r, failed := s.call(t.Context(), c.tool, c.arguments); !failed || r.reason() != credential.Declined {
					t.Errorf("%s, %s: %+v", c.tool, action, r)
				}
			}
			s.unused(before)
		}
	}
}

// TestAClientThatCannotShowWhatItSaysFallsBack to the address in the result for a token, to
// a terminal for a yes.
func TestAClientThatCannotShowWhatItSaysFallsBack(t *testing.T) {
	s := startAgentSession(t, agentClient{protocol: "2025-11-25", modes: canOpen, silent: true}) // and it has no way to show it
	s.signedIn()
	if r, failed := s.call(t.Context(), "respond", map[string]any{"name": "leaked"}); !failed || r.reason() != credential.ConsentNeeded {
		t.Errorf("a yes: %+v", r)
	}
	r, _ := s.call(t.Context(), "store", map[string]any{"name": "dockerhub", "create": true})
	if r.Waiting == nil || !formAddress.MatchString(r.Waiting.Address) {
		t.Errorf("a token: %+v %+v", r.Waiting, r.Error)
	}
}

// TestACallThatNobodyAnswersIsReturnedBeforeTheClientGivesUp, also to clients that listen.
func TestACallThatNobodyAnswersIsReturnedBeforeTheClientGivesUp(t *testing.T) {
	s := startAgentSession(t, agentClient{patience: brief})
	r, failed := s.callForPerson("store", map[string]any{"name": "dockerhub", "create": true})
	for range 2 {
		if failed || r.Waiting == nil || r.Waiting.Address == "" || len(r.Waiting.Next) != 2 {
			t.Fatalf("%+v", r)
		}
		r, failed = s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID})
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s.call(ctx, "wait", map[string]any{"id": r.Waiting.ID}) // a wait that ends stops nothing
	if r, failed = s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID}); failed {
		t.Errorf("%+v", r.Error)
	}
}

// TestCallsThatNobodyAnswersAreBounded, and end with the client.
func TestCallsThatNobodyAnswersAreBounded(t *testing.T) {
	s := startAgentSession(t, agentClient{silent: true})
	var address string
	for i := range 30 {
		r, failed := s.call(t.Context(), "store", map[string]any{"name": "dockerhub", "create": true})
		if i < 16 && (failed || r.Waiting == nil) || i >= 16 && (!failed || r.reason() != credential.Usage) {
			t.Fatalf("call %d: %+v", i, r)
		}
		if r.Waiting != nil {
			address = r.Waiting.Address
		}
	}
	_ = s.session.Close()
	deadline, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	for {
		resp, err := http.Get(address)
		if err != nil {
			return
		}
		_ = resp.Body.Close()
		if deadline.Err() != nil {
			t.Fatal("the page outlives the client")
		}
	}
}

// TestTheListOfToolsIsSmall: every agent reads it all before it does anything.
func TestTheListOfToolsIsSmall(t *testing.T) {
	const most = 12_000
	s := newAgentSession(t)
	before := len(s.said.String())
	tools, err := s.session.ListTools(t.Context(), nil)
	if err != nil || tools.NextCursor != "" {
		t.Fatal(err, tools.NextCursor)
	}
	if size := len(s.said.String()) - before; size > most {
		t.Errorf("%d bytes, and %d are allowed", size, most)
	} else {
		t.Logf("%d bytes for %d tools", size, len(tools.Tools))
	}
	schemas := map[string]bool{}
	for _, tool := range tools.Tools {
		raw, _ := json.Marshal(tool.OutputSchema)
		schemas[string(raw)] = true
	}
	if len(schemas) != 1 {
		t.Errorf("%d schemas of results", len(schemas))
	}
}

// TestTheOtherToolsAnswer: they draft purser.yaml, print Terraform and give advice for scripts.
func TestTheOtherToolsAnswer(t *testing.T) {
	p := &aPerson{}
	s := startAgentSession(t, agentClient{protocol: "2025-11-25", modes: canForm, dialog: p.asked})
	written := func() string {
		raw, err := os.ReadFile(filepath.Join(s.dir, "purser.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	add := map[string]any{"credential": "release", "registry": "docker.io", "username": "mockserver", "repositories": []string{"mockserver/mockserver"}, "secret": "mockserver-release/dockerhub"}
	r, failed := s.call(t.Context(), "init", add)
	if failed || r.Init == nil || r.Init.Wrote || !strings.Contains(r.Init.Diff, "+  release:") || strings.Contains(written(), "release") || len(p.reached) > 0 {
		t.Errorf("without write: %+v %+v", r.Error, r.Init)
	}
	add["write"] = true
	if r, failed = s.call(t.Context(), "init", add); failed || !r.Init.Wrote || !strings.Contains(written(), "mockserver-release/dockerhub") || len(p.reached) != 1 {
		t.Errorf("with write: %+v %+v, asked %v", r.Error, r.Init, p.reached)
	}
	if r, failed = s.call(t.Context(), "terraform", map[string]any{"names": []string{"release"}, "inline": true}); failed || !strings.Contains(r.Terraform.HCL, "aws_secretsmanager_secret") {
		t.Errorf("terraform: %+v", r)
	}
	if r, failed = s.call(t.Context(), "exec_advice", map[string]any{"names": []string{"release"}}); failed || len(r.Exec) != 1 || r.Exec[0].Commands[0] != "purser exec release -- docker push docker.io/mockserver/mockserver:TAG" {
		t.Errorf("advice: %+v", r)
	}
	if r, failed = s.call(t.Context(), "exec_advice", map[string]any{"names": []string{"nobody"}}); !failed || r.reason() != credential.Usage {
		t.Errorf("advice for none: %+v", r)
	}
	if r, failed = s.call(t.Context(), "login", nil); !failed || r.Error == nil || len(r.Error.Next) == 0 {
		t.Errorf("login without a profile: %+v", r)
	}
}

// TestALeakIsAnsweredThroughAnAgent from the question to the new token.
func TestALeakIsAnsweredThroughAnAgent(t *testing.T) {
	p := &aPerson{answer: url.Values{"answer": {"yes"}}}
	s := startAgentSession(t, agentClient{protocol: "2025-11-25", modes: canOpen, dialog: p.asked})
	s.signedIn()
	if r, failed := s.call(t.Context(), "store", map[string]any{"name": "dockerhub", "from": "mint", "create": true}); failed {
		t.Fatalf("store: %+v", r.Error)
	}
	p.reached = nil
	r, failed := s.call(t.Context(), "respond", map[string]any{"name": "dockerhub"})
	if failed || strings.Join(p.reached, " ") != "url url" {
		t.Errorf("respond: %+v, asked %v", r.Error, p.reached)
	}
	const pages = 3 // with store's
	for range pages {
		<-s.over // the client may close the page
	}
	if r, failed := s.call(t.Context(), "check", nil); failed {
		t.Errorf("check: %+v", r)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "purser-incident-*")); len(left) != 2 {
		t.Errorf("the report: %v", left)
	}
	if r, failed := s.call(t.Context(), "rollback", map[string]any{"name": "dockerhub"}); !failed || len(r.Error.Next) == 0 {
		t.Errorf("back to a token that leaked: %+v", r)
	}
}

var reference = regexp.MustCompile(`purser://[\w./-]+\.md`)

// TestEveryPageOfTheSkillExists: each page is a resource with the file's text.
func TestEveryPageOfTheSkillExists(t *testing.T) {
	s := newAgentSession(t)
	read := func(uri string) string {
		res, err := s.session.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: uri})
		if err != nil || len(res.Contents) != 1 {
			t.Errorf("%s: %v", uri, err)
			return ""
		}
		return res.Contents[0].Text
	}
	listed, err := s.session.ListResources(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	skills := 0
	for _, r := range listed.Resources {
		path, _ := strings.CutPrefix(r.URI, "purser://")
		file, err := os.ReadFile("../../" + path)
		text := read(r.URI)
		if err != nil || text != string(file) || r.Title == "" {
			t.Errorf("%s: %v, %q", r.URI, err, r.Title)
		}
		if !strings.HasPrefix(path, "skills/") {
			continue
		}
		skills++
		references := reference.FindAllString(text, -1)
		if len(references) < 3 {
			t.Errorf("%s refers to %v", r.URI, references)
		}
		for _, uri := range references {
			read(uri)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#][^)]*)\)|(?:^|[^/\w])(docs/[\w-]+\.md)`).FindAllStringSubmatch(text, -1) {
			t.Errorf("%s refers to %s, which is not there when the folder is copied", r.URI, link[0])
		}
	}
	if skills != 1 {
		t.Errorf("%d skills", skills)
	}
	for _, uri := range reference.FindAllString(s.session.InitializeResult().Instructions, -1) {
		read(uri)
	}
}

// TestAPersonSignsInForAnAgent over real standard input and output: the result has the
// address of AWS's page, and the wait ends with the sign-in.
func TestAPersonSignsInForAnAgent(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	dir := t.TempDir()
	vars, err := box.Environment(dir)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "purser.yaml"), scriptConfig)
	writeFile(t, filepath.Join(dir, "aws-config"), `[profile mockserver-build]
sso_session = mockserver-build
sso_account_id = 123456789012
sso_role_name = AdministratorAccess
region = eu-west-2
[sso-session mockserver-build]
sso_start_url = https://mockserver.awsapps.example/start
sso_region = eu-west-2
sso_registration_scopes = sso:account:access
`)
	server := exec.CommandContext(t.Context(), "watched-purser", "mcp")
	server.Dir = dir
	server.Env = append(vars, "HOME="+dir, "PATH="+os.Getenv("PATH"), "WORK="+dir, "BROWSER=none", "AWS_CONFIG_FILE="+filepath.Join(dir, "aws-config"), "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), &mcp.CommandTransport{Command: server}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &agentSession{T: t, box: box, dir: dir, session: session, silent: true}
	r, failed := s.call(t.Context(), "login", nil)
	if failed || r.Waiting == nil || !strings.HasPrefix(r.Waiting.Address, "https://") || !strings.Contains(r.Waiting.For, "sign in to the AWS profile mockserver-build") {
		t.Fatalf("%+v %+v", r.Error, r.Waiting)
	}
	browser := exec.CommandContext(t.Context(), "xdg-open", r.Waiting.Address) // trusts the stand-in's certificates
	browser.Env = server.Env
	if out, err := browser.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if r, failed = s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID}); failed || r.Session == nil || r.Session.Outcome != "signed-in" {
		t.Errorf("%+v %+v", r.Error, r.Session)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

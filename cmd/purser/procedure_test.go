//go:build unix

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
	sandboxhub "purser/internal/sandbox/hub"
)

// turn is a step of the procedure: what changed, and a command that the person types.
type turn struct {
	note    string           // what happened, for the golden
	before  func(*procedure) // makes it happen
	typed   string           // a line for a shell
	answers string           // typed at a terminal; without answers there is none; ⏎ ends a line
	agent   bool             // on a build agent
	code    int
}

// row is a row of the instructions that purser replaces.
type row struct {
	file  string
	title string
	turns []turn
}

// procedure is the world of a first user.
type procedure struct {
	*testing.T
	box  *sandbox.Sandbox
	work string
	env  []string
}

// TestTheProcedure does what a project did by hand, row by row, as somebody new to purser:
// from a machine that is not signed in to a token that build agents use, through everything
// that can go wrong, to its renewal. testdata/procedure has what each row shows.
func TestTheProcedure(t *testing.T) {
	p := newProcedure(t)
	for _, r := range rows() {
		before, shown := t.Failed(), "# "+r.title+"\n"
		for _, turn := range r.turns {
			shown += p.take(turn)
		}
		if t.Failed() && !before {
			t.Fatalf("%s:\n%s", r.file, shown)
		}
		path := filepath.Join("testdata", "procedure", r.file+".golden")
		if *update {
			writeFile(t, path, shown)
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), shown); diff != "" {
			t.Errorf("%s (-want +got); go test ./cmd/purser -run TestTheProcedure -update writes it anew:\n%s", path, diff)
		}
	}
}

func rows() []row {
	return []row{
		{"01-prerequisites", "Prerequisites: a configuration, a sign-in, the secret", []turn{
			{note: "The project has Terraform and an AWS profile. You have just installed purser.", typed: "purser doctor", code: 2},
			{typed: "purser init --from-terraform terraform/buildkite-agents --username mockserver --repository mockserver/mockserver --yes"},
			{typed: "purser doctor", code: 4},
			{typed: "purser login aws --no-browser"},
			{note: "You are signed in. Terraform has not been applied.", typed: "purser doctor", code: 5},
			{note: "terraform apply has created the secret, without a value.", before: (*procedure).applyTerraform, typed: "purser doctor"},
		}},
		{"02-local-login", "Is there a login on this machine that CI could use?", []turn{
			{note: "docker has never signed in.", typed: "purser store dockerhub --from docker", code: 1},
			{note: "Docker Desktop is signed in: it keeps a session.", before: func(p *procedure) { p.dockerHas(p.session(), "") }, typed: "purser store dockerhub --from docker", code: 2},
			{note: "docker login has signed in with a browser.", before: (*procedure).browserLogin, typed: "purser store dockerhub --from docker", answers: "y⏎", code: 2},
			{note: "docker login -u mockserver was given a token that you had made.", before: func(p *procedure) { p.dockerHas(p.box.PushToken.Reveal(), "") }, typed: "purser store dockerhub --from docker --dry-run", answers: "y⏎"},
		}},
		{"03-making-the-token", "Make a token, on Docker's page or by purser", []turn{
			{note: "docker has no login again. At a terminal, purser shows the steps and waits for the token.", before: (*procedure).dockerHasNothing, typed: "purser store dockerhub --dry-run", answers: "{push}⏎"},
			{note: "Or purser makes it, with your sign-in.", typed: "purser store dockerhub --mint --dry-run"},
		}},
		{"04-validating", "Check the token before it is stored", []turn{
			{typed: "purser store dockerhub --token-stdin --dry-run <push.token"},
		}},
		{"05-storing", "Store it where the build agents read it", []turn{
			{typed: "purser store dockerhub --token-stdin --expires 1y <push.token"},
			{note: "A second run finds nothing to do.", typed: "purser store dockerhub --token-stdin <push.token"},
		}},
		{"06-verifying", "Verify what is stored, without looking at it", []turn{
			{typed: "purser check"},
			{typed: "purser status"},
		}},
		{"07-not-signed-in-to-aws", "Trouble: no AWS credentials", []turn{
			{note: "Your session has ended.", before: func(p *procedure) { p.box.IdentityCenter.End(true) }, typed: "purser check", code: 4},
			{typed: "purser login aws --no-browser"},
			{typed: "purser check"},
			{note: "On another machine, AWS's configuration has no such profile.", typed: "AWS_CONFIG_FILE=/dev/null purser check", code: 4},
		}},
		{"08-wrong-region", "Trouble: the secret is not found (ResourceNotFoundException)", []turn{
			{typed: "purser store dockerhub --region us-east-1 --token-stdin <push.token", code: 5},
			{note: "The name is misspelt.", typed: "purser store dockerhub --secret-id mockserver-build/dockerhbu --token-stdin <push.token", code: 5},
		}},
		{"09-access-denied", "Trouble: AWS refuses (AccessDeniedException)", []turn{
			{note: "Your role may not write the secret.", before: deny("PutSecretValue", "AdministratorAccess"), typed: "purser store dockerhub --token-stdin <second.token", code: 4},
			{note: "Your role may not read it.", before: deny("GetSecretValue", "AdministratorAccess"), typed: "purser check", code: 4},
		}},
		{"10-rejected", "Trouble: the registry rejects the token (401)", []turn{
			{note: "This token was revoked.", typed: "purser store dockerhub --token-stdin <revoked.token", code: 3},
			{note: "This one belongs to another account.", typed: "purser store dockerhub --token-stdin <other.token", code: 3},
		}},
		{"11-read-only", "Trouble: the token may only pull", []turn{
			{typed: "purser store dockerhub --token-stdin <readonly.token", code: 3},
		}},
		{"12-session", "Trouble: a session or a password instead of a token", []turn{
			{typed: "purser store dockerhub --token-stdin <session.token", code: 2},
			{typed: "purser store dockerhub --token-stdin <password.token", code: 2},
		}},
		{"13-expired", "Trouble: the stored token has expired", []turn{
			{note: "Its last day has passed. Docker Hub answers as for a revoked one.", before: (*procedure).expire, typed: "purser check", code: 3},
			{note: "You have made a new one.", typed: "purser store dockerhub --token-stdin --expires 1y <second.token"},
			{typed: "purser check"},
		}},
		{"14-rate-limited", "Trouble: the registry limits requests (429)", []turn{
			{before: limit, typed: "purser check", code: 6},
		}},
		{"15-agent-cannot-read", "Trouble: a build agent cannot read the secret", []turn{
			{note: "The agents' role lacks the policy. This is what docker push shows.", agent: true, before: deny("GetSecretValue", "buildkite-agent"), typed: "echo https://index.docker.io/v1/ | docker-credential-purser get", code: 1},
			{note: "And this is what purser shows.", agent: true, before: deny("GetSecretValue", "buildkite-agent"), typed: "purser check", code: 4},
			{note: "The policy, for your Terraform:", typed: "purser terraform dockerhub --inline"},
		}},
		{"16-buildkite", "Use it on Buildkite", []turn{
			{note: "A job's docker asks purser's helper, which reads the token when it is needed.", agent: true, typed: `eval "$(purser job start dockerhub --dir "$PWD/job")" && cat "$DOCKER_CONFIG/config.json" && echo`},
			{agent: true, typed: `purser job end --dir "$PWD/job"`},
			{note: "Or run one command. purser removes the token from its output.", agent: true, typed: "purser exec dockerhub -- sh -c 'echo docker.io | docker-credential-purser get'"},
		}},
		{"17-rotating", "Rotate it, and roll back", []turn{
			{typed: "purser rotate dockerhub"},
			{note: "You want a new one now, and sign in.", typed: "purser rotate dockerhub --force --mint --yes", answers: signsIn},
			{typed: "purser check"},
			{note: "The new one causes trouble elsewhere: go back to the old one.", typed: "purser rollback dockerhub", answers: "y⏎"},
		}},
		{"18-leaked", "The token may have leaked", []turn{
			{note: "In a script, with nobody to ask.", typed: "purser respond dockerhub --yes", code: 1},
			{note: "At a terminal.", typed: "purser respond dockerhub", answers: "y⏎y⏎" + signsIn},
			{typed: "purser check"},
		}},
	}
}

const signsIn = "mockserver⏎{password}⏎{code}⏎"

func newProcedure(t *testing.T) *procedure {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	box.IdentityCenter.Agreed = true
	p := &procedure{T: t, box: box, work: t.TempDir()}
	for _, dir := range []string{"home/.aws", "home/.docker", "bin", "tokens"} {
		if err := os.MkdirAll(filepath.Join(p.work, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(p.work, "project"), os.DirFS("testdata/procedure/project")); err != nil {
		t.Fatal(err)
	}
	vars, err := box.Environment(p.work)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vars {
		if !strings.HasPrefix(v, "AWS_ACCESS_KEY_ID=") && !strings.HasPrefix(v, "AWS_SECRET_ACCESS_KEY=") && !strings.HasPrefix(v, "AWS_CONFIG_FILE=") {
			p.env = append(p.env, v)
		}
	}
	home := filepath.Join(p.work, "home")
	p.env = append(p.env, "HOME="+home, "WORK="+p.work, "TMPDIR="+p.work, "TERM=dumb", "BROWSER=none", "PURSER_TEST_TOKENS="+filepath.Join(p.work, "tokens"),
		"PATH="+filepath.Join(p.work, "bin")+":"+buildHelper(t)+":"+os.Getenv("PATH"))
	p.file("home/.aws/config", awsConfig)
	p.file("bin/purser", "#!/bin/sh\nexec watched-purser \"$@\"\n")
	if err := os.Chmod(filepath.Join(p.work, "bin", "purser"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.dockerHasNothing()
	for name, s := range map[string]string{
		"push": box.PushToken.Reveal(), "second": box.SecondPushToken.Reveal(), "readonly": box.ReadOnlyToken.Reveal(), "revoked": box.RevokedToken.Reveal(),
		"other": box.OtherToken.Reveal(), "password": box.Password.Reveal(), "session": p.session(),
	} {
		p.file("project/"+name+".token", s+"\n")
		p.file("tokens/"+name+".token", s+"\n")
	}
	return p
}

const awsConfig = `[profile mockserver-build]
region = eu-west-2
sso_session = mockserver
sso_account_id = 123456789012
sso_role_name = AdministratorAccess
[sso-session mockserver]
sso_start_url = https://mockserver.awsapps.example/start
sso_region = eu-west-2
`

func (p *procedure) file(name, text string) { writeFile(p, filepath.Join(p.work, name), text) }

func (p *procedure) session() string {
	bearer, err := p.box.Hub.Session("mockserver", time.Hour)
	if err != nil {
		p.Fatal(err)
	}
	return bearer.Reveal()
}

// dockerHas writes what docker keeps for Docker Hub: a secret, and next to it a session.
func (p *procedure) dockerHas(secret, session string) {
	type entry struct {
		Auth string `json:"auth"`
	}
	const hub = "https://index.docker.io/v1/"
	auths := map[string]entry{hub: {base64.StdEncoding.EncodeToString([]byte("mockserver:" + secret))}}
	if session != "" {
		auths[hub+"access-token"] = entry{base64.StdEncoding.EncodeToString([]byte("mockserver:" + session))}
	}
	raw, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		p.Fatal(err)
	}
	p.file("home/.docker/config.json", string(raw))
}

func (p *procedure) dockerHasNothing() { p.file("home/.docker/config.json", "{}") }

// browserLogin is what docker login leaves. TestScripts/docker runs the real docker.
func (p *procedure) browserLogin() {
	token, err := p.box.Accounts.AddToken("mockserver", sandboxhub.Admin)
	if err != nil {
		p.Fatal(err)
	}
	p.file("tokens/docker.token", token.Secret.Reveal())
	p.dockerHas(token.Secret.Reveal(), p.session())
}

func (p *procedure) applyTerraform() {
	if err := p.box.SecretsManager.AddEmpty("mockserver-build/dockerhub", "eu-west-2", "", ""); err != nil {
		p.Fatal(err)
	}
}

// deny makes AWS refuse an operation to a role once, in AWS's own words.
func deny(operation, role string) func(*procedure) {
	return func(p *procedure) {
		p.box.SecretsManager.Fault(operation, sandboxaws.Fault{
			Status: http.StatusBadRequest, Code: "AccessDeniedException",
			Message: "User: arn:aws:sts::123456789012:assumed-role/" + role + "/you is not authorized to perform: secretsmanager:" + operation +
				" on resource: arn:aws:secretsmanager:eu-west-2:123456789012:secret:mockserver-build/dockerhub-AbCdEf because no identity-based policy allows the secretsmanager:" + operation + " action",
		})
	}
}

// expire ends the stored token. Docker Hub answers as for a revoked one.
func (p *procedure) expire() { p.box.Accounts.Revoke(p.box.PushToken) }

func limit(p *procedure) {
	p.box.Hub.Fault("exchange", sandbox.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"900"}}, Body: `{"detail":"Rate limit exceeded","error":false}`})
}

// agentConfig puts the project's purser.yaml where an agent has it: outside the checkout.
func (p *procedure) agentConfig() string {
	raw, err := os.ReadFile(filepath.Join(p.work, "project", "purser.yaml"))
	if err != nil {
		p.Fatal(err)
	}
	p.file("agent.yaml", string(raw))
	return filepath.Join(p.work, "agent.yaml")
}

// take does a turn, and returns what a person would see.
func (p *procedure) take(turn turn) string {
	p.Helper()
	shown := "\n"
	if turn.note != "" {
		shown += turn.note + "\n\n"
	}
	if turn.before != nil {
		turn.before(p)
	}
	cmd := exec.CommandContext(p.Context(), "sh", "-c", turn.typed)
	cmd.Dir, cmd.Env = filepath.Join(p.work, "project"), p.env
	if turn.agent {
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID=AGENT", "AWS_SECRET_ACCESS_KEY=AGENT", "CI=true", "PURSER_CONFIG="+p.agentConfig(), "PURSER_HELPER_CACHE=off")
	}
	asked, err := p.run(cmd, turn.answers)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		p.Error(err)
	}
	shown += "$ " + turn.typed + "\n" + p.plain(asked)
	if code != 0 {
		shown += "(exit code " + strconv.Itoa(code) + ")\n"
	}
	if code != turn.code {
		p.Errorf("%s ended with %d, want %d", turn.typed, code, turn.code)
	}
	if code != 0 && code != 1 && !strings.Contains(shown, "next:") && !turn.agent {
		p.Errorf("%s does not say what to do next", turn.typed)
	}
	return shown
}

// run runs a command, at a terminal if it has answers, and returns all that it showed.
func (p *procedure) run(cmd *exec.Cmd, answers string) (string, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if answers == "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, even if the test has one
		err := cmd.Run()
		return out.String(), err
	}
	cmd.Env = append(cmd.Env, "PURSER_TEST_ASKS=1")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		return "", err
	}
	fill := strings.NewReplacer("{push}", p.box.PushToken.Reveal(), "{password}", p.box.Password.Reveal(), "{code}", sandboxhub.DefaultCode)
	asked := make(chan string)
	go func() { asked <- answer(terminal, strings.SplitAfter(fill.Replace(answers), "⏎")) }()
	err = cmd.Wait()
	said := <-asked
	_ = terminal.Close()
	for _, secret := range []credential.Secret{p.box.Password, p.box.PushToken} {
		if credential.Shows(out.String()+said, secret) {
			p.Errorf("a secret was shown")
		}
	}
	return "(asked at the terminal)\n" + said + "\n" + out.String(), err
}

// asks matches the end of a question.
var (
	asks     = regexp.MustCompile(`(: |\? |\] )(\x1b\[[0-9;?]*[A-Za-z])*$`)
	controls = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)
)

// answer types a line at each question, and returns what the terminal shows at the end.
func answer(terminal io.ReadWriter, lines []string) string {
	var all []byte
	chunk := make([]byte, 4<<10)
	for seen := 0; ; {
		n, err := terminal.Read(chunk)
		all = append(all, chunk[:n]...)
		if len(lines) > 0 && asks.Match(all[seen:]) {
			seen = len(all)
			_, _ = io.WriteString(terminal, strings.ReplaceAll(lines[0], "⏎", "\n"))
			lines = lines[1:]
		}
		if err != nil {
			break // a closed terminal is an error
		}
	}
	var rows strings.Builder
	for line := range strings.Lines(controls.ReplaceAllString(string(all), "")) {
		line = strings.TrimRight(line, "\r\n")
		rows.WriteString("| " + strings.TrimRight(line[strings.LastIndex(line, "\r")+1:], " ") + "\n")
	}
	return rows.String()
}

// plain replaces what differs from run to run.
func (p *procedure) plain(text string) string {
	text = strings.NewReplacer(filepath.Join(p.work, "home"), "~", filepath.Join(p.work, "project"), ".", p.work, "/tmp").Replace(text)
	for _, v := range volatile {
		text = v.form.ReplaceAllString(text, v.with)
	}
	return text
}

var volatile = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`purser-[0-9a-f]{8}-[0-9a-f-]{27}`), "purser-VERSION"},
	{regexp.MustCompile(`purser-[0-9a-f]{8}…`), "purser-VERSION…"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`[0-9a-f]{8}…`), "VERSION…"},
	{regexp.MustCompile(`20[2-9]\d{5}T\d{6}Z`), "TIME"},
	{regexp.MustCompile(`20[2-9]\d-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?`), "DATE"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`(:secret:[\w/-]+-)\w{6}([",])`), "${1}SUFFIX$2"},
	{regexp.MustCompile(`(≥?)\b\d+[sm]( +)`), "${1}0s$2"},
}

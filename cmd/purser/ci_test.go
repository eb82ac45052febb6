package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/goccy/go-yaml"

	"purser/deploy/install"
	"purser/internal/present"
	"purser/internal/realservers"
	"purser/internal/sandbox"
)

// TestTheExamplesForCIPush runs every example of docs/ci.md as the service would, with a
// docker that asks for the login and records its arguments. purser is only in a release that
// the examples install.
func TestTheExamplesForCIPush(t *testing.T) {
	raw, err := os.ReadFile("../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" {
		t.Skip("the release of this test is for Linux")
	}
	bin, programs := ciPrograms(t), map[string][]byte{}
	for _, name := range []string{"purser", "docker-credential-purser"} {
		if programs[name], err = os.ReadFile(filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	home := install.Home(t, []string{"v1.2.3"}, map[string]install.Release{"v1.2.3": install.Pack("v1.2.3", programs)})
	raw = bytes.ReplaceAll(raw, []byte("HOME/releases"), []byte(home+"/releases"))
	found := 0
	for _, section := range strings.Split(string(raw), "\n## ") {
		title, text, _ := strings.Cut(section, "\n")
		installs := ""
		for _, block := range regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(text, -1) {
			if block[1] == "sh" && strings.Contains(block[2], "install.sh") {
				installs = block[2]
				continue
			}
			for _, step := range ciSteps(t, title, block[2]) {
				found++
				step.script = installs + step.script
				t.Run(title, func(t *testing.T) { step.run(t, bin, home) })
			}
		}
	}
	if found != 5 {
		t.Errorf("%d examples were run", found)
	}
}

type ciStep struct {
	script string
	env    map[string]string
}

// ciSteps returns the commands of an example, after those that install purser for it, with the
// variables that it sets. A real agent runs Buildkite's in deploy/buildkite-plugin.
func ciSteps(t *testing.T, service, text string) []ciStep {
	t.Helper()
	var all []ciStep
	switch service {
	case "GitHub Actions":
		var workflow struct {
			Jobs map[string]struct {
				Env   map[string]string
				Steps []struct {
					Run, Uses string
					With      map[string]string
				}
			}
		}
		if err := yaml.Unmarshal([]byte(text), &workflow); err != nil {
			t.Fatal(err)
		}
		for _, job := range workflow.Jobs {
			setUp := ""
			for _, s := range job.Steps {
				if strings.HasPrefix(s.Uses, "OWNER/purser@") {
					setUp = "PURSER_VERSION=" + s.With["version"] + " \"$SETUP\"; PATH=$(cat \"$GITHUB_PATH\"):$PATH\n"
				}
				if s.Run != "" {
					all = append(all, ciStep{setUp + s.Run, job.Env})
				}
			}
		}
	case "GitLab CI":
		var pipeline struct {
			Include []struct{ Inputs map[string]string }
			Publish struct {
				Extends   string
				Variables map[string]string
				Script    []string
			}
		}
		if err := yaml.Unmarshal([]byte(text), &pipeline); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile("../../deploy/gitlab/templates/setup-purser.yml")
		if err != nil {
			t.Fatal(err)
		}
		component, err := install.ParseComponent(file)
		if err != nil {
			t.Fatal(err)
		}
		before, err := component.Script(pipeline.Publish.Extends, pipeline.Include[0].Inputs)
		if err != nil {
			t.Fatal(err)
		}
		// A release puts the address there.
		before = strings.ReplaceAll(before, "'@HOME@", "\"$PURSER_HOME\"'")
		all = append(all, ciStep{before + "\n" + strings.Join(pipeline.Publish.Script, "\n"), pipeline.Publish.Variables})
	case "Jenkins":
		env := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^ +([A-Z_]+) = '([^']*)'$`).FindAllStringSubmatch(text, -1) {
			env[m[1]] = m[2]
		}
		for _, m := range regexp.MustCompile(`(?s)\n +sh '''\n(.*?)'''`).FindAllStringSubmatch(text, -1) {
			all = append(all, ciStep{m[1], env})
		}
	case "A shell":
		all = append(all, ciStep{script: text})
	}
	return all
}

// fakeDocker asks for the login of Docker Hub and says whether it got one.
const fakeDocker = `#!/bin/sh
echo "https://index.docker.io/v1/" | docker-credential-purser get | grep -q '"Secret":"dckr_pat_' && echo "docker $1 with a login"
`

// ciPrograms returns a folder with purser, its helper and fakeDocker.
func ciPrograms(t *testing.T) (bin string) {
	t.Helper()
	bin = buildHelper(t)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	writeFile(t, filepath.Join(bin, "docker"), fakeDocker)
	if err := os.Chmod(filepath.Join(bin, "docker"), 0o755); err != nil {
		t.Fatal(err)
	}
	return bin
}

// run runs a step where docker is there and purser is not.
func (s ciStep) run(t *testing.T, bin, home string) {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	work := t.TempDir()
	vars, err := box.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	temp, err := os.MkdirTemp("", "purser-ci") //nolint:usetesting // outside of the working directory, as on a runner
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) })
	setUp, err := filepath.Abs("../../deploy/install/setup.sh")
	if err != nil {
		t.Fatal(err)
	}
	agent, docker := t.TempDir(), t.TempDir()
	// The machine's cosign would ask Sigstore for its keys.
	for name, program := range map[string]string{"docker": fakeDocker, "cosign": "#!/bin/sh\n"} {
		writeFile(t, filepath.Join(docker, name), program)
		if err := os.Chmod(filepath.Join(docker, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env := append(vars, "PATH="+docker+":"+os.Getenv("PATH"), "HOME="+agent, "TMPDIR="+temp, "CI=true", "PURSER_HELPER_TIMEOUT=30s",
		"SETUP="+setUp, "PURSER_HOME="+home, "GITHUB_PATH="+filepath.Join(agent, "path"), "GITHUB_OUTPUT="+filepath.Join(agent, "output"), "RUNNER_TEMP="+filepath.Join(agent, "temp"),
		"RUNNER_TOOL_CACHE="+filepath.Join(agent, "tools"), "CI_PROJECT_DIR="+filepath.Join(agent, "project"), "WORKSPACE_TMP="+filepath.Join(agent, "workspace@tmp"))
	for name, value := range s.env {
		env = append(env, name+"="+value)
	}
	shell := func(script, input string) string {
		cmd := exec.CommandContext(t.Context(), realservers.Need(t, "bash"), "-euo", "pipefail", "-c", script)
		cmd.Env, cmd.Dir, cmd.Stdin = env, work, strings.NewReader(input)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}
	shell(bin+"/purser store x --registry docker.io --username mockserver --repository mockserver/mockserver --secret-id mockserver-build/dockerhub --region eu-west-2 --create --token-stdin", box.PushToken.Reveal())
	out := shell(s.script, "")
	if strings.Count(out, "with a login") != strings.Count(s.script, "docker buildx")+strings.Count(s.script, "docker push") {
		t.Errorf("%s\n%s", s.script, out)
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestTheSchedulesRenew runs the examples of docs/schedules.md day after day.
func TestTheSchedulesRenew(t *testing.T) {
	raw, err := os.ReadFile("../../docs/schedules.md")
	if err != nil {
		t.Fatal(err)
	}
	bin := ciPrograms(t)
	found := 0
	for _, section := range strings.Split(string(raw), "\n## ") {
		title, text, _ := strings.Cut(section, "\n")
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1) {
			steps := ciSteps(t, title, block[1])
			if title == "Buildkite" {
				var pipeline struct {
					Steps []struct {
						Command string
						Env     map[string]string
					}
				}
				if err := yaml.Unmarshal([]byte(block[1]), &pipeline); err != nil {
					t.Fatal(err)
				}
				for _, s := range pipeline.Steps {
					steps = append(steps, ciStep{s.Command, s.Env})
				}
			}
			for _, step := range steps {
				found++
				t.Run(title, func(t *testing.T) { step.renew(t, bin) })
			}
		}
	}
	if found != 2 {
		t.Errorf("%d examples were run", found)
	}
}

// renew runs a scheduled step: without a token, with nothing due, with Docker Hub down, and
// with an account that needs a person.
func (s ciStep) renew(t *testing.T, bin string) {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	box.Accounts.AddAccount("mockserver", box.Password, false)
	client := sm.New(sm.Options{Region: "eu-west-2", BaseEndpoint: &box.SecretsManagerURL, Credentials: awscredentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", "")})
	management, _ := json.Marshal(map[string]string{"username": "mockserver", "password": box.Password.Reveal()})
	for name, value := range map[string]*string{"mockserver-build/dockerhub": nil, s.env["PURSER_MANAGEMENT_SECRET_ID"]: new(string(management))} {
		if _, err := client.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: &name, SecretString: value, ClientRequestToken: new(strings.Repeat("0", 36))}); err != nil {
			t.Fatal(err)
		}
	}
	vars, err := box.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	writeFile(t, filepath.Join(work, "purser.yaml"), scriptConfig)
	agent := filepath.Join(t.TempDir(), "purser.yaml") // the agent's /etc/purser/purser.yaml
	writeFile(t, agent, scriptConfig)
	env := append(vars, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+t.TempDir(), "CI=true", "PURSER_CONFIG="+agent)
	for name, value := range s.env {
		env = append(env, name+"="+value)
	}
	for _, day := range []struct {
		prepare func()
		code    int
		renewed bool
		tokens  int
	}{
		{func() {}, present.ExitOK, true, 5},
		{func() {}, present.ExitOK, false, 5},
		{func() { box.Hub.Fault("tokens", sandbox.Fault{Status: 503}) }, present.ExitUnknown, false, 5},
		{func() { box.Accounts.AddAccount("mockserver", box.Password, true) }, present.ExitFailed, false, 5},
	} {
		day.prepare()
		cmd := exec.CommandContext(t.Context(), realservers.Need(t, "bash"), "-euo", "pipefail", "-c", s.script)
		cmd.Env, cmd.Dir = env, work
		out, err := cmd.Output()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		var said saidJSON
		if err := json.Unmarshal(out, &said); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if code := cmd.ProcessState.ExitCode(); code != day.code || said.Exit != code || len(said.Rotations) == 0 || said.Rotations[0].Renewed != day.renewed {
			t.Errorf("exit code %d, want %d\n%s", code, day.code, out)
		}
		if n := len(box.Accounts.Tokens("mockserver")); n != day.tokens {
			t.Errorf("%d tokens, want %d", n, day.tokens)
		}
	}
}

// TestTheExamplesForOwnTests runs those of docs/sandbox.md unchanged: in a shell, in
// Python, in Go.
func TestTheExamplesForOwnTests(t *testing.T) {
	raw, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	bin := ciPrograms(t)
	for _, example := range []struct {
		language, file, want string
		needs                []string
		command              []string
	}{
		{"sh", "test.sh", "Login Succeeded", []string{"skopeo", "bash"}, []string{"bash", "-euo", "pipefail", "test.sh"}},
		{"python", "test.py", "made up", []string{"python3"}, []string{"python3", "test.py"}},
		{"go", "push_test.go", "ok", []string{"skopeo"}, []string{"go", "test", "./..."}},
	} {
		t.Run(example.language, func(t *testing.T) {
			blocks := strings.Split(string(raw), "```"+example.language+"\n")
			text, _, found := strings.Cut(blocks[len(blocks)-1], "```")
			if !found {
				t.Fatal("there is no example")
			}
			for _, program := range example.needs {
				realservers.Need(t, program)
			}
			if example.language == "python" && exec.CommandContext(t.Context(), "python3", "-c", "import boto3").Run() != nil {
				t.Skip("boto3 is not on this machine: skipped")
			}
			home := t.TempDir()
			writeFile(t, filepath.Join(home, example.file), text)
			writeFile(t, filepath.Join(home, "go.mod"), "module yours\n\ngo 1.24\n")
			cmd := exec.CommandContext(t.Context(), example.command[0], example.command[1:]...)
			cmd.Dir = home
			temporary := t.TempDir()
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TMPDIR="+temporary, "REGISTRY_AUTH_FILE="+filepath.Join(home, "auth.json"))
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), example.want) {
				t.Errorf("%v\n%s", err, out)
			}
			if left, _ := filepath.Glob(filepath.Join(temporary, "purser-sandbox-*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestTheSandboxMisbehavesOnDemand makes a running sandbox misbehave, and checks purser's exit codes.
func TestTheSandboxMisbehavesOnDemand(t *testing.T) {
	bash, home := realservers.Need(t, "bash"), t.TempDir()
	bin := ciPrograms(t)
	writeFile(t, filepath.Join(home, "faults.json"), `[{"at":"registry:upload","status":500},{"at":"hub:repositories","delay_seconds":0.001}]`)
	writeFile(t, filepath.Join(home, "wrong.json"), `[{"at":"hub:mint"},{"at":"hub:nothing"}]`)
	writeFile(t, filepath.Join(home, "unknown.json"), `[{"where":"hub:mint"}]`)
	const store = "purser store dockerhub --registry docker.io --username mockserver --repository mockserver/mockserver --secret-id faults --create --token-stdin <$PURSER_SANDBOX/push.token"
	var script strings.Builder
	script.WriteString("eval \"$(purser sandbox up 2>said)\"\ntrap 'purser sandbox down' EXIT\n")
	var want []string
	try := func(code int, command string) {
		script.WriteString("code=0; " + command + " >said 2>&1 || code=$?\ngrep -q \"$(cut -c12-30 $PURSER_SANDBOX/push.token)\" said && echo LEAK\necho \"$code " + strings.ReplaceAll(command, store, "store") + "\"\n")
		want = append(want, strconv.Itoa(code)+" "+strings.ReplaceAll(command, store, "store"))
	}
	for _, f := range []struct {
		fault string
		code  int
	}{
		{"hub:exchange", present.ExitUnknown}, {"hub:exchange --status 503", present.ExitUnknown}, {"hub:exchange --retry-after 30s", present.ExitUnknown},
		{"hub:exchange --echo", present.ExitUnknown}, {"hub:exchange --page", present.ExitUnknown}, {"registry:upload --status 403 --times -1", present.ExitBad},
		{"aws:PutSecretValue --code AccessDeniedException", present.ExitAWS}, {"aws:GetCallerIdentity --echo --times 3", present.ExitFailed}, {"--from faults.json", present.ExitUnknown},
		{"hub: --limit 1", present.ExitUnknown}, {"hub:exchange --body {", present.ExitUnknown}, {"aws:GetSecretValue --code AccessDeniedException --message 'Access to KMS is not allowed' --times -1", present.ExitAWS},
		{"aws:GetSecretValue --stale --times 3", present.ExitOK}, {"ghcr.io:upload", present.ExitOK}, {"hub:exchange --delay 1s --times 1", present.ExitOK},
	} {
		try(present.ExitOK, "purser sandbox fault "+f.fault)
		try(f.code, store)
		try(present.ExitOK, "purser sandbox fault --clear")
	}
	try(present.ExitOK, "purser sandbox fault clock --skew -10m")
	try(present.ExitOK, "purser sandbox fault aws: --code ThrottlingException --times 1 --output json")
	try(present.ExitOK, "purser sandbox fault --clear")
	try(present.ExitOK, store)
	for _, bad := range []string{"hub:nothing", "elsewhere", "", "--from wrong.json", "--from unknown.json", "--from none.json", "hub:mint --clear", "ghcr.io:nothing", "registry.example:upload", "hub", "hub:mint --delay soon"} {
		try(present.ExitUsage, "purser sandbox fault "+bad)
	}
	cmd := exec.CommandContext(t.Context(), bash, "-uo", "pipefail", "-c", script.String())
	cmd.Dir, cmd.Env = home, []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "CI=true"}
	out, err := cmd.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != strings.Join(want, "\n") {
		t.Errorf("%v\n%s\nwant:\n%s", err, got, strings.Join(want, "\n"))
	}
}

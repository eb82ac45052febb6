// Package buildkiteplugin tests the Buildkite plugin, which is shell.
package buildkiteplugin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"purser/deploy/install"
	"purser/internal/credential"
	"purser/internal/realservers"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/wire"
)

// plugin holds what Buildkite's linter checks in plugin.yml.
type plugin struct {
	Name, Description, Author string
	Requirements              []string
	Configuration             struct {
		Properties map[string]struct {
			Type        any
			Description string
		}
		AdditionalProperties *bool `yaml:"additionalProperties"`
	}
}

func load(t *testing.T) plugin {
	t.Helper()
	raw, err := os.ReadFile("plugin.yml")
	if err != nil {
		t.Fatal(err)
	}
	var p plugin
	if err := yaml.UnmarshalWithOptions(raw, &p, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestThePluginFollowsBuildkitesConventions checks what Buildkite's own linter checks:
// plugin.yml is complete, and the README describes every option in valid examples that pin
// a version.
func TestThePluginFollowsBuildkitesConventions(t *testing.T) {
	p := load(t)
	if p.Name == "" || p.Description == "" || p.Author == "" || len(p.Requirements) == 0 || p.Configuration.AdditionalProperties == nil || *p.Configuration.AdditionalProperties {
		t.Errorf("plugin.yml is not complete: %+v", p)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yml\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(examples) < 2 {
		t.Fatalf("the README has %d examples", len(examples))
	}
	for _, e := range examples {
		var pipeline struct {
			Steps []struct {
				Command string
				Plugins []map[string]map[string]any
			}
		}
		if err := yaml.UnmarshalWithOptions([]byte(e[1]), &pipeline, yaml.Strict()); err != nil {
			t.Fatalf("%v\n%s", err, e[1])
		}
		for name, options := range pipeline.Steps[0].Plugins[0] {
			if !regexp.MustCompile(`^purser#v\d+\.\d+\.\d+$`).MatchString(name) {
				t.Errorf("the example does not pin a version: %s", name)
			}
			for option := range options {
				if _, ok := p.Configuration.Properties[option]; !ok {
					t.Errorf("the example uses an unknown option: %s", option)
				}
			}
		}
	}
	for option, property := range p.Configuration.Properties {
		if !strings.Contains(string(readme), "### `"+option+"` (optional, ") || property.Description == "" || property.Type == nil {
			t.Errorf("the README does not describe the option %s", option)
		}
	}
	for _, hook := range []string{"environment", "pre-exit"} {
		info, err := os.Stat(filepath.Join("hooks", hook))
		if err != nil || info.Mode().Perm()&0o111 == 0 {
			t.Errorf("the hook %s cannot be run: %v", hook, err)
		}
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", filepath.Join("hooks", hook)).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", hook, out)
		}
	}
}

// job is a build step on its own agent.
type job struct {
	*testing.T
	agent, dir, bin string
	registry        *realservers.Registry
	env             []string
}

// newJob starts a registry with tokens, a Secrets Manager that holds one, and a fake Buildkite
// for the agent.
func newJob(t *testing.T) *job {
	t.Helper()
	j := &job{T: t, agent: realservers.Need(t, "buildkite-agent"), dir: t.TempDir(), registry: realservers.Registry2(t)}
	realservers.Seed(t, j.registry, j.registry.Repository)
	j.bin = filepath.Join(j.dir, "bin")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", j.bin+string(filepath.Separator), "../../cmd/purser", "../../cmd/docker-credential-purser")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The machine's cosign would ask Sigstore for its keys.
	machine := filepath.Join(j.dir, "machine")
	if err := errors.Join(os.Mkdir(machine, 0o700), os.Symlink(j.agent, filepath.Join(machine, "buildkite-agent")), os.WriteFile(filepath.Join(machine, "cosign"), []byte("#!/bin/sh\n"), 0o700)); err != nil {
		t.Fatal(err)
	}
	manager := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{}))
	t.Cleanup(manager.Close)
	w := &wire.Wire{Now: time.Now, AWS: &wire.LocalAWS{Endpoint: manager.URL}}
	s, err := w.Store(t.Context(), credential.Credential{}, credential.Target{Kind: "secret", Name: "mockserver-build/local", Region: "eu-west-2"})
	if err != nil {
		t.Fatal(err)
	}
	id := credential.VersionID("purser-01936f5e-0000-7000-8000-000000000001")
	value := credential.NewSecret(`{"username":"` + j.registry.Push.Name + `","token":"` + j.registry.Push.Password + `"}`)
	if err := errors.Join(s.Create(t.Context()), s.Stage(t.Context(), id, value), s.Promote(t.Context(), id, id)); err != nil {
		t.Fatal(err)
	}
	buildkite := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	t.Cleanup(buildkite.Close)
	j.env = []string{
		"PATH=" + j.bin + ":" + machine + ":" + os.Getenv("PATH"), "HOME=" + j.dir, "BUILDKITE=true", "BUILDKITE_AGENT_ACCESS_TOKEN=rig-dummy",
		"BUILDKITE_AGENT_ENDPOINT=" + buildkite.URL, "BUILDKITE_AGENT_NAME=rig", "BUILDKITE_ORGANIZATION_SLUG=rig", "BUILDKITE_PIPELINE_SLUG=rig",
		"BUILDKITE_PIPELINE_PROVIDER=git", "BUILDKITE_JOB_ID=00000000-0000-4000-8000-000000000001", "BUILDKITE_REPO=file://" + j.dir + "/none",
		"BUILDKITE_BRANCH=main", "BUILDKITE_COMMIT=HEAD", "BUILDKITE_SHELL=/bin/bash -e -c", "BUILDKITE_BUILD_PATH=" + j.dir + "/builds",
		"BUILDKITE_HOOKS_PATH=" + j.dir + "/hooks", "BUILDKITE_PLUGINS_PATH=" + j.dir + "/plugins", "BUILDKITE_SOCKETS_PATH=" + shortFolder(t),
		"BUILDKITE_BIN_PATH=" + machine, "BUILDKITE_PLUGINS_ENABLED=true", "BUILDKITE_LOCAL_HOOKS_ENABLED=true", "BUILDKITE_COMMAND_EVAL=true",
		"BUILDKITE_PLUGINS_ALWAYS_CLONE_FRESH=true", "TMPDIR=" + shortFolder(t), "HOST=" + j.registry.Host,
		"AWS_ENDPOINT_URL=" + manager.URL, "AWS_ACCESS_KEY_ID=SANDBOX", "AWS_SECRET_ACCESS_KEY=SANDBOX", "PURSER_HELPER_TIMEOUT=30s",
	}
	return j
}

// shortFolder returns a folder for sockets, whose paths are limited to about 100 bytes.
func shortFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bk") //nolint:usetesting // t.TempDir's path is too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// publish makes a repository of the plugin for the agent to clone.
func (j *job) publish() string {
	j.Helper()
	repository := filepath.Join(j.dir, "purser-buildkite-plugin")
	script := `set -e; mkdir "$1"; cp -rL plugin.yml hooks README.md install.sh "$1"; cd "$1"; git init -q; git add .
		git -c user.name=test -c user.email=test@example.com -c commit.gpgsign=false commit -qm plugin; git tag v1.0.0`
	if out, err := exec.CommandContext(j.Context(), "sh", "-c", script, "sh", repository).CombinedOutput(); err != nil {
		j.Fatalf("%v\n%s", err, out)
	}
	return "file://" + repository + "#v1.0.0"
}

// run executes command as a step that uses the plugin, and returns the job's log.
func (j *job) run(plugin string, options map[string]any, command string, env ...string) (log string, code int) {
	j.Helper()
	plugins, err := json.Marshal([]map[string]any{{plugin: options}})
	if err != nil {
		j.Fatal(err)
	}
	cmd := exec.CommandContext(j.Context(), j.agent, "bootstrap", "--phases", "plugin,command")
	cmd.Env = append(slices.Clone(j.env), append(env, "BUILDKITE_PLUGINS="+string(plugins), "BUILDKITE_COMMAND="+command)...)
	cmd.Dir = j.dir
	if err := os.MkdirAll(filepath.Join(j.dir, "builds"), 0o700); err != nil {
		j.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		j.Fatal(err)
	}
	if credential.Shows(string(out), credential.NewSecret(j.registry.Push.Password)) {
		j.Errorf("the log shows the token: %s", strings.ReplaceAll(string(out), j.registry.Push.Password, "THE TOKEN"))
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestARealAgentPushesAndShowsNoToken(t *testing.T) {
	crane := realservers.Need(t, "crane")
	j := newJob(t)
	plugin := j.publish()
	options := map[string]any{"secret-id": "mockserver-build/local", "registries": []string{j.registry.Host}, "region": "eu-west-2"}
	push := crane + " push " + realservers.ImageFolder(t) + " $HOST/" + j.registry.Repository + ":job"
	show := `echo $HOST | docker-credential-purser get; echo $HOST | docker-credential-purser get | sed 's/.*"Secret":"\([^"]*\).*/\1/' | tr -d '\n' | base64`
	left := func() string {
		names, _ := filepath.Glob(filepath.Join(envOf(j.env, "TMPDIR"), "*"))
		return strings.Join(names, " ")
	}

	log, code := j.run(plugin, options, push+"; "+show+"; echo the folder is $DOCKER_CONFIG")
	if code != 0 || !strings.Contains(log, "[REDACTED]") || !strings.Contains(log, "/private/docker") {
		t.Fatalf("the job ended with %d\n%s", code, log)
	}
	if rest := left(); rest != "" {
		t.Errorf("left behind: %s", rest)
	}
	if log, code := j.run(plugin, options, "exit 7"); code != 7 || left() != "" {
		t.Errorf("a job that fails ended with %d, left %q\n%s", code, left(), log)
	}
	// Without the redactor the log is clean too, because this job does not print the token.
	options["redact"] = false
	if log, code := j.run(plugin, options, push); code != 0 || strings.Contains(log, "[REDACTED]") {
		t.Errorf("without the redactor: %d\n%s", code, log)
	}
	for name, c := range map[string]struct {
		options map[string]any
		want    string
	}{
		"a missing secret":            {map[string]any{"secret-id": "mockserver-build/none", "region": "eu-west-2"}, "there is no secret mockserver-build/none"},
		"registries without a secret": {map[string]any{"registries": "ghcr.io"}, "registries needs secret-id"},
		"nothing":                     {map[string]any{}, "purser found no trusted configuration"},
		"a registry with a path":      {map[string]any{"secret-id": "mockserver-build/local", "region": "eu-west-2", "registries": "evil.example/x"}, "registry"},
	} {
		log, code := j.run(plugin, c.options, "echo it ran")
		if code == 0 || !strings.Contains(log, c.want) || strings.Contains(log, "it ran\n") {
			t.Errorf("%s: %d\n%s", name, code, log)
		}
	}
}

// TestARealAgentInstallsAReleaseForTheJob: the agent has no purser, and its builds change what
// the plugin keeps in the cache.
func TestARealAgentInstallsAReleaseForTheJob(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the release of this test is for Linux")
	}
	crane := realservers.Need(t, "crane")
	j := newJob(t)
	programs := map[string][]byte{}
	for _, name := range []string{"purser", "docker-credential-purser"} {
		program, err := os.ReadFile(filepath.Join(j.bin, name))
		if err != nil {
			t.Fatal(err)
		}
		programs[name] = program
	}
	tampered, archive := install.Printing("v1.2.0"), install.ArchiveName("v1.1.0")
	tampered[install.ArchiveName("v1.2.0")] = []byte("evil")
	home := install.Home(t, []string{"v1.2.0", "v1.1.0"}, map[string]install.Release{"v1.1.0": install.Pack("v1.1.0", programs), "v1.2.0": tampered})
	cache := filepath.Join(j.dir, ".cache", "purser-releases")
	j.env = append(j.env, "PATH="+strings.TrimPrefix(envOf(j.env, "PATH"), j.bin+":"), "PURSER_HOME="+home)
	plugin := j.publish()
	options := func(version string) map[string]any {
		return map[string]any{"version": version, "secret-id": "mockserver-build/local", "registries": j.registry.Host, "region": "eu-west-2"}
	}
	left := func() string {
		names, _ := filepath.Glob(filepath.Join(envOf(j.env, "TMPDIR"), "*"))
		return strings.Join(names, " ")
	}
	push := crane + " push " + realservers.ImageFolder(t) + " $HOST/" + j.registry.Repository + ":job"

	// The build at the end replaces the archive, and the next job does not take it.
	log, code := j.run(plugin, options("v1.1.0"), push+"; echo evil >"+filepath.Join(cache, archive))
	if code != 0 || left() != "" || !strings.Contains(log, "the signature is valid") {
		t.Fatalf("the job ended with %d, left %q\n%s", code, left(), log)
	}
	if log, code := j.run(plugin, options("1.1.0"), push); code != 0 || left() != "" || !strings.Contains(log, "does not match the release's checksums, so this downloads it again") {
		t.Errorf("after a build that changed the cache: %d, left %q\n%s", code, left(), log)
	}
	if info, err := os.Stat(filepath.Join(cache, archive)); err != nil || info.Size() < 1<<20 {
		t.Errorf("the cache has %v, %v", info, err)
	}
	for name, c := range map[string]struct {
		options map[string]any
		env     []string
		want    string
	}{
		"an unknown version":     {options("v9.9.9"), nil, "release v9.9.9 does not exist; these do: v1.2.0 v1.1.0"},
		"a tampered archive":     {options("v1.2.0"), nil, "does not match the release's checksums, so nothing was installed"},
		"no network":             {options("v1.1.0"), []string{"PURSER_HOME=http://127.0.0.1:1"}, "check the network, and HTTPS_PROXY if you need a proxy"},
		"an option as version":   {options("--to"), nil, "must look like v1.2.3"},
		"a path as version":      {options("../../x"), nil, "must look like v1.2.3"},
		"a command as version":   {options("v1.1.0$(echo it ran)"), nil, "must look like v1.2.3"},
		"a folder and a version": {map[string]any{"version": "v1.1.0", "path": j.bin}, nil, "use version or path, not both"},
		"no purser at all":       {map[string]any{"secret-id": "mockserver-build/local"}, nil, "install it there, name its folder with path, or a release with version"},
	} {
		log, code := j.run(plugin, c.options, "echo it ran", c.env...)
		if code == 0 || !strings.Contains(log, c.want) || strings.Contains(log, "it ran\n") || left() != "" {
			t.Errorf("%s: %d, left %q\n%s", name, code, left(), log)
		}
	}
}

func envOf(env []string, name string) string {
	for _, v := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// TestAnOptionCannotBeAFlagOfPurser: a pipeline chooses among the agent's credentials. It must
// not choose another configuration or turn off the redactor.
func TestAnOptionCannotBeAFlagOfPurser(t *testing.T) {
	hook, err := filepath.Abs("hooks/environment")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options []string
		want    string // the arguments after --dir FOLDER; "" if purser must not run
	}{
		"one":                {[]string{"CREDENTIAL=dockerhub"}, "--|dockerhub|"},
		"two":                {[]string{"CREDENTIAL_0=dockerhub", "CREDENTIAL_1=ghcr", "REDACT=false"}, "--no-redact|--|dockerhub|ghcr|"},
		"none":               {nil, "--|"},
		"a flag":             {[]string{"CREDENTIAL=--no-redact"}, ""},
		"a flag's value":     {[]string{"CREDENTIAL=--config=/checkout/purser.yaml"}, ""},
		"a short flag":       {[]string{"CREDENTIAL=-o"}, ""},
		"a flag in a list":   {[]string{"CREDENTIAL_0=dockerhub", "CREDENTIAL_1=--debug"}, ""},
		"a flag in one text": {[]string{"CREDENTIAL=dockerhub,--debug"}, ""},
	} {
		dir := t.TempDir()
		stub := "#!/bin/sh\nshift 4\nprintf '%s|' \"$@\" >" + filepath.Join(dir, "called") + "\n"
		if err := os.WriteFile(filepath.Join(dir, "purser"), []byte(stub), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "bash", hook)
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "TMPDIR=" + dir}
		for _, o := range c.options {
			cmd.Env = append(cmd.Env, "BUILDKITE_PLUGIN_PURSER_"+o)
		}
		out, err := cmd.CombinedOutput()
		called, _ := os.ReadFile(filepath.Join(dir, "called"))
		if string(called) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: purser was called with %q, want %q; %v: %s", name, called, c.want, err, out)
		}
		if c.want == "" && !strings.Contains(string(out), "credential must not begin with a hyphen") {
			t.Errorf("%s: %s", name, out)
		}
	}
}

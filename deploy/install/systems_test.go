package install

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// ciJob is what a test needs to know of a job that installs purser.
type ciJob struct {
	*testing.T
	agent     string // its folder stays from job to job
	workdir   string
	home      string // of the releases
	version   string
	signature string // PURSER_SIGNATURE
}

// system runs the part of a CI system that installs purser, with the system's variables. It
// returns the log and the folder that later steps have on their PATH.
type system func(j ciJob) (log, folder string, err error)

// systems are all that docs/ci.md and docs/installing.md show. The agent of Buildkite itself
// runs the plugin in deploy/buildkite-plugin.
var systems = map[string]system{
	"GitHub": func(j ciJob) (log, folder string, err error) {
		temp := j.TempDir()
		paths := filepath.Join(temp, "path")
		log, err = j.script([]string{"bash", "--noprofile", "--norc", "-e", "-o", "pipefail"}, `./setup.sh`,
			"PURSER_VERSION="+j.version, "PURSER_HOME="+j.home, "RUNNER_TOOL_CACHE="+filepath.Join(j.agent, "tools"), "RUNNER_TEMP="+temp, "GITHUB_PATH="+paths,
			"GITHUB_OUTPUT="+filepath.Join(temp, "output"), "PURSER_SIGNATURE="+j.signature)
		added, _ := os.ReadFile(paths)
		return log, strings.TrimSpace(string(added)), err
	},
	"GitLab in bash":    gitlab("dash and curl", "bash", "-eo", "pipefail"),
	"GitLab in dash":    gitlab("bash and wget", "dash", "-e"),
	"GitLab in busybox": gitlab("busybox sh, alone", "busybox", "sh", "-e"),
	"Jenkins": func(j ciJob) (log, folder string, err error) {
		script := strings.ReplaceAll(installStep(j.T, "../../docs/ci.md", "Jenkins"), "v1.2.3", j.version)
		folder = filepath.Join(j.agent, "workspace@tmp", "purser")
		log, err = j.script([]string{"dash", "-xe"}, strings.ReplaceAll(script, "HOME/releases", j.home+"/releases"), "WORKSPACE_TMP="+filepath.Dir(folder),
			"PURSER_SIGNATURE="+j.signature)
		return log, folder, err
	},
	"Buildkite": func(j ciJob) (log, folder string, err error) {
		// The release's own purser cannot prepare a job here, so the hook ends after it ran it.
		log, err = j.script([]string{"bash"}, `trap 'echo "the folder is ${PATH%%:*}"' EXIT; . ../buildkite-plugin/hooks/environment`,
			"BUILDKITE_PLUGIN_PURSER_VERSION="+j.version, "PURSER_HOME="+j.home, "PURSER_CACHE="+filepath.Join(j.agent, "cache"),
			"PURSER_SIGNATURE="+j.signature)
		folder = regexp.MustCompile(`(?m)^the folder is (.*)$`).FindStringSubmatch(log)[1]
		return log, folder, err
	},
}

// gitlab runs the component's script in a shell, with the programs of a machine.
func gitlab(machine string, shell ...string) system {
	return func(j ciJob) (log, folder string, err error) {
		file, err := os.ReadFile("../gitlab/templates/setup-purser.yml")
		if err != nil {
			j.Fatal(err)
		}
		component, err := ParseComponent(file)
		if err != nil {
			j.Fatal(err)
		}
		inputs := map[string]string{"version": j.version, "home": j.home}
		if j.signature != "" {
			inputs["signature"] = j.signature
		}
		script, err := component.Script(".setup-purser", inputs)
		if err != nil {
			return "purser: " + err.Error(), "", err
		}
		folder = filepath.Join(j.agent, "project.tmp", "purser")
		// An earlier job left this for the next one.
		if err := os.MkdirAll(folder, 0o700); err != nil {
			j.Fatal(err)
		}
		for _, name := range []string{"curl", "wget", "tar"} {
			write(j.T, filepath.Join(folder, name), "#!/bin/sh\n: >'"+filepath.Join(j.agent, "owned")+"'\n")
		}
		log, err = j.script(shell, script, "CI_PROJECT_DIR="+filepath.Join(j.agent, "project"), "PATH="+on(j.T, machine).bin)
		return log, folder, err
	}
}

// script runs a script as a step of the job.
func (j ciJob) script(shell []string, script string, env ...string) (log string, err error) {
	j.Helper()
	cmd := exec.CommandContext(j.Context(), shell[0], append(slices.Clone(shell[1:]), "-c", script)...)
	cmd.Dir = j.workdir
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + j.agent, "TMPDIR=" + j.TempDir(), "CI=true"}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// installStep returns the lines of an example's script that come before its first use of purser.
func installStep(t *testing.T, page, title string) string {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(raw), "\n## "+title+"\n")
	steps := regexp.MustCompile(`(?s)sh '''\n(.*?)'''`).FindStringSubmatch(section)
	if steps == nil {
		t.Fatalf("%s has no script for %s", page, title)
	}
	before, _, found := strings.Cut(steps[1], "purser exec")
	if !found {
		t.Fatalf("the script for %s does not use purser:\n%s", title, steps[1])
	}
	return before
}

// needSystem skips a test that needs shells that are missing.
func needSystem(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the archives of this test are for Linux")
	}
	for _, program := range []string{"bash", "busybox", "curl", "dash", "wget"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is missing: the CI systems were not tried", program)
		}
	}
}

func TestEveryCISystemInstallsAndRefusesAlike(t *testing.T) {
	needSystem(t)
	tampered, half := Printing("v1.2.0"), Printing("v1.3.0")
	tampered[ArchiveName("v1.2.0")] = page
	delete(half, ArchiveName("v1.3.0"))
	home := Home(t, []string{"v1.3.0", "v1.2.0", "v1.1.0"}, map[string]Release{"v1.1.0": Printing("v1.1.0"), "v1.2.0": tampered, "v1.3.0": half})
	for name, run := range systems {
		for what, c := range map[string]struct {
			job  ciJob
			want string // "" if it installs
		}{
			"a release":            {ciJob{version: "v1.1.0"}, ""},
			"a tampered archive":   {ciJob{version: "v1.2.0"}, `does not match the release's checksums, so nothing was installed`},
			"half a release":       {ciJob{version: "v1.3.0"}, `may still be uploading`},
			"an unknown version":   {ciJob{version: "v9.9.9"}, `release v9\.9\.9 does not exist; these do: v1\.3\.0 v1\.2\.0 v1\.1\.0|cannot download http.*/v9\.9\.9/install\.sh; check the version|(error:|ERROR|HTTP/1.1) 404`},
			"no network":           {ciJob{version: "v1.1.0", home: "http://127.0.0.1:1"}, `check .*the network, and HTTPS_PROXY|Failed to connect`},
			"a required signature": {ciJob{version: "v1.1.0", signature: "required"}, `cannot verify the signature without cosign`},
			"a path as version":    {ciJob{version: "v1.1.0/../../x"}, `must look like v1\.2\.3|must not be|error: 404`},
			"a command as version": {ciJob{version: "v1.1.0';touch owned;'"}, `must look like v1\.2\.3|must not be`},
		} {
			if name == "Jenkins" && what == "a command as version" {
				continue // the version is in the pipeline, beside commands
			}
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				j := c.job
				j.T, j.agent = t, t.TempDir()
				j.workdir = j.agent
				if name == "GitHub" || name == "Buildkite" {
					j.workdir = "." // they bring this repository's files
				}
				if j.home == "" {
					j.home = home
				}
				log, folder, err := run(j)
				program, missing := exec.CommandContext(t.Context(), filepath.Join(folder, "docker-credential-purser")).Output()
				if _, err := os.Stat(filepath.Join(j.agent, "owned")); err == nil {
					t.Errorf("it ran the version, or what an earlier job left:\n%s", log)
				}
				// These systems keep agents, and what an agent downloaded.
				for system, cache := range map[string]string{"GitHub": "tools/purser", "Buildkite": "cache"} {
					if kept := names(filepath.Join(j.agent, cache)); name == system && (len(kept) == 1) != (c.want == "") {
						t.Errorf("the cache has %v", kept)
					}
				}
				if c.want == "" {
					if name != "Buildkite" && err != nil || string(program) != "docker-credential-purser v1.1.0\n" {
						t.Errorf("%v: %q, %v\n%s", err, program, missing, log)
					}
					return
				}
				if err == nil || missing == nil || !regexp.MustCompile(c.want).MatchString(log) {
					t.Errorf("%v: want %s\n%s", err, c.want, log)
				}
			})
		}
	}
}

// The inputs of the component are all used, and its script is what shellcheck would accept.
func TestTheGitLabComponentIsComplete(t *testing.T) {
	file, err := os.ReadFile("../gitlab/templates/setup-purser.yml")
	if err != nil {
		t.Fatal(err)
	}
	component, err := ParseComponent(file)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../gitlab/README.md")
	if err != nil {
		t.Fatal(err)
	}
	used, interpolation := map[string]bool{}, regexp.MustCompile(`\$\[\[ inputs\.([a-z-]+) \]\]`)
	for _, m := range interpolation.FindAllStringSubmatch(component.jobs, -1) {
		used[m[1]] = true
		if _, ok := component.Spec.Inputs[m[1]]; !ok {
			t.Errorf("the component uses an input that it does not declare: %s", m[1])
		}
	}
	if n := strings.Count(component.jobs, "$[["); n != len(interpolation.FindAllString(component.jobs, -1)) {
		t.Errorf("%d interpolations, and not all are inputs", n)
	}
	for name, input := range component.Spec.Inputs {
		// What is put into a script has to be checked.
		if !used[name] || input.Description == "" || input.Regex == "" && len(input.Options) == 0 || !strings.Contains(string(readme), "| `"+name+"` |") {
			t.Errorf("the input %s is unused, unchecked or undescribed", name)
		}
	}
	for name, inputs := range map[string]map[string]string{
		"no version":            {},
		"an unknown input":      {"version": "v1.2.3", "edition": "v1.2.3"},
		"a version of commands": {"version": "v1.2.3'; touch owned; '"},
		"a version of lines":    {"version": "v1.2.3\ntouch owned"},
		"a home of commands":    {"version": "v1.2.3", "home": "https://example.com/$(touch owned)"},
		"another signature":     {"version": "v1.2.3", "signature": "maybe"},
	} {
		if script, err := component.Script(".setup-purser", inputs); err == nil {
			t.Errorf("%s was accepted:\n%s", name, script)
		}
	}
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is missing: the component's script was not checked")
	}
	script, err := component.Script(".setup-purser", map[string]string{"version": "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), shellcheck, "--shell=sh", "-")
	cmd.Stdin = bytes.NewReader([]byte(script))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s", out)
	}
}

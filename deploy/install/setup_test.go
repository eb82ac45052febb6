package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// The test imitates GitHub's runner: its variables, its files, and a tool cache that two jobs
// share.
func TestTheActionPutsPurserOnThePath(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the archives of this test are for Linux")
	}
	tampered := Printing("v1.2.0")
	tampered[ArchiveName("v1.2.0")] = []byte("something else")
	url := Home(t, []string{"v1.2.0", "v1.1.0"}, map[string]Release{"v1.1.0": Printing("v1.1.0"), "v1.2.0": tampered})
	cache := t.TempDir()
	job := func(env ...string) (out, path, output string, err error) {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), "./setup.sh")
		cmd.Env = append([]string{
			"PATH=/usr/bin:/bin", "HOME=" + dir, "TMPDIR=" + dir, "RUNNER_TOOL_CACHE=" + cache, "RUNNER_TEMP=" + dir,
			"GITHUB_PATH=" + filepath.Join(dir, "path"), "GITHUB_OUTPUT=" + filepath.Join(dir, "output"), "PURSER_HOME=" + url,
		}, env...)
		said, err := cmd.CombinedOutput()
		added, _ := os.ReadFile(filepath.Join(dir, "path"))
		set, _ := os.ReadFile(filepath.Join(dir, "output"))
		return string(said), strings.TrimSpace(string(added)), string(set), err
	}

	out, path, output, err := job("PURSER_VERSION=1.1.0")
	if err != nil || filepath.Base(path) != "purser" || output != "version=v1.1.0\npath="+path+"\n" {
		t.Fatalf("%v: path %q, output %q\n%s", err, path, output, out)
	}
	if said, err := exec.CommandContext(t.Context(), filepath.Join(path, "docker-credential-purser")).Output(); err != nil || string(said) != "docker-credential-purser v1.1.0\n" {
		t.Errorf("the helper that is on the PATH says %q, %v", said, err)
	}

	// The next job takes the archive from the cache, and verifies it.
	archive := filepath.Join(cache, "purser", ArchiveName("v1.1.0"))
	if err := os.WriteFile(archive, []byte("evil"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, _, err := job("PURSER_VERSION=v1.1.0"); err != nil || !strings.Contains(out, "so this downloads it again") {
		t.Errorf("a changed cache: %v\n%s", err, out)
	}

	// The fake purser prints only its version, so this checks just the call.
	if out, _, _, err := job("PURSER_VERSION=v1.1.0", "PURSER_INSTALL_HELPER=true", "PURSER_REGISTRIES=docker.io ghcr.io"); err != nil || strings.Count(out, "purser v1.1.0") != 2 {
		t.Errorf("with the helper: %v\n%s", err, out)
	}

	for name, c := range map[string]struct{ env, want string }{
		"an unknown version":        {"PURSER_VERSION=v9.9.9", `release v9\.9\.9 does not exist; these do: v1\.2\.0 v1\.1\.0`},
		"the latest, tampered with": {"PURSER_VERSION=", `does not match the release's checksums, so nothing was installed`},
		"a version that is a path":  {"PURSER_VERSION=../../../x", `version must look like v1\.2\.3`},
		"no network":                {"PURSER_HOME=http://127.0.0.1:1", `check the network`},
	} {
		out, path, output, err := job(c.env)
		if err == nil || path != "" || output != "" || !regexp.MustCompile(`(?m)^::error title=purser::.*`+c.want).MatchString(out) {
			t.Errorf("%s: %v: path %q, output %q\n%s", name, err, path, output, out)
		}
	}
}

func TestEveryInputOfTheActionReachesTheScript(t *testing.T) {
	action, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("setup.sh")
	if err != nil {
		t.Fatal(err)
	}
	installer, err := os.ReadFile("install.sh")
	if err != nil {
		t.Fatal(err)
	}
	variables := regexp.MustCompile(`(?m)^        (PURSER_[A-Z_]+):`).FindAllStringSubmatch(string(action), -1)
	if len(variables) < 5 || !strings.Contains(string(action), "$GITHUB_ACTION_PATH/deploy/install/setup.sh") {
		t.Fatalf("the action gives %v", variables)
	}
	for _, v := range variables {
		if !strings.Contains(string(script)+string(installer), v[1]) {
			t.Errorf("the action sets %s, which nothing reads", v[1])
		}
	}
}

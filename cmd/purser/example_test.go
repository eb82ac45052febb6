package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"purser/internal/realservers"
)

// TestTheExamplesScripts runs a project's pipeline with the real clients in purser sandbox
// shell: in its own network, and with variables alone.
func TestTheExamplesScripts(t *testing.T) {
	bin := examplePrograms(t)
	for name, flags := range map[string]string{"a network of its own": "", "led by variables": " --no-namespace"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runExample(t, bin, "exec purser sandbox shell"+flags+"\n"+exampleSession,
				"ok: Verified", "ok: Verified", "ok: Verified", "Login Succeeded", "Login Succeeded",
				"warning: the overview was not updated: 403 access denied: insufficient scope",
				"Login Succeeded", "Pushed: ghcr.io/mock-server/charts/mockserver:1.2.3", "version: 1.2.3", `"1.2.3"`, `"latest"`, "done")
		})
	}
}

// TestTheTutorial types the commands of docs/tutorial.md.
func TestTheTutorial(t *testing.T) {
	page, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	var typed strings.Builder
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		typed.WriteString(block[1])
	}
	const strict = "set -euo pipefail\n" // for the inner shell too
	session := strings.Replace(typed.String(), "purser sandbox shell\n", "purser sandbox shell\n"+strict, 1)
	runExample(t, examplePrograms(t), "rm purser.yaml\n"+strict+session+"echo the end\n",
		"release-docker.sh:10", "ok: Verified", "ok: Verified", "ok: Verified", "refused with code 3",
		"Login Succeeded", "https://index.docker.io/v1/", "Pushed: ghcr.io/mock-server/charts/mockserver:1.2.3",
		"warning: the overview was not updated: 403 access denied: insufficient scope",
		"registry.invalid", "mockserver/mockserver", "the end")
}

// examplePrograms returns a folder with purser, its helper and the programs that the
// example's scripts start.
func examplePrograms(t *testing.T) (bin string) {
	t.Helper()
	bin = buildHelper(t)
	for _, program := range []string{"aws", "docker", "skopeo", "helm", "jq", "curl"} {
		if err := os.Symlink(realservers.Need(t, program), filepath.Join(bin, program)); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// runExample types a session into a shell in the project's folder, and finds words in its
// output, in order.
func runExample(t *testing.T, bin, session string, inOrder ...string) {
	t.Helper()
	bash, buildx := realservers.Need(t, "bash"), realservers.Need(t, "buildx")
	work := exampleFolder(t, buildx)
	cmd := exec.CommandContext(t.Context(), bash)
	cmd.Dir = work
	cmd.Env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + work, "DOCKER_CONFIG=" + filepath.Join(work, "docker"), "TMPDIR=" + t.TempDir(),
		"SHELL=" + bash, "IMAGE=" + filepath.Join(work, "image"), "CHART=" + filepath.Join(work, "chart"), "HELM_REGISTRY_CONFIG=" + filepath.Join(work, "helm.json"), "REGISTRY_AUTH_FILE=" + filepath.Join(work, "docker", "config.json"),
		"PURSER_HELPER_TIMEOUT=30s",
	}
	cmd.Stdin = strings.NewReader(session)
	out, err := cmd.CombinedOutput()
	said := string(out)
	if strings.Contains(said, "cannot have its own network") {
		t.Log("this system gives a command no network of its own: led by variables")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	at := 0
	for _, want := range inOrder {
		i := strings.Index(said[at:], want)
		if i < 0 {
			t.Fatalf("%q is missing, or comes too early:\n%s", want, said)
		}
		at += i + len(want)
	}
	if strings.Contains(said, "_FAKE") { // follows a token's prefix; the shell shows the made-up password
		t.Errorf("a token was shown:\n%s", said)
	}
}

// TestTheSandboxWorksWithoutANamespace: without namespaces, run says so and uses variables.
func TestTheSandboxWorksWithoutANamespace(t *testing.T) {
	unshare := realservers.Need(t, "unshare")
	if out, err := exec.CommandContext(t.Context(), unshare, "--user", "--map-root-user", "true").CombinedOutput(); err != nil {
		t.Skipf("this system has no user namespaces: skipped: %s", out)
	}
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), unshare, "--user", "--map-root-user", "sh", "-c",
		`echo 0 >/proc/sys/user/max_net_namespaces && exec "$0" sandbox run -- sh -c 'echo "led by $HTTPS_PROXY"'`, filepath.Join(bin, "purser"))
	cmd.Dir, cmd.Env = t.TempDir(), []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	said := string(out)
	if err != nil || !strings.Contains(said, "led by http://127.0.0.1:") ||
		!strings.Contains(said, "The command cannot have its own network (no space left on device), so purser sets environment variables. A program that ignores HTTPS_PROXY reaches the real Docker Hub.") {
		t.Errorf("%v\n%s", err, said)
	}
}

// exampleSession is what you do in the shell: store the tokens, run the pipeline.
const exampleSession = `set -euo pipefail
purser store dockerhub --token-stdin <"$PURSER_SANDBOX/dockerhub.token"
purser store release --token-stdin <"$PURSER_SANDBOX/release.token"
purser store ghcr --token-stdin <"$PURSER_SANDBOX/ghcr.token"
./docker-login.sh
./release-docker.sh 1.2.3
./release-helm.sh 1.2.3
skopeo list-tags docker://docker.io/mockserver/mockserver
echo done
`

// exampleFolder makes the project: its scripts, an image and a chart.
func exampleFolder(t *testing.T, buildx string) string {
	t.Helper()
	work := t.TempDir()
	for _, folder := range []struct{ from, to string }{{"testdata/example", "."}, {realservers.ImageFolder(t), "image"}} {
		if err := os.CopyFS(filepath.Join(work, folder.to), os.DirFS(folder.from)); err != nil {
			t.Fatal(err)
		}
	}
	plugins := filepath.Join(work, "docker", "cli-plugins")
	for _, dir := range []string{filepath.Join(work, "chart"), plugins} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(work, "chart", "Chart.yaml"), "apiVersion: v2\nname: mockserver\nversion: 0.0.1\n")
	// With a login, docker and helm look for no credential store on the machine.
	for _, name := range []string{"docker/config.json", "helm.json"} {
		writeFile(t, filepath.Join(work, name), `{"auths":{"registry.invalid":{}}}`)
	}
	if err := os.Symlink(buildx, filepath.Join(plugins, "docker-buildx")); err != nil {
		t.Fatal(err)
	}
	return work
}

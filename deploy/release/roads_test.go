package release

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"purser/internal/realservers"
	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
)

// asRoot skips the test where chroot is not possible.
func asRoot(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("skipped: only root on Linux can chroot")
	}
}

func TestThePackagesHaveTheSameFiles(t *testing.T) {
	p := made(t)
	zsh := map[string]string{"deb": "usr/share/zsh/vendor-completions/_purser", "rpm": "usr/share/zsh/site-functions/_purser", "apk": "usr/share/zsh/site-functions/_purser"}
	for _, arch := range []string{"amd64", "arm64"} {
		archived := files(t, filepath.Join(p.unpack(p.archive("linux_"+arch, "tar.gz")), "man"))
		for ext := range zsh {
			want := []string{
				"usr/bin/docker-credential-purser", "usr/bin/purser",
				"usr/lib/systemd/system/purser-.service.d/10-hardened.conf",
				"usr/lib/systemd/system/purser-check.service", "usr/lib/systemd/system/purser-check.timer",
				"usr/lib/systemd/system/purser-rotate.service", "usr/lib/systemd/system/purser-rotate.timer",
				"usr/share/bash-completion/completions/purser", "usr/share/doc/purser/NOTICE", "usr/share/doc/purser/copyright",
				"usr/share/fish/vendor_completions.d/purser.fish", zsh[ext],
			}
			for _, page := range archived {
				want = append(want, "usr/share/man/man1/"+page)
			}
			slices.Sort(want)
			dir := p.unpack(p.archive("linux_"+arch, ext))
			got := slices.DeleteFunc(files(t, dir), func(path string) bool { return path == ".PKGINFO" })
			if !slices.Equal(got, want) {
				t.Errorf("%s for %s has\n%s\nwant\n%s", ext, arch, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if arch == runtime.GOARCH && runtime.GOOS == "linux" {
				p.run(filepath.Join(dir, "usr/bin/purser"), "version")
			}
		}
	}
}

func TestTheRPMInstallsAndLeavesOnlyTheConfiguration(t *testing.T) {
	p := made(t)
	asRoot(t)
	p.need("rpm")
	root := t.TempDir()
	rpm := func(args ...string) {
		p.run("rpm", append([]string{"--root", root, "--dbpath", "/var/lib/rpm"}, args...)...)
	}
	rpm("--initdb")
	rpm("--install", p.file(p.archive("linux_"+runtime.GOARCH, "rpm")))
	p.run("chroot", root, "/usr/bin/purser", "version")
	rpm("--verify", "purser")
	if err := os.WriteFile(filepath.Join(root, "etc/purser/purser.yaml"), []byte("credentials: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	rpm("--erase", "purser")
	left := slices.DeleteFunc(files(t, root), func(path string) bool { return strings.HasPrefix(path, "var/lib/rpm/") })
	if !slices.Equal(left, []string{"etc/purser/purser.yaml"}) {
		t.Errorf("left: %v", left)
	}
}

func TestTheImagesArePushedAndRun(t *testing.T) {
	p := made(t)
	asRoot(t)
	registry := realservers.Registry2(t)
	p.need("crane")
	t.Setenv("DOCKER_CONFIG", realservers.DockerConfig(t, registry.Host, registry.Push.Name, registry.Push.Password))
	name := registry.Host + "/" + registry.Repository
	pushed := p.run("./push.sh", name, p.version)
	for program, image := range map[string]string{"purser": name, "docker-credential-purser": name + "/docker-credential-purser"} {
		digest, ok := strings.CutPrefix(strings.TrimSpace(p.run("crane", "digest", image+":"+p.version)), "sha256:")
		if !ok || !strings.Contains(pushed, digest+"  "+image+"\n") {
			t.Errorf("push.sh prints\n%sand the registry has %s as %s", pushed, image, digest)
		}
		archive, root := filepath.Join(t.TempDir(), "image.tar"), t.TempDir()
		p.run("crane", "export", "--platform", "linux/"+runtime.GOARCH, image+":"+p.version, archive)
		p.run("tar", "-xpf", archive, "-C", root)
		if out := p.run("chroot", "--userspec=65532:65532", root, "/usr/bin/"+program, "version"); !strings.Contains(out, p.commit[:12]) {
			t.Errorf("%s says %s", program, out)
		}
	}
}

// TestTheLambdaServesAnEvent starts the zip's program as Lambda does.
func TestTheLambdaServesAnEvent(t *testing.T) {
	p := made(t)
	p.home()
	box, err := sandbox.Start(t.Context(), sandbox.Options{Function: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	dir := p.unpack("purser-lambda-" + runtime.GOARCH + ".zip")
	if got := files(t, dir); !slices.Equal(got, []string{"bootstrap"}) {
		t.Fatalf("the zip has %v", got)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "bootstrap"))
	env, err := box.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(env, "AWS_LAMBDA_RUNTIME_API="+box.LambdaAPI, "_HANDLER=bootstrap", "AWS_REGION=eu-west-2", "PURSER_CONFIG_TEXT=credentials: {docker: {store: {secret: demo}}}", "PURSER_MANAGEMENT_SECRET_ID=management")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	var failed *sandboxaws.FunctionError
	if _, err := box.Lambda.Invoke(t.Context(), []byte(`{"Step":"create_secret"}`)); !errors.As(err, &failed) || !strings.Contains(failed.Message, "not a rotation event") {
		t.Errorf("the function answers %v\n%s", err, &log)
	}
}

func TestTerraformAcceptsTheModulesArchive(t *testing.T) {
	p := made(t)
	dir := p.unpack("terraform-aws-purser.tar.gz")
	if got := files(t, dir); !slices.Equal(got, []string{"README.md", "examples/buildkite/main.tf", "main.tf", "outputs.tf", "rotation.tf", "variables.tf", "versions.tf"}) {
		t.Errorf("the archive has %v", got)
	}
	p.need("terraform")
	provider := t.TempDir()
	p.run("go", "build", "-C", "../terraform/testprovider", "-o", filepath.Join(provider, "terraform-provider-aws"), ".")
	settings := filepath.Join(provider, "terraform.rc")
	if err := os.WriteFile(settings, []byte("provider_installation {\n  dev_overrides { \"hashicorp/aws\" = \""+provider+"\" }\n  direct {}\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TF_CLI_CONFIG_FILE", settings)
	t.Setenv("CHECKPOINT_DISABLE", "1")
	p.run("terraform", "-chdir="+dir, "validate", "-no-color")
	p.run("terraform", "-chdir="+filepath.Join(dir, "examples/buildkite"), "get")
	p.run("terraform", "-chdir="+filepath.Join(dir, "examples/buildkite"), "validate", "-no-color")
}

// TestTheBuildkitePluginPreparesAJob sources the archive's hooks as the agent does.
func TestTheBuildkitePluginPreparesAJob(t *testing.T) {
	p := made(t)
	home, plugin := p.home(), p.unpack("purser-buildkite-plugin.tar.gz")
	if got := files(t, plugin); !slices.Equal(got, []string{"README.md", "hooks/environment", "hooks/pre-exit", "install.sh", "plugin.yml"}) {
		t.Errorf("the archive has %v", got)
	}
	for _, hook := range []string{"environment", "pre-exit"} {
		if info, err := os.Stat(filepath.Join(plugin, "hooks", hook)); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("the hook %s: %v %v", hook, info, err)
		}
	}
	t.Setenv("PATH", home+":"+os.Getenv("PATH"))
	script := `set -eu
cd "$(mktemp -d)"
echo 'credentials: {docker: {registry: docker.io, username: mockserver, repositories: [mockserver/mockserver], store: {secret: demo}}}' >purser.yaml
purser store docker --create --token-stdin <"$PURSER_SANDBOX/push.token"
export BUILDKITE_PLUGIN_PURSER_SECRET_ID=demo BUILDKITE_PLUGIN_PURSER_REDACT=false
. "$0/hooks/environment"
docker-credential-purser list
. "$0/hooks/pre-exit"
test ! -e "$PURSER_JOB_DIR" && echo cleaned up`
	t.Setenv("TMPDIR", t.TempDir())
	if got := p.run("purser", "sandbox", "run", "--no-namespace", "--", "bash", "-c", script, plugin); !strings.Contains(got, "docker.io") || !strings.Contains(got, "cleaned up") {
		t.Errorf("the job prints\n%s", got)
	}
}

// The plugin and the component download releases, so their archives name the project.
func TestWhatInstallsInCIKnowsTheProject(t *testing.T) {
	p := made(t)
	for archive, file := range map[string]string{"purser-buildkite-plugin.tar.gz": "install.sh", "setup-purser-gitlab.tar.gz": "templates/setup-purser.yml"} {
		raw, err := os.ReadFile(filepath.Join(p.unpack(archive), file))
		if err != nil || strings.Contains(string(raw), "@HOME@") || !strings.Contains(string(raw), "https://github.com/") {
			t.Errorf("%s of %s does not name the project: %v", file, archive, err)
		}
	}
}

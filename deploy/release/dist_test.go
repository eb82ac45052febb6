package release

import (
	"archive/zip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"go/build"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// product is what make release-snapshot left in dist. The tests take every file from there.
type product struct {
	*testing.T
	version, commit string
	sums            map[string]string // by file, from checksums.txt
}

// made skips a test if dist does not hold a release of this commit.
func made(t *testing.T) product {
	t.Helper()
	raw, err := os.ReadFile("../../dist/metadata.json")
	if err != nil {
		t.Skip("skipped: there is no release in dist; make release-snapshot makes one")
	}
	var m struct{ Version, Commit string }
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	if head, err := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD").Output(); err != nil || strings.TrimSpace(string(head)) != m.Commit {
		t.Skip("skipped: the release in dist is of another commit; make release-snapshot makes a new one")
	}
	t.Setenv("PATH", os.Getenv("PATH")+string(filepath.ListSeparator)+filepath.Join(build.Default.GOPATH, "bin"))
	p := product{T: t, version: m.Version, commit: m.Commit, sums: map[string]string{}}
	for line := range strings.Lines(p.read("checksums.txt")) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		p.sums[name] = sum
	}
	return p
}

// file returns the path of a file of the release; those that prepare.sh made lie apart.
func (p product) file(name string) string {
	p.Helper()
	for _, dir := range []string{"../../dist", "../../bin/release/files"} {
		if path, err := filepath.Abs(filepath.Join(dir, name)); err == nil {
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
	}
	p.Fatalf("the release has no %s", name)
	return ""
}

func (p product) read(name string) string {
	p.Helper()
	raw, err := os.ReadFile(p.file(name))
	if err != nil {
		p.Fatal(err)
	}
	return string(raw)
}

// archive names the archive, or the package, for a platform.
func (p product) archive(platform, ext string) string {
	return "purser_" + p.version + "_" + platform + "." + ext
}

// unpack returns a folder with the files of an archive or a package.
func (p product) unpack(name string) string {
	p.Helper()
	dir := p.TempDir()
	switch path := p.file(name); filepath.Ext(name) {
	case ".zip":
		z, err := zip.OpenReader(path)
		if err == nil {
			err = os.CopyFS(dir, z)
			_ = z.Close()
		}
		if err != nil {
			p.Fatal(err)
		}
	case ".gz":
		p.run("tar", "-xzf", path, "-C", dir)
	case ".deb":
		p.need("dpkg-deb")
		p.run("dpkg-deb", "-x", path, dir)
	default:
		p.need("bsdtar")
		p.run("bsdtar", "-xf", path, "-C", dir)
	}
	return dir
}

// home returns an unpacked archive for this machine.
func (p product) home() string {
	p.Helper()
	if runtime.GOOS != "linux" {
		p.Skip("skipped: this test runs the programs for Linux")
	}
	return p.unpack(p.archive("linux_"+runtime.GOARCH, "tar.gz"))
}

func (p product) run(name string, args ...string) string {
	p.Helper()
	out, err := exec.CommandContext(p.Context(), name, args...).CombinedOutput()
	if err != nil {
		p.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// need skips the test without a program.
func (p product) need(program string) {
	p.Helper()
	if _, err := exec.LookPath(program); err != nil {
		p.Skipf("skipped: %s is not installed; make release-tools or make tools installs it", program)
	}
}

// files lists what a folder holds.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// platforms have archives; the value is the extension.
var platforms = map[string]string{
	"linux_amd64": "tar.gz", "linux_arm64": "tar.gz", "darwin_amd64": "tar.gz", "darwin_arm64": "tar.gz", "windows_amd64": "zip", "windows_arm64": "zip",
}

func TestAReleaseIsWholeAndMatchesItsChecksums(t *testing.T) {
	p := made(t)
	want := []string{"install.sh", "purser-buildkite-plugin.tar.gz", "purser-lambda-amd64.zip", "purser-lambda-arm64.zip", "setup-purser-gitlab.tar.gz", "terraform-aws-purser.tar.gz"}
	for platform, ext := range platforms {
		want = append(want, p.archive(platform, ext))
	}
	if strings.Contains(p.read("checksums.txt"), ".sbom.json") {
		for platform, ext := range platforms {
			want = append(want, p.archive(platform, ext)+".sbom.json")
		}
	} else {
		t.Log("skipped: syft was missing when the release was made, so it has no SBOMs")
	}
	for _, ext := range []string{"deb", "rpm", "apk"} {
		want = append(want, p.archive("linux_amd64", ext), p.archive("linux_arm64", ext))
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(p.sums)); !slices.Equal(got, want) {
		t.Errorf("checksums.txt lists\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for name, sum := range p.sums {
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(p.read(name)))); got != sum {
			t.Errorf("%s has the checksum %s, and checksums.txt says %s", name, got, sum)
		}
	}
}

func TestEachArchiveHasItsPlatformsPrograms(t *testing.T) {
	p := made(t)
	for platform, ext := range platforms {
		dir := p.unpack(p.archive(platform, ext))
		system, arch, _ := strings.Cut(platform, "_")
		exe := map[string]string{"windows": ".exe"}[system]
		pages := 0
		got := slices.DeleteFunc(files(t, dir), func(path string) bool {
			page := strings.HasPrefix(path, "man/purser") && strings.HasSuffix(path, ".1.gz")
			if page {
				pages++
			}
			return page
		})
		want := []string{
			"LICENSE", "NOTICE", "completions/_purser", "completions/purser.bash", "completions/purser.fish", "completions/purser.ps1",
			"docker-credential-purser" + exe, "purser" + exe,
		}
		if !slices.Equal(got, want) || pages < 20 {
			t.Errorf("%s has %d manual pages and %v, want %v", platform, pages, got, want)
			continue
		}
		for _, program := range want[6:] {
			info, err := buildinfo.ReadFile(filepath.Join(dir, program))
			if err != nil {
				t.Fatal(err)
			}
			settings := map[string]string{}
			for _, s := range info.Settings {
				settings[s.Key] = s.Value
			}
			if settings["GOOS"] != system || settings["GOARCH"] != arch || settings["vcs.revision"] != p.commit || settings["CGO_ENABLED"] != "0" {
				t.Errorf("%s: %s was built with %v", platform, program, settings)
			}
		}
	}
}

func TestAnArchivesProgramsCompletionsAndPagesWork(t *testing.T) {
	p := made(t)
	dir := p.home()
	var said struct {
		Version string
		Build   struct{ Commit, Platform string }
	}
	if err := json.Unmarshal([]byte(p.run(filepath.Join(dir, "purser"), "version", "--output", "json")), &said); err != nil {
		t.Fatal(err)
	}
	if said.Build.Commit != p.commit || said.Build.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("purser says that it is %+v", said.Build)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("HOME", t.TempDir())
	for _, c := range []struct{ shell, script, want string }{
		{"bash", `. "$0/completions/purser.bash" && complete -p purser`, "__start_purser"},
		{"zsh", `autoload -U compinit && compinit -u -D && . "$0/completions/_purser" && print $_comps[purser]`, "_purser"},
		{"fish", `source $argv[1]/completions/purser.fish; complete --do-complete "purser sto"`, "store"},
	} {
		t.Run(c.shell, func(t *testing.T) {
			p := product{T: t}
			p.need(c.shell)
			if got := p.run(c.shell, "-c", c.script, dir); !strings.Contains(got, c.want) {
				t.Errorf("it prints %q", got)
			}
		})
	}
	t.Run("man", func(t *testing.T) {
		p := product{T: t}
		p.need("mandoc")
		if got := p.run("sh", "-c", `gzip -d "$0"/man/*.gz && mandoc -T lint -W error "$0"/man/* && cat "$0/man/purser.1"`, dir); !strings.Contains(strings.ReplaceAll(got, `\-`, "-"), said.Version) {
			t.Errorf("the manual page does not name the version %s:\n%.300s", said.Version, got)
		}
	})
}

// TestPackageManagersManifestsNameTheArchives covers Homebrew, Scoop and winget.
func TestPackageManagersManifestsNameTheArchives(t *testing.T) {
	p := made(t)
	archive, digest := regexp.MustCompile(`/releases/download/[^/]+/([^"\s]+)`), regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	for manifest, want := range map[string]int{
		"homebrew/Casks/purser.rb": 4,
		"scoop/purser.json":        2,
		"winget/manifests/p/purser/purser/" + p.version + "/purser.purser.installer.yaml": 2,
	} {
		text := p.read(manifest)
		names, sums := archive.FindAllStringSubmatch(text, -1), digest.FindAllString(text, -1)
		if len(names) != want || len(sums) != want {
			t.Errorf("%s names %d archives and %d checksums, want %d", manifest, len(names), len(sums), want)
			continue
		}
		for i, m := range names {
			if name := strings.ReplaceAll(m[1], "#{version}", p.version); p.sums[name] != sums[i] {
				t.Errorf("%s names %s with the checksum %s; checksums.txt says %q", manifest, name, sums[i], p.sums[name])
			}
		}
	}
}

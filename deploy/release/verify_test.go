package release

import (
	"debug/buildinfo"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestEachArchivesSBOMNamesTheModulesInIt(t *testing.T) {
	p := made(t)
	p.need("syft")
	t.Setenv("SYFT_CHECK_FOR_APP_UPDATE", "false")
	for platform, ext := range platforms {
		name := p.archive(platform, ext)
		var sbom struct {
			SPDXVersion, Name, DocumentNamespace string
			CreationInfo                         struct{ Created string }
			Packages                             []struct{ Name, VersionInfo string }
		}
		if err := json.Unmarshal([]byte(p.read(name+".sbom.json")), &sbom); err != nil {
			t.Fatal(err)
		}
		if sbom.SPDXVersion != "SPDX-2.3" || sbom.Name != name || !strings.HasSuffix(sbom.DocumentNamespace, p.sums[name]) || sbom.CreationInfo.Created == "" {
			t.Errorf("the SBOM of %s is %s of %s, %s, %s", name, sbom.SPDXVersion, sbom.Name, sbom.DocumentNamespace, sbom.CreationInfo.Created)
		}
		has := map[string]bool{}
		for _, m := range sbom.Packages {
			has[m.Name+" "+m.VersionInfo] = true
		}
		dir := p.unpack(name)
		exe := map[string]string{"zip": ".exe"}[ext]
		for _, program := range []string{"purser", "docker-credential-purser"} {
			info, err := buildinfo.ReadFile(filepath.Join(dir, program+exe))
			if err != nil {
				t.Fatal(err)
			}
			if len(info.Deps) < 5 {
				t.Fatalf("%s of %s has only %d modules", program, name, len(info.Deps))
			}
			for _, m := range append(info.Deps, &info.Main) {
				if !has[m.Path+" "+m.Version] {
					t.Errorf("the SBOM of %s lacks %s %s", name, m.Path, m.Version)
				}
			}
			if !has["stdlib "+info.GoVersion] {
				t.Errorf("the SBOM of %s lacks Go's own library", name)
			}
		}
		// A reader of SPDX must understand the whole document, and another run must give its bytes.
		p.run("syft", "convert", "--quiet", p.file(name+".sbom.json"), "--output", "cyclonedx-json="+filepath.Join(dir, "bom.json"))
		again := filepath.Join(dir, "again.json")
		p.run("./sbom.sh", p.file(name), again)
		if raw, err := os.ReadFile(again); err != nil || string(raw) != p.read(name+".sbom.json") {
			t.Errorf("another run gives %s another SBOM: %v", name, err)
		}
	}
}

// TestTheInstallerInstallsFromTheRelease serves the release on loopback under GitHub's paths.
// The snapshot's own key signed it, so cosign verifies without a network.
func TestTheInstallerInstallsFromTheRelease(t *testing.T) {
	p := made(t)
	p.home()
	signed := true
	for _, file := range []string{"checksums.txt.sigstore.json", "snapshot.pub"} {
		if _, err := os.Stat("../../dist/" + file); err != nil {
			signed = false
		}
	}
	if _, err := exec.LookPath("cosign"); err != nil || !signed {
		signed = false
		t.Log("skipped: cosign is missing, now or when the release was made, so no signature is verified")
	}
	for name, c := range map[string]struct {
		change    map[string]string // files as they are served
		want      string
		fails     bool
		signature bool // whether the case is about it
	}{
		"the release":       {want: "is installed in"},
		"a valid signature": {want: "the signature is valid", signature: true},
		"changed checksums": {change: map[string]string{"checksums.txt": p.read("checksums.txt") + "\n"}, want: "this project did not sign the checksums", fails: true, signature: true},
		"another release's signature": {
			change: map[string]string{"checksums.txt": strings.ReplaceAll(p.read("checksums.txt"), p.version, "9.9.9")}, want: "this project did not sign", fails: true, signature: true,
		},
		"a changed archive": {change: map[string]string{p.archive("linux_amd64", "tar.gz"): "x", p.archive("linux_arm64", "tar.gz"): "x"}, want: "does not match the release's checksums", fails: true},
	} {
		if c.signature && !signed {
			continue
		}
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /releases/download/v"+p.version+"/{file}", func(w http.ResponseWriter, req *http.Request) {
				file := req.PathValue("file")
				if text, ok := c.change[file]; ok {
					_, _ = w.Write([]byte(text))
					return
				}
				http.ServeFile(w, req, p.file(file))
			})
			s := httptest.NewServer(mux)
			defer s.Close()
			to := t.TempDir()
			cmd := exec.CommandContext(t.Context(), "sh", p.file("install.sh"), "--version", p.version, "--to", to)
			cmd.Env = append(os.Environ(), "PURSER_HOME="+s.URL)
			if signed {
				cmd.Env = append(cmd.Env, "PURSER_SIGNATURE=required", "PURSER_COSIGN_KEY="+p.file("snapshot.pub"))
			}
			out, err := cmd.CombinedOutput()
			if (err != nil) != c.fails || !strings.Contains(string(out), c.want) {
				t.Errorf("%v\n%s", err, out)
			}
			if installed := files(t, to); len(installed) != map[bool]int{false: 2, true: 0}[c.fails] {
				t.Errorf("it installed %v", installed)
			}
		})
	}
}

// The installer and the pages tell cosign whom to trust: the workflow, by its file and its tags.
func TestTheInstallerTrustsTheReleaseWorkflow(t *testing.T) {
	for file, want := range map[string]string{
		"../install/install.sh":               `/\.github/workflows/release\.yml@refs/tags/v`,
		"../../docs/installing.md":            `/.github/workflows/release.yml@refs/tags/v`,
		"../../.github/workflows/release.yml": "tags: ['v*']",
	} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s does not name %s", file, want)
		}
	}
}

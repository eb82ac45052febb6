package install

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/goccy/go-yaml"
)

var blocks = regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```")

// sections returns a page's sections by their titles, with what is before them.
func sections(t *testing.T, page string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, section := range strings.Split(string(raw), "\n## ") {
		title, text, _ := strings.Cut(section, "\n")
		all[title] = text
	}
	return all
}

// TestTheCommandsOfInstallingInstall runs what docs/installing.md shows, letter for letter, on
// a machine that has no purser.
func TestTheCommandsOfInstallingInstall(t *testing.T) {
	needSystem(t)
	handler := Handler([]string{"v1.2.3"}, map[string]Release{"v1.2.3": Printing("v1.2.3")})
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// GitHub finds the latest release; a mirror serves all of it in a folder.
		req.URL.Path = strings.NewReplacer("/latest/download/", "/download/v1.2.3/", "/purser/", "/").Replace(req.URL.Path)
		handler.ServeHTTP(w, req)
	}))
	t.Cleanup(home.Close)
	hidden := secure(t, handler)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	write(t, authority, certificate(hidden))
	var tunnels atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		tunnels.Add(1)
		tunnel(t, w, hidden.Listener.Addr().String())
	}))
	t.Cleanup(proxy.Close)

	text := sections(t, "../../docs/installing.md")
	for title, c := range map[string]struct {
		home, folder string // the folder of the programs, in the user's
	}{
		"Use the installer":         {home.URL, "bin"},
		"Install in Jenkins":        {home.URL, "workspace@tmp/purser"},
		"Install through a proxy":   {"https://example.com", "bin"},
		"Install from a mirror":     {home.URL, "bin"},
		"Install without a network": {home.URL, "bin"},
	} {
		t.Run(title, func(t *testing.T) {
			var commands strings.Builder
			for _, b := range blocks.FindAllStringSubmatch(text[title], -1) {
				if b[1] == "sh" {
					commands.WriteString(b[2])
				}
			}
			if commands.Len() == 0 {
				t.Fatal("the section has no commands")
			}
			// The first pair keeps the variable out of the second.
			script := strings.NewReplacer("$PURSER_HOME", "$PURSER_HOME", "HOME/releases", c.home+"/releases", "https://mirror.example.com", home.URL, "http://proxy.example.com:3128", proxy.URL).Replace(commands.String())
			for _, shell := range []string{"dash", "bash"} {
				user := t.TempDir()
				cmd := exec.CommandContext(t.Context(), shell, "-ec", script)
				cmd.Dir = t.TempDir()
				cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + user, "TMPDIR=" + t.TempDir(), "WORKSPACE_TMP=" + filepath.Join(user, "workspace@tmp"), "CURL_CA_BUNDLE=" + authority}
				out, err := cmd.CombinedOutput()
				program, missing := exec.CommandContext(t.Context(), filepath.Join(user, c.folder, "purser"), "version").Output()
				if err != nil || missing != nil || string(program) != "purser v1.2.3\n" {
					t.Errorf("%s: %v: %q, %v\n%s\n%s", shell, err, program, missing, script, out)
				}
			}
		})
	}
	if tunnels.Load() == 0 {
		t.Error("nothing went through the proxy")
	}
}

// TestTheExamplesUseWhatExists: the pages give the action, the component and the plugin only
// what they know.
func TestTheExamplesUseWhatExists(t *testing.T) {
	known := map[string]map[string]any{}
	for name, path := range map[string]string{"action": "../../action.yml", "plugin": "../buildkite-plugin/plugin.yml"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Inputs        map[string]any
			Configuration struct{ Properties map[string]any }
		}
		if err := yaml.Unmarshal(raw, &file); err != nil {
			t.Fatal(err)
		}
		known[name] = file.Inputs
		if name == "plugin" {
			known[name] = file.Configuration.Properties
		}
	}
	raw, err := os.ReadFile("../gitlab/templates/setup-purser.yml")
	if err != nil {
		t.Fatal(err)
	}
	component, err := ParseComponent(raw)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]int{}
	uses := func(what string, given map[string]any) {
		used[what]++
		for name := range given {
			if _, ok := known[what][name]; !ok {
				t.Errorf("the %s has no %s", what, name)
			}
		}
	}
	type step struct {
		Uses    string
		With    map[string]any
		Plugins []map[string]map[string]any
	}
	for _, page := range []string{"../../docs/ci.md", "../../docs/installing.md", "../gitlab/README.md"} {
		for title, text := range sections(t, page) {
			for _, b := range blocks.FindAllStringSubmatch(text, -1) {
				if b[1] != "yaml" {
					continue
				}
				var example struct {
					Steps   []step
					Jobs    map[string]struct{ Steps []step }
					Include []struct {
						Component string
						Inputs    map[string]string
					}
				}
				if err := yaml.Unmarshal([]byte(b[2]), &example); err != nil {
					t.Fatalf("%s, %s: %v", page, title, err)
				}
				for _, job := range example.Jobs {
					example.Steps = append(example.Steps, job.Steps...)
				}
				for _, s := range example.Steps {
					if strings.HasPrefix(s.Uses, "OWNER/purser@") {
						uses("action", s.With)
					}
					for _, p := range s.Plugins {
						for name, options := range p {
							if !regexp.MustCompile(`^OWNER/purser#v\d+\.\d+\.\d+$`).MatchString(name) {
								t.Errorf("%s, %s: the plugin is %s", page, title, name)
							}
							uses("plugin", options)
						}
					}
				}
				for _, i := range example.Include {
					used["component"]++
					if _, err := component.Script(".setup-purser", i.Inputs); err != nil || !strings.HasSuffix(i.Component, "/setup-purser@v1.2.3") {
						t.Errorf("%s, %s: %s: %v", page, title, i.Component, err)
					}
				}
			}
		}
	}
	if used["action"] < 2 || used["plugin"] < 2 || used["component"] < 3 {
		t.Errorf("the examples use %v", used)
	}
}

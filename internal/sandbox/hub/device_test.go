package hub_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"

	"purser/internal/realservers"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
)

// dockerSays starts docker in a terminal and returns its output up to a line that matches want.
func dockerSays(t *testing.T, box *sandbox.Sandbox, config string, want *regexp.Regexp, args ...string) (said string, wait func() error) {
	t.Helper()
	env, err := box.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), realservers.Need(t, "docker"), args...)
	cmd.Env = append(env, "PATH=/nonexistent", "HOME="+config, "DOCKER_CONFIG="+config, "TERM=dumb")
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	var all strings.Builder
	lines := bufio.NewReader(terminal)
	for {
		line, err := lines.ReadString('\n')
		all.WriteString(line)
		if want.MatchString(line) {
			return all.String(), func() error {
				_, _ = io.Copy(&all, lines)
				if err := cmd.Wait(); err != nil {
					return fmt.Errorf("docker said:\n%s: %w", all.String(), err)
				}
				return nil
			}
		}
		if err != nil {
			t.Fatalf("docker said, without %s:\n%s", want, all.String())
		}
	}
}

var pageForm = regexp.MustCompile(`http://127\.0\.0\.1:\d+/activate`)

func TestDockerSignsInWithTheBrowser(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	config := t.TempDir()
	if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(`{"auths":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	said, wait := dockerSays(t, box, config, pageForm, "login")
	page, code := pageForm.FindString(said), regexp.MustCompile(`FAKE-\d+`).FindString(said)
	shown, err := http.Get(page + "?user_code=" + code)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(shown.Body)
	_ = shown.Body.Close()
	if !strings.Contains(string(body), "<b>"+code+"</b>") || !strings.Contains(string(body), "Sign in as mockserver") {
		t.Fatalf("the page is wrong:\n%s", body)
	}
	for _, try := range []struct {
		code, account string
		status        int
	}{{code, "nobody-known", 404}, {"FAKE-9999", "mockserver", 404}, {code, "mockserver", 200}} {
		resp, err := http.PostForm(page, url.Values{"user_code": {try.code}, "account": {try.account}})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != try.status {
			t.Errorf("code %s of %s: %s", try.code, try.account, resp.Status)
		}
	}
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(config, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var stored struct {
		Auths map[string]struct{ Auth string }
	}
	if err := json.Unmarshal(raw, &stored); err != nil || len(stored.Auths) != 3 {
		t.Errorf("docker keeps %d entries: %v", len(stored.Auths), err)
	}
	tokens := box.Accounts.Tokens("mockserver")
	last := tokens[len(tokens)-1]
	if last.Generated != "auto" || last.Level != sandboxhub.Admin || !last.Active {
		t.Errorf("the token is %+v", last)
	}
	_, wait = dockerSays(t, box, config, regexp.MustCompile(`Removing login credentials`), "logout")
	if err := wait(); err != nil {
		t.Error(err)
	}
}

package main

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
)

var (
	activatePage = regexp.MustCompile(`http://127\.0\.0\.1:\d+/activate`)
	activateCode = regexp.MustCompile(`FAKE-\d+`)
)

// dockerLoginCommand: docker-login signs the real docker in with a browser, as mockserver.
func dockerLoginCommand(ts *testscript.TestScript, _ bool, _ []string) {
	cmd := exec.Command("docker", "login")
	for _, name := range []string{"PATH", "HOME", "DOCKER_CONFIG", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Env = append(cmd.Env, "TERM=dumb")
	terminal, err := pty.Start(cmd)
	ts.Check(err)
	defer func() { _ = terminal.Close() }()
	var said strings.Builder
	for lines := bufio.NewReader(terminal); ; {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		if err != nil {
			break // a closed terminal is an error
		}
		if page := activatePage.FindString(said.String()); page != "" && !strings.Contains(said.String(), "agreed") {
			said.WriteString("agreed\n")
			resp, err := http.PostForm(page, url.Values{"user_code": {activateCode.FindString(said.String())}, "account": {"mockserver"}})
			ts.Check(err)
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("docker login: %v\n%s", err, said.String())
	}
}

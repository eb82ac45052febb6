//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"purser/internal/sandbox"
)

// typingShells are the commands that start a shell for typing, with purser's completion and
// nothing of this machine, and say when it waits for a line.
var typingShells = map[string]struct{ args, load string }{
	"bash": {"--norc --noprofile -i", `. /usr/share/bash-completion/bash_completion; source <(purser completion bash); PS1='rea''dy> '`},
	"zsh":  {"-f -i", `autoload -U compinit; compinit -u -D; source <(purser completion zsh); PROMPT='rea''dy> '`},
	"fish": {"--no-config -i", `purser completion fish | source; function fish_prompt; printf 'rea''dy> '; end`},
}

// typings are what you type before the tab key, and the resulting line.
var typings = [][2]string{
	{"purser sta", "purser status"},
	{"purser check doc", "purser check dockerhub"},
	{"purser store dockerhub --from pro", "purser store dockerhub --from prompt"},
	{"purser login aws --profile mockserver-b", "purser login aws --profile mockserver-build"},
	{"purser store dockerhub --region us-gov-w", "purser store dockerhub --region us-gov-west-1"},
	{"purser store dockerhub --registry gh", "purser store dockerhub --registry ghcr.io"},
	{"purser sandbox try kil", "purser sandbox try killed"},
	{"purser sandbox fault hub:mi", "purser sandbox fault hub:mint"},
	{"purser help sandbox fau", "purser help sandbox fault"},
	{"purser check --output j", "purser check --output json"},
}

// TestShellsCompleteWhatIsTyped types at real shells in a terminal, presses the tab key,
// and reads the completed line.
func TestShellsCompleteWhatIsTyped(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	for shell, how := range typingShells {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("%s is not here: skipped", shell)
			}
			if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); shell == "bash" && err != nil {
				t.Skip("bash-completion is not here: skipped")
			}
			dir := typingPlace(t, box)
			typed := typings
			for _, token := range box.Accounts.Tokens("mockserver") { // one is enough
				typed = append(typed, [2]string{"purser tokens revoke " + token.ID[:13], "purser tokens revoke " + token.ID})
				break
			}
			s := startShell(t, box, dir, path, strings.Fields(how.args))
			s.line(how.load)
			s.await("ready> ")
			for _, one := range typed {
				s.reset()
				// The completed line prints itself: echo comes first.
				s.line(one[0] + "\t\x01echo =")
				s.await("=" + one[1])
				s.await("ready> ")
			}
		})
	}
}

// typingPlace is a folder with what shells complete: purser.yaml, AWS's profiles, docker's
// session.
func typingPlace(t *testing.T, box *sandbox.Sandbox) (dir string) {
	t.Helper()
	dir = t.TempDir()
	session, err := box.Hub.Session("mockserver", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"purser.yaml": scriptConfig, "home/.aws/config": "[profile mockserver-build]\nregion = eu-west-2\n[profile other]\nregion = eu-west-2\n",
		"home/.docker/config.json": `{"credsStore":"fake"}`, "session": session.Reveal(),
		"bin/purser": "#!/bin/sh\nexec watched-purser \"$@\"\n",
		"bin/docker-credential-fake": "#!/bin/sh\nread url || true\n[ \"$url\" = https://index.docker.io/v1/access-token ] || { echo 'credentials not found in native keychain'; exit 1; }\n" +
			"printf '{\"ServerURL\":\"%s\",\"Username\":\"mockserver\",\"Secret\":\"%s\"}' \"$url\" \"$(cat " + dir + "/session)\"\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// typingShell is a shell in a terminal.
type typingShell struct {
	*testing.T
	terminal *os.File
	heard    chan []byte
	screen   bytes.Buffer // since the last reset
}

func startShell(t *testing.T, box *sandbox.Sandbox, dir, program string, args []string) *typingShell {
	t.Helper()
	vars, err := box.Environment(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(stop)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(vars, "HOME="+filepath.Join(dir, "home"), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "TERM=dumb", "PURSER_TEST_TOKENS="+dir, "WORK="+dir, "AWS_CONFIG_FILE="+filepath.Join(dir, "home/.aws/config"))
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	s := &typingShell{T: t, terminal: terminal, heard: make(chan []byte)}
	go func() {
		defer close(s.heard)
		for {
			some := make([]byte, 4096)
			n, err := terminal.Read(some)
			if n > 0 {
				select {
				case s.heard <- some[:n]:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = terminal.Close()
		_ = cmd.Wait()
	})
	return s
}

func (s *typingShell) reset() { s.screen.Reset() }

func (s *typingShell) line(text string) {
	s.Helper()
	if _, err := io.WriteString(s.terminal, text+"\r"); err != nil {
		s.Fatal(err)
	}
}

// await reads until a new text is on the screen.
func (s *typingShell) await(text string) {
	s.Helper()
	limit := time.After(30 * time.Second)
	for {
		if _, rest, ok := bytes.Cut(s.screen.Bytes(), []byte(text)); ok {
			rest = bytes.Clone(rest)
			s.screen.Reset()
			_, _ = s.screen.Write(rest)
			return
		}
		select {
		case some, ok := <-s.heard:
			if !ok {
				s.Fatalf("the shell ended before it said %q:\n%q", text, s.screen.String())
			}
			_, _ = s.screen.Write(some)
		case <-limit:
			s.Fatalf("it did not say %q:\n%q", text, s.screen.String())
		}
	}
}

//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"

	"purser/internal/config"
	"purser/internal/present"
	"purser/internal/realservers"
	sandboxhub "purser/internal/sandbox/hub"
)

// widths are those of people's terminals; 0 is unknown, and counts as 80.
var widths = []int{40, 60, 80, 140, 0}

// person is somebody at a terminal, with the fleet's purser.yaml.
type person struct {
	*fleet
	program string
	env     []string
}

func (f *fleet) person(t *testing.T, more ...string) *person {
	t.Helper()
	vars, err := f.box.Environment(f.app.dir)
	if err != nil {
		t.Fatal(err)
	}
	return &person{f, purserProgram(t), append(append(vars, "HOME="+f.app.dir, "DOCKER_CONFIG="+filepath.Join(f.app.dir, "docker"), "PATH="+os.Getenv("PATH"), "TERM=xterm", "BROWSER=none"), more...)}
}

// command starts purser in a terminal.
func (p *person) command(columns int, args ...string) (*exec.Cmd, *os.File) {
	p.Helper()
	cmd := exec.CommandContext(p.Context(), p.program, args...)
	cmd.Env, cmd.Dir = p.env, p.app.dir
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: uint16(columns)})
	if err != nil {
		p.Fatal(err)
	}
	return cmd, terminal
}

func (p *person) shows(columns int, args ...string) string {
	p.Helper()
	cmd, terminal := p.command(columns, args...)
	raw, _ := io.ReadAll(terminal) // the end of a terminal is an error
	_ = cmd.Wait()                 // the code tells
	_ = terminal.Close()
	return string(raw)
}

var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// screenRows returns each drawn row, as wide as it ever was.
func screenRows(shown string) (all []string) {
	for line := range strings.Lines(shown) {
		for part := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), "\r") {
			all = append(all, strings.TrimPrefix(colours.ReplaceAllString(part, ""), "\x1b[K"))
		}
	}
	return all
}

// copied matches rows that people copy, which purser never breaks: a command or a path.
var copied = regexp.MustCompile(`^\s*(next: |[✓✗?] \S+ +)?(purser |aws |curl |\S+$)`)

func fits(t *testing.T, what string, columns int, shown string) {
	t.Helper()
	if columns == 0 {
		columns = 80
	}
	for _, row := range screenRows(shown) {
		if w := runewidth.StringWidth(row); w > columns && !copied.MatchString(row) {
			t.Errorf("%s at %d columns: a row of %d: %q", what, columns, w, row)
		}
	}
}

// TestWhatIsPrintedFitsTheTerminal covers tables and long lines.
func TestWhatIsPrintedFitsTheTerminal(t *testing.T) {
	f := newFleet(t, 3, "every: 90d, overlap: 1h")
	f.byHand(2)
	for i := range 3 {
		token, err := f.box.Accounts.AddToken(fleetAccount, sandboxhub.ReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		token.Label = fmt.Sprintf("本番環境のビルドエージェント、東京リージョン %d", i)
	}
	at := filepath.Join(f.app.dir, config.FileName)
	raw, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, at, string(raw)+"  vault: {registry: docker.io, repositories: [robot/app], store: {file: 保管庫のとても長い名前のファイル-東京リージョン.age.json}}\n")
	p := f.person(t, "PURSER_MANAGEMENT_SECRET_ID="+fleetManagement, "AWS_REGION=eu-west-2")
	for _, columns := range widths {
		for name, want := range map[string]string{
			"status": "CREDENTIAL", "check": "4 credentials: 2 fine", "doctor": "findings: ", "tokens list": "LABEL", "rotate --all --dry-run": "4 credentials: ", "rehearse c000": "SERVICE", "check c002 --timeout 1ns": "--timeout",
		} {
			shown := p.shows(columns, strings.Fields(name)...)
			fits(t, name, columns, shown)
			if !strings.Contains(strings.Join(strings.Fields(shown), " "), want) {
				t.Errorf("%s at %d columns does not say %q:\n%s", name, columns, want, shown)
			}
			if text := goEnding.FindString(shown); text != "" {
				t.Errorf("%s at %d columns says %q:\n%s", name, columns, text, shown)
			}
		}
	}
	for _, name := range []string{"status", "tokens list"} {
		wide, narrow, file := p.shows(40, append(strings.Fields(name), "--wide")...), p.shows(40, strings.Fields(name)...), p.shows(0, strings.Fields(name)...)
		if !strings.Contains(narrow, "--wide") || strings.Contains(wide, "--wide") || len(screenRows(wide)[0]) < 70 {
			t.Errorf("%s --wide shows\n%sand without it\n%s%s", name, wide, narrow, file)
		}
	}
}

// TestAPipeHasAllColumns for programs, whatever the terminal's width.
func TestAPipeHasAllColumns(t *testing.T) {
	f := newFleet(t, 3, "every: 90d, overlap: 1h")
	f.byHand(3)
	out := f.purser(present.ExitOK, "status")
	lines := strings.Split(out, "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "CREDENTIAL  REGISTRY   ACCOUNT  STORED IN") || strings.Contains(out, "--wide") {
		t.Errorf("it prints\n%s", out)
	}
}

// gate blocks reads of the credentials from a number on, until the client gives up.
func gate(from int) func(http.Handler) http.Handler {
	named := regexp.MustCompile(`fleet/c(\d+)`)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetSecretValue") {
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				if m := named.FindSubmatch(body); m != nil {
					if n, err := strconv.Atoi(string(m[1])); err == nil && n >= from {
						<-r.Context().Done()
						return
					}
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// awaitText reads a terminal until it shows a text, and returns all of it.
func awaitText(t *testing.T, terminal io.Reader, want string) []byte {
	t.Helper()
	var all []byte
	block := make([]byte, 4<<10)
	for {
		n, err := terminal.Read(block)
		if all = append(all, block[:n]...); bytes.Contains(all, []byte(want)) {
			return all
		}
		if err != nil {
			t.Fatalf("it ended without %q:\n%s", want, all)
		}
	}
}

// TestLongWorkShowsItselfAndEndsInASummary checks many credentials of a registry that
// became slow, and presses Ctrl-C.
func TestLongWorkShowsItselfAndEndsInASummary(t *testing.T) {
	const n = 40
	f := newFleetBehind(t, n, "every: 90d, overlap: 1h", gate(10))
	f.byHand(n)
	p := f.person(t)
	for _, columns := range []int{40, 80} {
		cmd, terminal := p.command(columns, "check")
		shown := awaitText(t, terminal, "10 of 40 ")
		_, _ = terminal.Write([]byte{3})
		rest, _ := io.ReadAll(terminal)
		_ = cmd.Wait()
		_ = terminal.Close()
		text := string(shown) + string(rest)
		fits(t, "check", columns, text)
		said := strings.Join(strings.Fields(text), " ")
		for _, want := range []string{"; waiting for c010", "40 credentials: 10 fine, 30 not checked", "interrupted by SIGINT", "purser checked 10 of 40, but not c010, c011, c012 and 27 more", "run the same command again"} {
			if !strings.Contains(said, want) {
				t.Errorf("at %d columns it does not say %q:\n%s", columns, want, text)
			}
		}
		left := lastDrawn(text)
		if strings.Contains(left, "waiting for") || strings.Count(left, "\n") > 10*3+10 || goEnding.MatchString(left) {
			t.Errorf("at %d columns it leaves\n%s", columns, left)
		}
		if code := cmd.ProcessState.ExitCode(); code != present.ExitUnknown {
			t.Errorf("it ended with %d", code)
		}
	}
}

// lastDrawn is what a terminal shows in the end, without redrawn rows.
func lastDrawn(shown string) string {
	var b strings.Builder
	for line := range strings.Lines(shown) {
		row := ""
		for part := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), "\r") {
			if rest, again := strings.CutPrefix(part, "\x1b[K"); again {
				row = rest
			} else if part != "" {
				row = part
			}
		}
		b.WriteString(row + "\n")
	}
	return b.String()
}

// emulator is a real terminal emulator, tmux.
type emulator struct {
	*testing.T
	tmux, socket string
	env          []string
	dir          string
}

func (e *emulator) do(args ...string) string {
	e.Helper()
	cmd := exec.CommandContext(e.Context(), e.tmux, append([]string{"-S", e.socket, "-f", os.DevNull, "-u"}, args...)...)
	cmd.Env, cmd.Dir = e.env, e.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		e.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// emulate runs a shell's command line in a terminal.
func (p *person) emulate(t *testing.T, columns int, line string) *emulator {
	t.Helper()
	dir, err := os.MkdirTemp("", "tmux") //nolint:usetesting // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	e := &emulator{T: t, tmux: realservers.Need(t, "tmux"), socket: filepath.Join(dir, "s"), env: append(p.env, "LC_ALL=C.UTF-8"), dir: p.app.dir}
	e.do("new-session", "-d", "-x", fmt.Sprint(columns), "-y", "70", line+`; echo "ended with $?"; exec cat`)
	t.Cleanup(func() {
		cmd := exec.Command(e.tmux, "-S", e.socket, "kill-server")
		_ = cmd.Run() // it may have ended
		_ = os.RemoveAll(dir)
	})
	return e
}

// await looks at the screen until it shows a text. Each look starts a process, which paces
// it.
func (e *emulator) await(want string) (screen string) {
	e.Helper()
	const patience = 60 * time.Second
	for until := time.Now().Add(patience); time.Now().Before(until); {
		screen = e.do("capture-pane", "-p")
		if strings.Contains(strings.Join(strings.Fields(screen), " "), want) {
			return screen
		}
	}
	e.Fatalf("it does not show %q:\n%s", want, screen)
	return ""
}

// TestThePromptInARealTerminal pastes a token in one piece and in several.
func TestThePromptInARealTerminal(t *testing.T) {
	realservers.Need(t, "tmux")
	f := newFleet(t, 1, "every: 90d, overlap: 1h")
	token, err := f.box.Accounts.AddToken(fleetAccount, sandboxhub.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	text := token.Secret.Reveal()
	p := f.person(t)
	for _, columns := range []int{40, 60, 80, 140} {
		for _, pieces := range []int{1, 6} {
			e := p.emulate(t, columns, p.program+" store c000 --from prompt")
			e.await("(not shown)")
			for i := range pieces {
				piece := text[i*len(text)/pieces : (i+1)*len(text)/pieces]
				e.do("set-buffer", piece)
				e.do("paste-buffer", "-p")
				e.await(fmt.Sprintf("%d characters", (i+1)*len(text)/pieces))
			}
			screen := e.await(fmt.Sprintf("personal access token, %d characters", len(text)))
			if n := strings.Count(screen, " characters"); n != 1 {
				t.Errorf("%d columns, %d pieces: the row is there %d times:\n%s", columns, pieces, n, screen)
			}
			e.do("send-keys", "Enter")
			screen = e.await("ended with 0")
			if !strings.Contains(screen, "Verified") || strings.Count(screen, "Token of") > 1 || strings.Contains(screen, text[len("dckr_pat_"):len("dckr_pat_")+8]) {
				t.Errorf("%d columns, %d pieces: it shows\n%s", columns, pieces, screen)
			}
		}
	}
}

// TestTablesAndProgressInARealTerminal looks at the screen as a person does.
func TestTablesAndProgressInARealTerminal(t *testing.T) {
	realservers.Need(t, "tmux")
	const n = 30
	f := newFleetBehind(t, n, "every: 90d, overlap: 1h", gate(10))
	f.byHand(n)
	p := f.person(t)
	for _, columns := range []int{40, 60, 80, 140} {
		screen := p.emulate(t, columns, p.program+" status").await("ended with 0")
		if lines := strings.Count(strings.TrimSpace(screen), "\n"); lines > n+6 || !strings.Contains(screen, "c029") {
			t.Errorf("%d columns: a table of %d rows takes %d lines:\n%s", columns, n, lines, screen)
		}
	}
	e := p.emulate(t, 60, p.program+" check")
	screen := e.await("10 of 30 checked in")
	if strings.Count(screen, " checked in ") != 1 {
		t.Errorf("the row of progress is drawn more than once:\n%s", screen)
	}
	e.do("resize-window", "-x", "44", "-y", "70")
	e.do("send-keys", "C-c")
	screen = e.await("ended with 6")
	// The resize breaks the row above in two, and purser erases one.
	if !strings.Contains(screen, "30 credentials: 10 fine, 20 not checked") || strings.Count(screen, "waiting for") > 1 {
		t.Errorf("in the end it shows\n%s", screen)
	}
}

//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"html"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"purser/internal/credential"
	"purser/internal/present"
)

// samples are the runs that pages show, as a picture and as the page's first console block.
var samples = []struct {
	page, picture, title string
	run                  func(*screen)
}{
	{"../../README.md", "store", "purser store proves and stores a token", func(on *screen) {
		s := newScene(on.T)
		on.types("pass show docker/ci | purser store dockerhub --token-stdin", s.given(s.box.PushToken))
	}},
	{"../../docs/storing.md", "refused", "purser store refuses a token that may only pull, and the current token stays", func(on *screen) {
		s := newScene(on.T)
		on.types("pass show docker/laptop | purser store dockerhub --token-stdin", s.given(s.box.ReadOnlyToken))
		on.types("purser check", s.given(credential.Secret{}))
	}},
	{"../../docs/rotating.md", "rotate", "a rotation is killed, builds go on, and the next run finishes it", killedAndResumed},
	{"../../docs/doctor.md", "doctor", "purser doctor finds that a secret is missing, and says how to create it", func(on *screen) {
		s := newScene(on.T)
		s.dir = home(on.T)
		s.remove(true)
		on.types("purser doctor", s.given(credential.Secret{}))
	}},
	{"../../docs/checking.md", "status", "purser status shows a credential whose rotation was interrupted, and one that is fine", func(on *screen) {
		s := newScene(on.T)
		s.yaml += "  release:\n    registry: docker.io\n    username: mockserver\n    repositories: [mockserver/mockserver]\n    store: {secret: mockserver-release/dockerhub}\n"
		if code, text := s.purser("store", "release", "--create", "--token-stdin"); code != present.ExitOK {
			s.Fatal(text)
		}
		s.pending(strings.Repeat("purser-01", 4), "{}")
		on.types("purser status", s.given(credential.Secret{}))
	}},
}

// given runs purser in the scene, with this on its standard input.
func (s *scene) given(input credential.Secret) func(*os.File, []string) {
	return func(tty *os.File, args []string) {
		run(s.Context(), args, s.app(strings.NewReader(input.Reveal()), tty, tty))
	}
}

// killedAndResumed kills a process after it stored the new token, before that becomes current.
func killedAndResumed(on *screen) {
	r, program := newRehearsal(on.T), purserProgram(on.T)
	purser := func(tty *os.File, args []string) {
		ctx, stop := context.WithTimeout(r.Context(), time.Minute) // a question would wait for ever
		defer stop()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = r.env, r.dir, tty, tty
		started, ended := make(chan struct{}), make(chan struct{})
		r.arm(0, true, func() {
			<-started
			_ = cmd.Process.Kill()
			<-ended
		})
		if err := cmd.Start(); err != nil {
			r.Fatal(err)
		}
		close(started)
		_ = cmd.Wait()
		close(ended)
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			_, _ = io.WriteString(tty, "Killed\n") // as the shell says
		}
	}
	r.on = "secretsmanager.PutSecretValue"
	on.types("purser rotate dockerhub --force --yes", purser)
	on.types("purser check", purser)
	on.types("purser rotate dockerhub --yes", purser)
}

// home is a folder with as many letters as the one that the pictures show, so that lines wrap
// in the same place.
func home(t *testing.T) string {
	t.Helper()
	dir := "/tmp/" + rand.Text()[:len("home/me/project")-len("tmp/")]
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// screen collects what a person types and sees at a terminal.
type screen struct {
	*testing.T
	text strings.Builder
}

// columns is the width of the terminal in the pictures.
const columns = 88

// types runs the purser of a command line.
func (on *screen) types(line string, purser func(tty *os.File, args []string)) {
	on.Helper()
	terminal, tty, err := pty.Open()
	if err != nil {
		on.Fatal(err)
	}
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 50, Cols: columns}); err != nil {
		on.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		raw, _ := io.ReadAll(terminal) // the end of a terminal is an error
		shown <- string(raw)
	}()
	_, args, _ := strings.Cut(line, "purser ")
	purser(tty, strings.Fields(args))
	_ = tty.Close()
	fmt.Fprintf(&on.text, "$ %s\n%s", line, lastDrawn(colours.ReplaceAllString(<-shown, "")))
	_ = terminal.Close()
}

// always replaces what differs between runs.
func (on *screen) always() string {
	text := on.text.String()
	for _, r := range []struct{ found, shown string }{
		{`purser-[0-9a-f]+…`, "purser-01a2079d…"},
		{`purser-[0-9a-f-]{36}`, "purser-01a2079d-5030-74ce-b4c6-5269b74cba00"},
		{`\d{4}-\d\d-\d\d`, "2027-06-05"},
		{`/tmp/[A-Z0-9]{11}\b`, "/home/me/project"},
	} {
		text = regexp.MustCompile(r.found).ReplaceAllString(text, r.shown)
	}
	return text
}

// TestTheSamplesAreWhatRunsPrint compares the pages and pictures with runs at a terminal,
// except for versions, dates and the folder. With -update it writes them.
func TestTheSamplesAreWhatRunsPrint(t *testing.T) {
	for _, sample := range samples {
		t.Run(sample.picture, func(t *testing.T) {
			on := &screen{T: t}
			sample.run(on)
			printed := on.always()
			raw, err := os.ReadFile(sample.page)
			if err != nil {
				t.Fatal(err)
			}
			const begin, end = "```console\n", "```\n"
			before, rest, _ := strings.Cut(string(raw), begin)
			_, after, ok := strings.Cut(rest, end)
			if !ok {
				t.Fatalf("%s has no sample", sample.page)
			}
			keep(t, sample.page, before+begin+printed+end+after)
			keep(t, "../../docs/pictures/"+sample.picture+".svg", drawn(sample.title, printed))
		})
	}
}

// keep compares a file with what it should hold.
func keep(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		writeFile(t, file, want)
	}
	if got, err := os.ReadFile(file); string(got) != want {
		t.Errorf("%s is stale (make pictures writes it), or %v; it should be\n%s", file, err, want)
	}
}

// drawn is a picture of a terminal with a text, in the reader's light or dark colours. It
// needs no font of its own and no other host. Screen readers read the text.
func drawn(title, text string) string {
	const column, row, margin = 8.43, 20, 16
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	wide := 0
	var body strings.Builder
	for i, line := range lines {
		wide = max(wide, runewidth.StringWidth(line))
		line = strings.NewReplacer("✓", `<tspan class="good">✓</tspan>`, "✗", `<tspan class="bad">✗</tspan>`).Replace(html.EscapeString(line))
		switch {
		case strings.HasPrefix(line, "$ "):
			line = `<tspan class="typed">` + line + `</tspan>`
		case strings.HasPrefix(line, "purser: "), line == "Killed":
			line = `<tspan class="bad">` + line + `</tspan>`
		}
		fmt.Fprintf(&body, "<text x=\"%d\" y=\"%d\">%s</text>\n", margin, margin+row*(i+1)-6, line)
	}
	width, height := int(float64(wide)*column)+2*margin, row*len(lines)+2*margin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title" aria-describedby="text" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d">
<title id="title">%[3]s</title>
<desc id="text">%[4]s</desc>
<style>
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; white-space: pre }
rect { fill: #f6f8fa; stroke: #d1d9e0 } .typed { font-weight: bold } .good { fill: #1a7f37 } .bad { fill: #cf222e }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } rect { fill: #0d1117; stroke: #3d444d } .good { fill: #3fb950 } .bad { fill: #f85149 } }
</style>
<rect x="0.5" y="0.5" width="%[5]d" height="%[6]d" rx="8"/>
%[7]s</svg>
`, width, height, html.EscapeString(title), html.EscapeString(strings.TrimRight(text, "\n")), width-1, height-1, body.String())
}

// inLife finds what the picture of a token's life names: calls, commands and stages.
var inLife = regexp.MustCompile(`data-call="([^"]+)"|class="command">purser ([^<]+)<|class="stage[^>]*>([^<]+)<`)

// TestTheLifeOfATokenIsDrawnAsItIs: a rehearsed rotation makes the calls of the picture in its
// order, and the commands and stages have these names.
func TestTheLifeOfATokenIsDrawnAsItIs(t *testing.T) {
	drawing, err := os.ReadFile("../../docs/pictures/life.svg")
	if err != nil {
		t.Fatal(err)
	}
	_, calls := newScene(t).purser("rehearse", "dockerhub")
	commands := map[string]bool{}
	eachCommand((&app{}).root(), func(c *cobra.Command) { commands[c.Name()] = true })
	stages := []credential.Stage{credential.Current, credential.Pending, credential.Previous}
	found := 0
	for _, m := range inLife.FindAllStringSubmatch(string(drawing), -1) {
		found++
		switch call, command, stage := m[1], m[2], m[3]; {
		case call != "":
			_, after, ok := strings.Cut(calls, " "+call+" ")
			if !ok {
				t.Errorf("a rotation has no %s here; what is left of it:\n%s", call, calls)
			}
			calls = after
		case command != "" && !commands[command]:
			t.Errorf("there is no purser %s", command)
		case stage != "" && !slices.Contains(stages, credential.Stage(stage)):
			t.Errorf("there is no stage %s", stage)
		}
	}
	if found < 15 {
		t.Errorf("the picture names only %d things", found)
	}
}

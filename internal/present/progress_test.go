package present

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// drawn returns what a terminal shows at the end, and its widest row ever.
func drawn(written string) (shown string, widest int) {
	var rows []string
	for line := range strings.SplitSeq(written, "\n") {
		row := ""
		for part := range strings.SplitSeq(line, "\r") {
			if rest, erased := strings.CutPrefix(part, "\x1b[K"); erased {
				row = rest
			} else if part != "" {
				row = part + row[min(len(part), len(row)):]
			}
			widest = max(widest, runewidth.StringWidth(row))
		}
		rows = append(rows, row)
	}
	return strings.Join(rows, "\n"), widest
}

// watched returns a progress with its own clock, which only the test draws.
func watched(to io.Writer, width int, names ...string) (p *Progress, pass func(time.Duration)) {
	now := time.Unix(0, 0)
	return newProgress(to, func() int { return width }, func() time.Time { return now }, "checked", names), func(d time.Duration) { now = now.Add(d) }
}

func TestProgressSaysHowFarItIsAndWhatIsSlow(t *testing.T) {
	var screen bytes.Buffer
	p, pass := watched(&screen, 80, "first (docker.io)", "second (ghcr.io)", "third (quay.io)")
	pass(52 * time.Second)
	p.Done(0)
	p.Done(2)
	p.draw()
	if shown, _ := drawn(screen.String()); shown != "2 of 3 checked in 52s; waiting for second (ghcr.io)" {
		t.Errorf("it shows %q", shown)
	}
}

func TestProgressNeverFillsMoreThanItsRow(t *testing.T) {
	for width := 3; width < 100; width++ {
		var screen bytes.Buffer
		p, _ := watched(&screen, width, "ドッカーハブのとても長い名前 (レジストリ.example)", "second")
		p.draw()
		if _, widest := drawn(screen.String()); widest > max(width-len("^C"), 0) {
			t.Errorf("%d columns: a row of %d: %q", width, widest, screen.String())
		}
	}
}

// TestProgressLeavesNothingBehind prints lines and pieces of lines between drawings.
func TestProgressLeavesNothingBehind(t *testing.T) {
	var screen bytes.Buffer
	p, _ := watched(&screen, 40, "first", "second")
	s := &Stream{To: &screen, Screen: &Screen{}}
	s.Screen.progress.Store(p)
	p.screen = s.Screen
	want := ""
	for i, text := range []string{"one line\n", "a piece", " and the rest\n", "another\n"} {
		p.draw()
		_, _ = io.WriteString(s, text)
		want += text
		if shown, _ := drawn(screen.String()); !strings.HasPrefix(shown, want) {
			t.Fatalf("after %d it shows %q, want %q first", i, shown, want)
		}
	}
	p.draw()
	p.Done(0)
	p.End()
	p.draw()
	p.End()
	if shown, _ := drawn(screen.String()); shown != want {
		t.Errorf("it leaves %q, want %q", shown, want)
	}
}

func TestProgressHidesDuringAQuestion(t *testing.T) {
	var screen bytes.Buffer
	p, _ := watched(&screen, 40, "first")
	p.draw()
	again := hushed(context.WithValue(t.Context(), progressKey{}, p))
	_, _ = screen.WriteString("Is this right? [y/N] ")
	p.draw()
	if shown, _ := drawn(screen.String()); shown != "Is this right? [y/N] " {
		t.Errorf("while it is asked, it shows %q", shown)
	}
	_, _ = screen.WriteString("y\n")
	again()
	p.draw()
	if shown, _ := drawn(screen.String()); !strings.Contains(shown, "0 of 1 in 0s") {
		t.Errorf("afterwards it shows %q", shown)
	}
}

// stuck is a stream whose reader no longer reads.
type stuck struct{ writing, free chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	close(s.writing)
	<-s.free
	return len(p), nil
}

// TestClosingAStuckStreamDoesNotWait hangs if it fails.
func TestClosingAStuckStreamDoesNotWait(*testing.T) {
	hangs := stuck{make(chan struct{}), make(chan struct{})}
	s := &Stream{To: hangs, Screen: &Screen{}}
	p, _ := watched(io.Discard, 40, "first")
	s.Screen.progress.Store(p)
	written := make(chan struct{})
	go func() {
		_, _ = io.WriteString(s, "text\n")
		close(written)
	}()
	<-hangs.writing
	s.Close()
	close(hangs.free)
	<-written
}

func TestProgressNeedsATerminal(t *testing.T) {
	var b bytes.Buffer
	_, p := Out{To: &Stream{To: &b, Screen: &Screen{}}}.Follow(t.Context(), time.Now, "checked", []string{"first"})
	p.Done(0) // of a nil progress
	p.End()
	if p != nil || b.Len() > 0 {
		t.Errorf("%v, %q", p, b.String())
	}
}

// checksOf makes some checks succeed, some fail, and cuts the rest short.
func checksOf(fine, refused, cut int) (names []string, results []lifecycle.CheckResult) {
	for i := range fine + refused + cut {
		name := fmt.Sprintf("c%03d", i)
		place := lifecycle.PlaceCheck{Verdict: credential.Granted}
		switch {
		case i >= fine+refused:
			place = lifecycle.PlaceCheck{Verdict: credential.Unknown, Fault: &credential.Fault{Reason: credential.Interrupted, What: "interrupted by SIGINT", Why: "purser was asking docker.io"}}
		case i >= fine:
			place = lifecycle.PlaceCheck{Verdict: credential.Refused, Fault: &credential.Fault{Reason: credential.TokenRefused, What: "the registry does not know it"}}
		}
		names = append(names, name)
		results = append(results, lifecycle.CheckResult{Name: credential.Name(name), Verdict: place.Verdict, Places: []lifecycle.PlaceCheck{place}})
	}
	return names, results
}

func TestManyChecksEndInOneLineOfSums(t *testing.T) {
	var out, errs bytes.Buffer
	names, results := checksOf(197, 2, 1)
	results[199].Places[0].Fault.Reason = credential.RegistryUnreachable
	_, c := Out{To: &out}.Checks(t.Context(), time.Now, names, false)
	for i := range results { // the last ends first
		c.Done(len(results)-1-i, results[len(results)-1-i])
	}
	c.End(Out{To: &errs})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; last != "200 credentials: 197 fine, 2 refused, 1 unknown" || errs.Len() > 0 {
		t.Errorf("it ends with %q, and says %q", last, errs.String())
	}
	if !strings.HasPrefix(lines[0], "ok: c000") || !strings.HasPrefix(lines[196], "ok: c196") {
		t.Errorf("they are not in order: %q, %q", lines[0], lines[196])
	}
}

// TestAnInterruptIsReportedOnce has 200 credentials and as many lines as for one.
func TestAnInterruptIsReportedOnce(t *testing.T) {
	var out, errs bytes.Buffer
	names, results := checksOf(55, 2, 143)
	_, c := Out{To: &out}.Checks(t.Context(), time.Now, names, false)
	for i, r := range results {
		c.Done(i, r)
	}
	c.End(Out{To: &errs})
	if text := out.String(); strings.Contains(text, "interrupted") || !strings.HasSuffix(text, "200 credentials: 55 fine, 2 refused, 143 not checked\n") {
		t.Errorf("standard output is\n%s", text)
	}
	const want = `purser: interrupted by SIGINT
  why:  purser checked 57 of 200, but not c057, c058, c059 and 140 more
        This says nothing about the token.
  next: run the same command again: it finishes what this one started
`
	if errs.String() != want {
		t.Errorf("it says\n%s", errs.String())
	}
}

// TestNobodyReadsGosContextErrors tries every way in which an error becomes text.
func TestNobodyReadsGosContextErrors(t *testing.T) {
	at := time.Unix(0, 0)
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		asked := &url.Error{Op: "Get", URL: "https://registry.example/v2/", Err: cause}
		for _, err := range []error{
			cause, asked, fmt.Errorf("read the answer: %w", asked), errors.New("read: " + cause.Error()), errors.Join(cause, errors.New("and more")),
			&credential.Fault{Reason: credential.RegistryUnreachable, What: "no answer: " + cause.Error(), Why: asked.Error(), Err: asked},
			fmt.Errorf("ask: %w", &credential.Fault{What: cause.Error()}),
		} {
			var b bytes.Buffer
			o := Out{To: &b}
			b.WriteString(ErrorText(err))
			_ = json.NewEncoder(&b).Encode(ErrorReport(err))
			_ = json.NewEncoder(&b).Encode(ReportOf(err))
			o.Error(err)
			o.Line(credential.Unknown, "label", err.Error())
			o.Finding(credential.Unknown, "label", err.Error(), err)
			f, ok := AsFault(err)
			if !ok {
				f = &credential.Fault{What: err.Error(), Why: err.Error()}
			}
			o.check(lifecycle.CheckResult{Places: []lifecycle.PlaceCheck{{Fault: f}}})
			o.Status([]lifecycle.StatusRow{{Fault: f}}, o, at)
			o.Status([]lifecycle.StatusRow{{Fault: f}, {Fault: f}}, o, at)
			o.Rotations([]Rotation{{Name: "a", Err: err, Silent: true}, {Name: "b", Err: err}}, o)
			_ = json.NewEncoder(&b).Encode(RotationReport([]Rotation{{Err: err}}))
			if text := b.String(); strings.Contains(text, "context ") {
				t.Errorf("%v:\n%s", err, text)
			}
		}
		if ExitCode(cause) != ExitUnknown {
			t.Errorf("%v ends with %d", cause, ExitCode(cause))
		}
	}
}

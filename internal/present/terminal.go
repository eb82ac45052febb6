package present

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"purser/internal/credential"
)

// Terminal asks a person. It is the controlling terminal, so that questions
// work while standard input and output are data.
type Terminal struct{ Path string }

// ControllingTerminal is the process's own on every system that purser runs on.
const ControllingTerminal = "/dev/tty"

// Open opens the terminal; a fault with the reason NoTerminal where there is none.
func (t Terminal) Open() (*os.File, error) {
	f, err := os.OpenFile(t.Path, os.O_RDWR, 0)
	if err != nil {
		return nil, &credential.Fault{
			Reason: credential.NoTerminal, What: "there is no terminal to ask on", Why: "purser runs without one, from a script or an agent",
		}
	}
	return f, nil
}

// turn opens the terminal when nobody else asks there, and nothing is drawn there, until done.
func (t Terminal) turn(ctx context.Context) (f *os.File, done func(), err error) {
	if err := AwaitTurn(ctx); err != nil {
		return nil, nil, err
	}
	if f, err = t.Open(); err != nil {
		return nil, nil, err
	}
	again := hushed(ctx)
	return f, func() {
		_ = f.Close()
		again()
	}, nil
}

// Secret asks for text that is not echoed.
func (t Terminal) Secret(ctx context.Context, question string) ([]byte, error) {
	f, done, err := t.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("look at the terminal: %w", err)
	}
	// The echo is off before the question is there: who pastes fast is not shown.
	if _, err := term.MakeRaw(fd); err != nil {
		return nil, fmt.Errorf("turn off the terminal's echo: %w", err)
	}
	_, _ = io.WriteString(f, question)
	typed, err := Interruptible(ctx, asking, func() ([]byte, error) { return term.ReadPassword(fd) })
	_ = term.Restore(fd, before) // an interrupted read leaves the echo off
	_, _ = io.WriteString(f, "\n")
	if err != nil {
		return nil, Declined(err)
	}
	return typed, nil
}

// Confirm asks a question that is answered with yes or no; no is the default.
func (t Terminal) Confirm(ctx context.Context, question string) error {
	f, done, err := t.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	_, _ = io.WriteString(f, question+" [y/N] ")
	line, err := Interruptible(ctx, asking, func() ([]byte, error) { return bufio.NewReader(f).ReadBytes('\n') })
	if err != nil {
		return Declined(err)
	}
	switch strings.ToLower(strings.TrimSpace(string(line))) {
	case "y", "yes":
		return nil
	}
	return Declined(nil)
}

// Line asks for text that is echoed.
func (t Terminal) Line(ctx context.Context, question string) (string, error) {
	f, done, err := t.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	_, _ = io.WriteString(f, question)
	line, err := Interruptible(ctx, asking, func() ([]byte, error) { return bufio.NewReader(io.LimitReader(f, lineLimit)).ReadBytes('\n') })
	if err != nil {
		return "", Declined(err)
	}
	return strings.TrimSpace(string(line)), nil
}

// lineLimit is far above any name, in bytes.
const lineLimit = 4 << 10

// asking is what purser does while a person answers.
const asking = "waiting for an answer at the terminal"

// Declined is the fault of a person who said no, or who could not answer.
func Declined(err error) error {
	if ended, ok := AsFault(err); ok {
		return ended
	}
	return &credential.Fault{Reason: credential.Declined, What: "stopped: it was not confirmed", Err: err}
}

// Interruptible lets the end of ctx end a read: reading a terminal or a pipe cannot be
// cancelled, so that the reader is left behind, and ends with the process.
func Interruptible(ctx context.Context, doing string, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		line []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := read()
		done <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		return nil, credential.Stopped(ctx, doing)
	case r := <-done:
		return r.line, r.err
	}
}

// IsTerminal reports whether a stream is one, which decides about symbols and
// colour, never about content.
func IsTerminal(w io.Writer) bool {
	if b, ok := w.(*blockWriter); ok {
		w = b.to
	}
	f, ok := Original(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Pasted asks for text that is not echoed, and says about it what told makes of it
// while it arrives.
func (t Terminal) Pasted(ctx context.Context, before, question string, told func([]byte) string) ([]byte, error) {
	f, done, err := t.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	fd := int(f.Fd())
	state, err := term.MakeRaw(fd) // the echo is off before the question is there
	if err != nil {
		return nil, fmt.Errorf("turn off the terminal's echo: %w", err)
	}
	defer func() { _ = term.Restore(fd, state) }()
	for line := range strings.Lines(before) {
		_, _ = io.WriteString(f, strings.ReplaceAll(fill("", strings.TrimSuffix(line, "\n"), len("1. "), columns(fd)), "\n", "\r\n")+"\r\n")
	}
	_, _ = io.WriteString(f, question)
	if runewidth.StringWidth(question) >= columns(fd) {
		_, _ = io.WriteString(f, "\r\n") // it has more than one row, and only the last can be drawn again
		question = ""
	}
	raw, err := Interruptible(ctx, asking, func() ([]byte, error) {
		return readPasted(f, func(raw []byte) { _, _ = io.WriteString(f, "\r\x1b[K"+fit(question, told(raw), columns(fd))) })
	})
	_, _ = io.WriteString(f, "\r\n")
	if err != nil {
		return nil, Declined(err)
	}
	return raw, nil
}

// columns is how wide the terminal is now; 80 where it does not say.
func columns(fd int) int {
	if width, _, err := term.GetSize(fd); err == nil && width > 0 {
		return width
	}
	const usual = 80
	return usual
}

// fit is a question with what is said behind it, as one row has place for them and for the
// cursor: else without the question, or with the end cut off.
func fit(question, said string, columns int) string {
	for _, row := range []string{question + said, cmp.Or(said, question)} {
		if runewidth.StringWidth(row) < columns {
			return row
		}
	}
	return runewidth.Truncate(said, columns-1, "…")
}

// The keys of a terminal in raw mode that mean something here.
const (
	keyInterrupt, keyEnd, keyBack, keyDelete, keyClear, keyEscape = 3, 4, 8, 127, 21, 27
	pasteLimit                                                    = 16<<10 + 3
)

// readPasted reads keys until the end of the line, one by one: what was typed ahead is
// for the next question.
func readPasted(r io.Reader, changed func([]byte)) ([]byte, error) {
	var raw []byte
	key := make([]byte, 1)
	escape := false
	for {
		if _, err := r.Read(key); err != nil {
			return nil, err
		}
		switch k := key[0]; {
		case escape: // a sequence, such as the marks that terminals put around what is pasted
			escape = k == '[' || k >= '0' && k <= '9' || k == ';'
			continue
		case k == '\r' || k == '\n':
			return raw, nil
		case k == keyInterrupt || k == keyEnd:
			return nil, context.Canceled
		case k == keyEscape:
			escape = true
			continue
		case k == keyBack || k == keyDelete:
			raw = raw[:max(len(raw)-1, 0)]
		case k == keyClear:
			raw = raw[:0]
		case len(raw) < pasteLimit:
			raw = append(raw, k)
		}
		changed(raw)
	}
}

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

// Terminal asks a person, at the controlling terminal, so that standard input and output can
// carry data.
type Terminal struct{ Path string }

// Open opens the terminal. Without one, its fault's reason is NoTerminal.
func (t Terminal) Open() (*os.File, error) {
	f, err := os.OpenFile(t.Path, os.O_RDWR, 0)
	if err != nil {
		return nil, &credential.Fault{
			Reason: credential.NoTerminal, What: "there is no terminal to ask you on", Why: "a script or an agent runs purser without one",
		}
	}
	return f, nil
}

// turn waits for other questions, hides progress and opens the terminal, until done.
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

// Secret asks for text without showing it.
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
	// Turn off the echo before asking, in case somebody pastes quickly.
	if _, err := term.MakeRaw(fd); err != nil {
		return nil, fmt.Errorf("turn off the terminal's echo: %w", err)
	}
	_, _ = io.WriteString(f, question)
	typed, err := Interruptible(ctx, asking, func() ([]byte, error) { return term.ReadPassword(fd) })
	_ = term.Restore(fd, before) // ReadPassword does not, if it is interrupted
	_, _ = io.WriteString(f, "\n")
	if err != nil {
		return nil, Declined(err)
	}
	return typed, nil
}

// Confirm asks a yes-or-no question; no is the default.
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

// Line asks for text, and shows it.
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

// lineLimit is far above any name's length, in bytes.
const lineLimit = 4 << 10

// asking names the wait for an answer in errors.
const asking = "waiting for an answer at the terminal"

// Declined returns the fault of a person who said no or could not answer.
func Declined(err error) error {
	if ended, ok := AsFault(err); ok {
		return ended
	}
	return &credential.Fault{Reason: credential.Declined, What: "stopped: you did not confirm", Err: err}
}

// Interruptible stops waiting for a read when ctx ends. Nothing can cancel the read of a
// terminal or a pipe, so it goes on until the process ends.
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

// IsTerminal reports whether a stream is a terminal. That decides about symbols, colour and
// layout.
func IsTerminal(w io.Writer) bool {
	if b, ok := w.(*blockWriter); ok {
		w = b.to
	}
	f, ok := Original(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Pasted asks for text without showing it. It shows what told says about it instead.
func (t Terminal) Pasted(ctx context.Context, before, question string, told func([]byte) string) ([]byte, error) {
	f, done, err := t.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	fd := int(f.Fd())
	state, err := term.MakeRaw(fd) // turn off the echo before asking
	if err != nil {
		return nil, fmt.Errorf("turn off the terminal's echo: %w", err)
	}
	defer func() { _ = term.Restore(fd, state) }()
	for line := range strings.Lines(before) {
		_, _ = io.WriteString(f, strings.ReplaceAll(fill("", strings.TrimSuffix(line, "\n"), len("1. "), columns(fd)), "\n", "\r\n")+"\r\n")
	}
	_, _ = io.WriteString(f, question)
	if runewidth.StringWidth(question) >= columns(fd) {
		_, _ = io.WriteString(f, "\r\n") // it wraps, and only its last row can be redrawn
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

// columns returns the terminal's current width; 80 if unknown.
func columns(fd int) int {
	if width, _, err := term.GetSize(fd); err == nil && width > 0 {
		return width
	}
	const usual = 80
	return usual
}

// fit fits a question and the text after it into one row, with the cursor. It drops the
// question if it must, and then cuts the text.
func fit(question, said string, columns int) string {
	for _, row := range []string{question + said, cmp.Or(said, question)} {
		if runewidth.StringWidth(row) < columns {
			return row
		}
	}
	return runewidth.Truncate(said, columns-1, "…")
}

// The keys that readPasted handles.
const (
	keyInterrupt, keyEnd, keyBack, keyDelete, keyClear, keyEscape = 3, 4, 8, 127, 21, 27
	pasteLimit                                                    = 16<<10 + 3
)

// readPasted reads one key at a time until the end of the line, and so leaves what follows to
// the next question.
func readPasted(r io.Reader, changed func([]byte)) ([]byte, error) {
	var raw []byte
	key := make([]byte, 1)
	escape := false
	for {
		if _, err := r.Read(key); err != nil {
			return nil, err
		}
		switch k := key[0]; {
		case escape: // part of a sequence, such as the marks around a paste
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

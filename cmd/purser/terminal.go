package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"purser/internal/credential"
)

// terminal asks a person. It is the controlling terminal, so that questions
// work while standard input and output are data.
type terminal struct{ path string }

// controllingTerminal is the process's own on every system that purser runs on.
const controllingTerminal = "/dev/tty"

func (t terminal) open() (*os.File, error) {
	f, err := os.OpenFile(t.path, os.O_RDWR, 0)
	if err != nil {
		return nil, &credential.Fault{
			Reason: credential.NoTerminal, What: "there is no terminal to ask on", Why: "purser runs without one, from a script or an agent",
		}
	}
	return f, nil
}

// secret asks for text that is not echoed.
func (t terminal) secret(ctx context.Context, question string) ([]byte, error) {
	if err := awaitTurn(ctx); err != nil {
		return nil, err
	}
	f, err := t.open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
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
	typed, err := interruptible(ctx, asking, func() ([]byte, error) { return term.ReadPassword(fd) })
	_ = term.Restore(fd, before) // an interrupted read leaves the echo off
	_, _ = io.WriteString(f, "\n")
	if err != nil {
		return nil, declined(err)
	}
	return typed, nil
}

// confirm asks a question that is answered with yes or no; no is the default.
func (t terminal) confirm(ctx context.Context, question string) error {
	if err := awaitTurn(ctx); err != nil {
		return err
	}
	f, err := t.open()
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, _ = io.WriteString(f, question+" [y/N] ")
	line, err := interruptible(ctx, asking, func() ([]byte, error) { return bufio.NewReader(f).ReadBytes('\n') })
	if err != nil {
		return declined(err)
	}
	switch strings.ToLower(strings.TrimSpace(string(line))) {
	case "y", "yes":
		return nil
	}
	return declined(nil)
}

// line asks for text that is echoed.
func (t terminal) line(ctx context.Context, question string) (string, error) {
	if err := awaitTurn(ctx); err != nil {
		return "", err
	}
	f, err := t.open()
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	_, _ = io.WriteString(f, question)
	line, err := interruptible(ctx, asking, func() ([]byte, error) { return bufio.NewReader(io.LimitReader(f, lineLimit)).ReadBytes('\n') })
	if err != nil {
		return "", declined(err)
	}
	return strings.TrimSpace(string(line)), nil
}

// lineLimit is far above any name, in bytes.
const lineLimit = 4 << 10

// asking is what purser does while a person answers.
const asking = "waiting for an answer at the terminal"

func declined(err error) error {
	if ended, ok := asFault(err); ok {
		return ended
	}
	return &credential.Fault{Reason: credential.Declined, What: "stopped: it was not confirmed", Err: err}
}

// interruptible lets the end of ctx end a read: reading a terminal or a pipe cannot be
// cancelled, so that the reader is left behind, and ends with the process.
func interruptible(ctx context.Context, doing string, read func() ([]byte, error)) ([]byte, error) {
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

// isTerminal reports whether a stream is one, which decides about symbols and
// colour, never about content.
func isTerminal(w io.Writer) bool {
	if b, ok := w.(*blockWriter); ok {
		w = b.to
	}
	f, ok := original(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// interactive reports whether a person is there to be asked what was not
// expected: there is a terminal, and what is printed goes to one.
func (a *app) interactive() bool {
	if !a.asks && !isTerminal(a.out) && !isTerminal(a.err) {
		return false
	}
	f, err := a.tty.open()
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// Package exposure runs a program with canaries, secrets that it must keep, under strace. It searches
// everything that leaves the program for them: output, children's arguments and environments, every
// byte written to a file or socket, connections, and files left behind.
//
// It needs Linux, strace, and root: purser's protection blinds strace for purser's own user.
package exposure

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"

	"purser/internal/credential"
)

// Channel is a way for a secret to leave a process.
type Channel string

// The channels, in the order of tables.
const (
	Output      Channel = "output"      // standard output
	Errors      Channel = "errors"      // standard error
	Terminal    Channel = "terminal"    // the controlling terminal, echo included
	Arguments   Channel = "arguments"   // arguments of children, and thread names
	Environment Channel = "environment" // environment of children
	Files       Channel = "files"       // contents and names, deleted files included
	Sockets     Channel = "sockets"     // local sockets: journal, syslog, D-Bus
	Network     Channel = "network"     // unencrypted bytes, and connections to other than the allowed peers
	Keyring     Channel = "keyring"     // the kernel's keyring
	Cores       Channel = "cores"       // core files
)

// Channels lists all channels.
func Channels() []Channel {
	return []Channel{Output, Errors, Terminal, Arguments, Environment, Files, Sockets, Network, Keyring, Cores}
}

// Canary is a secret that must not leave.
type Canary struct {
	Name   string
	Secret credential.Secret
}

// Finding is a place where a canary, or something unsearchable, left. It holds nothing of the canary.
type Finding struct {
	Channel Channel `json:"channel"`
	Canary  string  `json:"canary,omitempty"` // name; empty if unsearchable
	What    string  `json:"what"`             // the form, or the reason
	Where   string  `json:"where"`            // a path, a socket, a host
}

// Answer is typed after a text appears on the terminal.
type Answer struct {
	After string
	Type  credential.Secret // without newline
}

// Run is one execution of a program.
type Run struct {
	Program string
	Args    []string
	Env     []string // complete
	Dir     string   // working directory; new and changed files are searched

	Input    credential.Secret // standard input
	Until    string            // keeps standard input open until standard output has this text; "": until the end of Input
	Terminal []Answer          // if any, run on a terminal and type these

	Signal syscall.Signal  // sent to the program, not its children, when When is ready
	When   <-chan struct{} // nil: no signal

	Peers  []string  // allowed addresses; none: all of loopback
	Inject string    // a fault for strace to inject, in strace's syntax; may be ""
	Allow  []Channel // where this flow hands the secret over intentionally

	// Canaries is called after the run, because some secrets are made during it.
	Canaries func() []Canary
}

// Result is the outcome of a run.
type Result struct {
	Code     int // exit code, or minus the number of the signal that killed it
	Findings []Finding
	Searched map[Channel]int // bytes searched
	Output   string          // both streams or the terminal, for test failures
}

// Watcher runs programs under strace.
type Watcher struct{ strace string }

// ErrCannotWatch means that programs cannot be watched here. The text around it says why.
var ErrCannotWatch = errors.New("cannot watch programs here")

// NewWatcher returns a Watcher, or an error that wraps ErrCannotWatch.
func NewWatcher() (*Watcher, error) {
	path, err := ready()
	if err != nil {
		return nil, err
	}
	return &Watcher{strace: path}, nil
}

type cannotWatch struct{ why string }

func cannot(why string) error { return &cannotWatch{why} }

// Error returns the reason.
func (e *cannotWatch) Error() string { return e.why }

// Unwrap returns ErrCannotWatch.
func (e *cannotWatch) Unwrap() error { return ErrCannotWatch }

// Run executes r and searches what left it. It returns an error if it could not watch; a program that
// fails is a Result.
func (w *Watcher) Run(ctx context.Context, r Run) (Result, error) {
	before, err := snapshot(r.Dir)
	if err != nil {
		return Result{}, err
	}
	scratch, err := os.MkdirTemp("", "exposure-")
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	seen, err := w.execute(ctx, r, scratch)
	if err != nil {
		return Result{}, err
	}
	canaries := r.Canaries()
	s := &search{needles: newNeedles(canaries), names: canaries, run: r, bytes: map[Channel]int{}}
	s.stream(Output, "standard output", seen.out)
	s.stream(Errors, "standard error", seen.err)
	s.stream(Terminal, "the terminal", seen.terminal)
	if err := s.trace(seen); err != nil {
		return Result{}, err
	}
	if err := s.leftBehind(before); err != nil {
		return Result{}, err
	}
	return Result{
		Code: seen.code, Findings: s.allowed(), Searched: s.bytes,
		Output: string(seen.out) + string(seen.err) + string(seen.terminal),
	}, nil
}

// Found reports whether anything was found in a channel.
func (r Result) Found(c Channel) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Channel == c })
}

// Package exposure runs a program under strace with canaries, secrets that it
// was given to keep, and searches everything that leaves it for them: what it
// prints, the arguments and environments of its children, every byte it writes
// to any file or socket, the hosts that it calls, and what it leaves behind.
//
// It needs Linux, strace, and the right to trace a process that forbids it,
// which root has: purser's own protection makes strace blind for its user.
package exposure

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"purser/internal/credential"
)

// Channel is a way by which a secret can leave a process.
type Channel string

// The channels, in the order in which tables show them.
const (
	Output      Channel = "output"      // standard output
	Errors      Channel = "errors"      // standard error
	Terminal    Channel = "terminal"    // the controlling terminal, echo included
	Arguments   Channel = "arguments"   // of child processes, and thread names
	Environment Channel = "environment" // of child processes
	Files       Channel = "files"       // contents and names, also of files that are gone again
	Sockets     Channel = "sockets"     // local ones: the journal, syslog, D-Bus
	Network     Channel = "network"     // bytes in the clear, and connections to anywhere but the allowed peers
	Keyring     Channel = "keyring"     // of the kernel
	Cores       Channel = "cores"       // core files
)

// Channels lists all of them.
func Channels() []Channel {
	return []Channel{Output, Errors, Terminal, Arguments, Environment, Files, Sockets, Network, Keyring, Cores}
}

// Canary is a secret that must not be found.
type Canary struct {
	Name   string // says which it is
	Secret credential.Secret
}

// Finding is a place where a canary, or something that cannot be searched, was
// found. It holds nothing of the canary.
type Finding struct {
	Channel Channel `json:"channel"`
	Canary  string  `json:"canary,omitempty"` // its name; empty for what could not be searched
	What    string  `json:"what"`             // in which form, or why it counts
	Where   string  `json:"where"`            // a path, a socket, a host
}

// Answer is typed at the terminal when a text has appeared there.
type Answer struct {
	After string
	Type  credential.Secret // without the end of the line
}

// Run is one execution of a program.
type Run struct {
	Program string
	Args    []string
	Env     []string // all of it
	Dir     string   // the working directory; what is new or changed in it afterwards is searched

	Input    credential.Secret // standard input
	Until    string            // standard input stays open until standard output has this text; "": it ends with Input
	Terminal []Answer          // with any, the three streams are a terminal, where these are typed

	Signal syscall.Signal  // sent to the program, and not to its children, when When is ready
	When   <-chan struct{} // nil: no signal

	Peers  []string  // addresses that may be connected to; with none, all of loopback
	Inject string    // a fault for strace to inject, in its own form; "" for none
	Allow  []Channel // where this flow hands the secret over on purpose

	// Canaries are asked for when the run is over: some come to be while it goes on.
	Canaries func() []Canary
}

// Result is what a run showed.
type Result struct {
	Code     int // exit code; minus the signal's number where one ended it
	Findings []Finding
	Searched map[Channel]int // bytes
	Output   string          // what it printed, both streams or the terminal, for the failure of a test
}

// Watcher runs programs.
type Watcher struct{ strace string }

// ErrCannotWatch is returned where programs cannot be watched; the text around
// it says why.
var ErrCannotWatch = errors.New("programs cannot be watched here")

// NewWatcher makes a Watcher, or an error that wraps ErrCannotWatch.
func NewWatcher() (*Watcher, error) {
	if err := ready(); err != nil {
		return nil, err
	}
	path, err := exec.LookPath("strace")
	if err != nil {
		return nil, cannot("strace is not installed")
	}
	return &Watcher{strace: path}, nil
}

type cannotWatch struct{ why string }

func cannot(why string) error { return &cannotWatch{why} }

// Error says why.
func (e *cannotWatch) Error() string { return e.why }

// Unwrap makes it an ErrCannotWatch.
func (e *cannotWatch) Unwrap() error { return ErrCannotWatch }

// Run executes r and searches what left it. An error means that it could not be
// watched; a program that fails is a Result.
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

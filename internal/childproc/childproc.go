// Package childproc runs a program as if nothing stood before it: its streams, its
// terminal, the signals for it and its exit code are passed through. What it
// prints can be led through a filter, and then it has a terminal of its own where
// there was one.
package childproc

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Filter is a stream on its way out. Idle is called when nothing was written for
// a moment, and Close at the end.
type Filter interface {
	io.WriteCloser
	Idle() error
}

// Command is a program to run.
type Command struct {
	Program       string // a path
	Args          []string
	Env           []string // all of it
	In            io.Reader
	Out, Err      io.Writer
	Filter        func(to io.Writer) Filter                          // nil: the streams are the program's own
	Prepare       func(*exec.Cmd)                                    // called last before the start; may be nil
	Signals       <-chan os.Signal                                   // those to pass on
	After         func(d time.Duration, f func()) (stop func() bool) // a timer
	DeadlineGrace time.Duration                                      // between a request to end and the end, when ctx ran out
}

const (
	// idleAfter is the silence after which a filter passes on what it holds back. A
	// person does not notice it.
	idleAfter = 20 * time.Millisecond
	// lastWords is how long is waited for output of programs that outlive the one
	// that was started and hold its streams.
	lastWords  = time.Second
	bufferSize = 64 << 10
	// bySignal is what shells add to a signal's number.
	bySignal = 128
)

// Run starts the program and waits for its end. The code is the program's, 128 and
// the signal's number where a signal ended it. An error means that it could not be
// started, or that its output could not be passed on. When ctx ends the program is
// asked to end, and made to after DeadlineGrace.
func (c Command) Run(ctx context.Context) (code int, err error) {
	cmd := exec.Command(c.Program, c.Args...) //nolint:gosec,noctx // the person names the program; how it is ended is written below
	cmd.Env = c.Env
	s := &session{c: c, cmd: cmd}
	defer s.restore()
	if err := s.connect(); err != nil {
		return 0, err
	}
	if err := s.start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in the ProcessState
		close(ended)
	}()
	s.serve(ctx, ended)
	copied := s.finish()
	if code = exitCode(cmd.ProcessState); code == 0 {
		return 0, copied
	}
	return code, nil
}

func exitCode(p *os.ProcessState) int {
	if status, ok := p.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return bySignal + int(status.Signal())
	}
	return p.ExitCode()
}

// session is one run.
type session struct {
	c     Command
	cmd   *exec.Cmd
	pumps sync.WaitGroup
	own   []*os.File // the program's ends, to be closed once it has them
	reads []*os.File // our ends
	undo  []func()   // in reverse

	mu     sync.Mutex // guards failed
	failed error

	terminal *os.File // our end of the program's terminal; nil without one
	person   *os.File // the terminal that it stands for
}

func (s *session) restore() {
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.undo[i]()
	}
	s.undo = nil
}

// connect gives the program its streams.
func (s *session) connect() error {
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = s.c.In, s.c.Out, s.c.Err
	if s.c.Filter == nil {
		return nil
	}
	taken, err := s.connectTerminal()
	if err != nil {
		return err
	}
	for _, stream := range []struct {
		to   io.Writer
		slot *io.Writer
	}{{s.c.Out, &s.cmd.Stdout}, {s.c.Err, &s.cmd.Stderr}} {
		if taken(stream.to) {
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		*stream.slot = w
		s.own, s.reads = append(s.own, w), append(s.reads, r)
		s.pump(r, stream.to)
	}
	return nil
}

// pump passes on one stream through a filter.
func (s *session) pump(from *os.File, to io.Writer) {
	f := s.c.Filter(to)
	s.pumps.Go(func() {
		buffer := make([]byte, bufferSize)
		idle := func() bool { return true }
		for {
			n, err := from.Read(buffer)
			idle()
			if n > 0 {
				if _, err := f.Write(buffer[:n]); err != nil {
					s.fail(err)
					_ = from.Close() // the program learns of it as it would without us
					return
				}
				idle = s.c.After(idleAfter, func() { _ = f.Idle() })
			}
			if err != nil {
				s.fail(f.Close())
				return
			}
		}
	})
}

func (s *session) fail(err error) {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = errors.Join(s.failed, err)
}

func (s *session) start() error {
	s.attributes()
	if s.c.Prepare != nil {
		s.c.Prepare(s.cmd)
	}
	// Where a child ends with its parent, it ends with the thread that started it:
	// this one is kept until the child has ended.
	runtime.LockOSThread()
	s.undo = append(s.undo, runtime.UnlockOSThread)
	err := s.cmd.Start()
	for _, f := range s.own {
		_ = f.Close()
	}
	return err
}

// serve passes signals on until the program ended.
func (s *session) serve(ctx context.Context, ended <-chan struct{}) {
	kill := make(chan struct{})
	done := ctx.Done()
	for {
		select {
		case <-ended:
			return
		case sig := <-s.c.Signals:
			s.signal(sig)
		case <-done:
			done = nil
			_ = s.cmd.Process.Signal(syscall.SIGTERM)
			defer s.c.After(s.c.DeadlineGrace, func() { close(kill) })()
		case <-kill:
			kill = nil
			_ = s.cmd.Process.Kill()
		}
	}
}

// finish waits for the rest of the output.
func (s *session) finish() error {
	stop := s.c.After(lastWords, func() {
		for _, r := range s.reads {
			_ = r.Close()
		}
	})
	s.pumps.Wait()
	stop()
	s.restore()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

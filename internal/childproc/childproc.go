// Package childproc runs a program as if the user had started it: it passes through streams,
// terminal, signals and the exit code. It can filter the program's output; then the program
// gets a terminal of its own if there was one.
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

// Filter is a filtering writer. Idle is called after a moment without output, Close at the
// end.
type Filter interface {
	io.WriteCloser
	Idle() error
}

// Command is a program to run.
type Command struct {
	Program       string // a path
	Args          []string
	Env           []string // the whole environment
	In            io.Reader
	Out, Err      io.Writer
	Filter        func(to io.Writer) Filter                          // nil: the program uses the streams directly
	Prepare       func(*exec.Cmd)                                    // called just before the start; may be nil
	Signals       <-chan os.Signal                                   // those to pass on
	After         func(d time.Duration, f func()) (stop func() bool) // a timer
	DeadlineGrace time.Duration                                      // between SIGTERM and SIGKILL, when ctx ends
}

const (
	// idleAfter is the silence after which a filter passes on what it holds back, too short
	// for a person to notice.
	idleAfter = 20 * time.Millisecond
	// lastWords is how long Run captures output of background programs after the command
	// exits.
	lastWords  = time.Second
	bufferSize = 64 << 10
	// bySignal is what shells add to a signal's number for an exit code.
	bySignal = 128
)

// Run starts the program and waits for its end. The code is the program's, or 128 plus the
// number of the signal that ended it. The error is about starting the program or passing on
// its output. When ctx ends, Run asks the program to end, and kills it after DeadlineGrace.
func (c Command) Run(ctx context.Context) (code int, err error) {
	cmd := exec.Command(c.Program, c.Args...) //nolint:gosec,noctx // the person names the program; serve ends it
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
		_ = cmd.Wait() // the ProcessState has the result
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

type session struct {
	c     Command
	cmd   *exec.Cmd
	pumps sync.WaitGroup
	own   []*os.File // the program's ends, to close after the start
	reads []*os.File // our ends
	undo  []func()   // in reverse

	mu     sync.Mutex // guards failed
	failed error

	terminal *os.File // our end of the program's terminal; nil without one
	person   *os.File // the person's terminal that it replaces
}

func (s *session) restore() {
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.undo[i]()
	}
	s.undo = nil
}

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
					_ = from.Close() // the program notices as it would without purser
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
	// Linux ends a child with the thread that started it: keep this thread until the child
	// has ended.
	runtime.LockOSThread()
	s.undo = append(s.undo, runtime.UnlockOSThread)
	err := s.cmd.Start()
	for _, f := range s.own {
		_ = f.Close()
	}
	return err
}

// serve passes signals on until the program has ended.
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

// Reap starts a program in its own session, out of reach of signals for this one's. The
// program's standard input ends when this process does, or when stop is called.
func Reap(program string, args ...string) (stop func(), err error) {
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // our own program; it outlives every context
	Detach(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = in.Close()
		_ = cmd.Wait()
	}, nil
}

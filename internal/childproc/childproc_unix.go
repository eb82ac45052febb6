//go:build unix

package childproc

import (
	"cmp"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// Signals are those that are for the program and not for what runs it.
func Signals() []os.Signal {
	return []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGALRM, syscall.SIGWINCH, syscall.SIGCONT,
	}
}

// asTerminal is the stream as a terminal's file; nil when it is none.
func asTerminal(stream any) *os.File {
	f, ok := stream.(*os.File)
	if !ok || f == nil || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// connectTerminal gives the program a terminal of its own in the place of the
// person's, and says which streams go there.
func (s *session) connectTerminal() (taken func(io.Writer) bool, err error) {
	taken = func(w io.Writer) bool { return asTerminal(w) != nil }
	s.person = cmp.Or(asTerminal(s.c.Out), asTerminal(s.c.Err))
	if s.person == nil {
		return taken, nil
	}
	ours, theirs, err := pty.Open()
	if err != nil {
		return nil, err
	}
	s.terminal = ours
	s.own, s.reads = append(s.own, theirs), append(s.reads, ours)
	_ = pty.InheritSize(s.person, ours) // a terminal without a size has none to inherit
	if taken(s.c.Out) {
		s.cmd.Stdout = theirs
	}
	if taken(s.c.Err) {
		s.cmd.Stderr = theirs
	}
	if in := asTerminal(s.c.In); in != nil {
		if err := s.raw(int(in.Fd())); err != nil {
			return nil, err
		}
		s.cmd.Stdin = theirs
		// It ends with us: reading a terminal cannot be stopped. A plain writer keeps
		// the copying out of the kernel, where nobody could watch it.
		go func() { _, _ = io.Copy(struct{ io.Writer }{ours}, in) }()
	}
	s.pump(ours, s.person)
	return taken, nil
}

// raw has the person's terminal pass on every key, for the program's terminal to
// make of it what it will.
func (s *session) raw(fd int) error {
	before, err := term.MakeRaw(fd)
	if err != nil {
		return err
	}
	s.undo = append(s.undo, func() { _ = term.Restore(fd, before) })
	return nil
}

// attributes have the program end with us, also when we are killed. With a
// terminal of its own it leads a session there.
func (s *session) attributes() {
	s.cmd.SysProcAttr = endWithParent()
	if s.terminal == nil {
		return
	}
	const out, err = 1, 2
	s.cmd.SysProcAttr.Setsid, s.cmd.SysProcAttr.Setctty, s.cmd.SysProcAttr.Ctty = true, true, out
	if asTerminal(s.c.Out) == nil {
		s.cmd.SysProcAttr.Ctty = err
	}
}

// signal passes one on. One that the keyboard made has reached the program
// already where both are in the terminal's foreground.
func (s *session) signal(sig os.Signal) {
	switch {
	case sig == syscall.SIGWINCH && s.terminal != nil:
		_ = pty.InheritSize(s.person, s.terminal)
		return
	case s.terminal == nil && fromKeyboard(sig) && asTerminal(s.c.In) != nil:
		return
	}
	_ = s.cmd.Process.Signal(sig)
}

func fromKeyboard(sig os.Signal) bool {
	return sig == syscall.SIGINT || sig == syscall.SIGQUIT || sig == syscall.SIGWINCH || sig == syscall.SIGCONT
}

// Reap starts a program in a session of its own, which no signal for this one's
// reaches, whose standard input ends when this process does, whatever ends it.
// The stop that it returns ends it.
func Reap(program string, args ...string) (stop func(), err error) {
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // our own program; it outlives every context
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
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

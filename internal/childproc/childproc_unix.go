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

// Signals lists the signals that are meant for the program.
func Signals() []os.Signal {
	return []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGALRM, syscall.SIGWINCH, syscall.SIGCONT,
	}
}

// asTerminal returns the stream's file if it is a terminal, else nil.
func asTerminal(stream any) *os.File {
	f, ok := stream.(*os.File)
	if !ok || f == nil || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// connectTerminal gives the program its own terminal instead of the person's, and returns
// which streams use it.
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
		// It ends with this process: a read of a terminal cannot be stopped. The plain writer
		// prevents copying inside the kernel, which nobody could observe.
		go func() { _, _ = io.Copy(struct{ io.Writer }{ours}, in) }()
	}
	s.pump(ours, s.person)
	return taken, nil
}

// raw makes the person's terminal pass on every key for the program's terminal to interpret.
func (s *session) raw(fd int) error {
	before, err := term.MakeRaw(fd)
	if err != nil {
		return err
	}
	s.undo = append(s.undo, func() { _ = term.Restore(fd, before) })
	return nil
}

// attributes make the program end with this process, even if that is killed. With its own
// terminal, the program leads a session there.
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

// signal passes a signal on, unless the keyboard made it and both are in the terminal's
// foreground: then the program got it already.
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

// Detach makes a program outlive its parent and its terminal.
func Detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

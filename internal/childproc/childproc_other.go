//go:build !unix

package childproc

import (
	"io"
	"os"
	"os/exec"
)

// Signals lists the signals that are meant for the program.
func Signals() []os.Signal { return []os.Signal{os.Interrupt} }

// connectTerminal does nothing: this system has no terminals to make.
func (s *session) connectTerminal() (taken func(io.Writer) bool, err error) {
	return func(io.Writer) bool { return false }, nil
}

func (s *session) attributes() {}

// signal does nothing: the console notifies all its programs itself.
func (s *session) signal(os.Signal) {}

// Reap starts a program whose standard input ends when this process does.
func Reap(program string, args ...string) (stop func(), err error) {
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // our own program; it outlives every context
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

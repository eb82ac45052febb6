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

// Detach does nothing: on this system programs outlive their parent.
func Detach(*exec.Cmd) {}

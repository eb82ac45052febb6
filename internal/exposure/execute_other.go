//go:build !linux

package exposure

import "context"

type execution struct {
	out, err, terminal []byte
	outPipe, errPipe   string
	tty                string // the terminal's path; "" without one
	trace              []byte
	code               int
}

func ready() error { return cannot("it takes Linux, where strace is") }

func (w *Watcher) execute(context.Context, Run, string) (execution, error) {
	return execution{}, ready()
}

// CoresPossible reports whether any program may leave a core file here.
func CoresPossible() bool { return false }

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

func ready() (string, error) { return "", cannot("this needs Linux, which has strace") }

func (w *Watcher) execute(context.Context, Run, string) (execution, error) {
	_, err := ready()
	return execution{}, err
}

// CoresPossible reports whether programs can leave core files here.
func CoresPossible() bool { return false }

package present

import (
	"context"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/term"
)

// Screen is shared by a command's standard output and standard error.
type Screen struct {
	Wide     *bool // --wide: ignore the terminal's width; may be nil
	progress atomic.Pointer[Progress]
}

// Stream is standard output or standard error. It remembers the first write error, and writes
// nothing once closed. It has no lock except progress's, because a write may hang.
type Stream struct {
	To     io.Writer
	Screen *Screen // may be nil
	Used   atomic.Bool
	Closed atomic.Bool
	Failed atomic.Pointer[error]
}

// Write implements io.Writer.
func (s *Stream) Write(p []byte) (int, error) {
	if s.Closed.Load() {
		return 0, os.ErrClosed
	}
	s.Used.Store(true)
	if s.Screen != nil {
		if row := s.Screen.progress.Load(); row != nil {
			defer row.above(p)()
		}
	}
	n, err := s.To.Write(p)
	if err != nil {
		s.Failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// Close ends the stream and removes the row of progress.
func (s *Stream) Close() {
	s.Closed.Store(true)
	if s.Screen != nil {
		s.Screen.progress.Load().abandon()
	}
}

// Width returns the columns of w's terminal; 0, no limit, without a terminal or with --wide.
func Width(w io.Writer) int {
	for {
		switch to := w.(type) {
		case *blockWriter:
			w = to.to
		case *Stream:
			if to.Screen != nil && to.Screen.Wide != nil && *to.Screen.Wide {
				return 0
			}
			w = to.To
		default:
			if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
				return columns(int(f.Fd()))
			}
			return 0
		}
	}
}

// Original unwraps a stream, so that another program can inherit it.
func Original(w io.Writer) io.Writer {
	for {
		s, ok := w.(*Stream)
		if !ok {
			return w
		}
		w = s.To
	}
}

// Stoppable is a stream whose reads end with a context. The abandoned read ends with the
// process.
type Stoppable struct {
	Ctx   context.Context // the command's
	From  io.Reader
	Doing string
}

// Read uses its own buffer, because an abandoned read may still fill it.
func (s Stoppable) Read(p []byte) (int, error) {
	raw, err := Interruptible(s.Ctx, s.Doing, func() ([]byte, error) {
		own := make([]byte, len(p))
		n, err := s.From.Read(own)
		return own[:n], err
	})
	return copy(p, raw), err
}

// KeptOpen is a stream that a transport must not close.
type KeptOpen struct{ io.Writer }

// Close does nothing.
func (KeptOpen) Close() error { return nil }

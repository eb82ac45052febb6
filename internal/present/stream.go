package present

import (
	"context"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/term"
)

// Screen is what standard output and standard error of a command share.
type Screen struct {
	Wide     *bool // --wide: what is printed is not fitted to the terminal; may be nil
	progress atomic.Pointer[Progress]
}

// Stream is standard output or standard error. It remembers what could not be written,
// and takes nothing more once it is closed. It has no lock, but for the row of progress at a
// terminal: a write may take for ever.
type Stream struct {
	To     io.Writer
	Screen *Screen // may be nil
	Used   atomic.Bool
	Closed atomic.Bool
	Failed atomic.Pointer[error]
}

// Write writes, and remembers.
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

// Close ends the stream, and leaves no row of progress behind.
func (s *Stream) Close() {
	s.Closed.Store(true)
	if s.Screen != nil {
		s.Screen.progress.Load().abandon()
	}
}

// Width is how many columns what is written to w has place in: 0, which is no limit, where
// that is no terminal, and with --wide.
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

// Original is the stream itself, for a program that is to have it.
func Original(w io.Writer) io.Writer {
	for {
		s, ok := w.(*Stream)
		if !ok {
			return w
		}
		w = s.To
	}
}

// Stoppable is a stream whose reads end with a context. A read that is left behind ends
// with the process.
type Stoppable struct {
	Ctx   context.Context // of the one command
	From  io.Reader
	Doing string
}

// Read reads into memory of its own, which a read that is left behind may still fill.
func (s Stoppable) Read(p []byte) (int, error) {
	raw, err := Interruptible(s.Ctx, s.Doing, func() ([]byte, error) {
		own := make([]byte, len(p))
		n, err := s.From.Read(own)
		return own[:n], err
	})
	return copy(p, raw), err
}

// KeptOpen is a stream that is not the transport's to close.
type KeptOpen struct{ io.Writer }

// Close does nothing.
func (KeptOpen) Close() error { return nil }

package redact

import (
	"io"
	"sync"
)

// Mark stands where something was taken out.
const Mark = "[redacted]"

// Writer passes on what is written to it, without the secrets. It is safe for
// concurrent use, so that Idle may be called from a timer.
type Writer struct {
	r  *Redactor
	to io.Writer

	mu     sync.Mutex
	held   []byte // the end of what was written, that may belong to what comes
	few    bool   // held is less than a gram of anything
	piece  bool   // held begins with a piece that goes on
	marked bool   // and the mark for it is out already
	data   []byte // room for held and what is new
	out    []byte // room for what is passed on
}

// NewWriter makes a Writer that passes on to another.
func (r *Redactor) NewWriter(to io.Writer) *Writer { return &Writer{r: r, to: to} }

// Write passes on all but what may belong to what comes next. The error is the
// other writer's.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	data := p
	if len(w.held) > 0 {
		w.data = append(append(w.data[:0], w.held...), p...)
		data = w.data
	}
	if err := w.pass(data); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *Writer) pass(data []byte) error {
	w.out = w.out[:0]
	done, marked := 0, w.marked
	w.marked, w.piece = false, false
	for {
		m, ok := w.r.next(data, done)
		if !ok {
			break
		}
		adjoins := m.from == 0 && marked || m.from == done && done > 0
		w.out = append(w.out, data[done:m.from]...)
		if m.open {
			w.held = append(w.held[:0], data[m.from:]...)
			w.piece, w.few, w.marked = true, false, adjoins
			return w.send(w.out)
		}
		if !adjoins {
			w.out = append(w.out, Mark...)
		}
		done = m.to
	}
	bytes, characters := w.r.tail(data[done:])
	end := len(data) - bytes
	w.few = characters < gramLength
	if done == 0 { // the usual case: nothing to take out
		err := w.send(data[:end])
		w.held = append(w.held[:0], data[end:]...)
		return err
	}
	w.out = append(w.out, data[done:end]...)
	w.held = append(w.held[:0], data[end:]...)
	return w.send(w.out)
}

func (w *Writer) send(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, err := w.to.Write(p)
	return err
}

// Idle is called when nothing was written for a moment, as before a question to a
// person: what is held back is passed on when it is too little to tell anything,
// and a piece of a secret is marked.
func (w *Writer) Idle() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(w.held) == 0 || w.marked:
		return nil
	case w.piece:
		w.marked = true
		return w.send([]byte(Mark))
	case w.few:
		err := w.send(w.held)
		w.held = w.held[:0]
		return err
	}
	return nil
}

// Close passes on what is still held back. It does not close the other writer.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := w.held
	w.held = nil
	switch {
	case w.piece && w.marked:
		return nil
	case w.piece:
		return w.send([]byte(Mark))
	}
	return w.send(held)
}

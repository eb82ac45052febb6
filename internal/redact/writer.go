package redact

import (
	"io"
	"sync"
)

// Mark replaces what was redacted.
const Mark = "[redacted]"

// Writer passes on what is written to it, without the secrets. It is safe for concurrent
// use, so that a timer may call Idle.
type Writer struct {
	to io.Writer

	mu     sync.Mutex
	scan   scan
	data   []byte // the end of the stream, as far as later data may need it
	floor  int    // no run begins before this place in it
	sent   int    // how much of it was passed on or redacted
	marked bool   // the last output was a Mark
	out    []byte // buffer for the output
}

// NewWriter returns a Writer that passes on to another.
func (r *Redactor) NewWriter(to io.Writer) *Writer { return &Writer{scan: scan{r: r}, to: to} }

// Write passes on everything that later data cannot turn into a secret. The error is the
// other writer's.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.data = append(w.data, p...)
	w.scan.over(w.data, w.floor, false)
	if err := w.pass(w.scan.hold); err != nil {
		return 0, err
	}
	start := w.scan.start()
	w.data = w.data[:copy(w.data, w.data[start:])]
	w.sent, w.floor = w.sent-start, w.scan.keep-start
	return len(p), nil
}

// Idle is called after a moment without writes, as before a question to a person. It passes
// on what is held back if that is too little to tell anything, and remembers it for later
// data.
func (w *Writer) Idle() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent == len(w.data) {
		return nil
	}
	w.scan.over(w.data, w.floor, false)
	return w.pass(w.scan.firm)
}

// Close passes on what is held back. It does not close the other writer.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scan.over(w.data, w.floor, true)
	err := w.pass(len(w.data))
	w.data, w.sent = nil, 0
	return err
}

// pass passes on the data up to a place, with marks for redacted parts.
func (w *Writer) pass(to int) error {
	w.out = w.out[:0]
	for _, c := range w.scan.cuts {
		if c.to <= w.sent || c.from >= to {
			continue
		}
		if c.from > w.sent {
			w.out, w.marked = append(w.out, w.data[w.sent:c.from]...), false
		}
		if !w.marked {
			w.out = append(w.out, Mark...)
		}
		w.sent, w.marked = min(c.to, to), true
	}
	rest := w.data[min(w.sent, to):to]
	w.sent, w.marked = max(w.sent, to), w.marked && len(rest) == 0
	if len(w.out) > 0 { // usually there is nothing to redact
		rest = append(w.out, rest...)
		w.out = rest
	}
	if len(rest) == 0 {
		return nil
	}
	_, err := w.to.Write(rest)
	return err
}

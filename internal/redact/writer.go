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
	to io.Writer

	mu     sync.Mutex
	scan   scan
	data   []byte // the end of what was written, that may belong to what comes
	floor  int    // no run begins before this place in it
	sent   int    // how much of it was passed on or taken out
	marked bool   // a Mark was the last thing passed on
	out    []byte // room for what is passed on
}

// NewWriter makes a Writer that passes on to another.
func (r *Redactor) NewWriter(to io.Writer) *Writer { return &Writer{scan: scan{r: r}, to: to} }

// Write passes on all but what may belong to what comes next. The error is the
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

// Idle is called when nothing was written for a moment, as before a question to a
// person: what is held back is passed on when it is too little to tell anything.
// It is still known when more is written.
func (w *Writer) Idle() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent == len(w.data) {
		return nil
	}
	w.scan.over(w.data, w.floor, false)
	return w.pass(w.scan.firm)
}

// Close passes on what is still held back. It does not close the other writer.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scan.over(w.data, w.floor, true)
	err := w.pass(len(w.data))
	w.data, w.sent = nil, 0
	return err
}

// pass passes the data on up to a place, with marks for what is taken out.
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
	if len(w.out) > 0 { // else there is nothing to take out, as usual
		rest = append(w.out, rest...)
		w.out = rest
	}
	if len(rest) == 0 {
		return nil
	}
	_, err := w.to.Write(rest)
	return err
}

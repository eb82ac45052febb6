package present

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"

	"purser/internal/credential"
)

// Progress is a row below all else on a terminal, while long work goes on: how much is done,
// for how long it has gone on, and what is waited for. What is printed meanwhile comes above
// it, and nothing is left of it. A nil Progress shows nothing.
type Progress struct {
	to     io.Writer
	screen *Screen
	width  func() int
	now    func() time.Time
	began  time.Time
	verb   string
	end    chan struct{}

	mu      sync.Mutex // guards what follows
	names   []string   // of what is not done, in the order in which it is begun; "" when done
	done    int
	drawn   bool
	partial bool // what was printed has not ended its line
	asking  int  // questions to the person, which have the row
	over    bool
}

// eachRow is how often the row is drawn. What takes less shows none.
const eachRow = 250 * time.Millisecond

// Follow shows the progress of work on things with names, which are begun in that order, until
// End. verb says what is done with them, as in "checked". Questions to a person have to be
// asked with the context that it returns.
func (o Out) Follow(ctx context.Context, now func() time.Time, verb string, names []string) (context.Context, *Progress) {
	s, ok := o.To.(*Stream)
	if !ok || s.Screen == nil || o.Dumb || !IsTerminal(s) {
		return ctx, nil
	}
	ticker := time.NewTicker(eachRow)
	p := newProgress(s.To, func() int { return max(Width(Original(s)), 1) }, now, verb, names)
	p.screen = s.Screen
	p.screen.progress.Store(p)
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.draw()
			case <-p.end:
				return
			}
		}
	}()
	return context.WithValue(ctx, progressKey{}, p), p
}

func newProgress(to io.Writer, width func() int, now func() time.Time, verb string, names []string) *Progress {
	return &Progress{to: to, width: width, now: now, began: now(), verb: verb, names: slices.Clone(names), end: make(chan struct{})}
}

// Names are those of credentials, with what answers for each, for Follow.
func Names(credentials []credential.Credential) (names []string) {
	for _, c := range credentials {
		names = append(names, string(c.Name)+" ("+string(c.Registry)+")")
	}
	return names
}

// Places are the places of credentials, for Follow.
func Places(credentials []credential.Credential) (names []string) {
	for _, c := range credentials {
		for _, t := range c.Targets {
			names = append(names, string(c.Name)+" ("+t.String()+")")
		}
	}
	return names
}

type progressKey struct{}

// hushed has the row away while a person is asked something.
func hushed(ctx context.Context) (again func()) {
	p, ok := ctx.Value(progressKey{}).(*Progress)
	if !ok {
		return func() {}
	}
	count := func(n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.erase()
		p.asking += n
	}
	count(1)
	return func() { count(-1) }
}

// Done says that work on the i-th is over.
func (p *Progress) Done(i int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names[i] = ""
	p.done++
}

// End takes the row away.
func (p *Progress) End() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finish()
	if p.screen != nil {
		p.screen.progress.CompareAndSwap(p, nil)
	}
}

// abandon is End where a write may hang: then the row stays.
func (p *Progress) abandon() {
	if p != nil && p.mu.TryLock() {
		p.finish()
		p.mu.Unlock()
	}
}

func (p *Progress) finish() {
	if !p.over {
		p.erase()
		p.over = true
		close(p.end)
	}
}

// draw shows the row as it is now.
func (p *Progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.partial || p.asking > 0 {
		return
	}
	_, _ = io.WriteString(p.to, "\r\x1b[K"+p.row(p.width()-len("^C"))) // which the terminal shows behind it
	p.drawn = true
}

// row is what there is to say, in as many words as there is place for.
func (p *Progress) row(columns int) string {
	done, took := fmt.Sprintf("%d of %d", p.done, len(p.names)), p.now().Sub(p.began).Round(time.Second).String()
	said := []string{done + " " + p.verb + " in " + took, done + " in " + took}
	if i := slices.IndexFunc(p.names, func(name string) bool { return name != "" }); i >= 0 {
		short, _, _ := strings.Cut(p.names[i], " (")
		said = []string{said[0] + "; waiting for " + p.names[i], said[1] + "; waiting for " + p.names[i], said[1] + "; waiting for " + short, done + ": " + short}
	}
	for _, text := range said {
		if runewidth.StringWidth(text) < columns {
			return text
		}
	}
	return fit("", done, max(columns, 1))
}

// erase takes the row away until it is drawn again.
func (p *Progress) erase() {
	if p.drawn {
		_, _ = io.WriteString(p.to, "\r\x1b[K")
		p.drawn = false
	}
}

// above makes place for text, until the function that it returns is called.
func (p *Progress) above(text []byte) (written func()) {
	p.mu.Lock()
	p.erase()
	if len(text) > 0 {
		p.partial = !bytes.HasSuffix(text, []byte("\n"))
	}
	return p.mu.Unlock
}

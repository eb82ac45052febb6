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

// Progress is the last row of a terminal during long work: how much is done, the time, and
// what it waits for. Output goes above it, and the end removes it. A nil Progress shows
// nothing.
type Progress struct {
	to     io.Writer
	screen *Screen
	width  func() int
	now    func() time.Time
	began  time.Time
	verb   string
	end    chan struct{}

	mu      sync.Mutex // guards what follows
	names   []string   // in starting order; "" when done
	done    int
	drawn   bool
	partial bool // the last output did not end its line
	asking  int  // open questions to the person, which use the row
	over    bool
}

// eachRow is the time between drawings. Shorter work shows no row.
const eachRow = 250 * time.Millisecond

// Follow shows progress until End. The work on names starts in their order; verb says what it
// does, as in "checked". Ask the person only with the returned context.
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

// Names returns the credentials' names with their registries, for Follow.
func Names(credentials []credential.Credential) (names []string) {
	for _, c := range credentials {
		names = append(names, string(c.Name)+" ("+string(c.Registry)+")")
	}
	return names
}

// Places returns the credentials' places, for Follow.
func Places(credentials []credential.Credential) (names []string) {
	for _, c := range credentials {
		for _, t := range c.Targets {
			names = append(names, string(c.Name)+" ("+t.String()+")")
		}
	}
	return names
}

type progressKey struct{}

// hushed hides the row during a question to the person.
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

// Done counts the i-th as done.
func (p *Progress) Done(i int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names[i] = ""
	p.done++
}

// End removes the row.
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

// abandon is End, except that it leaves the row if a write hangs.
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

// draw redraws the row.
func (p *Progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.partial || p.asking > 0 {
		return
	}
	_, _ = io.WriteString(p.to, "\r\x1b[K"+p.row(p.width()-len("^C"))) // room for the terminal's ^C
	p.drawn = true
}

// row returns the longest wording that fits.
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

// erase removes the row until the next drawing.
func (p *Progress) erase() {
	if p.drawn {
		_, _ = io.WriteString(p.to, "\r\x1b[K")
		p.drawn = false
	}
}

// above makes room for output. Call the returned function after writing it.
func (p *Progress) above(text []byte) (written func()) {
	p.mu.Lock()
	p.erase()
	if len(text) > 0 {
		p.partial = !bytes.HasSuffix(text, []byte("\n"))
	}
	return p.mu.Unlock
}

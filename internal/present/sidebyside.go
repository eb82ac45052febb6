package present

import (
	"bytes"
	"context"
	"io"
	"sync"
)

// Blocks keeps output about concurrent work together and in order. The first open block
// prints immediately; later ones hold their text until their turn.
type Blocks struct {
	mu    sync.Mutex
	moved *sync.Cond // the turn changed
	all   []*Block
	first int // the block whose turn it is
}

// Block is the output about one thing.
type Block struct {
	of    *Blocks
	place int
	kept  []kept
	ended bool
	head  *kept // written first; nil: written already, or none
}

// kept is text that waits for its turn.
type kept struct {
	to   io.Writer
	text []byte
}

// NewBlocks returns a list without blocks.
func NewBlocks() *Blocks {
	b := &Blocks{}
	b.moved = sync.NewCond(&b.mu)
	return b
}

// Add appends a block.
func (b *Blocks) Add() *Block {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := &Block{of: b, place: len(b.all)}
	b.all = append(b.all, one)
	return one
}

// End passes the turn on.
func (b *Block) End() {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	b.ended = true
	for ; b.of.first < len(b.of.all); b.of.first++ {
		next := b.of.all[b.of.first]
		for _, k := range next.kept {
			_, _ = k.to.Write(k.text) // the stream remembers errors
		}
		next.kept = nil
		if !next.ended {
			break
		}
	}
	b.of.moved.Broadcast()
}

// Await returns when it is the block's turn.
func (b *Block) Await(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		b.of.mu.Lock()
		defer b.of.mu.Unlock()
		b.of.moved.Broadcast()
	})()
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	for b.of.first < b.place && ctx.Err() == nil {
		b.of.moved.Wait()
	}
	return ctx.Err()
}

// Head sets text to write before the block's first output. Without output it is not written.
func (b *Block) Head(to io.Writer, text string) { b.head = &kept{to, []byte(text)} }

// Silent reports whether the block has printed nothing.
func (b *Block) Silent() bool {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	return b.head != nil
}

// Writer returns a writer that prints to a stream through the block.
func (b *Block) Writer(to io.Writer) io.Writer { return &blockWriter{b, to} }

type blockWriter struct {
	block *Block
	to    io.Writer
}

// Write prints, or keeps the text.
func (w *blockWriter) Write(text []byte) (int, error) {
	w.block.of.mu.Lock()
	defer w.block.of.mu.Unlock()
	if head := w.block.head; head != nil {
		w.block.head = nil
		_, _ = w.block.write(head.to, head.text) // the next write reports errors
	}
	return w.block.write(w.to, text)
}

func (b *Block) write(to io.Writer, text []byte) (int, error) {
	if b.of.first == b.place {
		return to.Write(text)
	}
	b.kept = append(b.kept, kept{to, bytes.Clone(text)})
	return len(text), nil
}

// AtOnce limits concurrent work: enough to hide latency, too few to look like an attack.
const AtOnce = 16

// Seats limits concurrent work. Work that waits gives up its seat.
type Seats chan struct{}

// Run calls f concurrently for 0 to n-1, as seats become free. It passes on f's panic, because
// the caller knows how to end without printing its value.
func (s Seats) Run(n int, f func(int)) {
	var all sync.WaitGroup
	bugs := make(chan any, n)
	for i := range n {
		s <- struct{}{}
		all.Go(func() {
			defer func() {
				if bug := recover(); bug != nil {
					bugs <- bug
				}
				<-s
			}()
			f(i)
		})
	}
	all.Wait()
	select {
	case bug := <-bugs:
		panic(bug)
	default:
	}
}

// Without gives up the caller's seat while f runs.
func (s Seats) Without(f func() error) error {
	<-s
	defer func() { s <- struct{}{} }()
	return f()
}

type turnKey struct{}

// WithTurn makes questions wait for their turn, so that purser asks one at a time, below the
// output about it.
func WithTurn(ctx context.Context, turn func(context.Context) error) context.Context {
	return context.WithValue(ctx, turnKey{}, turn)
}

// AwaitTurn returns when purser may ask the person.
func AwaitTurn(ctx context.Context) error {
	if turn, ok := ctx.Value(turnKey{}).(func(context.Context) error); ok {
		return turn(ctx)
	}
	return nil
}

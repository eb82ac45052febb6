package present

import (
	"bytes"
	"context"
	"io"
	"sync"
)

// Blocks keeps what is printed about several things together and in order, although they
// happen side by side. The first block that has not ended prints as things happen; those
// after it keep their text until it is their turn.
type Blocks struct {
	mu    sync.Mutex
	moved *sync.Cond // the turn has passed on
	all   []*Block
	first int // the block whose turn it is
}

// Block is one thing that is printed about.
type Block struct {
	of    *Blocks
	place int
	kept  []kept
	ended bool
	head  *kept // is written before all else; nil: it has been, or there is none
}

// kept is text that waits for its turn.
type kept struct {
	to   io.Writer
	text []byte
}

// NewBlocks makes an empty row of blocks.
func NewBlocks() *Blocks {
	b := &Blocks{}
	b.moved = sync.NewCond(&b.mu)
	return b
}

// Add makes a block after all others.
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
			_, _ = k.to.Write(k.text) // nobody is left to tell
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

// Head is written to a stream before anything else is, and not when nothing is.
func (b *Block) Head(to io.Writer, text string) { b.head = &kept{to, []byte(text)} }

// Silent reports whether nothing was written below the head.
func (b *Block) Silent() bool {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	return b.head != nil
}

// Writer is a stream as the block writes to it.
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
		_, _ = w.block.write(head.to, head.text) // the text itself tells what is wrong
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

// AtOnce bounds how much happens side by side: enough to hide the waiting, few enough for
// a registry not to take it for an attack.
const AtOnce = 16

// Seats are for those that work at the same time. Who waits for something gives up its
// seat meanwhile.
type Seats chan struct{}

// Run calls f for 0 to n-1 side by side, in order of their seats. A panic of f is the
// caller's, whose program knows how to end without printing what it holds.
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

// Without gives up the caller's seat for as long as f takes.
func (s Seats) Without(f func() error) error {
	<-s
	defer func() { s <- struct{}{} }()
	return f()
}

type turnKey struct{}

// WithTurn has questions to the person wait for a turn, so that one thing is asked at a
// time, under what was printed about it.
func WithTurn(ctx context.Context, turn func(context.Context) error) context.Context {
	return context.WithValue(ctx, turnKey{}, turn)
}

// AwaitTurn returns when the person may be asked.
func AwaitTurn(ctx context.Context) error {
	if turn, ok := ctx.Value(turnKey{}).(func(context.Context) error); ok {
		return turn(ctx)
	}
	return nil
}

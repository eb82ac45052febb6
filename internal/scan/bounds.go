package scan

import (
	"context"
	"errors"
	"io"
)

const (
	// littleMemory is what any stream may take, and mostMemory what one root at a time may.
	littleMemory = 4 << 20
	mostMemory   = 64 << 20

	// alwaysGrows is how much may come out of a file of any size. More must not be mostTimes
	// the file, which only emptiness compresses to, nor mostGrown.
	alwaysGrows = 1 << 30
	mostTimes   = 1000
	mostGrown   = 256 << 30
)

var (
	errGrows  = errors.New("it expands to more than 1 GB, 1,000 times its size")
	errGrown  = errors.New("it expands to more than 256 GB")
	errMemory = errors.New("it is larger than 64 MB and in another archive: unpack that, and scan the folder")
)

// root bounds what comes out of one file or stream, with all the archives in it.
type root struct {
	s       *Scanner
	in, out int64  // bytes of the stream, as far as known, and of what came out of it
	over    bool   // too much came out of it, which was told
	memory  []byte // the Scanner's, while this root has it
	used    int    // of memory
}

// memory is what one root at a time may take, or nil until one does.
type memory chan []byte

func newMemory() memory {
	m := make(memory, 1)
	m <- nil
	return m
}

// whole is a stream that can be read at any place.
type whole interface {
	io.Reader
	io.ReaderAt
	Size() int64
}

func newRoot(s *Scanner, r io.Reader) *root {
	b := &root{s: s}
	if file, ok := r.(whole); ok {
		b.in = file.Size()
	}
	return b
}

// grow counts what a decoder made.
func (b *root) grow(n int) error {
	switch b.out += int64(n); {
	case b.over:
		return errTold
	case b.out > mostGrown:
		b.over = true
		return errGrown
	case b.out > alwaysGrows && b.out/mostTimes > b.in:
		b.over = true
		return errGrows
	}
	return nil
}

// large waits until this root is the only one that takes much memory.
func (b *root) large(ctx context.Context) error {
	if b.memory != nil {
		return nil
	}
	select {
	case b.memory = <-b.s.memory:
	case <-ctx.Done():
		return ctx.Err()
	}
	if b.memory == nil {
		b.memory = make([]byte, mostMemory)
	}
	return nil
}

func (b *root) close() {
	if b.memory != nil {
		b.s.memory <- b.memory
	}
}

// hold reads all of a stream into memory, which release gives back.
func (b *root) hold(ctx context.Context, r io.Reader) (data []byte, release func(), err error) {
	release = func() {}
	data, err = io.ReadAll(io.LimitReader(r, littleMemory/4))
	if err != nil || len(data) < littleMemory/4 {
		return data, release, err
	}
	if err := b.large(ctx); err != nil {
		return nil, release, err
	}
	from := b.used
	release = func() { b.used = from }
	free := b.memory[from:]
	n := copy(free, data)
	for err == nil && n < len(free) {
		var m int
		m, err = r.Read(free[n:])
		n += m
	}
	if err != io.EOF {
		if err == nil {
			err = errMemory
		}
		return nil, release, err
	}
	b.used += n
	return free[:n:n], release, nil
}

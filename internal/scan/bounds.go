package scan

import (
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
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
	errWindow = errors.New("it takes more memory than purser gives to an archive: unpack it, and scan the folder")
	errMemory = errors.New("it is larger than 64 MB and in another archive: unpack that, and scan the folder")
)

// root bounds what comes out of one file or stream, with all the archives in it.
type root struct {
	s       *Scanner
	in, out int64   // bytes of the stream, as far as known, and of what came out of it
	over    bool    // too much came out of it, and purser has said so
	memory  *memory // the Scanner's, while this root has it
}

// memory is what one root at a time may take besides littleMemory. It is made when one does.
type memory struct {
	bytes   []byte
	used    int
	decoder *zstd.Decoder // with a window of up to mostMemory
	busy    bool          // the decoder is in use
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
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *root) close() {
	if b.memory != nil {
		b.s.memory <- b.memory
	}
}

// decoder returns a decoder for what begins with head, which release gives back.
func (b *root) decoder(ctx context.Context, head []byte) (z *zstd.Decoder, release func(), err error) {
	var h zstd.Header
	err = h.Decode(head)
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	if err != nil || window <= littleMemory {
		err = nil // the decoder says it better
		z, ok := b.s.decoders.Get().(*zstd.Decoder)
		if !ok {
			z, err = newDecoder(littleMemory)
		}
		return z, func() { _ = z.Reset(nil); b.s.decoders.Put(z) }, err // it lets go of its input
	}
	if err := b.large(ctx); err != nil {
		return nil, nil, err
	}
	m := b.memory
	if m.busy {
		return nil, nil, errWindow
	}
	if m.decoder == nil {
		if m.decoder, err = newDecoder(mostMemory); err != nil {
			return nil, nil, err
		}
	}
	m.busy = true
	return m.decoder, func() { _ = m.decoder.Reset(nil); m.busy = false }, nil // it lets go of its input
}

func newDecoder(window uint64) (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(window))
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
	m := b.memory
	if m.bytes == nil {
		m.bytes = make([]byte, mostMemory)
	}
	from := m.used
	release = func() { m.used = from }
	free := m.bytes[from:]
	n := copy(free, data)
	for err == nil && n < len(free) {
		var more int
		more, err = r.Read(free[n:])
		n += more
	}
	switch {
	case err == nil:
		return nil, release, errMemory
	case err != io.EOF: //nolint:errorlint // an end that something wraps is none
		return nil, release, err
	}
	m.used += n
	return free[:n:n], release, nil
}

package scan

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// largeObject is the largest object that is read into memory as a whole; someObjects is
	// how much of smaller ones is searched together, by one of at most mostSearchers.
	largeObject, someObjects, mostSearchers = 4 << 20, 256 << 10, 4
	// mostBroken bounds how often git is started again after an object that ends it.
	mostBroken = 10_000
	// longestPointer bounds the text that stands for a file in LFS.
	longestPointer = 1 << 10
)

var (
	// errEarly is that git ended in the middle of something; git itself says why.
	errEarly = errors.New("git ended too early")
	// errLie is an object of another size than it says, after which git's output has no sense.
	errLie = errors.New("an object is not as large as it says")
)

func early(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errEarly
	}
	return nil
}

var errTooMuch = errors.New("its objects unpack to " + strconv.Itoa(mostRatio) + " times their size: the rest was not looked through")

// objects looks through all objects, also those that nothing leads to.
func (r *repository) objects(ctx context.Context) {
	all := []string{"cat-file", "--batch-all-objects", "--unordered"}
	done, err := r.batch(ctx, nil, append(all, "--batch", "--buffer")...)
	switch {
	case err == nil || ctx.Err() != nil:
		return
	case errors.Is(err, errTooMuch):
		r.s.Miss(r.where, err.Error())
		return
	}
	// An object ended git. The same list leads around it.
	list, listErr := os.Create(filepath.Join(r.git.dir, "list"))
	if listErr != nil {
		r.s.Miss(r.where, why(listErr))
		return
	}
	defer list.Close() //nolint:errcheck // it is read, and removed
	cmd := r.git.command(ctx, append(all, "--batch-check=%(objectname)")...)
	cmd.Stdout = list
	if listErr := cmd.Run(); listErr != nil {
		r.s.Miss(r.where, "git could not list its objects: "+said(cmd, listErr))
		return
	}
	if done > 0 && r.line(list, done-1) != r.last {
		r.s.Miss(r.where, "it changed meanwhile: scan again")
		return
	}
	r.unreadable(r.line(list, done), err.Error())
	r.around(ctx, list, done+1)
}

// around looks through the objects of a list from a line on, and around those that end git.
func (r *repository) around(ctx context.Context, list *os.File, at int) {
	for ctx.Err() == nil {
		id := r.line(list, at)
		if id == "" {
			return
		}
		if r.broken.objects >= mostBroken {
			r.s.Miss(r.where, "git could not read "+strconv.Itoa(mostBroken)+" objects, and the rest was not looked through")
			return
		}
		done, err := r.batch(ctx, list, "cat-file", "--batch", "--buffer")
		if err == nil {
			return
		}
		if errors.Is(err, errTooMuch) {
			r.s.Miss(r.where, err.Error())
			return
		}
		at += done
		r.unreadable(r.line(list, at), err.Error())
		at++
	}
}

// line goes to a line of a list of ids, and returns that; "" after the last.
func (r *repository) line(list *os.File, n int) string {
	id := make([]byte, r.git.idLength())
	at := int64(n) * int64(len(id)+1)
	if _, err := list.ReadAt(id, at); err != nil {
		return ""
	}
	if _, err := list.Seek(at, io.SeekStart); err != nil {
		return ""
	}
	return string(id)
}

func (r *repository) unreadable(id, why string) {
	if r.broken.objects++; r.broken.objects == 1 {
		r.broken.first, r.broken.why = id, why
	}
}

// batch looks through the objects that a command of git prints, and returns how many there
// were until something went wrong. Several searchers keep up with git, which decompresses on
// one core faster than another searches.
func (r *repository) batch(ctx context.Context, stdin *os.File, args ...string) (done int, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	cmd := r.git.command(running, args...)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	widen(out)
	full := make(chan *objects)
	var work sync.WaitGroup
	for range min(mostSearchers, runtime.GOMAXPROCS(0)) {
		work.Go(func() {
			for o := range full {
				o.search(ctx, r)
			}
		})
	}
	done, err = r.read(ctx, bufio.NewReaderSize(out, blockSize), full)
	close(full)
	work.Wait()
	if err != nil && !errors.Is(err, errEarly) {
		stop()
		_ = cmd.Wait() // we ended it
		return done, err
	}
	if ended := cmd.Wait(); ended != nil {
		err = errors.New(said(cmd, ended))
	}
	return done, err
}

// objects are small objects that are searched together, or a larger one.
type objects struct {
	data []byte
	all  []object
}

type object struct {
	id string
	to int // where it ends in the data
}

var freeObjects = sync.Pool{New: func() any { return &objects{} }}

func (o *objects) search(ctx context.Context, r *repository) {
	from, w := 0, r.where
	for _, one := range o.all {
		w.Object = one.id
		_ = r.s.Look(ctx, w, bytes.NewReader(o.data[from:one.to])) // the reader asks ctx
		from = one.to
	}
	o.data, o.all = o.data[:0], o.all[:0]
	freeObjects.Put(o)
}

// read reads objects as git cat-file --batch prints them.
func (r *repository) read(ctx context.Context, in *bufio.Reader, full chan<- *objects) (done int, err error) {
	next, _ := freeObjects.Get().(*objects)
	flush := func() {
		full <- next
		next, _ = freeObjects.Get().(*objects)
	}
	defer flush()
	for ; ctx.Err() == nil; done++ {
		if _, err := in.Peek(1); errors.Is(err, io.EOF) {
			return done, nil
		}
		id, kind, size, err := r.header(in)
		switch {
		case err != nil:
			return done, err
		case kind == missing:
			r.unreadable(id, "damaged")
			r.last = id
			continue
		case size > largeObject:
			err = r.large(ctx, id, in, size)
		default:
			if len(next.data)+int(size) > someObjects && len(next.all) > 0 {
				flush()
			}
			err = r.small(next, id, in, int(size), kind == "blob")
		}
		if err != nil {
			return done, err
		}
		if c, err := in.ReadByte(); err != nil || c != '\n' {
			r.broken.cut = append(r.broken.cut, id)
			return done, cmp.Or(early(err), errLie)
		}
		r.last = id
	}
	return done, ctx.Err()
}

const missing = "missing"

// header reads what git says before an object.
func (r *repository) header(in *bufio.Reader) (id, kind string, size int64, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return "", "", 0, cmp.Or(early(err), errLie)
	}
	fields := strings.Fields(string(line))
	if len(fields) < 2 || len(fields[0]) != r.git.idLength() || !isHex(fields[0]) {
		return "", "", 0, errLie
	}
	if len(fields) == 2 && fields[1] == missing {
		return fields[0], missing, 0, nil
	}
	if size, err = strconv.ParseInt(fields[len(fields)-1], 10, 64); err != nil || size < 0 {
		return "", "", 0, errLie
	}
	return fields[0], fields[1], size, nil
}

func (r *repository) small(o *objects, id string, in io.Reader, size int, blob bool) error {
	if r.limit -= int64(size); r.limit < 0 {
		return errTooMuch
	}
	from := len(o.data)
	o.data = slices.Grow(o.data, size)[:from+size]
	if _, err := io.ReadFull(in, o.data[from:]); err != nil {
		o.data = o.data[:from]
		r.broken.cut = append(r.broken.cut, id)
		return cmp.Or(early(err), err)
	}
	if blob && size < longestPointer {
		r.pointer(id, o.data[from:])
	}
	o.all = append(o.all, object{id, len(o.data)})
	return nil
}

func (r *repository) large(ctx context.Context, id string, in io.Reader, size int64) error {
	w := r.where
	w.Object = id
	content := &io.LimitedReader{R: in, N: min(size, r.limit)} // the size is what git says, not what there is
	if err := r.s.Look(ctx, w, content); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, content); err != nil || content.N > 0 {
		r.broken.cut = append(r.broken.cut, id)
		return errEarly
	}
	if r.limit -= size; r.limit < 0 {
		return errTooMuch
	}
	return nil
}

// pointer counts a text that stands for a file in LFS, unless the file is in the repository:
// then it is found there.
func (r *repository) pointer(id string, data []byte) {
	rest, ok := bytes.CutPrefix(data, []byte("version https://git-lfs.github.com/spec/v1\n"))
	if !ok {
		return
	}
	_, rest, _ = bytes.Cut(rest, []byte("oid sha256:"))
	oid, _, _ := strings.Cut(string(rest), "\n")
	if len(oid) != 64 || !isHex(oid) {
		return
	}
	if file := filepath.Join(r.folder, "lfs", "objects", oid[:2], oid[2:4], oid); r.missing.knows(id, file) {
		return
	}
	if r.missing.files++; r.missing.files == 1 {
		r.missing.first = id
	}
}

package scan

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// Files looks through files and folders. It follows links that it is given, and none that it
// finds: they lead to something in the folder, or to something that the person did not name.
func (s *Scanner) Files(ctx context.Context, paths ...string) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	found := make(chan string, 64)
	var work sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for path := range found {
				s.file(ctx, path)
			}
		})
	}
	for _, path := range paths {
		s.walk(ctx, path, found)
	}
	close(found)
	work.Wait()
	return context.Cause(ctx)
}

func (s *Scanner) walk(ctx context.Context, root string, found chan<- string) {
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	objects := map[string]bool{}                                                   // the folders of repositories' objects
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error { // only ctx ends it
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.Miss(place(path), why(err))
			return nil
		case d.IsDir() && isLayout(path):
			s.layout(path)
			return nil
		case d.IsDir() && isRepository(path):
			if !s.first(path) {
				return fs.SkipDir
			}
			s.repository(ctx, path)
			objects[filepath.Join(path, "objects")] = true
		case d.Type().IsRegular() && objects[filepath.Dir(filepath.Dir(path))] && isObject(path): // git has read it
		case d.Type().IsRegular() && d.Name() == ".git":
			s.elsewhere(ctx, path, found)
			found <- path
		case d.Type().IsRegular():
			found <- path
		case d.Type()&fs.ModeSymlink != 0 && path != root:
			if d.Name() == ".git" {
				s.Miss(place(path), "it is a link: scan the repository that it leads to")
			}
		case !d.IsDir():
			s.Miss(place(path), "it is not a file: "+kindOf(d.Type()))
		}
		return nil
	})
}

func kindOf(t fs.FileMode) string {
	switch {
	case t&fs.ModeNamedPipe != 0:
		return "a pipe"
	case t&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

func place(path string) Where { return Where{Path: path} }

// file looks through a file and its name.
func (s *Scanner) file(ctx context.Context, path string) {
	w := place(path)
	if part, ok := s.places.LoadAndDelete(path); ok {
		w = part.(Where)
	}
	s.name(w, nil, filepath.Base(path))
	f, err := openFile(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) { // else it went away meanwhile
			s.Miss(w, why(err))
		}
		return
	}
	defer f.Close()       //nolint:errcheck // it was only read
	_ = s.Look(ctx, w, f) // the caller asks ctx
}

// openFile opens a regular file, and never waits for a pipe that took its place.
func openFile(path string) (*disk, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0) //nolint:gosec // the person named it
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, errors.Join(err, errors.New("it is not a file"))
	}
	return &disk{file: f, size: info.Size(), sparse: hasHoles(info)}, nil
}

// Stream looks through standard input.
func (s *Scanner) Stream(ctx context.Context, r io.Reader) error {
	return s.Look(ctx, Where{Path: "standard input"}, r)
}

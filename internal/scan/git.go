package scan

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"purser/internal/credential"
)

// isRepository reports whether a folder is a git repository: a bare one, or the .git of
// another.
func isRepository(folder string) bool {
	for _, name := range []string{"objects", "refs", "HEAD"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return false
		}
	}
	return true
}

// isObject reports whether a file in a repository's folder of objects is one that git reads
// objects from.
func isObject(path string) bool {
	folder, name := filepath.Split(path)
	within, ext := filepath.Base(folder), filepath.Ext(name)
	switch {
	case len(within) == 2:
		return isHex(within) && isHex(name) && (len(name) == 38 || len(name) == 62)
	case within != "pack":
		return false
	case ext == ".pack":
		_, err := os.Stat(strings.TrimSuffix(path, ext) + ".idx")
		return err == nil
	default:
		return ext == ".idx" || ext == ".rev" || ext == ".bitmap" || ext == ".mtimes" || name == "multi-pack-index"
	}
}

func isHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }

// repositoryOf returns the repository that a .git file leads to: that of a worktree or of a
// submodule.
func repositoryOf(file string) (string, error) {
	text, err := readSmall(file)
	if err != nil {
		return "", err
	}
	folder, ok := strings.CutPrefix(strings.TrimSpace(text), "gitdir:")
	if !ok {
		return "", errors.New("it names no repository")
	}
	return commonDir(from(filepath.Dir(file), strings.TrimSpace(folder)))
}

// commonDir returns the repository that a git folder belongs to; a worktree's is a part of
// another.
func commonDir(folder string) (string, error) {
	if isRemotePath(folder) {
		return "", errors.New("its repository is on another machine")
	}
	if text, err := readSmall(filepath.Join(folder, "commondir")); err == nil {
		folder = from(folder, strings.TrimSpace(text))
	}
	if isRemotePath(folder) || !isRepository(folder) {
		return "", errors.New("its repository is not where it says")
	}
	return filepath.Clean(folder), nil
}

// from returns a path that is relative to a folder.
func from(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// isRemotePath reports whether a path leads to another machine, to which Windows would send
// the person's password hash.
func isRemotePath(path string) bool { return strings.HasPrefix(filepath.VolumeName(path), `\\`) }

// readSmall reads a file of git's that holds some lines.
func readSmall(path string) (string, error) {
	f, err := openFile(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	return string(text), err
}

// repository is a git repository that is being looked through.
type repository struct {
	s       *Scanner
	git     *git
	where   Where
	folder  string
	held    held
	limit   int64  // of bytes that its objects may unpack to
	last    string // id of the object that git gave last
	broken  broken
	missing pointers
}

// broken counts the objects that git cannot read.
type broken struct {
	objects int
	first   string
	why     string
	cut     []string // those of which git gave a part, or what follows as a part
}

// pointers count the files whose content is in LFS and not here.
type pointers struct {
	files int
	first string
	here  map[string]string // if wanted, where the content of the others is
}

func (p *pointers) knows(id, file string) bool {
	if _, err := os.Stat(file); err != nil {
		return false
	}
	if p.here != nil {
		p.here[id] = file
	}
	return true
}

// repository looks through all objects of a repository.
func (s *Scanner) repository(ctx context.Context, folder string) {
	name := folder
	if filepath.Base(folder) == ".git" {
		name = filepath.Dir(folder)
	}
	s.history(ctx, folder, name)
}

// history looks through the objects of a repository that people know under a name.
func (s *Scanner) history(ctx context.Context, folder, name string) {
	r := &repository{s: s, folder: folder, where: place(name)}
	objects := filepath.Join(folder, "objects")
	if !s.first(objects) {
		return
	}
	r.limit = leastLimit
	err := r.measure(objects, map[string]bool{})
	if err != nil {
		s.Miss(r.where, "its history was not looked through: "+err.Error())
		return
	}
	if r.git, err = openGit(ctx, folder); err != nil {
		s.Miss(r.where, "its history was not looked through: "+err.Error())
		return
	}
	defer r.git.close()
	r.where.held = &r.held
	r.objects(ctx)
	if ctx.Err() == nil {
		r.sayMissing()
	}
	r.tell(ctx)
}

// elsewhere looks through the repository that a .git file leads to.
func (s *Scanner) elsewhere(ctx context.Context, file string, found chan<- string) {
	folder, err := repositoryOf(file)
	if err != nil {
		s.Miss(place(file), "its history was not looked through: "+why(err))
		return
	}
	s.walk(ctx, folder, found)
}

// first reports whether no earlier call was for the same folder.
func (s *Scanner) first(folder string) bool {
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[folder] {
		return false
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[folder] = true
	return true
}

// leastLimit and mostRatio bound what a repository unpacks to: deltas can make a small pack
// hold more than anyone can read. A test lowers the first.
var leastLimit int64 = 64 << 30

const (
	mostRatio = 10_000
	// mostBorrowed bounds the repositories that one borrows objects from.
	mostBorrowed = 100
)

// measure adds how large the files of objects are, with those of the repositories that they
// are borrowed from. It fails if one is something at which git would wait forever.
func (r *repository) measure(objects string, seen map[string]bool) error {
	if seen[objects] {
		return nil
	}
	if seen[objects] = true; len(seen) > mostBorrowed {
		return errors.New("it borrows objects from more than " + strconv.Itoa(mostBorrowed) + " repositories")
	}
	for _, folder := range folders(objects) {
		if err := r.measureFiles(folder); err != nil {
			return err
		}
	}
	alternates, err := readSmall(filepath.Join(objects, "info", "alternates"))
	if err != nil {
		return nil // it borrows none
	}
	for line := range strings.Lines(alternates) {
		if line = strings.TrimRight(line, "\r\n"); line == "" || line[0] == '#' {
			continue
		}
		if plain, err := strconv.Unquote(line); err == nil {
			line = plain
		}
		line = filepath.Clean(from(objects, line))
		if isRemotePath(line) {
			return errors.New("it borrows objects from another machine: " + credential.Quote(line))
		}
		if _, err := os.ReadDir(line); err != nil {
			r.s.Miss(place(line), r.where.Path+" borrows objects from it: "+why(err))
			continue
		}
		if err := r.measure(line, seen); err != nil {
			return err
		}
	}
	return nil
}

// folders returns the folders in which git looks for files of objects.
func folders(objects string) (all []string) {
	found, _ := os.ReadDir(objects) // who walks the repository tells it
	for _, d := range found {
		if name := d.Name(); len(name) == 2 && isHex(name) || name == "pack" || name == "info" {
			all = append(all, filepath.Join(objects, name))
		}
	}
	return all
}

func (r *repository) measureFiles(folder string) error {
	files, _ := os.ReadDir(folder) // who walks the repository tells it
	for _, d := range files {
		path := filepath.Join(folder, d.Name())
		info, err := os.Stat(path)
		switch {
		case err != nil: // git packs meanwhile, or says so itself
		case info.Mode().IsRegular():
			r.limit += info.Size() * mostRatio
		case !info.IsDir():
			return errors.New(credential.Quote(path) + " is " + kindOf(info.Mode()) + ": remove it, then scan again")
		}
	}
	return nil
}

// sayMissing tells what the repository has not got, or does not give.
func (r *repository) sayMissing() {
	w := r.where
	if shallow, err := readSmall(filepath.Join(r.folder, "shallow")); err == nil && shallow != "" {
		r.s.Miss(w, "it is a shallow clone, without the older commits: run git fetch --unshallow, then scan again")
	}
	if packs, err := filepath.Glob(filepath.Join(r.folder, "objects", "pack", "*.promisor")); err == nil && len(packs) > 0 {
		r.s.Miss(w, "it is a partial clone, and its server has the rest: clone it again without --filter, then scan that")
	}
	r.sayLeftOver()
	r.sayUnread()
}

// sayLeftOver tells of files that git does not read, although they hold objects.
func (r *repository) sayLeftOver() {
	objects := filepath.Join(r.folder, "objects")
	packs, _ := filepath.Glob(filepath.Join(objects, "pack", "*.pack")) // the pattern is ours
	for _, pack := range packs {
		if !isObject(pack) {
			r.s.Miss(place(pack), "git does not read a pack that has no index: run git index-pack on it, then scan again")
		}
	}
	var rest int
	for _, pattern := range []string{"pack/tmp_*", "??/tmp_*"} {
		found, _ := filepath.Glob(filepath.Join(objects, filepath.FromSlash(pattern))) // the pattern is ours
		rest += len(found)
	}
	if rest > 0 {
		r.s.Miss(place(objects), "a git command that was interrupted left "+count(rest, "file", "files")+" that nothing can read: run git prune, which removes them")
	}
}

// sayUnread tells of objects that were not looked through.
func (r *repository) sayUnread() {
	w := r.where
	if n := r.missing.files; n > 0 {
		w.Object = r.missing.first
		r.s.Miss(w, "git LFS keeps the content of "+count(n, "file", "files")+" that this clone does not have: run git lfs fetch --all, then scan again")
	}
	if n := r.broken.objects; n > 0 {
		w.Object = r.broken.first
		r.s.Miss(w, "git could not read "+count(n, "object", "objects")+" ("+r.broken.why+"): run git fsck --full there, then fetch or restore what it names")
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// lines calls each for the lines of a file of git's, up to a size that no honest one has.
func lines(path string, each func(line string)) {
	f, err := openFile(path)
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // it was only read
	for in := bufio.NewScanner(io.LimitReader(f, 256<<20)); in.Scan(); {
		each(in.Text())
	}
}

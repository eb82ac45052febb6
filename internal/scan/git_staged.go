package scan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"purser/internal/credential"
)

// Staged looks through what is staged for the next commit in the checkout that a folder is in.
// Git tells its hooks which index that is; "" is the checkout's own.
func (s *Scanner) Staged(ctx context.Context, folder, index string) error {
	top, gitDir, err := checkoutOf(folder)
	if err != nil {
		return err
	}
	common, err := commonDir(gitDir)
	if err != nil {
		return errors.New(credential.Quote(gitDir) + ": " + err.Error())
	}
	r := &repository{s: s, folder: common, where: place(top), limit: leastLimit, missing: pointers{here: map[string]string{}}}
	if err := r.measure(filepath.Join(common, "objects"), map[string]bool{}); err != nil {
		return err
	}
	if r.git, err = openGit(ctx, common); err != nil {
		return err
	}
	defer r.git.close()
	if index == "" {
		index = filepath.Join(gitDir, "index")
	}
	paths, err := r.staged(ctx, gitDir, index)
	if err != nil || len(paths) == 0 {
		return err
	}
	r.where.held = &r.held
	if err := r.some(ctx, paths); err != nil && ctx.Err() == nil {
		s.Miss(r.where, "git stopped: "+err.Error())
	}
	for id, file := range r.missing.here {
		w := r.where
		w.Object = id
		if f, err := openFile(file); err == nil {
			_ = s.Look(ctx, w, f) // the caller asks ctx
			_ = f.Close()         // it was only read
		}
	}
	r.where.held = nil
	if ctx.Err() == nil {
		r.sayUnread()
	}
	for _, f := range r.held.findings {
		for _, path := range paths[f.Where.Object] {
			f.Where.held, f.Where.Path = nil, filepath.Join(top, filepath.FromSlash(path))
			s.tell(f)
		}
	}
	return context.Cause(ctx)
}

// checkoutOf returns the top of a checkout and its git folder.
func checkoutOf(folder string) (top, gitDir string, err error) {
	whole, err := filepath.Abs(folder)
	if err != nil {
		return "", "", err
	}
	for top = folder; ; top, whole = filepath.Join(top, ".."), filepath.Dir(whole) {
		gitDir = filepath.Join(top, ".git")
		if isRepository(gitDir) {
			return top, gitDir, nil
		}
		if text, err := readSmall(gitDir); err == nil {
			if path, ok := strings.CutPrefix(strings.TrimSpace(text), "gitdir:"); ok {
				return top, from(top, strings.TrimSpace(path)), nil
			}
		}
		if whole == filepath.Dir(whole) {
			return "", "", errors.New(credential.Quote(folder) + " is in no git checkout")
		}
	}
}

// staged returns the paths of each object that is staged, and searches them.
func (r *repository) staged(ctx context.Context, gitDir, index string) (map[string][]string, error) {
	cmd, err := r.git.withIndex(ctx, index, "diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "--ignore-submodules", r.head(gitDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // nothing was ever staged
	}
	if err != nil {
		return nil, err
	}
	paths := map[string][]string{}
	err = run(cmd, 0, func(next func() string) bool {
		const mode, id, all = 1, 3, 5 // of what is staged
		entry := next()
		if entry == "" {
			return true
		}
		path, f := next(), strings.Fields(entry)
		if len(f) == all && f[mode] != "160000" && strings.Trim(f[id], "0") != "" {
			paths[f[id]] = append(paths[f[id]], path)
			r.s.name(place(filepath.Join(r.where.Path, filepath.FromSlash(path))), nil, path)
		}
		return true
	})
	if err != nil {
		return nil, errors.New("git does not say what is staged: " + said(cmd, err))
	}
	return paths, nil
}

// head returns the commit that HEAD leads to, or the empty tree.
func (r *repository) head(gitDir string) string {
	text, _ := readSmall(filepath.Join(gitDir, "HEAD")) // then all is new
	if ref, ok := strings.CutPrefix(text, "ref:"); ok {
		ref = strings.TrimSpace(ref)
		text, _ = readSmall(filepath.Join(r.folder, filepath.FromSlash(ref))) // it may be packed
		lines(filepath.Join(r.folder, "packed-refs"), func(line string) {
			if id, name, _ := strings.Cut(line, " "); name == ref && text == "" {
				text = id
			}
		})
	}
	if id := r.git.id(text); id != "" {
		return id
	}
	if r.git.idLength() == len(emptyTree) {
		return emptyTree
	}
	return emptyTree256
}

// The id of a tree without files; git knows it in every repository.
const (
	emptyTree    = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	emptyTree256 = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
)

// some looks through some objects.
func (r *repository) some(ctx context.Context, ids map[string][]string) error {
	list, err := os.Create(filepath.Join(r.git.dir, "list"))
	if err != nil {
		return err
	}
	defer list.Close() //nolint:errcheck // it is read, and removed
	for id := range ids {
		if _, err := list.WriteString(id + "\n"); err != nil {
			return err
		}
	}
	r.around(ctx, list, 0)
	return nil
}

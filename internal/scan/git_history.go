package scan

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// held are findings in a repository's objects, which wait until it is known which commit has
// them.
type held struct{ findings []Finding }

// mostHeld bounds them. The Scanner tells the rest without a commit.
const mostHeld = 50_000

func (h *held) keep(f Finding) bool {
	if h == nil || len(h.findings) >= mostHeld {
		return false
	}
	h.findings = append(h.findings, f)
	return true
}

// origin is where an object is in a repository.
type origin struct {
	known             bool
	kind              string // of the object
	commit            string // the earliest that has it
	author, date, ref string
	path              string // of the object in the commit
	rank              int    // of the ref
	when              time.Time
}

// What the origin of an object is called that no branch or tag has.
const (
	onlyReflog = "no branch or tag: only the reflog of "
	onlyIndex  = "no commit: only the index"
	noRef      = "no branch or tag: nothing leads to it"
)

// tell tells what was found, with where it comes from. Each version of a file and of a folder
// is an object of its own: it tells of the earliest that has the secret, and how many more
// there are.
func (r *repository) tell(ctx context.Context) {
	r.dropDoubtful()
	origins := map[string]*origin{}
	for _, f := range r.held.findings {
		origins[f.Where.Object] = &origin{}
	}
	if ctx.Err() == nil && len(origins) > 0 {
		h := &history{repository: r, wanted: origins, left: len(origins), names: map[string]string{}}
		h.search(ctx)
	}
	slices.SortStableFunc(r.held.findings, func(a, b Finding) int {
		x, y := origins[a.Where.Object], origins[b.Where.Object]
		return cmp.Or(cmp.Compare(x.rank, y.rank), x.when.Compare(y.when), cmp.Compare(x.path, y.path), cmp.Compare(a.Where.Object, b.Where.Object))
	})
	files := map[string][]*earliest{}
	var all []*earliest
	for _, f := range r.held.findings {
		o := origins[f.Where.Object]
		key := f.Where.Object
		if o.path != "" {
			key = strings.Join(append([]string{strconv.Itoa(o.rank), o.path}, f.Where.Inside...), "\x00")
		}
		if !slices.ContainsFunc(files[key], func(e *earliest) bool { return e.covers(f) }) {
			e := &earliest{f, f.Where.Object}
			e.Where = o.of(f.Where)
			files[key], all = append(files[key], e), append(all, e)
		}
	}
	for _, e := range all {
		r.s.tell(e.Finding)
	}
}

// dropDoubtful drops what was found in an object that git did not give as a whole, if it is
// in another object as well: it may have been found in that one.
func (r *repository) dropDoubtful() {
	if len(r.broken.cut) == 0 {
		return
	}
	all := slices.Clone(r.held.findings)
	r.held.findings = slices.DeleteFunc(r.held.findings, func(f Finding) bool {
		return slices.Contains(r.broken.cut, f.Where.Object) && slices.ContainsFunc(all, func(g Finding) bool {
			return !slices.Contains(r.broken.cut, g.Where.Object) && f.alike(g)
		})
	})
}

// alike reports whether two findings are of the same secret.
func (f Finding) alike(g Finding) bool {
	if f.Value == nil || g.Value == nil {
		return f.Value == g.Value && f.Rule == g.Rule && f.Token.Equal(g.Token)
	}
	return f.Value.Credential == g.Value.Credential && f.Value.Stage == g.Value.Stage && sameToken(f.Value, g.Value)
}

// earliest is a finding in the earliest version of a file that has it.
type earliest struct {
	Finding
	latest string // version so far
}

// covers counts a finding in a later version.
func (e *earliest) covers(f Finding) bool {
	if e.Where.Object == f.Where.Object || !e.alike(f) || e.As != f.As || e.Whole != f.Whole {
		return false
	}
	if e.latest != f.Where.Object {
		e.latest = f.Where.Object
		e.Versions++
	}
	return true
}

// of adds an origin to a place.
func (o *origin) of(w Where) Where {
	w.held = nil
	if o.path != "" {
		w.Inside = append([]string{o.path}, w.Inside...)
	}
	if o.kind != "" && o.kind != "blob" {
		w.Line = 0 // people do not see the lines of what is no file
	}
	w.Commit, w.Author, w.Date, w.Ref = o.commit, o.author, o.date, o.ref
	return w
}

// history finds out where objects come from.
type history struct {
	*repository
	wanted map[string]*origin
	left   int
	names  map[string]string // what leads to an id
}

// tip is where something leads into the history.
type tip struct{ id, name string }

// search goes through the history that HEAD leads to first, then that of other refs, then
// that of reflogs, then what nothing leads to; and through each from its start.
func (h *history) search(ctx context.Context) {
	if shallow, err := readSmall(filepath.Join(h.folder, "shallow")); err == nil {
		_ = os.WriteFile(filepath.Join(h.git.dir, "shallow"), []byte(shallow), 0o600) // then there are fewer origins
	}
	head, refs, logs := h.tips()
	var hide strings.Builder
	for rank, tips := range [][]tip{head, refs, logs} {
		var show strings.Builder
		for _, t := range tips {
			if h.names[t.id] == "" {
				h.names[t.id] = t.name
				show.WriteString(t.id + "\n")
			}
		}
		h.walk(ctx, rank, show.String()+hide.String())
		for line := range strings.Lines(show.String()) {
			hide.WriteString("^" + line)
		}
	}
	const lost = 3
	if h.left > 0 {
		h.walk(ctx, lost, h.commits(ctx)+hide.String())
	}
	h.index(ctx, lost)
	h.others(ctx, lost)
}

// tips returns where HEAD leads to, where other refs lead, and where only reflogs and the like
// do.
func (h *history) tips() (head, refs, logs []tip) {
	branch := "HEAD"
	if text, err := readSmall(filepath.Join(h.folder, "HEAD")); err == nil {
		if ref, ok := strings.CutPrefix(text, "ref:"); ok {
			branch = strings.TrimSpace(ref)
		} else if id := h.git.id(text); id != "" {
			head = []tip{{id, branch}}
		}
	}
	add := func(name, text string) {
		id := h.git.id(text)
		switch {
		case id == "":
		case name == branch:
			head = append(head, tip{id, name})
		default:
			refs = append(refs, tip{id, name})
		}
	}
	h.files(h.folder, "refs", add)
	lines(filepath.Join(h.folder, "packed-refs"), func(line string) {
		if id, name, ok := strings.Cut(line, " "); ok {
			add(name, id)
		}
	})
	others := []string{h.folder}
	trees, _ := filepath.Glob(filepath.Join(h.folder, "worktrees", "*")) // the pattern is ours
	for _, tree := range trees {
		name := "worktrees/" + filepath.Base(tree)
		h.files(tree, "refs", func(ref, text string) { add(name+"/"+ref, text) })
		if text, err := readSmall(filepath.Join(tree, "HEAD")); err == nil {
			add(name+"/HEAD", text)
		}
		others = append(others, tree)
	}
	kind := func(t tip) int {
		return slices.IndexFunc([]string{"refs/heads/", "refs/remotes/", "refs/tags/", ""}, func(p string) bool { return strings.HasPrefix(t.name, p) })
	}
	slices.SortStableFunc(refs, func(a, b tip) int { return cmp.Compare(kind(a), kind(b)) })
	for _, folder := range others {
		logs = append(logs, h.logged(folder)...)
	}
	return head, refs, logs
}

// logged returns what the reflogs in a folder remember, and files such as ORIG_HEAD.
func (h *history) logged(folder string) (logs []tip) {
	root := filepath.Join(folder, "logs")
	_ = filepath.WalkDir(root+string(filepath.Separator), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			name, _ := filepath.Rel(root, path) // it is in it
			lines(path, func(line string) {
				before, rest, _ := strings.Cut(line, " ")
				after, _, _ := strings.Cut(rest, " ")
				for _, text := range []string{before, after} {
					if id := h.git.id(text); id != "" {
						logs = append(logs, tip{id, onlyReflog + filepath.ToSlash(name)})
					}
				}
			})
		}
		return nil
	})
	heads, _ := filepath.Glob(filepath.Join(folder, "*_HEAD")) // the pattern is ours
	for _, path := range heads {
		lines(path, func(line string) {
			if id := h.git.id(line); id != "" {
				logs = append(logs, tip{id, "no branch or tag: only " + filepath.Base(path)})
			}
		})
	}
	return logs
}

// files calls each for the files in a folder of a folder.
func (h *history) files(folder, within string, each func(name, text string)) {
	_ = filepath.WalkDir(filepath.Join(folder, within)+string(filepath.Separator), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if text, err := readSmall(path); err == nil {
				name, _ := filepath.Rel(folder, path) // it is in it
				each(filepath.ToSlash(name), text)
			}
		}
		return nil
	})
}

// commits lists all commits.
func (h *history) commits(ctx context.Context) string {
	cmd := h.git.command(ctx, "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objecttype) %(objectname)")
	var ids strings.Builder
	_ = run(cmd, '\n', func(next func() string) bool {
		if id, ok := strings.CutPrefix(next(), "commit "); ok {
			ids.WriteString(id + "\n")
		}
		return true
	})
	return ids.String()
}

// walk goes from the start of a history to its tips, which it gets as git rev-list --stdin
// does, and notes where wanted objects come in.
func (h *history) walk(ctx context.Context, rank int, tips string) {
	if h.left == 0 || tips == "" {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := h.git.command(ctx, "log", "--ignore-missing", "--stdin", "--reverse", "--no-decorate", "--no-notes", "--no-show-signature",
		"--raw", "-z", "-r", "-t", "-c", "--root", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv", "--format=%x01%H %T %S %aI %an <%ae>")
	cmd.Stdin = strings.NewReader(tips)
	var at origin
	_ = run(cmd, 0, func(next func() string) bool {
		text := strings.TrimLeft(next(), "\n")
		switch {
		case strings.HasPrefix(text, "\x01"):
			var id, tree string
			id, tree, at = h.commit(text[1:], rank)
			h.note(id, at, "commit", "")
			h.note(tree, at, "tree", "./")
		case strings.HasPrefix(text, ":"):
			parents := strings.LastIndexByte(text, ':') + 1
			fields, path := strings.Fields(text), next()
			if len(fields) < 2*parents+2 {
				return false
			}
			kind := "blob"
			if fields[parents] == "040000" {
				kind, path = "tree", path+"/"
			}
			h.note(fields[2*parents+1], at, kind, path)
		}
		return h.left > 0
	})
}

// commit takes apart what walk asks git to print of a commit.
func (h *history) commit(text string, rank int) (id, tree string, o origin) {
	const all = 5
	f := strings.SplitN(text, " ", all)
	if len(f) < all {
		return "", "", o
	}
	when, _ := time.Parse(time.RFC3339, f[3]) // then the order is another
	return f[0], f[1], origin{commit: f[0], ref: cmp.Or(h.names[f[2]], noRef), date: f[3], author: f[4], rank: rank, when: when}
}

// note notes where an object comes from, the first time.
func (h *history) note(id string, o origin, kind, path string) {
	if w := h.wanted[id]; w != nil && !w.known {
		*w = o
		w.known, w.kind, w.path = true, kind, path
		h.left--
	}
}

// index notes which files are in an index, and in no commit.
func (h *history) index(ctx context.Context, rank int) {
	if h.left == 0 {
		return
	}
	indexes, _ := filepath.Glob(filepath.Join(h.folder, "worktrees", "*", "index")) // the pattern is ours
	for _, path := range append(indexes, filepath.Join(h.folder, "index")) {
		cmd, err := h.git.withIndex(ctx, path, "ls-files", "--stage", "-z")
		if err != nil {
			continue
		}
		_ = run(cmd, 0, func(next func() string) bool {
			entry, path, _ := strings.Cut(next(), "\t")
			if f := strings.Fields(entry); len(f) > 1 {
				h.note(f[1], origin{ref: onlyIndex, rank: rank}, "blob", path)
			}
			return h.left > 0
		})
	}
}

// others notes what is known of objects that no commit has.
func (h *history) others(ctx context.Context, rank int) {
	var ids strings.Builder
	for id, o := range h.wanted {
		if !o.known {
			ids.WriteString(id + "\n")
		}
	}
	if ids.Len() == 0 {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := h.git.command(ctx, "cat-file", "--batch-check=%(objectname) %(objecttype)")
	cmd.Stdin = strings.NewReader(ids.String())
	_ = run(cmd, '\n', func(next func() string) bool {
		id, kind, _ := strings.Cut(next(), " ")
		o := origin{rank: rank, ref: cmp.Or(h.names[id], noRef)}
		if kind == "tag" {
			h.tagger(ctx, id, &o)
		}
		h.note(id, o, kind, "")
		return true
	})
}

// tagger adds who made a tag, and when.
func (h *history) tagger(ctx context.Context, id string, o *origin) {
	cmd := h.git.command(ctx, "cat-file", "tag", id)
	_ = run(cmd, '\n', func(next func() string) bool {
		line := next()
		if who, ok := strings.CutPrefix(line, "tagger "); ok {
			if end := strings.LastIndexByte(who, '>'); end > 0 {
				o.author = who[:end+1]
				o.when = gitTime(who[end+1:])
				o.date = o.when.Format(time.RFC3339)
			}
		}
		return line != ""
	})
}

// gitTime reads a time as git writes it: seconds, and a zone such as +0200.
func gitTime(text string) time.Time {
	seconds, zone, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, _ := strconv.ParseInt(seconds, 10, 64) // then it is 1970
	at := time.Unix(n, 0).UTC()
	if z, err := time.Parse("-0700", zone); err == nil {
		at = at.In(z.Location())
	}
	return at
}

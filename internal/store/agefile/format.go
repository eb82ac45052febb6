package agefile

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"purser/internal/atomicfile"
	"purser/internal/boundedfile"
	"purser/internal/credential"
)

const (
	format = "purser/v1"
	// sizeLimit is far above three versions of Secrets Manager's longest value, encrypted
	// and armoured.
	sizeLimit = 1 << 20
)

type content struct {
	Format   string     `json:"format"`
	Made     *time.Time `json:"made,omitempty"`     // the first versions of purser did not write it
	Mark     string     `json:"registry,omitempty"` // what the values belong to; each value repeats it, encrypted
	Versions []version  `json:"versions"`
}

// version is one version; Value is an armoured age file.
type version struct {
	ID      credential.VersionID `json:"id"`
	Stages  []credential.Stage   `json:"stages"`
	Created time.Time            `json:"created"`
	Expires *time.Time           `json:"expires,omitempty"`
	Value   string               `json:"value"`
}

func (c *content) find(id credential.VersionID) *version {
	return c.first(func(v version) bool { return v.ID == id })
}

func (c *content) at(stage credential.Stage) *version {
	return c.first(func(v version) bool { return slices.Contains(v.Stages, stage) })
}

func (c *content) first(is func(version) bool) *version {
	if i := slices.IndexFunc(c.Versions, is); i >= 0 {
		return &c.Versions[i]
	}
	return nil
}

// mark returns the file's own mark. It never vouches for a way to the registry: whoever can
// edit the file could write that.
func (c *content) mark() credential.Mark {
	m := credential.ParseMark(c.Mark)
	m.Via = ""
	return m
}

// registry returns the registry of a version according to the file's mark.
func (c *content) registry(v *version) credential.Host {
	at := credential.Pending
	if slices.Contains(v.Stages, credential.Previous) {
		at = credential.Previous
	}
	return c.mark().For(v.ID, at)
}

func (c *content) take(stage credential.Stage) {
	for i := range c.Versions {
		c.Versions[i].Stages = slices.DeleteFunc(c.Versions[i].Stages, func(s credential.Stage) bool { return s == stage })
	}
}

// give moves a stage to a version.
func (c *content) give(id credential.VersionID, stage credential.Stage) {
	c.take(stage)
	v := c.find(id)
	v.Stages = append(v.Stages, stage)
	slices.Sort(v.Stages)
}

// load reads the file. A missing file is SecretMissing.
func (a *File) load() (*content, fs.FileInfo, error) {
	raw, err := boundedfile.Read(a.cfg.Path, sizeLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, a.missing()
	}
	if err != nil {
		return nil, nil, a.fault("the encrypted file cannot be read", cause(err))
	}
	info, err := os.Stat(a.cfg.Path)
	if err != nil {
		return nil, nil, a.fault("the encrypted file cannot be read", cause(err))
	}
	var c content
	if json.Unmarshal(raw, &c) != nil {
		return nil, nil, a.fault(a.cfg.Path+" is damaged or not a purser file", "it is not the JSON that purser writes")
	}
	if c.Format != format {
		return nil, nil, a.fault(a.cfg.Path+" cannot be used", "its format is not "+format+"; a newer purser may have written it")
	}
	return &c, info, nil
}

// change edits the file under its lock. At every moment the file on disk is complete: the
// old one or the new one.
func (a *File) change(ctx context.Context, edit func(*content) error, create bool) error {
	path, err := a.resolve(create)
	if err != nil {
		return untouched(err)
	}
	unlock, err := lockFile(ctx, path+".lock")
	if ended := credential.Ended(ctx, "waiting until another process has written "+path); err != nil && ended != nil {
		ended.Target = a.target()
		return untouched(ended)
	}
	if err != nil {
		f := a.fault("the encrypted file cannot be locked", cause(err))
		f.Err = err // lets callers distinguish a cancelled wait from a broken file
		return untouched(f)
	}
	defer unlock()
	c, _, err := a.load()
	if create && credential.ReasonOf(err) == credential.SecretMissing {
		c, err = &content{Format: format, Made: new(a.cfg.Now().UTC()), Versions: []version{}}, nil
	} else if create && err == nil {
		return nil
	}
	if err != nil {
		return untouched(err)
	}
	if err := edit(c); err != nil {
		return untouched(err)
	}
	return a.save(path, c)
}

// untouched marks an error from before the file was written.
func untouched(err error) error {
	if f, ok := errors.AsType[*credential.Fault](err); ok {
		f.Untouched = true
	}
	return err
}

// save writes the versions that have a stage. The caller holds the lock.
func (a *File) save(path string, c *content) error {
	c.Versions = slices.DeleteFunc(c.Versions, func(v version) bool { return len(v.Stages) == 0 })
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return a.fault("the encrypted file cannot be written", cause(err))
	}
	text = append(text, '\n')
	if len(text) > sizeLimit { // load would refuse it
		return &credential.Fault{
			Reason: credential.StoreRefused, Target: a.target(), What: "the value is too long for the encrypted file", Untouched: true,
		}
	}
	if err := writeWhole(path, text); err != nil {
		return untouched(a.fault("the encrypted file cannot be written", cause(err)))
	}
	if err := syncDir(filepath.Dir(path)); err != nil { // it is written, but may not survive a crash
		return a.fault("the encrypted file cannot be written", cause(err))
	}
	return nil
}

func (a *File) missing() *credential.Fault {
	return &credential.Fault{Reason: credential.SecretMissing, Target: a.target(), What: "there is no file " + a.cfg.Path}
}

// resolve follows symbolic links, so that a write replaces the target and not the link. It
// creates the folder if create is set; otherwise it leaves nothing, not even a lock, beside
// a missing file.
func (a *File) resolve(create bool) (string, error) {
	path, err := realPath(a.cfg.Path)
	switch {
	case err != nil:
	case create:
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	default:
		if _, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return "", a.missing()
		}
	}
	if err != nil {
		return "", a.fault("the folder of the encrypted file cannot be used", cause(err))
	}
	return path, nil
}

// realPath follows links, even to a file that does not exist yet, at which EvalSymlinks
// alone gives up. A loop of links ends in another error of EvalSymlinks.
func realPath(path string) (string, error) {
	for {
		found, err := filepath.EvalSymlinks(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return found, err
		}
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil //nolint:nilerr // not a link: the file does not exist yet
		}
		if !filepath.IsAbs(to) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", err
			}
			to = filepath.Join(dir, to)
		}
		path = to
	}
}

// writeWhole replaces a file in one step. On an error, the old file is unchanged and
// nothing is left beside it. The caller's lock protects the temporary name, so leftovers of
// a killed process can be overwritten.
func writeWhole(path string, text []byte) error {
	temporary := path + ".tmp"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside the file itself
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = atomicfile.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary)
	}
	return err
}

// syncDir makes a rename durable. Windows refuses the call for folders; its file systems
// journal renames.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir) //nolint:gosec // the folder of the file just written
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// cause formats a system error without the operation's name.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path + ": " + e.Err.Error()
	}
	return err.Error()
}

// Package lease tells a run whether an earlier one on this machine is over that made a
// token and did not begin to store it. A lease is a file that is locked for as long as its
// run is at work; the system gives the lock back however the run ends. It makes waiting
// shorter and nothing else: without it, and on another machine, nothing is known.
package lease

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"purser/internal/credential"
	"purser/internal/filelock"
)

// Folder is where the leases of a machine's runs are.
type Folder struct {
	Path string
	host string // "": this machine
}

// abandonedAfter is how old a file is that no run needs any more.
const abandonedAfter = 24 * time.Hour

// Take takes the lease of a version, before its token is made. end gives it back: with
// left, the token may be there and its version is in no store, and the file says so;
// without, nothing is left. A lease that cannot be taken is as none.
func (f Folder) Take(id credential.VersionID) (end func(left bool)) {
	none := func(bool) {}
	const private = 0o700
	if os.MkdirAll(f.Path, private) != nil {
		return none
	}
	f.prune()
	path := f.file(id)
	file, err := create(path, f.machine())
	if err != nil {
		return none
	}
	return func(left bool) {
		if !left {
			_ = os.Remove(path) // before the lock is gone, which says that the run is over
		}
		_ = file.Close()
	}
}

// Abandoned reports whether a run of this machine took the lease of a version, and is over.
func (f Folder) Abandoned(id credential.VersionID) bool {
	file, err := os.Open(f.file(id))
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // nothing was written
	return f.left(file, id)
}

// left looks at the file of a lease.
func (f Folder) left(file *os.File, id credential.VersionID) bool {
	where := make([]byte, longestHost)
	n, err := file.Read(where)
	if err != nil || string(where[:n]) != f.machine() || !filelock.Free(file) {
		return false
	}
	// A run that went on to store the token has removed the file before it gave back the lock.
	opened, err := file.Stat()
	named, err2 := os.Stat(f.file(id))
	return errors.Join(err, err2) == nil && os.SameFile(opened, named)
}

// Forget removes what says that a token was left, once it has been ended.
func (f Folder) Forget(id credential.VersionID) { _ = os.Remove(f.file(id)) }

// prune removes what nobody came back for.
func (f Folder) prune() {
	all, _ := os.ReadDir(f.Path) // what cannot be read stays
	for _, entry := range all {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > abandonedAfter {
			_ = os.Remove(filepath.Join(f.Path, entry.Name()))
		}
	}
}

// create makes a file with a text, which is locked before anything is written to it.
func create(path, text string) (*os.File, error) {
	const private = 0o600
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, private) //nolint:gosec // a version's id in a folder of our own
	if err != nil {
		return nil, err
	}
	if err = filelock.Try(file); err == nil {
		_, err = file.WriteString(text)
	}
	if err != nil {
		_ = os.Remove(path)
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func (f Folder) file(id credential.VersionID) string {
	return filepath.Join(f.Path, filepath.Base(string(id))+".lease")
}

// longestHost is more than any machine's name has, in bytes.
const longestHost = 512

// machine tells this machine from others that may share the folder, whose locks it does
// not see: by what Linux calls this start of its kernel, elsewhere by its name.
func (f Folder) machine() string {
	if f.host != "" {
		return f.host
	}
	if boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		return string(boot)
	}
	name, _ := os.Hostname()
	return "host " + name
}

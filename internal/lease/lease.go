// Package lease tells a run whether an earlier one on this machine made a token and ended
// before it began to store it. A lease is a file that its run keeps locked; the system
// releases the lock however the run ends. Leases only shorten waits: without one, and on
// another machine, nothing is known.
package lease

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"purser/internal/credential"
	"purser/internal/filelock"
)

// Folder holds the leases of a machine's runs.
type Folder struct {
	Path string
	host string // "": this machine
}

// abandonedAfter is the age at which no run needs a lease any more.
const abandonedAfter = 24 * time.Hour

// Take takes the lease of a version, before its token is made. end releases it. With left,
// the token may exist although no store has its version, and the file stays to say so. A
// lease that cannot be taken acts like none.
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
			_ = file.Truncate(0) // before releasing the lock, which shows that the run is over
		}
		_ = file.Close()
		if !left {
			_ = os.Remove(path) // Windows removes no open file
		}
	}
}

// Abandoned reports whether a run of this machine left the version's lease and is over.
func (f Folder) Abandoned(id credential.VersionID) bool {
	file, err := os.Open(f.file(id))
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // nothing was written
	return f.left(file, id)
}

// left reports the same for a lease's open file.
func (f Folder) left(file *os.File, id credential.VersionID) bool {
	if !filelock.Free(file) {
		return false
	}
	// A run that went on to store the token emptied the file before it released the lock.
	where := make([]byte, longestHost)
	n, err := file.Read(where)
	if err != nil || string(where[:n]) != f.machine() {
		return false
	}
	opened, err := file.Stat()
	named, err2 := os.Stat(f.file(id))
	return errors.Join(err, err2) == nil && os.SameFile(opened, named)
}

// Forget removes a lease whose token has been revoked.
func (f Folder) Forget(id credential.VersionID) { _ = os.Remove(f.file(id)) }

// prune removes old leases that nobody came back for.
func (f Folder) prune() {
	all, _ := os.ReadDir(f.Path) // unreadable leases stay
	for _, entry := range all {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > abandonedAfter {
			_ = os.Remove(filepath.Join(f.Path, entry.Name()))
		}
	}
}

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
		_ = file.Close()
		_ = os.Remove(path)
		return nil, err
	}
	return file, nil
}

func (f Folder) file(id credential.VersionID) string {
	return filepath.Join(f.Path, filepath.Base(string(id))+".lease")
}

// longestHost exceeds every machine's name, in bytes.
const longestHost = 512

// machine identifies this machine among others that may share the folder, whose locks it
// does not see: by Linux's boot id, elsewhere by its name.
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

package consumer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"purser/internal/credential"
)

// jobMark is a file in each folder that EndJob may remove.
const jobMark = "purser-job"

// StartJob creates the private folder of a job. It refuses an existing one.
func (c *Consumer) StartJob(m *Machine, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		why := "its parent is not there, or may not be written"
		if errors.Is(err, fs.ErrExist) {
			why = "it is there already; another job may be using it"
		}
		return &credential.Fault{Reason: credential.Usage, What: "purser cannot create the folder " + credential.Quote(dir), Why: why}
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, jobMark), nil, 0o600), c.Fill(m, dir)); err != nil {
		_ = os.RemoveAll(dir)
		return err
	}
	return nil
}

// CheckJobFolder refuses a relative path, because the steps of a job may run in different folders.
func CheckJobFolder(dir string) error {
	if filepath.IsAbs(dir) {
		return nil
	}
	return &credential.Fault{Reason: credential.Usage, What: "--dir must be an absolute path", Why: "steps may run in different folders"}
}

// EndJob removes a folder that StartJob created, and no other.
func EndJob(dir string) error {
	if err := CheckJobFolder(dir); err != nil {
		return err
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if info, err := os.Lstat(filepath.Join(dir, jobMark)); err != nil || !info.Mode().IsRegular() {
		return &credential.Fault{Reason: credential.Usage, What: "purser did not remove the folder " + credential.Quote(dir), Why: "purser job start did not make it"}
	}
	return os.RemoveAll(dir)
}

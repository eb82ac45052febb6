package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"purser/internal/atomicfile"
	"purser/internal/credential"
)

// The files of a snapshot are in a folder with the account's number. aboutFile is written last, and
// removed first: without it, somebody interrupted purser.
const (
	aboutFile        = "snapshot.json"
	organizationFile = "organization.json"
	historyFile      = "history.json"
)

// lists are the files that hold lists, with where to put them.
func (s *Snapshot) lists() map[string]list {
	return map[string]list{
		"users.json": listOf(&s.Users), "groups.json": listOf(&s.Groups), "roles.json": listOf(&s.Roles), "policies.json": listOf(&s.Policies),
		"secrets.json": listOf(&s.Secrets), "keys.json": listOf(&s.Keys), "instances.json": listOf(&s.Instances),
	}
}

// list gives access to a slice of the snapshot, whatever its type.
type list struct {
	all any                             // to encode
	add func(raw json.RawMessage) error // to decode one more
}

func listOf[T any](into *[]T) list {
	all := *into
	if all == nil {
		all = []T{} // not null
	}
	return list{all, func(raw json.RawMessage) error {
		var one T
		if err := strictly(raw, &one); err != nil {
			return err
		}
		*into = append(*into, one)
		return nil
	}}
}

// Save writes the snapshot into a folder of its account in dir. Equal snapshots make equal files.
func (s *Snapshot) Save(dir string) error {
	if !isAccount(s.About.Account) {
		return fmt.Errorf("save the answers: %s is no number of an AWS account", credential.Quote(s.About.Account))
	}
	folder := filepath.Join(dir, s.About.Account)
	about := filepath.Join(folder, aboutFile)
	if err := os.Remove(about); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("save the answers: %w", err)
	}
	files := map[string]any{organizationFile: s.Organization}
	for name, l := range s.lists() {
		files[name] = l.all
	}
	if s.History != nil {
		files[historyFile] = s.History
	} else if err := os.Remove(filepath.Join(folder, historyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("save the answers: %w", err)
	}
	for name, content := range files {
		if err := write(filepath.Join(folder, name), content); err != nil {
			return err
		}
	}
	return write(about, s.About)
}

func write(path string, content any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // "<" of a date condition stays readable
	enc.SetIndent("", " ")
	if err := enc.Encode(content); err != nil {
		return fmt.Errorf("save the answers: %w", err)
	}
	return atomicfile.Replace(path, text.Bytes(), 0o600)
}

func plainJSON(content any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	err := enc.Encode(content)
	return bytes.TrimRight(text.Bytes(), "\n"), err
}

func isAccount(id string) bool {
	if len(id) != 12 {
		return false
	}
	for _, r := range id {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}

//go:build unix

package config

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

const somebodyElse = 54321

// planted makes a project below a folder where somebody left a purser.yaml.
func planted(t *testing.T) (file, project string) {
	t.Helper()
	base := t.TempDir()
	file, project = filepath.Join(base, FileName), filepath.Join(base, "a", "project")
	if err := os.MkdirAll(project, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(Example), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, project
}

func TestOnlyThePersonsOwnFileIsFound(t *testing.T) {
	file, project := planted(t)
	if path, err := Find("", Environment{}, project); path != file || err != nil {
		t.Fatalf("one's own: %q, %v", path, err)
	}
	for name, spoil := range map[string]func() error{
		"others may write":             func() error { return os.Chmod(file, 0o602) },
		"others may write the folder":  func() error { return os.Chmod(filepath.Dir(file), 0o707) },
		"belongs to another user":      func() error { return os.Chown(file, somebodyElse, -1) },
		"a link that is another's own": func() error { return linked(file) },
	} {
		if err := spoil(); err != nil {
			t.Logf("%s: %v: skipped", name, err) // giving files away takes root
			continue
		}
		_, err := Find("", Environment{}, project)
		if err == nil || !strings.Contains(err.Error(), "--config") {
			t.Errorf("%s: %v", name, err)
		}
		if path, err := Find(file, Environment{}, project); path != file || err != nil {
			t.Errorf("%s, and named: %q, %v", name, path, err)
		}
		file, project = planted(t)
	}
}

// linked replaces the file by another user's link to the person's own file.
func linked(file string) error {
	own := file + ".own"
	if err := os.Rename(file, own); err != nil {
		return err
	}
	if err := os.Symlink(own, file); err != nil {
		return err
	}
	return os.Lchown(file, somebodyElse, -1)
}

func TestTheSearchEndsAtTheRepositoryAndAtHome(t *testing.T) {
	_, project := planted(t)
	if path, err := Find("", Environment{Home: filepath.Dir(project)}, project); path != "" || err != nil {
		t.Errorf("above the home directory: %q, %v", path, err)
	}
	if err := os.Mkdir(filepath.Join(project, ".git"), 0o700); err != nil {
		t.Fatal(err)
	}
	if path, err := Find("", Environment{}, project); path != "" || err != nil {
		t.Errorf("above the repository: %q, %v", path, err)
	}
}

func TestTheGroupOfOneUserMayWrite(t *testing.T) {
	file, project := planted(t)
	if err := os.Chmod(file, 0o660); err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if group, err := user.LookupGroupId(me.Gid); err != nil || group.Name != me.Username {
		t.Skip("this user has no group of its own: skipped")
	}
	if path, err := Find("", Environment{}, project); path != file || err != nil {
		t.Errorf("%q, %v", path, err)
	}
}

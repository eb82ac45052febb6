package scan

import (
	"context"
	"os"
	"path/filepath"
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

// isObjects reports whether a folder holds the objects of a repository.
func isObjects(folder string) bool {
	return filepath.Base(folder) == "objects" && isRepository(filepath.Dir(folder))
}

// repository looks through all objects of a repository.
func (s *Scanner) repository(ctx context.Context, folder string) {
}

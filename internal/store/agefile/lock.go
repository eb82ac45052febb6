package agefile

import (
	"context"
	"os"

	"purser/internal/filelock"
)

// lockFile locks the file at path, which stays there: removing it would let two processes
// lock two files of the same name. On a system without locks, of two runs at once one may
// lose its change, but the file stays intact.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the file that it guards
	if err != nil {
		return nil, err
	}
	if err := filelock.Lock(ctx, f); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

package agefile

import (
	"context"
	"os"

	"purser/internal/filelock"
)

// lockFile takes the lock of the file at path. The file stays there: removing it
// would let two processes lock two files of the same name. Where the system has no
// locks, two runs at once may lose the earlier one's change, never break the file.
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

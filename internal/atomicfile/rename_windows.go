package atomicfile

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

const (
	tries = 200
	pause = 10 * time.Millisecond
)

// Rename replaces a file by another one in one step. Windows refuses that while somebody has
// the file open, be it to read it, or to look for viruses. So Rename calls
// rename and tries again for two seconds.
func Rename(from, to string) error {
	for n := 1; ; n++ {
		err := os.Rename(from, to)
		busy := errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
		if info, gone := os.Stat(to); !busy || n == tries || gone == nil && info.IsDir() {
			return err
		}
		<-time.After(pause)
	}
}

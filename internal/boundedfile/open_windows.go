package boundedfile

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

const (
	tries = 50
	pause = 10 * time.Millisecond
)

// open tries again for half a second while somebody replaces the file, which Windows does not
// let others open meanwhile.
func open(path string) (*os.File, error) {
	for n := 1; ; n++ {
		f, err := os.Open(path) //nolint:gosec // opening what others name is its purpose
		if !errors.Is(err, windows.ERROR_SHARING_VIOLATION) || n == tries {
			return f, err
		}
		<-time.After(pause)
	}
}

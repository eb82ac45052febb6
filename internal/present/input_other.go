//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package present

import "os"

func inputOfPipe(*os.File) Waiting { return InputOpen }

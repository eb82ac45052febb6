//go:build unix

package process

import "golang.org/x/sys/unix"

// noCore takes the right to a core file away. The hard limit stays: a child
// that is started may want its own.
func noCore() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit)
	}
}

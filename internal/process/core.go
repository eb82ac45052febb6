//go:build unix

package process

import "golang.org/x/sys/unix"

// noCore disables core files. The hard limit stays, since a child may want its own.
func noCore() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit)
	}
}

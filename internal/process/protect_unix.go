//go:build unix && !linux

package process

import "golang.org/x/sys/unix"

func protect() Protection {
	p := Protection{NoCore: true}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		p.NoCore = false
		p.failed("core files", err)
	}
	return p
}

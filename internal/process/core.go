//go:build unix

package process

import "golang.org/x/sys/unix"

// noCore takes the right to a core file away. The hard limit stays: a child
// that is started may want its own.
func noCore(p *Protection) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_CORE, &limit)
	if err == nil {
		limit.Cur = 0
		err = unix.Setrlimit(unix.RLIMIT_CORE, &limit)
	}
	p.NoCore = err == nil
	if err != nil {
		p.failed("core files", err)
	}
}

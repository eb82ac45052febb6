package process

import "golang.org/x/sys/unix"

// protect: a process that is not dumpable leaves no core file, and its memory
// and descriptors under /proc belong to root; ptrace by the same user is refused
// (prctl(2), PR_SET_DUMPABLE; ptrace(2), access mode checking).
func protect() {
	noCore()
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	lock()
}

// lock keeps memory out of swap, page by page as it is used. With a limit in
// force a later allocation would fail and end the process, so it is done only
// where there is none.
func lock() {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil || limit.Cur != unix.RLIM_INFINITY {
		return
	}
	_ = unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}

package process

import "golang.org/x/sys/unix"

// protect makes the process not dumpable: it leaves no core file, root owns its memory and
// descriptors under /proc, and the same user cannot ptrace it (prctl(2), PR_SET_DUMPABLE;
// ptrace(2), access mode checking).
func protect() {
	noCore()
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	lock()
}

// lock keeps memory out of swap, page by page as it is used. It does so only without a limit:
// otherwise a later allocation could fail and end the process.
func lock() {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil || limit.Cur != unix.RLIM_INFINITY {
		return
	}
	_ = unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}

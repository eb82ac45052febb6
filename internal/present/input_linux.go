package present

import "golang.org/x/sys/unix"

// readable asks how many bytes there are to read: FIONREAD under Linux's other name.
const readable = unix.TIOCINQ

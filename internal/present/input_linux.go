package present

import "golang.org/x/sys/unix"

// readable is the ioctl that counts waiting bytes; elsewhere it is FIONREAD.
const readable = unix.TIOCINQ

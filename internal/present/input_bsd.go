//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package present

// readable is the ioctl that counts waiting bytes: FIONREAD of sys/filio.h, which
// golang.org/x/sys lacks on these systems.
const readable = 0x4004667f

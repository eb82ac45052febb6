//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package present

// readable asks how many bytes there are to read: FIONREAD of sys/filio.h, which
// golang.org/x/sys does not have for these systems.
const readable = 0x4004667f

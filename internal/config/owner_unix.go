//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// othersMayWrite says why a file or a folder on the way to it is not one's own or
// root's; "" when it is. In a folder with the sticky bit, as /tmp, others can add
// files and not replace ours.
func othersMayWrite(path string, info fs.FileInfo) string {
	const writable = 0o022 // by the group, by all
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
	if info.Mode().Perm()&writable != 0 && !sticky {
		return fmt.Sprintf("others may write %s (%v); chmod go-w it", path, info.Mode().Perm())
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return path + " belongs to another user"
	}
	return ""
}

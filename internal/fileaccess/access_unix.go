//go:build unix

package fileaccess

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

const (
	byGroup, byAll = 0o020, 0o002
	byOthers       = 0o077
)

// Writers says, by owner and mode, how others can write a file or a folder; "" if they cannot. info is what Stat
// or Lstat returned for path. In a folder with the sticky bit, such as /tmp, they cannot
// replace our files. With ownGroup, the user's private group may write.
func Writers(path string, info fs.FileInfo, ownGroup bool) string {
	owner, known := info.Sys().(*syscall.Stat_t)
	open := info.Mode().Perm() & (byGroup | byAll)
	if open&byGroup != 0 && ownGroup && known && isPrivateGroup(owner.Gid) {
		open &^= byGroup
	}
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
	link := info.Mode()&fs.ModeSymlink != 0 // a link's mode means nothing
	if open != 0 && !sticky && !link {
		return fmt.Sprintf("others may write to %s (%v); forbid it with chmod go-w", path, info.Mode().Perm())
	}
	if known && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return path + " belongs to another user"
	}
	return ""
}

// Readers returns the command that keeps others from reading a file; "" if they cannot read it.
func Readers(path string, info fs.FileInfo) (forbid string) {
	if info.Mode().Perm()&byOthers != 0 {
		return "chmod 600 " + path
	}
	return ""
}

// isPrivateGroup reports whether a group has the user's name, and so only this member.
func isPrivateGroup(gid uint32) bool {
	id := strconv.FormatUint(uint64(gid), 10)
	me, err := user.Current()
	if err != nil || me.Gid != id {
		return false
	}
	group, err := user.LookupGroupId(id)
	return err == nil && group.Name == me.Username
}

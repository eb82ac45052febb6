//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// othersMayWrite says why a file or a folder on the way to it is not one's own or
// root's; "" when it is. In a folder with the sticky bit, as /tmp, others can add
// files and not replace ours. With ownGroup, the group may write when nobody else is
// in it, as many systems set up their users.
func othersMayWrite(path string, info fs.FileInfo, ownGroup bool) string {
	const byGroup, byAll = 0o020, 0o002
	owner, known := info.Sys().(*syscall.Stat_t)
	open := info.Mode().Perm() & (byGroup | byAll)
	if open&byGroup != 0 && ownGroup && known && isPrivateGroup(owner.Gid) {
		open &^= byGroup
	}
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
	link := info.Mode()&fs.ModeSymlink != 0 // whose mode means nothing
	if open != 0 && !sticky && !link {
		return fmt.Sprintf("others may write %s (%v); chmod go-w it", path, info.Mode().Perm())
	}
	if known && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return path + " belongs to another user"
	}
	return ""
}

// isPrivateGroup reports whether a group is the user's own: it has the user's name.
func isPrivateGroup(gid uint32) bool {
	id := strconv.FormatUint(uint64(gid), 10)
	me, err := user.Current()
	if err != nil || me.Gid != id {
		return false
	}
	group, err := user.LookupGroupId(id)
	return err == nil && group.Name == me.Username
}

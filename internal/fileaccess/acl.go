package fileaccess

import (
	"fmt"
	"slices"
)

// control is who owns a file of Windows, and its access control list. Accounts are security
// identifiers, such as S-1-5-18.
type control struct {
	owner, me string
	everybody bool // there is no list, so everybody may do everything
	list      []entry
	name      func(account string) string // how people call an account
}

// entry gives an account rights on a file, if it is not for the files below a folder alone.
type entry struct {
	kind, flags uint8
	rights      uint32
	account     string
}

// The kinds and flags of entries (winnt.h).
const (
	allow        = 0x0
	deny         = 0x1
	allowIf      = 0x9 // with a condition
	forBelowOnly = 0x8
)

// Rights (winnt.h).
const (
	readData     = 0x1
	writeData    = 0x2
	appendData   = 0x4
	deleteChild  = 0x40
	deleteFile   = 0x10000
	changeList   = 0x40000
	changeOwner  = 0x80000
	genericAll   = 0x10000000
	genericWrite = 0x40000000
	genericRead  = 0x80000000

	// replacing has the rights that turn a file into another one, or give all rights.
	replacing  = deleteFile | changeList | changeOwner | genericAll
	writesFile = replacing | writeData | appendData | genericWrite
	// writesFolder leaves out the right to add files, as in /tmp: their owners are checked
	// with them.
	writesFolder = replacing | deleteChild
	readsFile    = readData | changeList | changeOwner | genericRead | genericAll
)

// trusted are accounts that may do everything on the machine, and the names for a file's
// owner.
var trusted = []string{
	"S-1-5-18",     // the system
	"S-1-5-32-544", // administrators
	"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464", // TrustedInstaller
	"S-1-3-0", "S-1-3-4", // the owner
}

func (c control) trusts(account string) bool {
	return account == c.me || slices.Contains(trusted, account)
}

const (
	everyone = "S-1-1-0"
	unknown  = "unknown" // the account of an entry of a kind that purser does not know
)

// others returns the first account besides this user's and the trusted ones that has one of
// the rights; "" if none has. It ignores refusals, which only take rights away.
func (c control) others(rights uint32) (account string) {
	if c.everybody {
		return everyone
	}
	for _, e := range c.list {
		if e.kind == deny || e.flags&forBelowOnly != 0 || c.trusts(e.account) {
			continue
		}
		if e.rights&rights != 0 {
			return e.account
		}
	}
	return ""
}

// writers says how others can write a file or a folder.
func (c control) writers(path string, folder bool) string {
	rights := uint32(writesFile)
	if folder {
		rights = writesFolder
	}
	switch account := c.others(rights); {
	case !c.trusts(c.owner):
		return path + " belongs to another user"
	case account != "":
		return fmt.Sprintf("others (%s) may write to %s; forbid it with %s", c.name(account), path, forbid(path, account))
	}
	return ""
}

// readers returns the command that keeps others from reading a file.
func (c control) readers(path string) string {
	account := c.others(readsFile)
	if account == "" && !c.trusts(c.owner) { // who can give rights to anybody
		account = c.owner
	}
	if account == "" {
		return ""
	}
	return forbid(path, account)
}

// forbid returns the command that takes an account's rights away. Inherited ones have to
// become the file's own first.
func forbid(path, account string) string {
	return fmt.Sprintf(`icacls "%s" /inheritance:d /remove:g *%s`, path, account)
}

package fileaccess

import (
	"io/fs"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Writers says, by owner and access control list, how others can write a file or a folder; "" if they cannot. info is what Stat
// or Lstat returned for path. Windows has no private groups.
func Writers(path string, info fs.FileInfo, _ bool) string {
	c, err := controlOf(path, info)
	if err != nil {
		return "purser cannot see who may write to " + path + ": " + err.Error()
	}
	return c.writers(path, info.IsDir())
}

// Readers returns the command that keeps others from reading a file; "" if they cannot read it.
func Readers(path string, info fs.FileInfo) (forbid string) {
	c, err := controlOf(path, info)
	if err != nil {
		c.everybody = true
	}
	return c.readers(path)
}

// controlOf reads who may do what with a file; for a link, with the link itself if info is
// from Lstat.
func controlOf(path string, info fs.FileInfo) (control, error) {
	flags := uint32(windows.FILE_FLAG_BACKUP_SEMANTICS) // folders need it
	if info.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0 {
		flags |= windows.FILE_FLAG_OPEN_REPARSE_POINT
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return control{}, err
	}
	file, err := windows.CreateFile(name, windows.READ_CONTROL, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil, windows.OPEN_EXISTING, flags, 0)
	if err != nil {
		return control{}, err
	}
	defer func() { _ = windows.CloseHandle(file) }() // nothing was written
	d, err := windows.GetSecurityInfo(file, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return control{}, err
	}
	return read(d)
}

func read(d *windows.SECURITY_DESCRIPTOR) (control, error) {
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return control{}, err
	}
	c := control{me: me.User.Sid.String(), name: name}
	owner, _, err := d.Owner()
	if err != nil {
		return control{}, err
	}
	if owner != nil {
		c.owner = owner.String()
	}
	list, _, err := d.DACL()
	if err != nil {
		return control{}, err
	}
	c.everybody = list == nil
	for i := 0; list != nil && i < int(list.AceCount); i++ {
		var e *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, uint32(i), &e); err != nil {
			return control{}, err
		}
		account := unknown
		if e.Header.AceType <= deny || e.Header.AceType == allowIf { // other kinds have the account elsewhere
			account = (*windows.SID)(unsafe.Pointer(&e.SidStart)).String() //nolint:gosec // where winnt.h puts it
		}
		c.list = append(c.list, entry{e.Header.AceType, e.Header.AceFlags, uint32(e.Mask), account})
	}
	return c, nil
}

// name returns an account's name, such as BUILTIN\Users.
func name(account string) string {
	id, err := windows.StringToSid(account)
	if err != nil {
		return "an unknown account"
	}
	user, domain, _, err := id.LookupAccount("")
	switch {
	case err != nil:
		return account
	case domain == "":
		return user
	}
	return domain + `\` + user
}

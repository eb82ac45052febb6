package fileaccess

import (
	"strings"
	"testing"
)

const (
	me, somebody  = "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-1002"
	system        = "S-1-5-18"
	admins, users = "S-1-5-32-544", "S-1-5-32-545"
	authenticated = "S-1-5-11"
	creator       = "S-1-3-0"

	full, modify, readAndRun = 0x1f01ff, 0x1301bf, 0x1200a9
	special                  = 0x116 // what users have in C:\ProgramData: add files and folders, write attributes
	addFolders               = 0x4   // what they have in C:\
	below                    = 0x3   // for the files and folders below, too
	inherited                = 0x10
)

// own is what Windows gives the files in a person's folder.
func own(more ...entry) []entry {
	return append([]entry{{allow, inherited, full, system}, {allow, inherited, full, admins}, {allow, inherited, full, me}}, more...)
}

func TestWhoMayWriteAFileOfWindows(t *testing.T) {
	for name, c := range map[string]struct {
		owner     string
		list      []entry
		everybody bool
		folder    bool
		want      string // what is wrong
	}{
		"a person's own file":                {owner: me, list: own()},
		"an administrator's file":            {owner: admins, list: own()},
		"the system's file":                  {owner: system, list: own()},
		"TrustedInstaller's file":            {owner: trusted[2], list: own()},
		"a file that others may read":        {owner: me, list: own(entry{allow, 0, readAndRun, users})},
		"a file that nobody may use":         {owner: me, list: nil},
		"a refusal":                          {owner: me, list: own(entry{deny, 0, full, everyone})},
		"what is for files below alone":      {owner: me, list: own(entry{allow, below | forBelowOnly, full, creator}, entry{allow, below | forBelowOnly, modify, authenticated})},
		"the owner, by another name":         {owner: me, list: own(entry{allow, 0, full, "S-1-3-4"})},
		"C:\\":                               {owner: trusted[2], folder: true, list: []entry{{allow, below, full, admins}, {allow, below, full, system}, {allow, below, readAndRun, users}, {allow, below | forBelowOnly, modify, authenticated}, {allow, 0, addFolders, authenticated}}},
		"C:\\ProgramData":                    {owner: system, folder: true, list: []entry{{allow, below, full, system}, {allow, below, full, admins}, {allow, below | forBelowOnly, 0x10000000, creator}, {allow, below, readAndRun, users}, {allow, 0x2, special, users}}},
		"somebody else's file":               {owner: somebody, list: own(), want: "belongs to another user"},
		"a file without an owner":            {owner: "", list: own(), want: "belongs to another user"},
		"a file without a list":              {owner: me, everybody: true, want: "others (S-1-1-0) may write"},
		"a file below C:\\src":               {owner: me, list: own(entry{allow, inherited, modify, authenticated}), want: "others (S-1-5-11) may write"},
		"a file that users may append to":    {owner: me, list: own(entry{allow, 0, appendData, users}), want: "others (S-1-5-32-545)"},
		"a file that somebody may delete":    {owner: me, list: own(entry{allow, 0, deleteFile, somebody}), want: "others (" + somebody + ")"},
		"a file whose list somebody changes": {owner: me, list: own(entry{allow, 0, changeList, somebody}), want: "others (" + somebody + ")"},
		"a file that somebody may take":      {owner: me, list: own(entry{allow, 0, changeOwner, somebody}), want: "others (" + somebody + ")"},
		"a right under a condition":          {owner: me, list: own(entry{allowIf, 0, writeData, everyone}), want: "others (S-1-1-0)"},
		"all rights, in one":                 {owner: me, list: own(entry{allow, 0, genericAll, everyone}), want: "others (S-1-1-0)"},
		"writing, in one":                    {owner: me, list: own(entry{allow, 0, genericWrite, everyone}), want: "others (S-1-1-0)"},
		"a kind of entry of the future":      {owner: me, list: own(entry{0x5, 0, writeData, unknown}), want: "others (unknown) may write"},
		"a folder where all may take away":   {owner: me, folder: true, list: own(entry{allow, 0, deleteChild, everyone}), want: "others (S-1-1-0)"},
		"a folder that all may rename":       {owner: me, folder: true, list: own(entry{allow, 0, modify, authenticated}), want: "others (S-1-5-11)"},
	} {
		t.Run(name, func(t *testing.T) {
			got := control{owner: c.owner, me: me, everybody: c.everybody, list: c.list, name: func(account string) string { return account }}.writers(`C:\f`, c.folder)
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhoMayReadAFileOfWindows(t *testing.T) {
	for name, c := range map[string]struct {
		control
		want string
	}{
		"a person's own":    {control{owner: me, list: own()}, ""},
		"others may write":  {control{owner: me, list: own(entry{allow, 0, writeData, users})}, ""},
		"others may read":   {control{owner: me, list: own(entry{allow, 0, readAndRun, users})}, `icacls "C:\f" /inheritance:d /remove:g *S-1-5-32-545`},
		"others may allow":  {control{owner: me, list: own(entry{allow, 0, changeList, users})}, `icacls "C:\f" /inheritance:d /remove:g *S-1-5-32-545`},
		"everybody may":     {control{owner: me, everybody: true}, `icacls "C:\f" /inheritance:d /remove:g *S-1-1-0`},
		"it is another's":   {control{owner: somebody, list: own()}, `icacls "C:\f" /inheritance:d /remove:g *` + somebody},
		"reading, in one":   {control{owner: me, list: own(entry{allow, 0, genericRead, everyone})}, `icacls "C:\f" /inheritance:d /remove:g *S-1-1-0`},
		"what is for below": {control{owner: me, list: own(entry{allow, forBelowOnly, full, everyone})}, ""},
		"it may be deleted": {control{owner: me, list: own(entry{allow, 0, deleteFile, users})}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.me = me
			if got := c.readers(`C:\f`); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

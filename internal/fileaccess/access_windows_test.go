package fileaccess

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

func TestARealFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mine, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, list, writes, reads string
	}{
		{"a person's own", "D:P(A;;FA;;;" + mine.User.Sid.String() + ")", "", ""},
		{"others may read", "D:P(A;;FA;;;" + mine.User.Sid.String() + ")(A;;FR;;;WD)", "", "S-1-1-0"},
		{"others may write", "D:P(A;;FA;;;" + mine.User.Sid.String() + ")(A;;FA;;;WD)", "may write to " + path, "S-1-1-0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := windows.SecurityDescriptorFromString(c.list)
			if err != nil {
				t.Fatal(err)
			}
			list, _, err := d.DACL()
			if err != nil {
				t.Fatal(err)
			}
			if err := windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, list, nil); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := Writers(path, info, false); (got == "") != (c.writes == "") || !strings.Contains(got, c.writes) {
				t.Errorf("writers: %q", got)
			}
			if got := Readers(path, info); (got == "") != (c.reads == "") || !strings.HasSuffix(got, c.reads) {
				t.Errorf("readers: %q", got)
			}
		})
	}
}

func TestTheFoldersOfWindowsAreTrusted(t *testing.T) {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, windows.KF_FLAG_DEFAULT)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.VolumeName(dir) + `\`, dir} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if how := Writers(path, info, false); how != "" {
			t.Error(how)
		}
	}
}

func TestAMissingFileIsNotTrusted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if Writers(path+"2", info, false) == "" || Readers(path+"2", info) == "" {
		t.Error("it is trusted")
	}
}

package config

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// SystemPath returns the path of a build agent's configuration. If it exists, the environment
// can only choose among its credentials. Windows itself says where the folder is, since a
// script could set the variable ProgramData.
func SystemPath() string {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, windows.KF_FLAG_DEFAULT)
	if err != nil {
		dir = `C:\ProgramData`
	}
	return filepath.Join(dir, "purser", FileName)
}

// Package buildinfo identifies a build of purser.
package buildinfo

import (
	"runtime/debug"
)

// Info describes how Go built the program.
type Info struct {
	Version  string `json:"version"`          // the module's, such as v1.2.3; "unreleased" if Go found no repository
	Commit   string `json:"commit,omitempty"` // 40 hexadecimal digits
	Date     string `json:"date,omitempty"`   // the commit's, RFC 3339 in UTC, so that builds are reproducible
	Go       string `json:"go"`               // such as go1.26.8
	Platform string `json:"platform"`         // such as linux/amd64
	Clean    bool   `json:"clean"`            // whether the commit is known and the files match it
}

// This describes the running program.
func This() Info {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		b = &debug.BuildInfo{}
	}
	return of(b)
}

func of(b *debug.BuildInfo) Info {
	set := map[string]string{}
	for _, s := range b.Settings {
		set[s.Key] = s.Value
	}
	i := Info{
		Version: b.Main.Version, Commit: set["vcs.revision"], Date: set["vcs.time"],
		Go: b.GoVersion, Platform: set["GOOS"] + "/" + set["GOARCH"],
		Clean: set["vcs.modified"] == "false",
	}
	if i.Version == "" || i.Version == "(devel)" {
		i.Version = "unreleased"
	}
	return i
}

// Package buildinfo says which build of purser a program is.
package buildinfo

import (
	"runtime/debug"
)

// Info is what Go noted when it built the program.
type Info struct {
	Version  string `json:"version"`          // of the module, such as v1.2.3; "unreleased" where Go had no repository to look at
	Commit   string `json:"commit,omitempty"` // 40 hexadecimal digits
	Date     string `json:"date,omitempty"`   // of the commit, RFC 3339 in UTC, so that two builds of it are the same
	Go       string `json:"go"`               // such as go1.26.8
	Platform string `json:"platform"`         // such as linux/amd64
	Clean    bool   `json:"clean"`            // the commit is known, and nothing differed from it
}

// This is the program that asks.
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

package buildinfo

import (
	"runtime/debug"
	"testing"
)

func TestABuildKnowsItsVersionAndCommit(t *testing.T) {
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	platform := []debug.BuildSetting{setting("GOOS", "linux"), setting("GOARCH", "arm64")}
	for name, c := range map[string]struct {
		version  string
		settings []debug.BuildSetting
		want     Info
	}{
		"a release": {"v1.2.3",
			[]debug.BuildSetting{setting("vcs.revision", "abc"), setting("vcs.time", "2026-01-02T03:04:05Z"), setting("vcs.modified", "false")},
			Info{Version: "v1.2.3", Commit: "abc", Date: "2026-01-02T03:04:05Z", Clean: true}},
		"a tree with changes": {"v1.2.4-0.20260102030405-abc+dirty",
			[]debug.BuildSetting{setting("vcs.revision", "abc"), setting("vcs.modified", "true")},
			Info{Version: "v1.2.4-0.20260102030405-abc+dirty", Commit: "abc"}},
		"a folder without git": {"(devel)", nil, Info{Version: "unreleased"}},
		"no build information": {"", nil, Info{Version: "unreleased"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Go, c.want.Platform = "go1.26.8", "linux/arm64"
			got := of(&debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: c.version}, Settings: append(c.settings, platform...)})
			if got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

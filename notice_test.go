package purser_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite NOTICE and docs/platforms.md")

// notice matches files that Apache-2.0 requires to pass on.
var notice = regexp.MustCompile(`(?i)^notice([.-].*)?$`)

// Every archive and package of a release contains NOTICE. It must have the licences of all
// linked modules, each text once.
func TestNoticeHasTheLicencesOfAllLinkedModules(t *testing.T) {
	modules := map[string]map[string]bool{} // by licence text
	add := func(module, file string) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(raw), "\r\n", "\n"))
		if modules[text] == nil {
			modules[text] = map[string]bool{}
		}
		modules[text][module] = true
	}
	add("Go", filepath.Join(runtime.GOROOT(), "LICENSE")) //nolint:staticcheck // the tests run where Go is
	add("the rules of github.com/gitleaks/gitleaks", "internal/scan/rules.LICENSE")
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, p := range linkedPackages(t, system) {
			for _, file := range licencesOf(t, p.Dir, p.Module.Dir) {
				add(p.Module.Path, file)
			}
			entries, err := os.ReadDir(p.Module.Dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if notice.MatchString(e.Name()) {
					add(p.Module.Path, filepath.Join(p.Module.Dir, e.Name()))
				}
			}
		}
	}
	var parts []string
	for text, of := range modules {
		parts = append(parts, fmt.Sprintf("%s\n\n%s\n", strings.Join(slices.Sorted(maps.Keys(of)), "\n"), text))
	}
	slices.Sort(parts)
	line := strings.Repeat("-", 78) + "\n"
	want := "purser is under the Apache License 2.0 (LICENSE). Its programs contain the modules below,\neach under the licence that follows its name.\n\n" + line + strings.Join(parts, line)
	if *update {
		if err := os.WriteFile("NOTICE", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile("NOTICE"); string(got) != want {
		t.Error("NOTICE does not match the linked modules; rewrite it with go test . -run Notice -update")
	}
}

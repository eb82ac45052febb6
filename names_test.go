package purser_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestWindowsCanCheckOutEveryFile finds names that Windows reserves, or that are one file there.
func TestWindowsCanCheckOutEveryFile(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("git does not list the files: %v: skipped", err)
	}
	reserved := regexp.MustCompile(`(?i)(^|/)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.[^/]*)?(/|$)|[<>:"|?*\\\x00-\x1f]|[. ](/|$)`)
	seen := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if reserved.MatchString(name) {
			t.Errorf("Windows allows no file %s", name)
		}
		if other, twice := seen[strings.ToLower(name)]; twice {
			t.Errorf("Windows takes %s and %s for one file", name, other)
		}
		seen[strings.ToLower(name)] = name
	}
	if len(seen) < 100 {
		t.Errorf("there are %d files", len(seen))
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"purser/internal/exposure"
)

// TestEveryCommandIsSearchedForExposure: a command that no flow runs is one of
// which nobody knows what it shows.
func TestEveryCommandIsSearchedForExposure(t *testing.T) {
	harness := map[string]bool{"purser selftest exposure": true}
	var run []string
	for _, f := range exposureFlows() {
		run = append(run, f.commandLine()+" ")
	}
	eachCommand((&app{}).root(), func(c *cobra.Command) {
		path := c.CommandPath()
		// Flags may stand before the command's name.
		wanted := func(line string) bool { return strings.Contains(line, strings.TrimPrefix(path, "purser ")+" ") }
		if !harness[path] && !slices.ContainsFunc(run, wanted) {
			t.Errorf("no flow in selftest_list.go runs %s", path)
		}
	})
	names := map[string]bool{}
	for _, f := range slices.Concat(exposureFlows(), helperFlows(), panicFlows(), exposureControls(), leakControls()) {
		if names[f.name] {
			t.Errorf("two flows are called %q", f.name)
		}
		names[f.name] = true
	}
}

// TestNothingIsExposed runs the search over the program as it is shipped, and
// over a build that leaks on purpose.
func TestNothingIsExposed(t *testing.T) {
	if _, err := exposure.NewWatcher(); err != nil {
		if errors.Is(err, exposure.ErrCannotWatch) {
			t.Skipf("skipped, the search for secrets in system calls: %v", err)
		}
		t.Fatal(err)
	}
	dir := t.TempDir()
	shipped, leaking := filepath.Join(dir, "purser"), filepath.Join(dir, "purser-leaking")
	helper := filepath.Join(dir, "docker-credential-purser")
	for path, args := range map[string][]string{shipped: {"."}, leaking: {"-tags", "leak", "."}, helper: {"../docker-credential-purser"}} {
		build := exec.CommandContext(t.Context(), "go", append([]string{"build", "-trimpath", "-o", path}, args...)...)
		build.Env = append(build.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), shipped, "selftest", "exposure", "--leaking", leaking, "--helper", helper, "--output", "json")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	failed := cmd.Run()
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Exposure == nil {
		t.Fatalf("%v: %s%s", failed, out.String(), errs.String())
	}
	for _, f := range got.Exposure.Flows {
		if len(f.Findings) > 0 || f.Problem != "" {
			t.Errorf("%s (%s): %s %+v", f.Name, f.Command, f.Problem, f.Findings)
		}
	}
	if failed != nil || len(got.Exposure.Flows) < len(exposureFlows())+len(panicFlows())+len(helperFlows()) || got.Exposure.Found != 0 {
		t.Errorf("%v; %d flows, %d found", failed, len(got.Exposure.Flows), got.Exposure.Found)
	}
}

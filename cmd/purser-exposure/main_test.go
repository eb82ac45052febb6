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

	"purser/internal/exposure"
)

func TestFlowNamesAreUnique(t *testing.T) {
	names := map[string]bool{}
	for _, f := range slices.Concat(allFlows(), helperFlows(), panicFlows(), controls(), leakControls()) {
		if names[f.name] {
			t.Errorf("two flows are called %q", f.name)
		}
		names[f.name] = true
	}
}

func TestEveryCommandHasAFlow(t *testing.T) {
	program := filepath.Join(t.TempDir(), "purser")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../purser").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var run []string
	for _, f := range allFlows() {
		run = append(run, f.commandLine()+" ")
	}
	for _, command := range commandsOf(t, program) {
		// Flags may precede the command's name.
		if !slices.ContainsFunc(run, func(line string) bool { return strings.Contains(line, command+" ") }) {
			t.Errorf("no flow runs purser %s", command)
		}
	}
}

// commandsOf are all commands, as shells complete them.
func commandsOf(t *testing.T, program string, under ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, append(append([]string{"__completeNoDesc"}, under...), "")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, ":") { // instructions for the shell
			break
		}
		if word == "help" || word == "completion" {
			continue
		}
		path := append(slices.Clone(under), word)
		all = append(append(all, strings.Join(path, " ")), commandsOf(t, program, path...)...)
	}
	if len(under) == 0 && len(all) < 20 {
		t.Fatalf("purser has the commands %q", all)
	}
	return all
}

// TestNothingIsExposed searches the shipped program and a build that leaks on purpose.
func TestNothingIsExposed(t *testing.T) {
	if _, err := exposure.NewWatcher(); err != nil {
		if errors.Is(err, exposure.ErrCannotWatch) {
			t.Skipf("skipped: %v", err)
		}
		t.Fatal(err)
	}
	dir := t.TempDir()
	shipped, leaking := filepath.Join(dir, "purser"), filepath.Join(dir, "purser-leaking")
	helper, search := filepath.Join(dir, "docker-credential-purser"), filepath.Join(dir, "purser-exposure")
	for path, args := range map[string][]string{shipped: {"../purser"}, leaking: {"-tags", "leak", "../purser"}, helper: {"../docker-credential-purser"}, search: {"."}} {
		build := exec.CommandContext(t.Context(), "go", append([]string{"build", "-trimpath", "-o", path}, args...)...)
		build.Env = append(build.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), search, "--purser", shipped, "--leaking", leaking, "--helper", helper, "--json")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	failed := cmd.Run()
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s%s", failed, out.String(), errs.String())
	}
	for _, f := range got.Flows {
		if len(f.Findings) > 0 || f.Problem != "" {
			t.Errorf("%s (%s): %s %+v", f.Name, f.Command, f.Problem, f.Findings)
		}
	}
	if failed != nil || len(got.Flows) < len(allFlows())+len(panicFlows())+len(helperFlows()) || got.Found != 0 {
		t.Errorf("%v; %d flows, %d found", failed, len(got.Flows), got.Found)
	}
}

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/config"
	"purser/internal/present"
)

// TestEveryCommandHasAManualPage writes the pages, and reads each with the programs that
// show them.
func TestEveryCommandHasAManualPage(t *testing.T) {
	write := func(args ...string) (dir string) {
		dir = t.TempDir()
		a := &app{env: config.Environment{SourceDate: time.Unix(1700000000, 0)}, out: io.Discard, err: io.Discard, now: time.Now}
		if code := run(t.Context(), append([]string{"man", dir}, args...), a); code != present.ExitOK {
			t.Fatalf("exit code %d", code)
		}
		return dir
	}
	dir, again := write(), write("--date", "2023-11-14")
	seen := 0
	eachCommand((&app{}).root(), func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		seen++
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		path := filepath.Join(dir, name)
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile(filepath.Join(again, name))
		if err != nil || !bytes.Equal(page, other) {
			t.Errorf("%s differs from run to run (%v)", name, err)
		}
		for _, want := range []string{" 1 2023-11-14 ", "SYNOPSIS", "EXAMPLES", "EXIT STATUS"} {
			if !bytes.Contains(page, []byte(want)) {
				t.Errorf("%s has no %s", name, want)
			}
		}
		for _, reader := range [][]string{{"mandoc", "-T", "lint", "-W", "warning", path}, {"man", "--warnings", "-E", "UTF-8", "-l", path}, {"groff", "-man", "-ww", "-T", "utf8", path}} {
			readsWithoutWarning(t, reader)
		}
	})
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != seen {
		t.Errorf("there are %d pages (%v) for %d commands", len(all), err, seen)
	}
}

func readsWithoutWarning(t *testing.T, reader []string) {
	t.Helper()
	if _, err := exec.LookPath(reader[0]); err != nil {
		t.Logf("%s is not here: pages are not looked at with it", reader[0])
		return
	}
	cmd := exec.CommandContext(t.Context(), reader[0], reader[1:]...)
	cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8")
	var said, errs bytes.Buffer
	if cmd.Stderr = &errs; reader[0] == "mandoc" {
		cmd.Stdout = &said // where it prints warnings
	}
	if err := cmd.Run(); err != nil || said.Len()+errs.Len() > 0 {
		t.Errorf("%s: %v\n%s%s", strings.Join(reader, " "), err, said.String(), errs.String())
	}
}

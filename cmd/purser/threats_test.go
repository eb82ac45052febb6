package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write golden files anew")

// hold makes the threat model run its tests; make hostile sets it.
var hold = flag.Bool("hold", false, "run the tests that the threat model names")

const threatsFile = "../../docs/threats.md"

// otherPrograms are the programs in the model that are not purser's commands.
var otherPrograms = []string{"docker-credential-purser", "purser-lambda"}

// commandsAndTools are all commands and tools, as the model writes them.
func commandsAndTools(t *testing.T) []string {
	t.Helper()
	a := &app{}
	var all []string
	eachCommand(a.root(), func(c *cobra.Command) {
		all = append(all, strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "purser"), " "))
	})
	here, there := mcp.NewInMemoryTransports()
	server, err := a.mcpServer().Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	tools, err := client.ListTools(t.Context(), nil)
	if err != nil || len(tools.Tools) == 0 {
		t.Fatalf("no tools: %v", err)
	}
	for _, tool := range tools.Tools {
		all = append(all, "mcp: "+tool.Name)
	}
	return append(all, otherPrograms...)
}

// TestEveryCommandAndToolIsInTheThreatModel: in a row, or with the reason why it touches no
// secret.
func TestEveryCommandAndToolIsInTheThreatModel(t *testing.T) {
	there := commandsAndTools(t)
	modelled := slices.Collect(maps.Keys(harmless))
	for _, row := range threats {
		modelled = append(modelled, row.commands...)
	}
	for _, c := range there {
		if !slices.Contains(modelled, c) {
			t.Errorf("purser %s: threats_list_test.go has no row for it", c)
		}
	}
	for _, c := range modelled {
		if !slices.Contains(there, c) {
			t.Errorf("%s: there is no such command or tool", c)
		}
	}
	for _, row := range threats {
		for _, c := range row.commands {
			if why, ok := harmless[c]; ok {
				t.Errorf("%s is in a row, and has a reason to be in none: %s", c, why)
			}
		}
	}
}

// TestEveryRowNamesTestsThatExist, and every attack is in a row.
func TestEveryRowNamesTestsThatExist(t *testing.T) {
	named := map[string]bool{}
	for _, row := range threats {
		if len(row.held) == 0 {
			t.Errorf("%s who %s: no test", row.actor, row.attack)
		}
		for _, name := range row.held {
			named[name] = true
			if !heldTestExists(t, name) {
				t.Errorf("%s who %s: there is no test %s", row.actor, row.attack, name)
			}
		}
	}
	attacks, err := filepath.Glob("testdata/hostile/*.txtar")
	if err != nil || len(attacks) == 0 {
		t.Fatalf("no attacks: %v", err)
	}
	for _, path := range attacks {
		if name := "hostile/" + strings.TrimSuffix(filepath.Base(path), ".txtar"); !named[name] {
			t.Errorf("no row names %s", name)
		}
	}
}

func heldTestExists(t *testing.T, name string) bool {
	t.Helper()
	if folder, test, ok := strings.Cut(name, "."); ok {
		return testIn(t, filepath.Join("../..", folder), test)
	}
	_, err := os.Stat(filepath.Join("testdata", name+".txtar"))
	return err == nil
}

// testIn reports whether a folder has a test of that name.
func testIn(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		raw, err := os.ReadFile(file)
		return err == nil && bytes.Contains(raw, []byte("\nfunc "+name+"("))
	})
}

// TestTheThreatModelInTheDocument: -update writes docs/threats.md from the list.
func TestTheThreatModelInTheDocument(t *testing.T) {
	want := threatsDocument(commandsAndTools(t))
	if *update {
		writeFile(t, threatsFile, want)
	}
	if got, err := os.ReadFile(threatsFile); err != nil || string(got) != want {
		t.Errorf("docs/threats.md is not what the list says (%v); go test ./cmd/purser -run Threat -update", err)
	}
}

func threatsDocument(all []string) string {
	var b strings.Builder
	b.WriteString(`# The threat model

<!-- Written by go test ./cmd/purser -run Threat -update; do not edit. -->

Each row is an attack: who attacks, what they are after, what they do, the commands that it concerns, the defence, and
the tests that try the attack. In the last column, hostile/ names a script in cmd/purser/testdata/hostile that acts as the
attacker, and script/ names one in cmd/purser/testdata/script.

    make hostile

This runs all of them and prints whether each row is held. [SECURITY.md](../SECURITY.md#what-purser-does-not-defend-against)
lists what purser does not defend against.

| | who | after | does what | with | what stops it | tests |
|---|---|---|---|---|---|---|
`)
	for i, row := range threats {
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s |\n", i+1, row.actor, row.asset, row.attack, spans(row.commands), row.stops, spans(row.held))
	}
	b.WriteString("\n## Every command and tool\n\nThe numbers are the rows above.\n\n| command or tool | rows, or why it touches no secret |\n|---|---|\n")
	slices.Sort(all)
	for _, c := range all {
		name := strings.TrimSpace("purser " + c)
		if strings.HasPrefix(c, "mcp: ") || slices.Contains(otherPrograms, c) {
			name = c
		}
		text := "no secret: it " + harmless[c]
		if harmless[c] == "" {
			text = strings.Join(rowsOf(c), ", ")
		}
		fmt.Fprintf(&b, "| %s | %s |\n", name, text)
	}
	return b.String()
}

func rowsOf(command string) (numbers []string) {
	for i, row := range threats {
		if slices.Contains(row.commands, command) {
			numbers = append(numbers, fmt.Sprint(i+1))
		}
	}
	return numbers
}

func spans(names []string) string { return strings.Join(names, "<br>") }

// TestSecurityClaimsOnlyWhatATestHolds: each row of the table in SECURITY.md names tests,
// scripts, folders with tests or targets of make, which all exist.
func TestSecurityClaimsOnlyWhatATestHolds(t *testing.T) {
	raw, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| .* \| .* \| (.*) \|$`).FindAllStringSubmatch(string(raw), -1)
	if len(rows) < 10 {
		t.Fatalf("%d rows were found in SECURITY.md", len(rows))
	}
	known := claims(t)
	for _, row := range rows[1:] { // the first is the heading
		names := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1)
		if len(names) == 0 {
			t.Errorf("a row names no test: %s", row[0])
		}
		for _, name := range names {
			if !known[name[1]] {
				t.Errorf("SECURITY.md names %s, which is no test, script, folder of tests or target of make", name[1])
			}
		}
	}
}

var (
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	makeTarget   = regexp.MustCompile(`(?m)^([a-z]+):`)
)

// claims are the names that SECURITY.md may use for what tests hold.
func claims(t *testing.T) map[string]bool {
	t.Helper()
	const root = "../.."
	all := map[string]bool{}
	err := filepath.WalkDir(root, func(at string, d os.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(at, root+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && at != root:
			return filepath.SkipDir
		case strings.HasSuffix(name, ".txtar"):
			all[d.Name()] = true
		case strings.HasSuffix(name, "_test.go"), name == "Makefile":
			raw, err := os.ReadFile(at)
			if err != nil {
				return err
			}
			all[name], all[path.Dir(name)] = true, true
			for _, f := range testFunction.FindAllSubmatch(raw, -1) {
				all[string(f[1])] = true
			}
			for _, target := range makeTarget.FindAllSubmatch(raw, -1) {
				all["make "+string(target[1])] = name == "Makefile"
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTheThreatModelHolds runs the tests of each row, and prints the row with its result,
// for make hostile.
func TestTheThreatModelHolds(t *testing.T) {
	if !*hold {
		t.Skip("make hostile runs it")
	}
	ended := runHeld(t)
	for _, row := range threats {
		verdict := "held    "
		for _, name := range row.held {
			switch how := ended[name]; {
			case how == "skip" && verdict == "held    ":
				verdict = "SKIPPED "
			case how != "pass" && how != "skip":
				verdict = "NOT HELD"
				t.Errorf("%s: %s", name, cmp.Or(how, "it did not run"))
			}
		}
		fmt.Printf("%s  %s, after %s: %s\n", verdict, row.actor, row.asset, row.attack)
	}
}

// runHeld runs the named tests and returns how each ended, in the words of go test.
func runHeld(t *testing.T) map[string]string {
	t.Helper()
	ended := map[string]string{}
	tests, folders, scripts := map[string]bool{"TestHostile": true}, map[string]bool{"./cmd/purser": true}, map[string]bool{}
	for _, row := range threats {
		for _, name := range row.held {
			if folder, test, ok := strings.Cut(name, "."); ok {
				tests[test], folders["./"+folder] = true, true
			} else if script, ok := strings.CutPrefix(name, "script/"); ok {
				scripts[script] = true
			}
		}
	}
	either := func(names map[string]bool) string {
		return "^(" + strings.Join(slices.Sorted(maps.Keys(names)), "|") + ")$"
	}
	goTest(t, ended, append([]string{"-run", either(tests)}, slices.Sorted(maps.Keys(folders))...))
	goTest(t, ended, []string{"-run", "^TestScripts$/" + either(scripts), "./cmd/purser"})
	return ended
}

func goTest(t *testing.T, ended map[string]string, args []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"test", "-count=1", "-json", "-timeout=5m"}, args...)...)
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	out, err := cmd.Output()
	if exit := (&exec.ExitError{}); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for events := json.NewDecoder(bytes.NewReader(out)); ; {
		var e struct{ Action, Package, Test string }
		if err := events.Decode(&e); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if e.Action == "pass" || e.Action == "fail" || e.Action == "skip" {
			ended[heldName(strings.TrimPrefix(e.Package, "purser/"), e.Test)] = e.Action
		}
	}
}

// heldName is a test's name as the rows have it.
func heldName(folder, test string) string {
	for suite, scripts := range map[string]string{"TestHostile/": "hostile/", "TestScripts/": "script/"} {
		if name, ok := strings.CutPrefix(test, suite); ok {
			return scripts + name
		}
	}
	return folder + "." + test
}

package present

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
)

var update = flag.Bool("update", false, "write golden files anew")

// declared reads the reasons from the source, so that the test misses none.
func declared(t *testing.T) []credential.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../credential/fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []credential.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "Reason" {
			return true
		}
		for _, v := range spec.Values {
			if lit, ok := v.(*ast.BasicLit); ok {
				text, _ := strconv.Unquote(lit.Value)
				all = append(all, credential.Reason(text))
			}
		}
		return true
	})
	if len(all) < 30 {
		t.Fatalf("found %d reasons", len(all))
	}
	return all
}

func TestEveryReasonHasAnExitCode(t *testing.T) {
	known := map[credential.Reason]bool{}
	for _, r := range declared(t) {
		known[r] = true
		if _, ok := rows[r]; !ok {
			t.Errorf("%s has no row in reasons.go", r)
		}
	}
	for r := range rows {
		if !known[r] {
			t.Errorf("reasons.go has %q, which is no reason", r)
		}
	}
}

// TestEveryFailuresText prints every failure, with everything that purser can know about it.
func TestEveryFailuresText(t *testing.T) {
	var b strings.Builder
	for _, r := range declared(t) {
		f := &credential.Fault{
			Reason: r, What: "what happened", Why: "the cause", Credential: "dockerhub", Registry: "docker.io",
			Account: "mockserver", Repository: "mockserver/mockserver", Access: credential.Push, Wait: 15 * time.Minute, Unchanged: true,
			Target: credential.Target{Kind: "secret", Name: "mockserver-build/dockerhub", Profile: "mockserver-build", Region: "eu-west-2"},
		}
		b.WriteString("== " + string(r) + ", exit code " + strconv.Itoa(ExitCode(f)) + "\n" + ErrorText(f) + "\n")
	}
	golden(t, "testdata/hints.txt", b.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	path = filepath.FromSlash(path)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); go test ./internal/present -update writes it anew:\n%s", path, diff)
	}
}

func TestAFaultWithNothingKnownStillReadsWell(t *testing.T) {
	for _, r := range declared(t) {
		text := ErrorText(&credential.Fault{Reason: r, What: "what happened"})
		if strings.Contains(text, "  \n") || strings.Contains(text, ": \n") {
			t.Errorf("%s:\n%s", r, text)
		}
	}
}

func TestTheWorstCodeWins(t *testing.T) {
	for _, c := range []struct {
		codes []int
		want  int
	}{{nil, 0}, {[]int{6, 3, 4}, 3}, {[]int{6, 4}, 4}, {[]int{4, 5}, 5}, {[]int{1, 6}, 6}, {[]int{0, 0}, 0}} {
		if got := Worst(c.codes...); got != c.want {
			t.Errorf("Worst(%v) = %d, want %d", c.codes, got, c.want)
		}
	}
}

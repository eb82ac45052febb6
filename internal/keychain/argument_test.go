package keychain

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNoSecretIsAnArgumentOnMacOS reads how go-keyring starts /usr/bin/security: with the names
// of the entry, and never with its text.
func TestNoSecretIsAnArgumentOnMacOS(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/zalando/go-keyring").Output()
	if err != nil {
		t.Skipf("go does not run here: %v: skipped", err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "keyring_darwin.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	starts := 0
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if f, ok := call.Fun.(*ast.SelectorExpr); !ok || !strings.HasPrefix(f.Sel.Name, "Command") {
			return true
		}
		starts++
		for _, argument := range call.Args {
			name, named := argument.(*ast.Ident)
			if _, constant := argument.(*ast.BasicLit); !constant && (!named || !slices.Contains([]string{"execPathKeychain", "service", "username"}, name.Name)) {
				t.Errorf("an argument of security is %#v", argument)
			}
		}
		return true
	})
	if starts < 3 {
		t.Errorf("it starts security %d times", starts)
	}
}

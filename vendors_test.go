package purser_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// vendorNames are words by which a registry's vendor is known, in text that a program
// shows or decides by, and in the names of its parts.
var vendorNames = regexp.MustCompile(`(?i)docker ?hub|docker\.(io|com)\b|dckr_|\bghcr\b|github_pat|\bghp_|gitlab|glpat|quay\.io|\bquay\b|azurecr|\bgcr\.io|pkg\.dev|secrets ?manager`)

// mayName are the rooms in which a vendor's name belongs: its own, those of its stand-ins,
// and what is about CI's own services. Help that shows how something is typed is an example:
// see anExample.
var mayName = []string{
	"internal/registry/dockerhub/", "internal/registry/github/", "internal/registry/gitlab/", "internal/registry/quay/",
	"internal/store/secretsmanager/", "internal/registry/azure/", "internal/registry/google/", "internal/registry/ecr/",
	"internal/wire/",                            // the list of rooms, and what each is opened with
	"internal/terraform/", "internal/ciscript/", // which read and write what is called so
	"cmd/purser-lambda/", // which answers the store that rotates
	"internal/sandbox/", "internal/realservers/", "internal/conformance/", "internal/exposure/",
	"internal/practice/", "cmd/purser-exposure/",
}

// TestVendorsAreNamedInTheirRoomsAlone reads the programs' text and identifiers. Comments
// may say where a fact is from.
func TestVendorsAreNamedInTheirRoomsAlone(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		path = filepath.ToSlash(path)
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			!strings.HasPrefix(path, "internal/") && !strings.HasPrefix(path, "cmd/") {
			return err
		}
		for _, room := range mayName {
			if strings.HasPrefix(path, room) {
				return nil
			}
		}
		seen++
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		examples := examplesIn(file)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.BasicLit:
				if name := vendorNames.FindString(anExample.ReplaceAllString(n.Value, "")); name != "" && !examples[n] {
					t.Errorf("%s: %q names a vendor outside of its room", files.Position(n.Pos()), name)
				}
			case *ast.Ident:
				if name := vendorNames.FindString(n.Name); name != "" {
					t.Errorf("%s: %s has a vendor's name", files.Position(n.Pos()), n.Name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Errorf("%d files were read", seen)
	}
}

// anExample is how a text gives one: after "such as", or in a command as people type it.
var anExample = regexp.MustCompile(`such as [a-z.]+( or [a-z.]+)?|(?m)^ +(purser|eval|pass) .*$|^"  purser .*"$`)

// examplesIn are the texts of fields that hold examples.
func examplesIn(file *ast.File) map[*ast.BasicLit]bool {
	all := map[*ast.BasicLit]bool{}
	mark := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok {
				all[lit] = true
			}
			return true
		})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && strings.EqualFold(key.Name, "example") {
				mark(kv.Value)
			}
		}
		if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == "Example" {
			mark(v)
		}
		return true
	})
	return all
}

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

// vendorNames matches names of vendors in strings and identifiers.
var vendorNames = regexp.MustCompile(`(?i)docker ?hub|docker\.(io|com)\b|dckr_|\bghcr\b|github_pat|\bghp_|gitlab|glpat|quay\.io|\bquay\b|azurecr|\bgcr\.io|pkg\.dev|secrets ?manager`)

// mayName lists the packages that may name a vendor: its kinds, the stand-ins, and CI services.
// Examples may name one anywhere; see anExample.
var mayName = []string{
	"internal/registry/dockerhub/", "internal/registry/github/", "internal/registry/gitlab/", "internal/registry/quay/",
	"internal/store/secretsmanager/", "internal/registry/azure/", "internal/registry/google/", "internal/registry/ecr/",
	"internal/wire/",                            // the list of kinds, and how each is opened
	"internal/terraform/", "internal/ciscript/", // read and write the vendors' own formats
	"cmd/purser-lambda/", // serves AWS's rotation
	"internal/sandbox/", "internal/realservers/", "internal/conformance/", "internal/exposure/",
	"internal/practice/", "cmd/purser-exposure/",
	"internal/audit/", "internal/snapshot/", // ask AWS, and nobody else
	"internal/scan/", // knows where programs and CI services keep what they are told
}

// TestVendorNamesStayInTheirPackages checks strings and identifiers. Comments may name a
// vendor as the source of a fact.
func TestVendorNamesStayInTheirPackages(t *testing.T) {
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
					t.Errorf("%s: %q names a vendor outside its packages", files.Position(n.Pos()), name)
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
		t.Errorf("only %d files were read", seen)
	}
}

// anExample matches an example: after "such as", or a command line.
var anExample = regexp.MustCompile(`such as [a-z.]+( or [a-z.]+)?|(?m)^ +(purser|eval|pass) .*$|^"  purser .*"$`)

// examplesIn returns the string literals in fields and variables named Example.
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

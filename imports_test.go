package purser_test

import (
	"encoding/json"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "purser/"

// mayImport lists which of our packages each package may import, tests aside. A new package
// adds a line; a commit that widens a line explains why.
var mayImport = map[string][]string{
	"internal/credential":       {},
	"internal/config":           {"internal/credential", "internal/boundedfile", "internal/fileaccess", "internal/store"}, // each kind declares its settings
	"internal/source":           {"internal/credential", "internal/atomicfile", "internal/boundedfile"},
	"internal/registry":         {"internal/credential"},
	"internal/registry/*":       {"internal/credential", "internal/registry"}, // a kind may not import another kind
	"internal/store":            {"internal/credential"},
	"internal/store/*":          {"internal/credential", "internal/store", "internal/atomicfile", "internal/fileaccess", "internal/filelock", "internal/boundedfile"},
	"internal/lifecycle":        {"internal/credential"},
	"internal/lease":            {"internal/credential", "internal/filelock"},
	"internal/sandbox/fault":    {},
	"internal/sandbox/saved":    {"internal/credential"},
	"internal/sandbox/bearer":   {"internal/credential"},
	"internal/sandbox/aws":      {"internal/credential", "internal/sandbox/saved"},
	"internal/sandbox/hub":      {"internal/credential", "internal/sandbox/bearer", "internal/sandbox/fault", "internal/sandbox/saved"},
	"internal/sandbox/registry": {"internal/credential", "internal/sandbox/bearer", "internal/sandbox/fault", "internal/sandbox/hub"},
	"internal/sandbox":          {"internal/atomicfile", "internal/credential", "internal/filelock", "internal/sandbox/aws", "internal/sandbox/fault", "internal/sandbox/hub", "internal/sandbox/registry", "internal/sandbox/saved"},
	"internal/realservers":      {"internal/credential"},
	"internal/conformance":      {},
	"internal/soak":             {},
	"internal/process":          {},
	"internal/exposure":         {"internal/credential"},
	"internal/signin":           {"internal/credential", "internal/atomicfile", "internal/boundedfile"},
	"internal/atomicfile":       {},
	"internal/buildinfo":        {},
	"internal/boundedfile":      {},
	"internal/terraform":        {"internal/credential", "internal/boundedfile"},
	"internal/ciscript":         {"internal/credential", "internal/boundedfile"},
	"internal/transport":        {"internal/credential", "internal/boundedfile"},
	"internal/redact":           {"internal/credential"},
	"internal/askpage":          {"internal/credential"},
	"internal/childproc":        {},
	"internal/namespace":        {},
	"internal/receipt":          {"internal/credential", "internal/filelock"},
	"internal/filelock":         {},
	"internal/fileaccess":       {},
	"internal/audit":            {"internal/boundedfile", "internal/credential"},
	"internal/snapshot":         {"internal/atomicfile", "internal/audit", "internal/boundedfile", "internal/credential"},
	"internal/scan/fingerprint": {"internal/credential", "internal/redact"},
	"internal/scan":             {"internal/credential", "internal/redact", "internal/scan/fingerprint"},
	"internal/iam":              {"internal/credential"},
	"internal/keyringcache":     {"internal/credential"},
	"internal/keychain":         {"internal/credential"},
	"internal/wire/kinds":       {"internal/registry", "internal/registry/*", "internal/store", "internal/store/*"},
	"internal/awsaccount":       {"internal/config", "internal/credential", "internal/signin"},
	"internal/wire":             {"internal/wire/kinds", "internal/awsaccount", "internal/boundedfile", "internal/credential", "internal/config", "internal/source", "internal/registry", "internal/store", "internal/store/*", "internal/transport", "internal/signin", "internal/audit"},
	"internal/wire/audits":      {"internal/credential", "internal/snapshot", "internal/wire"},                                           // apart for the same reason as receipts
	"internal/wire/receipts":    {"internal/boundedfile", "internal/config", "internal/credential", "internal/receipt", "internal/wire"}, // apart, since the helper needs none of it
	"internal/arguments":        {"internal/credential", "internal/config"},
	"internal/practice":         {"internal/arguments", "internal/boundedfile", "internal/childproc", "internal/config", "internal/credential", "internal/lifecycle", "internal/namespace", "internal/present", "internal/sandbox", "internal/sandbox/aws", "internal/sandbox/hub", "internal/sandbox/registry", "internal/signin", "internal/wire"},
	"internal/present":          {"internal/atomicfile", "internal/credential", "internal/config", "internal/registry", "internal/lifecycle", "internal/askpage", "internal/scan"}, // what it tells of
	// What the commands do, each a room; cmd/purser puts them together.
	"internal/account":       {"internal/arguments", "internal/childproc", "internal/config", "internal/credential", "internal/lifecycle", "internal/present", "internal/registry", "internal/source", "internal/wire"},
	"internal/agent":         {"internal/credential", "internal/present", "docs", "skills"}, // which it serves
	"internal/manual":        {"internal/arguments", "internal/atomicfile", "internal/config", "internal/credential", "internal/present"},
	"internal/completion":    {"internal/config", "internal/credential", "internal/registry"},
	"internal/consumer":      {"internal/config", "internal/credential", "internal/source", "internal/wire"},
	"internal/doctor":        {"internal/config", "internal/credential", "internal/lifecycle", "internal/present", "internal/signin", "internal/source", "internal/store", "internal/terraform", "internal/wire"},
	"internal/draft":         {"internal/ciscript", "internal/config", "internal/credential", "internal/registry", "internal/terraform"},
	"internal/incident":      {"internal/atomicfile", "internal/audit", "internal/credential", "internal/lifecycle", "internal/present", "internal/receipt"},
	"internal/scope":         {"internal/arguments", "internal/atomicfile", "internal/boundedfile", "internal/config", "internal/credential", "internal/registry", "internal/scan", "internal/scan/fingerprint", "internal/wire"},
	"internal/record":        {"internal/credential", "internal/lifecycle", "internal/present", "internal/receipt", "internal/wire/receipts"},
	"internal/exposure/leak": {},
	"cmd/purser-exposure":    {"internal/config", "internal/credential", "internal/exposure", "internal/present", "internal/sandbox", "internal/sandbox/aws", "internal/sandbox/hub", "internal/wire/kinds"},
	"cmd/docker-credential-purser": {
		"internal/buildinfo", "internal/credential", "internal/config", "internal/wire", "internal/process", "internal/keychain", "internal/keyringcache",
	},
	"cmd/purser-lambda": {
		"internal/credential", "internal/config", "internal/registry", "internal/wire", "internal/wire/receipts", "internal/lifecycle", "internal/receipt", "internal/process",
	},
	"cmd/purser": {
		"internal/account", "internal/agent", "internal/arguments", "internal/askpage", "internal/atomicfile", "internal/audit", "internal/boundedfile", "internal/buildinfo", "internal/childproc", "internal/completion", "internal/config",
		"internal/consumer", "internal/credential", "internal/doctor", "internal/draft", "internal/incident", "internal/keychain", "internal/keyringcache", "internal/lease", "internal/lifecycle", "internal/manual", "internal/practice",
		"internal/present", "internal/process", "internal/receipt", "internal/record", "internal/redact", "internal/registry", "internal/scan", "internal/scope", "internal/signin", "internal/source", "internal/terraform", "internal/wire", "internal/wire/receipts",
		"deploy/terraform",
	},
}

// maySee restricts modules to some packages. Any package may import a module that is not listed.
var maySee = map[string][]string{
	"github.com/aws/":                                    {"internal/store/secretsmanager", "internal/awsaccount", "internal/wire", "internal/wire/receipts", "internal/wire/audits", "internal/signin", "internal/audit", "internal/snapshot", "cmd/purser-lambda"},
	"github.com/aws/aws-sdk-go-v2/service/kms":           {"internal/wire/receipts", "internal/wire/audits", "internal/snapshot"}, // not in the helper, which it would slow down
	"github.com/aws/aws-sdk-go-v2/service/eventbridge":   {"internal/wire/receipts"},
	"github.com/aws/aws-sdk-go-v2/service/iam":           {"internal/wire/audits", "internal/snapshot"},
	"github.com/aws/aws-sdk-go-v2/service/organizations": {"internal/wire/audits", "internal/snapshot"},
	"github.com/aws/aws-lambda-go/":                      {"cmd/purser-lambda"},
	"github.com/spf13/":                                  {"cmd/purser", "internal/arguments", "internal/completion", "internal/manual", "internal/practice"},
	"github.com/zalando/go-keyring":                      {"internal/keychain"},
	"github.com/godbus/dbus":                             {"internal/keychain"},
	"filippo.io/age":                                     {"internal/store/agefile"},
	"github.com/docker/":                                 {"internal/source", "cmd/docker-credential-purser"},
	"github.com/google/go-containerregistry":             {"internal/sandbox/registry", "internal/realservers", "internal/scan", "internal/scope"}, // never in the helper or the Lambda
	"github.com/goccy/go-yaml":                           {"internal/config"},
	"golang.org/x/net/publicsuffix":                      {"internal/registry"},
	"github.com/hiddeco/sshsig":                          {"internal/receipt"},
	"golang.org/x/crypto/ssh":                            {"internal/receipt", "internal/wire/receipts"},
	"golang.org/x/crypto/argon2":                         {"internal/scan/fingerprint"},
	"golang.org/x/term":                                  {"internal/present", "internal/childproc"},
	"charm.land/huh/":                                    {"cmd/purser"}, // never in the helper or the Lambda
	"github.com/aymanbagabas/go-udiff":                   {"cmd/purser"},
	"github.com/creack/pty":                              {"internal/exposure", "internal/childproc"},
	"github.com/modelcontextprotocol/":                   {"cmd/purser", "internal/agent"},
	"github.com/hashicorp/":                              {"internal/terraform"},
	module + "internal/realservers":                      {}, // tests only
}

type goPackage struct {
	ImportPath string
	Doc        string
	Imports    []string
}

func goPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,Imports", "./cmd/...", "./internal/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for dec.More() {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range goPackages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := mayImport[from]
		if !known {
			allowed, known = mayImport[path.Dir(from)+"/*"]
		}
		if !known {
			t.Errorf("%s is not on the map in imports_test.go", from)
		}
		for _, imp := range p.Imports {
			if to, ours := strings.CutPrefix(imp, module); ours && !slices.Contains(allowed, to) && !slices.Contains(allowed, path.Dir(to)+"/*") {
				t.Errorf("%s imports %s; it may import %v", from, to, allowed)
			}
			for seen, by := range maySee {
				if strings.HasPrefix(imp, seen) && !slices.Contains(by, from) {
					t.Errorf("%s imports %s; only %v may", from, imp, by)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range goPackages(t) {
		if len(p.Doc) < len("Package x does y.")+len(path.Base(p.ImportPath)) {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// Only purser audits: docker starts the helper several times for a command, and AWS starts the
// function within a time limit.
func TestSmallProgramsDoNotLinkAnAudit(t *testing.T) {
	for _, program := range []string{"./cmd/docker-credential-purser", "./cmd/purser-lambda"} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", program).Output()
		if err != nil || !strings.Contains(string(out), module+"internal/wire\n") {
			t.Fatalf("%s: %v", program, err)
		}
		for _, big := range []string{module + "internal/snapshot", module + "internal/iam", module + "internal/wire/audits", "github.com/aws/aws-sdk-go-v2/service/iam", "github.com/aws/aws-sdk-go-v2/service/organizations"} {
			if slices.Contains(strings.Fields(string(out)), big) {
				t.Errorf("%s links %s", program, big)
			}
		}
	}
}

package purser_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// reveals lists every use of credential.Secret.Reveal as "file function count", with its reason.
// A new use fails this test until someone writes down why it is needed.
var reveals = map[string]string{
	"internal/practice/stage.go furnish 2":                    "gives made-up tokens to the programs in a script",
	"internal/practice/try.go visit 1":                        "pipes a made-up token into purser, in the tour",
	"cmd/docker-credential-purser/helper.go answer 1":         "answers docker, the purpose of the program",
	"cmd/docker-credential-purser/once.go pack 1":             "the entry in the kernel's keyring",
	"cmd/docker-credential-purser/once.go recall 1":           "the same, read back",
	"internal/consumer/variables.go Inject 1":                 "a variable of the command, where --env asks for it",
	"internal/keyringcache/keyringcache_linux.go put 1":       "the entry in the kernel's keyring",
	"internal/scan/logs_services.go signBasic 1":              "signs in to Jenkins to read logs",
	"internal/scan/logs_services.go signPrivate 1":            "signs in to GitLab to read logs",
	"internal/scan/logs_services.go signBearer 1":             "signs in to a CI service to read logs",
	"internal/registry/github/found.go end 1":                 "the body of a request to end found tokens",
	"internal/redact/redact.go New 2":                         "makes the patterns to redact",
	"internal/scan/fingerprint/fingerprint.go Recognizes 1":   "hashes what looks like a token",
	"internal/scan/fingerprint/fingerprint.go unfit 1":        "counts the characters of a token",
	"internal/scan/fingerprint/fingerprint.go newWith 1":      "hashes a token",
	"internal/redact/tell.go Tell 1":                          "pipes the token to a Buildkite agent's redactor",
	"internal/credential/redact.go SplitToken 1":              "splits off the public prefix",
	"internal/present/guide.go Judge 2":                       "checks the form of pasted text",
	"cmd/purser-exposure/flows_account.go dockerSession 1":    "saves a made-up session as docker does",
	"cmd/purser-exposure/flows_account.go formGiven 1":        "enters a made-up token in the form",
	"internal/registry/dockerhub/session.go signIn 1":         "the body of a sign-in at Docker Hub",
	"internal/registry/dockerhub/session.go giveCode 2":       "the body of its second step",
	"internal/sandbox/hub/accounts.go digest 1":               "hashes a token for its lookup",
	"internal/sandbox/hub/device.go desktopGenerate 1":        "the stand-in's answer with a new token for docker",
	"internal/sandbox/hub/device.go give 4":                   "the stand-in's answer with a session and its refresh token, which it remembers",
	"internal/sandbox/hub/hub.go giveBearer 1":                "the stand-in's answer to a sign-in",
	"internal/sandbox/hub/manage.go mint 1":                   "the stand-in's answer with a new token",
	"internal/exposure/leak/leak.go Away 1":                   "leaks the token in test builds, to prove that the search finds it",
	"cmd/purser-exposure/scene.go argument 1":                 "passes a made-up token as an argument, which purser must refuse",
	"cmd/purser-exposure/scene.go configured 1":               "writes a made-up token into purser.yaml, which purser must refuse",
	"cmd/purser-exposure/scene.go dockerLogin 2":              "saves a made-up token as docker does",
	"cmd/purser-exposure/scene.go issued 1":                   "extracts the signature of the stand-in's bearer token, to search for it",
	"cmd/purser-exposure/scene.go stored 1":                   "pipes a made-up token into purser",
	"cmd/purser-exposure/flows.go scanFlows 2":                "leaves a made-up token where a scan looks",
	"cmd/purser-exposure/flows.go around 1":                   "puts quotation marks and similar around a made-up token",
	"cmd/purser-exposure/flows.go misplacedFlows 6":           "writes made-up tokens into the wrong files",
	"cmd/purser-exposure/flows.go storeFlows 3":               "damages made-up tokens",
	"internal/credential/redact.go Shows 1":                   "searches text for parts of the secret before purser shows it",
	"internal/credential/secret.go Equal 2":                   "compares in constant time",
	"internal/credential/secret.go Len 1":                     "counts its bytes",
	"internal/credential/shape.go Encode 1":                   "writes the token into the value that is stored",
	"internal/credential/shape.go encodeAuths 2":              "writes it in docker's form, which holds it twice",
	"internal/credential/shape.go parseObject 1":              "parses a stored value",
	"internal/credential/vendor.go markedBy 1":                "recognizes the vendor by the token's form",
	"internal/credential/around.go Around 1":                  "finds what was copied around a token",
	"internal/source/dockerconfig.go Find 1":                  "checks docker's token like a piped one",
	"internal/credential/token.go Classify 1":                 "recognizes a token's kind by its form",
	"internal/exposure/execute_linux.go converse 1":           "types a made-up token at a terminal",
	"internal/exposure/execute_linux.go execute 1":            "pipes a made-up token into the traced program",
	"internal/exposure/needles.go newNeedles 1":               "makes the patterns to search for",
	"internal/registry/client.go basic 1":                     "an Authorization header to the registry's own token service",
	"internal/registry/client.go Bearer 1":                    "an Authorization header to the registry",
	"internal/registry/dockerhub/identity.go exchange 1":      "the body of Docker Hub's exchange",
	"internal/registry/token.go DecodeClaims 1":               "reads the claims of a bearer token",
	"internal/sandbox/registry/tokenservice.go writeToken 1":  "the stand-in's answer with a bearer token",
	"internal/sandbox/aws/secretsmanager_ops.go reveal 1":     "the stand-in's answer to GetSecretValue and BatchGetSecretValue",
	"internal/sandbox/saved/saved.go MarshalJSON 1":           "saves the stand-ins' made-up secrets for the next sandbox",
	"internal/sandbox/bearer/bearer.go Read 1":                "verifies a bearer token of the stand-in",
	"internal/signin/browser.go authorizeURL 2":               "the state and the hash of the verifier, in the address of AWS's page",
	"internal/signin/browser.go byBrowser 3":                  "the body of a request for a token",
	"internal/signin/browser.go callback 1":                   "compares the browser's state in constant time",
	"internal/signin/cache.go save 3":                         "the cache file that AWS's tools share",
	"internal/signin/signin.go Assigned 1":                    "a header of a request to AWS's portal",
	"internal/signin/signin.go SignOut 1":                     "the same",
	"internal/signin/signin.go byCode 2":                      "the bodies of requests for a code and a token",
	"internal/signin/signin.go refresh 2":                     "the body of a request for a new token",
	"internal/store/agefile/identity.go fromKeychain 1":       "reads the age identity that the keychain has",
	"internal/keychain/keychain.go Set 1":                     "the entry in the system's keychain",
	"internal/store/agefile/crypt.go encrypt 1":               "encrypts the value",
	"internal/store/agefile/crypt.go openByPassphrase 1":      "derives the key of an encrypted file from its passphrase",
	"internal/store/agefile/crypt.go recipient 1":             "the same for encrypting",
	"internal/store/secretsmanager/secretsmanager.go Stage 2": "the body of PutSecretValue",
}

func TestEveryRevealIsListedWithItsReason(t *testing.T) {
	found := map[string]int{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		return countReveals(path, found)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range slices.Sorted(maps.Keys(found)) {
		key := fmt.Sprintf("%s %d", place, found[place])
		if reveals[key] == "" {
			t.Errorf("%q is not on the list: add it with its reason, or avoid it", key)
		}
	}
	for key := range reveals {
		i := strings.LastIndex(key, " ")
		if fmt.Sprint(found[key[:i]]) != key[i+1:] {
			t.Errorf("%q is on the list but not in the code", key)
		}
	}
}

// countReveals counts the uses of Reveal in each function of a file, including method values.
func countReveals(path string, found map[string]int) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, src, 0)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		name := "(declaration)"
		if f, ok := decl.(*ast.FuncDecl); ok {
			name = f.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Reveal" {
				found[filepath.ToSlash(path)+" "+name]++
			}
			return true
		})
	}
	return nil
}

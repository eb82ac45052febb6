package agefile_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/store/agefile"
)

var private = credential.Credential{Name: "private", Registry: "registry.example.net", Access: credential.Push}

const opaque = `{"username":"team","token":"FAKEopaqueFAKEopaque"}`

// FuzzAgeFile: whatever an attacker makes of an encrypted file, it yields only the original
// value, in its own version and for its own registry. VALUE in the text stands for the
// encrypted value, which each process creates anew.
func FuzzAgeFile(f *testing.F) {
	dir := f.TempDir()
	identity := filepath.Join(dir, "identity.txt")
	written := filepath.Join(dir, "written.age.json")
	s := agefile.New(agefile.Config{Path: written, Identity: identity})
	for _, err := range []error{s.Create(f.Context()), s.Bind(f.Context(), credential.MarkOf(private)), s.Stage(f.Context(), id(1), value(opaque)), s.Promote(f.Context(), id(1), id(1))} {
		if err != nil {
			f.Fatal(err)
		}
	}
	raw, err := os.ReadFile(written)
	if err != nil {
		f.Fatal(err)
	}
	sealed := regexp.MustCompile(`"value": "([^"]*)"`).FindStringSubmatch(string(raw))[1]
	good := strings.Replace(string(raw), sealed, "VALUE", 1)
	for _, change := range []*strings.Replacer{
		strings.NewReplacer(), strings.NewReplacer("registry.example.net", "evil.example"), strings.NewReplacer(string(id(1)), string(id(2))),
		strings.NewReplacer("AWSCURRENT", "AWSPREVIOUS"), strings.NewReplacer("VALUE", "VALUE="), strings.NewReplacer(`"registry"`, `"x"`),
	} {
		f.Add(change.Replace(good))
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "one.age.json")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "VALUE", sealed)), 0o600); err != nil {
			t.Fatal(err)
		}
		s := agefile.New(agefile.Config{Path: path, Identity: identity})
		d, err := s.Describe(t.Context())
		if err != nil {
			return
		}
		for _, stage := range []credential.Stage{credential.Current, credential.Pending, credential.Previous} {
			version, got, err := s.Read(t.Context(), stage)
			if err != nil {
				if !got.IsZero() {
					t.Errorf("a value came with %v", err)
				}
				continue
			}
			belongs := d.Mark.For(version, stage)
			if !got.Equal(value(opaque)) || version != id(1) || belongs != private.Registry && belongs != credential.Elsewhere {
				t.Errorf("version %s in %s came out, for %q", version, stage, belongs)
			}
		}
	})
}

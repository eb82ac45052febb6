package scan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/scan"
	_ "purser/internal/wire/kinds" // they declare their tokens' prefixes
)

// fake returns n characters that say what they are.
func fake(n int, alphabet string) string {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	b := []byte("FAKE")
	if !strings.Contains(alphabet, "F") {
		b = []byte("fade")
	}
	for len(b) < n {
		b = append(b, alphabet[rng.IntN(len(alphabet))])
	}
	return string(b[:n])
}

const (
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	hexes   = "0123456789abcdef"
)

// samples has a synthetic token for each rule.
var samples = map[string]string{
	"artifactory-api-key": "AKCp" + fake(69, letters), "artifactory-reference-token": "cmVmd" + fake(59, letters),
	"digitalocean-access-token": "doo_v1_" + fake(64, hexes), "digitalocean-pat": "dop_v1_" + fake(64, hexes),
	"github-app-token": "ghs_" + fake(36, letters), "github-fine-grained-pat": "github_pat_" + fake(82, letters), "github-oauth": "gho_" + fake(36, letters),
	"github-pat": "ghp_" + fake(36, letters), "github-refresh-token": "ghr_" + fake(36, letters),
	"gitlab-cicd-job-token": "glcbt-64_" + fake(20, letters), "gitlab-deploy-token": "gldt-" + fake(20, letters), "gitlab-pat": "glpat-" + fake(20, letters),
	"gitlab-pat-routable": "glpat-" + fake(30, letters) + ".01" + fake(7, hexes), "gitlab-runner-authentication-token": "glrt-" + fake(20, letters),
	"gitlab-runner-authentication-token-routable": "glrt-t1_" + fake(30, letters) + ".01" + fake(7, hexes),
	"heroku-api-key-v2":                           "HRKU-AA" + fake(58, letters), "npm-access-token": "npm_" + fake(36, letters), "pypi-upload-token": "pypi-AgEIcHlwaS5vcmc" + fake(60, letters),
	"rubygems-api-token": "rubygems_" + fake(48, hexes), "dckr-pat": "dckr_pat_" + fake(27, letters), "dckr-oat": "dckr_oat_" + fake(27, letters),
}

func detected(t *testing.T, text string) (rules []string) {
	t.Helper()
	forms, err := scan.NewForms()
	if err != nil {
		t.Fatal(err)
	}
	forms.Detect([]byte(text), func(from, to int, rule string, token credential.Secret) {
		if text[from:to] != token.Reveal() {
			t.Errorf("%s: the place is not the token's", rule)
		}
		rules = append(rules, rule)
	})
	return rules
}

func TestEveryRuleFindsItsTokenAndNoOther(t *testing.T) {
	seen := map[string]bool{}
	for rule, sample := range samples {
		for _, text := range []string{sample, "token: " + sample + "\n", "https://x:" + sample + "@host/", `{"token":"` + sample + `"}`} {
			rules := detected(t, text)
			if strings.HasPrefix(text, "https") && !slices.Contains(rules, rule) {
				continue // some of the rules want white space or quotes behind a token
			}
			if !slices.Contains(rules, rule) || len(rules) > 2 {
				t.Errorf("%s in %q: found %q", rule, strings.ReplaceAll(text, sample, "TOKEN"), rules)
			}
			for _, r := range rules {
				seen[r] = true
			}
		}
	}
	for _, name := range scan.RuleNames() {
		if _, ok := samples[name]; !ok || !seen[name] {
			t.Errorf("%s has no sample that it finds", name)
		}
	}
}

func TestWhatIsNoTokenIsNotFound(t *testing.T) {
	for _, text := range []string{
		"dckr_pat_", "dckr_pat_xxxxxxxxxxxxxxxxxxxxxxxxxxx", "npm_config_registry_and_more_of_the_like_here", "ghp_" + strings.Repeat("a", 36), "https://glpat-example.example/a",
		strings.Repeat("_", 1000), strings.Repeat("pat_", 1000), strings.Repeat("-_", 500), "AKCp" + strings.Repeat("ab", 40),
	} {
		if rules := detected(t, text); len(rules) > 0 {
			t.Errorf("%.40q: found %q", text, rules)
		}
	}
}

// TestATokenOverABlocksBorderIsFoundOnce puts one at every place around a border.
func TestATokenOverABlocksBorderIsFoundOnce(t *testing.T) {
	forms, err := scan.NewForms()
	if err != nil {
		t.Fatal(err)
	}
	sample := samples["dckr-pat"]
	for before := scan.BlockSize - 2*len(sample); before < scan.BlockSize+len(sample); before++ {
		s, r := scanner()
		s.Forms = forms
		text := strings.Repeat("\n", before-1) + " " + sample + " " + strings.Repeat("x", 100)
		if err := s.Stream(t.Context(), strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if want := []string{fmt.Sprintf("standard input:%d dckr-pat as it is", before)}; !slices.Equal(r.found, want) {
			t.Fatalf("after %d bytes: %q", before, r.found)
		}
	}
}

func FuzzForms(f *testing.F) {
	for _, sample := range samples {
		f.Add([]byte("x=" + sample))
	}
	forms, err := scan.NewForms()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		forms.Detect(data, func(from, to int, _ string, token credential.Secret) {
			if string(data[from:to]) != token.Reveal() {
				t.Error("the place is not the token's")
			}
		})
	})
}

func BenchmarkForms(b *testing.B) {
	forms, err := scan.NewForms()
	if err != nil {
		b.Fatal(err)
	}
	text := []byte(strings.Repeat("func (s *Scanner) Some_name(ctx context.Context, w Where) error { return s.look(ctx, w) } // a line-by-line text\n", 1000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		forms.Detect(text, func(int, int, string, credential.Secret) { b.Fatal("found") })
	}
}

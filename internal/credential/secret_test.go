package credential_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
)

// canary is a synthetic token; finding a piece of it in any output fails.
const canary = "dckr_pat_" + "FAKEcanaryFAKEcanaryFAKE000"

type exported struct{ Token credential.Secret }

type unexported struct {
	name  string
	token credential.Secret
}

type nested struct {
	inner   unexported
	pointer *unexported
	list    []credential.Secret
	table   map[string]credential.Secret
	any     any
}

// hidingPlaces lists values that contain a secret, as a printer may get them.
func hidingPlaces() map[string]any {
	s := credential.NewSecret(canary)
	u := unexported{"ci", s}
	return map[string]any{
		"bare": s, "pointer": &s, "exported field": exported{s}, "unexported field": u, "pointer to a struct": &u,
		"nested":     nested{u, &u, []credential.Secret{s}, map[string]credential.Secret{"k": s}, s},
		"in a login": credential.Login{Username: "mockserver", Token: s},
		"slice":      []credential.Secret{s}, "map": map[string]credential.Secret{"k": s}, "array": [1]credential.Secret{s},
		"in an error": fmt.Errorf("with %v: %w", s, errors.New("cause")),
		"in a fault":  &credential.Fault{What: fmt.Sprint(s), Why: fmt.Sprintf("%+v", u)},
	}
}

var addresses = regexp.MustCompile(`(0x|c0|c000)[0-9a-f]{4,}`)

func shows(t *testing.T, where, text string) {
	t.Helper()
	if credential.Shows(text, credential.NewSecret(canary)) {
		t.Errorf("%s shows the secret", where)
	}
	// A pointer's address may contain any digits.
	if strings.Contains(addresses.ReplaceAllString(text, ""), strconv.Itoa(len(canary))) {
		t.Errorf("%s shows the secret's length: %s", where, text)
	}
}

func TestNoPrintingVerbShowsASecret(t *testing.T) {
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%t", "%c", "%U", "%e", "%b", "%o", "% x", "%#x", "%-60v", "%060s", "%.3s"}
	for place, value := range hidingPlaces() {
		for _, verb := range verbs {
			text := fmt.Sprintf(verb, value)
			if credential.Shows(text, credential.NewSecret(canary)) {
				t.Errorf("%s of %s shows the secret", verb, place)
			}
		}
		shows(t, "Sprint of "+place, fmt.Sprint(value))
		shows(t, "Sprintln of "+place, fmt.Sprintln(value))
	}
}

func TestNoEncoderTakesASecret(t *testing.T) {
	encoders := map[string]func(any) (string, error){
		"json": func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
		"yaml": func(v any) (string, error) { b, err := yaml.Marshal(v); return string(b), err },
		"xml":  func(v any) (string, error) { b, err := xml.Marshal(v); return string(b), err },
		"gob": func(v any) (string, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return b.String(), err
		},
		"template": func(v any) (string, error) {
			var b bytes.Buffer
			err := template.Must(template.New("").Parse("{{.}} {{printf \"%#v\" .}}")).Execute(&b, v)
			return b.String(), err
		},
	}
	for name, encode := range encoders {
		for place, value := range hidingPlaces() {
			text, err := encode(value)
			shows(t, name+" of "+place, text)
			if err != nil {
				shows(t, name+"'s error about "+place, err.Error())
			}
		}
	}
	if _, err := json.Marshal(exported{credential.NewSecret(canary)}); err == nil {
		t.Error("JSON of a struct with a secret worked; it must fail, so that a test sees it")
	}
}

func TestNoLoggerShowsASecret(t *testing.T) {
	for place, value := range hidingPlaces() {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", value)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", value)
		if credential.Shows(b.String(), credential.NewSecret(canary)) {
			t.Errorf("slog of %s shows the secret", place)
		}
	}
}

func TestADiffOfSecretsShowsNone(t *testing.T) {
	a, b := unexported{"a", credential.NewSecret(canary)}, unexported{"b", credential.NewSecret("another")}
	text := cmp.Diff(a, b, cmp.AllowUnexported(unexported{}), cmp.Comparer(func(x, y credential.Secret) bool { return x.Equal(y) }))
	shows(t, "cmp.Diff", text)
}

func TestAPanicWithASecretDoesNotShowIt(t *testing.T) {
	for place, value := range hidingPlaces() {
		func() {
			defer func() { shows(t, "recovered panic with "+place, fmt.Sprintf("%v", recover())) }()
			panic(value)
		}()
	}
}

func TestSecretsCompareByContent(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"a", "ab", false}, {"", "a", false}} {
		if got := credential.NewSecret(c.a).Equal(credential.NewSecret(c.b)); got != c.want {
			t.Errorf("Equal(%q, %q) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
	var zero credential.Secret
	if !zero.IsZero() || !zero.Equal(credential.NewSecret("")) || zero.Reveal() != "" {
		t.Error("the zero Secret is not the empty one")
	}
}

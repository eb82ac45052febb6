package source_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"purser/internal/source"
)

const fakeAuth = "bW9ja3NlcnZlcjpGQUtFRkFLRUZBS0U="

func configured(t *testing.T, text string) source.DockerConfig {
	t.Helper()
	dir := t.TempDir()
	if text != "" {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return source.DockerConfig{Dir: dir, Registry: "docker.io"}
}

func TestDockersStateNeedsNoHelper(t *testing.T) {
	for name, c := range map[string]struct {
		text      string
		plaintext []string
		helper    string
	}{
		"no file":              {"", nil, ""},
		"nothing in it":        {"{}", nil, ""},
		"a login":              {`{"auths":{"https://index.docker.io/v1/":{"auth":"` + fakeAuth + `"}}}`, []string{"https://index.docker.io/v1/"}, ""},
		"a login by token":     {`{"auths":{"docker.io":{"identitytoken":"FAKE"}}}`, []string{"docker.io"}, ""},
		"another registry's":   {`{"auths":{"ghcr.io":{"auth":"` + fakeAuth + `"}}}`, nil, ""},
		"an empty entry":       {`{"auths":{"https://index.docker.io/v1/":{}},"credsStore":"desktop"}`, nil, "desktop"},
		"a helper of its own":  {`{"credsStore":"desktop","credHelpers":{"docker.io":"purser"}}`, nil, "purser"},
		"a helper for another": {`{"credHelpers":{"ghcr.io":"purser"}}`, nil, ""},
	} {
		s, err := configured(t, c.text).State()
		if err != nil || !slices.Equal(s.Plaintext, c.plaintext) || s.Helper != c.helper || s.Exists != (c.text != "") {
			t.Errorf("%s: %+v (%v)", name, s, err)
		}
	}
	if _, err := configured(t, `{"auths":`).State(); err == nil {
		t.Error("half a file was taken for a whole one")
	}
}

func TestDroppingALoginKeepsEverythingElse(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows: skipped")
	}
	d := configured(t, `{"zeta":{"b":1,"a":[1,2]},"auths":{"ghcr.io":{"auth":"`+fakeAuth+`"},"docker.io":{"auth":"`+fakeAuth+`"}},"HttpHeaders":{"X":"<&>"}}`)
	if err := d.DropAuths([]string{"docker.io"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.Dir, "config.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "{\n\t\"zeta\": {\n\t\t\"b\": 1,\n\t\t\"a\": [\n\t\t\t1,\n\t\t\t2\n\t\t]\n\t},\n\t\"auths\": {\n\t\t\"ghcr.io\": {\n\t\t\t\"auth\": \"" +
		fakeAuth + "\"\n\t\t}\n\t},\n\t\"HttpHeaders\": {\n\t\t\"X\": \"<&>\"\n\t}\n}\n"
	if string(raw) != want {
		t.Errorf("left is\n%s", raw)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
		t.Errorf("its mode became %v", info.Mode())
	}
	if files, _ := os.ReadDir(d.Dir); len(files) != 1 {
		t.Errorf("files were left: %v", files)
	}
}

func TestAConfigThatCannotBeReadIsNotChanged(t *testing.T) {
	for _, text := range []string{`[]`, `{"auths":[]}`, `{"auths":{}`, `{} {}`, `{"a"`, `"x"`} {
		d := configured(t, text)
		if err := d.DropAuths([]string{"docker.io"}); err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
		if raw, _ := os.ReadFile(filepath.Join(d.Dir, "config.json")); string(raw) != text {
			t.Errorf("%s became %s", text, raw)
		}
	}
}

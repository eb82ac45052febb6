package purser_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	sandboxhub "purser/internal/sandbox/hub"
	sandboxregistry "purser/internal/sandbox/registry"
	"purser/internal/store"
	"purser/internal/store/storetest"
	"purser/testdata/recipe/drawer"
)

func TestTheExampleStoreKeepsTheContract(t *testing.T) {
	dir := t.TempDir()
	storetest.Keep(t, storetest.Subject{Name: "drawer", Open: func(t *testing.T, name string) store.Store {
		t.Helper()
		target := credential.Target{Kind: "drawer", Name: strings.ReplaceAll(name, "/", "-"), Options: credential.Options("").With("cabinet", dir)}
		s, err := drawer.Kind().Open(t.Context(), nil, credential.Credential{}, target)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}})
}

// withTheExamples builds purser with the kinds in testdata/recipe, changing nothing but the
// list of kinds.
func withTheExamples(t *testing.T) (program string) {
	t.Helper()
	const list = "internal/wire/kinds/kinds.go"
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	added := strings.NewReplacer(
		"import (\n", "import (\n\t\"purser/testdata/recipe/drawer\"\n\t\"purser/testdata/recipe/quasar\"\n",
		"registry.Know(\n", "registry.Know(\n\t\tquasar.Kind(),\n",
		"store.Know(\n", "store.Know(\n\t\tdrawer.Kind(),\n",
	).Replace(string(text))
	if lines := strings.Count(added, "\n") - strings.Count(string(text), "\n"); lines != 4 {
		t.Fatalf("%d lines were added to %s", lines, list)
	}
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "kinds.go"), filepath.Join(dir, "overlay.json")
	here, err := filepath.Abs(list)
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{here: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{changed: added, overlay: string(replace)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program = filepath.Join(dir, "purser")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", program, "./cmd/purser").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// TestANewKindNeedsOnlyAFolderAndALine adds a registry and a store, and checks that purser
// does its main job with both and names them in its output.
func TestANewKindNeedsOnlyAFolderAndALine(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	program := withTheExamples(t)
	accounts := sandboxhub.NewAccounts(time.Now, rand.Reader)
	accounts.Form = "qsr_"
	accounts.AddAccount("ci", credential.NewSecret("FAKE-password"), false)
	accounts.AddRepository("ci/app", "ci", true)
	made, err := accounts.AddToken("ci", sandboxhub.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	host := "localhost:" + port
	server.Config.Handler, err = sandboxregistry.New(sandboxregistry.Config{
		Auth: sandboxregistry.AuthBearer, Realm: "http://" + host + "/token", Service: "quasar", Accounts: accounts, Now: time.Now, Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(server.Close)

	dir := t.TempDir()
	token := made.Secret.Reveal()
	run := func(yaml, input string, args ...string) string {
		t.Helper()
		text := strings.NewReplacer("HOST", host).Replace(yaml)
		if err := os.WriteFile(filepath.Join(dir, "purser.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir, cmd.Env, cmd.Stdin = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, "home")}, strings.NewReader(input)
		out, _ := cmd.CombinedOutput() // the output says how it ended
		if strings.Contains(string(out), token) {
			t.Fatalf("%v shows the token", args)
		}
		return string(out)
	}
	const good = "credentials: {app: {registry: \"HOST\", username: ci, repositories: [ci/app], store: {drawer: top, cabinet: cabinet}}}\n"
	for _, c := range []struct {
		what        string
		yaml, input string
		args        []string
		want        []string
	}{
		{"the schema", good, "", []string{"schema"}, []string{`"drawer"`, "The name of a drawer.", "The folder that is the cabinet."}},
		{"a wrong setting", strings.Replace(good, "top", "TOP", 1), "", []string{"status"}, []string{"purser.yaml:1:", "a drawer's name is lower-case letters"}},
		{"a name that the kind refuses", strings.Replace(good, "top", "to/p", 1), "", []string{"status"}, []string{"purser.yaml:1:", "a drawer's name has no /"}},
		{"two stores in one target", strings.Replace(good, "cabinet: cabinet", "secret: x", 1), "", []string{"status"}, []string{"drawer", "secret"}},
		{"a drawer that is not there", good, token, []string{"store", "app", "--token-stdin"}, []string{"there is no drawer top", "Drawers come with a cabinet.", "pull at the knob: purser store app --create"}},
		{"the main job", good, token, []string{"store", "app", "--token-stdin", "--create"}, []string{"ok: Knob       of brass", "ok: Drawer     top does not exist yet; purser will create it", "ok: Proof", "ok: Stored     version", "ok: Verified"}},
		{"again", good, token, []string{"store", "app", "--token-stdin"}, []string{"top exists", "already"}},
		{"what is stored works", good, "", []string{"check"}, []string{"ok: app", "top"}},
		{"its status", good, "", []string{"status"}, []string{"app", "top"}},
		{"the doctor", good, "", []string{"doctor"}, []string{"ok: Drawer     app: top, opened by of brass", "ok: Wood       app: oak"}},
		{"where a token is made", good, "qsr_FAKEFAKEFAKEFAKEFAKE", []string{"store", "app", "--token-stdin"}, []string{"https://quasar.example/tokens (permission: Beam)"}},
		{"its token at another registry", strings.NewReplacer("HOST", "registry.example.net", "top", "side").Replace(good), token, []string{"store", "app", "--token-stdin", "--create"}, []string{"it looks like a token of Quasar, so purser did not send it"}},
		{"its token as an argument", good, "", []string{"store", token}, []string{"you gave a token as an argument"}},
	} {
		out := run(c.yaml, c.input, c.args...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in\n%s", c.what, want, out)
			}
		}
	}
}

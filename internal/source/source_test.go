package source

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"purser/internal/credential"
)

const canary = "dckr_pat_" + "FAKEcanaryFAKEcanaryFAKE000"

func TestStdinAcceptsOneToken(t *testing.T) {
	got, err := Stdin{Reader: strings.NewReader(canary + "\n"), Registry: "docker.io", Username: "mockserver"}.Find(t.Context())
	if err != nil || got.Token.Reveal() != canary || got.Kind != credential.PersonalToken || got.Username != "mockserver" {
		t.Fatalf("found %v of %s, %v", got.Kind, got.Username, err)
	}
	endless := Stdin{Reader: endlessReader{}, Registry: "docker.io"}
	if _, err := endless.Find(t.Context()); credential.ReasonOf(err) != credential.BadToken {
		t.Errorf("endless input: %v", err)
	}
}

type endlessReader struct{}

func (endlessReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// docker writes a docker configuration and puts programs on the PATH.
func docker(t *testing.T, config string, helpers map[string]string) DockerConfig {
	t.Helper()
	dir := t.TempDir()
	if config != "" {
		write(t, filepath.Join(dir, "config.json"), config, 0o600)
	}
	bin := t.TempDir()
	for name, script := range helpers {
		write(t, filepath.Join(bin, "docker-credential-"+name), "#!/bin/sh\n"+script, 0o700)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return DockerConfig{Dir: dir, Registry: "docker.io"}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func basicAuth(user, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + secret))
}

// answers returns a helper that knows one name.
func answers(key, user, secret string) string {
	return `read url || true
if [ "$1" = get ] && [ "$url" = "` + key + `" ]; then echo '{"ServerURL":"x","Username":"` + user + `","Secret":"` + secret + `"}'; exit 0; fi
echo "credentials not found in native keychain"; exit 1`
}

func TestDockerConfigLooksWhereDockerLooks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper of this test is a shell script: skipped")
	}
	const hub = "https://index.docker.io/v1/"
	for name, c := range map[string]struct {
		config  string
		helpers map[string]string
		kind    credential.Kind
		where   string
	}{
		"in the file":              {`{"auths":{"` + hub + `":{"auth":"` + basicAuth("mockserver", canary) + `"}}}`, nil, credential.PersonalToken, "docker's config"},
		"under another name":       {`{"auths":{"docker.io":{"auth":"` + basicAuth("mockserver", canary) + `"}}}`, nil, credential.PersonalToken, "docker's config"},
		"a password":               {`{"auths":{"` + hub + `":{"auth":"` + basicAuth("mockserver", "hunter2") + `"}}}`, nil, credential.Password, "docker's config"},
		"an identity token":        {`{"auths":{"` + hub + `":{"identitytoken":"FAKE"}}}`, nil, credential.IdentityToken, "docker's config"},
		"in the store":             {`{"credsStore":"fake"}`, map[string]string{"fake": answers(hub, "mockserver", canary)}, credential.PersonalToken, "docker-credential-fake"},
		"in the registry's helper": {`{"credsStore":"no","credHelpers":{"` + hub + `":"fake"}}`, map[string]string{"fake": answers(hub, "mockserver", canary)}, credential.PersonalToken, "docker-credential-fake"},
		"a session in the store":   {`{"credsStore":"fake"}`, map[string]string{"fake": answers(hub, "mockserver", "eyJhbGciOiJSUzI1NiJ9.e30.RkFLRQ")}, credential.Session, "docker-credential-fake"},
		"the store empty, the file not": {
			`{"credsStore":"fake","auths":{"` + hub + `":{"auth":"` + basicAuth("mockserver", canary) + `"}}}`,
			map[string]string{"fake": `echo '{"ServerURL":"","Username":"","Secret":""}'`}, credential.PersonalToken, "docker's config",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := docker(t, c.config, c.helpers).Find(t.Context())
			if err != nil || got.Kind != c.kind || !strings.Contains(got.Where, c.where) || got.Token.IsZero() {
				t.Errorf("found a %q in %q, %v; want a %q in %q", got.Kind, got.Where, err, c.kind, c.where)
			}
		})
	}
}

// TestATokenBesideTheSessionOfABrowserLogin has docker login's three entries, in the file or in
// a helper.
func TestATokenBesideTheSessionOfABrowserLogin(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper of this test is a shell script: skipped")
	}
	const hub = "https://index.docker.io/v1/"
	token := `"` + hub + `":{"auth":"` + basicAuth("mockserver", canary) + `"}`
	for name, c := range map[string]struct {
		config  string
		helpers map[string]string
		want    bool
	}{
		"a token alone":            {`{"auths":{` + token + `}}`, nil, false},
		"the session in the file":  {`{"auths":{` + token + `,"` + hub + `access-token":{"auth":"` + basicAuth("mockserver", "FAKE.FAKE.FAKE") + `"}}}`, nil, true},
		"what renews it":           {`{"auths":{` + token + `,"` + hub + `refresh-token":{"auth":"` + basicAuth("mockserver", "FAKE..FAKE") + `"}}}`, nil, true},
		"with Desktop's spelling":  {`{"auths":{` + token + `,"` + hub + `/refresh-token":{"auth":"` + basicAuth("mockserver", "FAKE..FAKE") + `"}}}`, nil, true},
		"the session in the store": {`{"credsStore":"fake","auths":{` + token + `}}`, map[string]string{"fake": answers(hub+"access-token", "mockserver", "FAKE.FAKE.FAKE")}, true},
		"another registry's":       {`{"auths":{` + token + `,"https://ghcr.io/access-token":{"auth":"` + basicAuth("mockserver", "FAKE") + `"}}}`, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := docker(t, c.config, c.helpers).Find(t.Context())
			if err != nil || got.BesideSession != c.want || got.Token.Reveal() != canary {
				t.Errorf("beside a session: %t, %v", got.BesideSession, err)
			}
		})
	}
}

func TestDockerConfigSaysWhatIsWrongWithoutShowingIt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper of this test is a shell script: skipped")
	}
	const hub = "https://index.docker.io/v1/"
	for name, c := range map[string]struct {
		config  string
		helpers map[string]string
		why     string
	}{
		"no file":                     {"", nil, "docker has no login for docker.io"},
		"another registry":            {`{"auths":{"ghcr.io":{"auth":"` + basicAuth("a", canary) + `"}}}`, nil, "docker has no login"},
		"not JSON":                    {`{"auths": ` + canary, nil, "not a valid docker configuration"},
		"not USER:PASSWORD in base64": {`{"auths":{"` + hub + `":{"auth":"` + canary + `"}}}`, nil, "not USER:PASSWORD in base64"},
		"helper not there":            {`{"credsStore":"nowhere"}`, nil, "not on the PATH"},
		"helper is a path":            {`{"credsStore":"../../bin/sh"}`, nil, "invalid credential helper"},
		"helper fails":                {`{"credsStore":"fake"}`, map[string]string{"fake": `echo "` + canary + `"; echo "` + canary + `" >&2; exit 1`}, "it failed"},
		"helper babbles":              {`{"credsStore":"fake"}`, map[string]string{"fake": `echo "` + canary + `"`}, "does not follow docker's protocol"},
		"helper never stops":          {`{"credsStore":"fake"}`, map[string]string{"fake": `yes "` + canary + `"`}, "does not follow docker's protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := docker(t, c.config, c.helpers).Find(t.Context())
			if credential.ReasonOf(err) != credential.NoToken || !strings.Contains(err.Error(), c.why) {
				t.Errorf("error = %v, want %q", err, c.why)
			}
			if err != nil && credential.Shows(err.Error(), credential.NewSecret(canary)) {
				t.Error("the error shows the token")
			}
		})
	}
}

// TestDockersOwnHelperWorks uses pass, as docker login does on Linux.
func TestDockersOwnHelperWorks(t *testing.T) {
	for _, program := range []string{"docker-credential-pass", "pass", "gpg"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not on this machine: skipped; helpers are covered by scripts that speak the protocol", program)
		}
	}
	home, err := os.MkdirTemp("", "purser-pass") //nolint:usetesting // gpg-agent's socket needs a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	t.Setenv("GNUPGHOME", home)
	t.Setenv("PASSWORD_STORE_DIR", filepath.Join(home, "store"))
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
	run(t, "%no-protection\nKey-Type: eddsa\nKey-Curve: ed25519\nSubkey-Type: ecdh\nSubkey-Curve: cv25519\nName-Real: purser test\nExpire-Date: 0\n%commit\n", "gpg", "--batch", "--generate-key")
	run(t, "", "pass", "init", "purser test")
	run(t, `{"ServerURL":"https://index.docker.io/v1/","Username":"mockserver","Secret":"`+canary+`"}`, "docker-credential-pass", "store")

	d := docker(t, `{"credsStore":"pass"}`, nil)
	got, err := d.Find(t.Context())
	if err != nil || got.Token.Reveal() != canary || got.Username != "mockserver" || got.Where != "the credential helper docker-credential-pass" {
		t.Errorf("found %v of %q in %q, %v", got.Kind, got.Username, got.Where, err)
	}
	session := DockerSession{Dir: d.Dir, Registry: "docker.io"}
	if _, _, err := session.Find(t.Context()); credential.ReasonOf(err) != credential.NoToken {
		t.Errorf("without a session: %v", err)
	}
	run(t, `{"ServerURL":"https://index.docker.io/v1/access-token","Username":"mockserver","Secret":"`+canary+`session"}`, "docker-credential-pass", "store")
	bearer, where, err := session.Find(t.Context())
	if err != nil || bearer.Reveal() != canary+"session" || where != "the credential helper docker-credential-pass" {
		t.Errorf("the session was found in %q, %v", where, err)
	}
	d.Registry = "ghcr.io"
	if _, err := d.Find(t.Context()); credential.ReasonOf(err) != credential.NoToken {
		t.Errorf("a registry that pass does not know: %v", err)
	}
}

func run(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func FuzzDockerConfig(f *testing.F) {
	for _, seed := range []string{`{}`, `{"auths":{"https://index.docker.io/v1/":{"auth":"eDp5"}}}`, `{"auths":{"x":{"auth":"eA=="}}}`, `{"credsStore":1}`, `[`, `{"auths":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := parseDockerConfig("config.json", raw)
		if err != nil {
			if credential.ReasonOf(err) != credential.NoToken || len(err.Error()) > 300 {
				t.Fatalf("error = %v", err)
			}
			return
		}
		for _, key := range credential.Host("docker.io").DockerKeys() {
			_ = file.AuthConfigs[key]
		}
	})
}

func TestATokenInPlaceOfAUserNameOrAHelperIsNotShown(t *testing.T) {
	const misplaced = canary
	auth := base64.StdEncoding.EncodeToString([]byte("me," + misplaced + ":x"))
	for name, text := range map[string]string{
		"a user name": `{"auths":{"https://index.docker.io/v1/":{"auth":"` + auth + `"}}}`,
		"a helper":    `{"credsStore":"` + misplaced + `"}`, "another helper": `{"credHelpers":{"docker.io":"x-` + misplaced + `"}}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		config := DockerConfig{Dir: dir, Registry: "docker.io"}
		_, err := config.Find(t.Context())
		if err == nil || credential.HoldsToken(err.Error()) {
			t.Errorf("%s: Find gave %v", name, strings.ReplaceAll(fmt.Sprint(err), misplaced, "TOKEN"))
		}
		s, err := config.State()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := HelperVersion(t.Context(), s.Helper); credential.HoldsToken(fmt.Sprint(err)) {
			t.Errorf("%s: HelperVersion shows the token", name)
		}
		if credential.HoldsToken(WithoutLogins([]byte(text))) {
			t.Errorf("%s: WithoutLogins shows the token", name)
		}
	}
}

func TestErrorsSayWhatSurroundsATokenFromEverySource(t *testing.T) {
	for form, want := range map[string]string{
		`"%"`: "quotation marks around a personal access token", "Bearer %": "a header in front of", "export TOKEN=%": "an assignment in front of", "builder:%": "a name with a colon in front of",
	} {
		text := strings.ReplaceAll(form, "%", canary)
		dir := t.TempDir()
		auth := base64.StdEncoding.EncodeToString([]byte("mockserver:" + text))
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":{"https://index.docker.io/v1/":{"auth":"`+auth+`"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, find := range map[string]func(context.Context) (Found, error){
			"standard input": Stdin{Reader: strings.NewReader(text + "\n"), Registry: "docker.io", Username: "builder"}.Find,
			"docker":         DockerConfig{Dir: dir, Registry: "docker.io"}.Find,
		} {
			got, err := find(t.Context())
			if credential.ReasonOf(err) != credential.BadToken || !strings.Contains(fmt.Sprint(err), want) || credential.HoldsToken(fmt.Sprint(err)) {
				t.Errorf("%s from %s: a %s, error %v", form, name, got.Kind, err)
			}
		}
	}
}

package credential_test

import (
	"strings"
	"testing"

	"purser/internal/credential"
)

const fakeJWT = "eyJhbGciOiJSUzI1NiJ9." + "eyJzdWIiOiJGQUtFIn0." + "RkFLRQ"

func TestParseToken(t *testing.T) {
	good := map[string]string{
		"as it is":              canary,
		"with a line end":       canary + "\n",
		"with a Windows end":    canary + "\r\n",
		"a password with signs": "p$ss!w&rd FAKE",
	}
	for name, raw := range good {
		s, err := credential.ParseToken([]byte(raw))
		if err != nil || s.Reveal() != strings.TrimRight(raw, "\r\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := map[string]struct{ raw, why string }{
		"empty":               {"", "it is empty"},
		"a line end alone":    {"\n", "it is empty"},
		"white space":         {"  \t", "it is only white space"},
		"two lines":           {canary + "\n" + canary, "it has 2 lines"},
		"two line ends":       {canary + "\n\n", "it has 2 lines"},
		"a space in front":    {" " + canary, "begins or ends with white space"},
		"one megabyte":        {strings.Repeat("x", 1<<20), "longer than 16384 bytes"},
		"not UTF-8":           {"abc\xff\xfe", "invalid UTF-8"},
		"a control character": {"abc\x07def", "at position 4"},
		"an invisible one":    {"abc\u200bdef", "at position 4"},
		"a byte order mark":   {"\ufeff" + canary, "at position 1"},
		"cut off":             {"dckr_pat_abc", "is cut off after 12 characters"},
	}
	for name, c := range bad {
		_, err := credential.ParseToken([]byte(c.raw))
		if credential.ReasonOf(err) != credential.BadToken || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: error = %v, want %q", name, err, c.why)
		}
		if len(c.raw) > 12 && err != nil && credential.Shows(err.Error(), credential.NewSecret(c.raw)) {
			t.Errorf("%s: the error shows the token", name)
		}
	}
}

// wrapped lists tokens copied together with other text, and what ParseToken says of that.
var wrapped = map[string]string{
	`"%"`: "quotation marks around", `'%'`: "quotation marks around", "`%`": "quotation marks around", "“%”": "quotation marks around", `"%`: "quotation marks around", `%"`: "quotation marks around",
	"Bearer %": "a header in front of", "Authorization: Bearer %": "a header in front of", "authorization: %": "a header in front of",
	"export TOKEN=%": "an assignment in front of", `TOKEN="%"`: "an assignment in front of", "TOKEN = %": "an assignment in front of",
	"builder:%": "a name with a colon in front of", "token: %": "a name with a colon in front of",
	`{"username":"x","token":"%"}`: "JSON around", "https://builder:%@ghcr.io/v2/": "an address around",
	"%,": "something follows", "%;": "something follows", "% builder": "something follows", "docker login -p % -u builder": "other text around", "(%)": "other text around",
}

func TestParseTokenNamesTheTextAroundAToken(t *testing.T) {
	for token, kind := range map[string]string{
		canary: "a personal access token", "dckr_oat_FAKEfakeFAKEfakeFAKEfake00": "an organization access token",
		"ghp_FAKEfakeFAKEfakeFAKEfakeFAKE00000000": "a registry token", "glpat-FAKEfakeFAKE.01.fake000": "a registry token", fakeJWT: "a session",
	} {
		for form, want := range wrapped {
			_, err := credential.ParseToken([]byte(strings.ReplaceAll(form, "%", token)))
			if want += " " + kind; credential.ReasonOf(err) != credential.BadToken || !strings.Contains(err.Error(), want) || credential.Shows(err.Error(), credential.NewSecret(token)) {
				t.Errorf("%s around %.9s…: %v, want %q", form, token, err, want)
			}
		}
		if got, err := credential.ParseToken([]byte(token + "\n")); err != nil || got.Reveal() != token {
			t.Errorf("%.9s… alone: %v", token, err)
		}
	}
	for _, password := range []string{`"hunter2"`, "Bearer of news", "export X=1", "p$ss:w&rd FAKE", "x-ghp", "highs_and_lows"} {
		if got := credential.Around(credential.NewSecret(password)); got != "" {
			t.Errorf("Around(%q) = %q", password, got)
		}
	}
}

func TestClassify(t *testing.T) {
	const hub, other = "docker.io", credential.Host("registry.example.com")
	for _, c := range []struct {
		host      credential.Host
		user, raw string
		want      credential.Kind
	}{
		{hub, "u", "dckr_pat_FAKE", credential.PersonalToken},
		{hub, "u", "dckr_oat_FAKE", credential.OrganizationToken},
		{hub, "u", "00000000-0000-4000-8000-00000000FAKE"[:32] + "fa4e", credential.PersonalToken},
		{hub, "u", fakeJWT, credential.Session},
		{hub, "<token>", "anything", credential.IdentityToken},
		{hub, "u", "a password", credential.Password},
		{other, "u", "a password", credential.OpaqueToken},
		{other, "u", "ghp_FAKE", credential.RegistryToken},
		{other, "u", "ghs_FAKE", credential.Session},
		{other, "u", fakeJWT, credential.Session},
	} {
		if got := credential.Classify(c.host, credential.Login{Username: c.user, Token: credential.NewSecret(c.raw)}); got != c.want {
			t.Errorf("Classify(%s, %s, %.9s…) = %s, want %s", c.host, c.user, c.raw, got, c.want)
		}
	}
}

func TestParseHost(t *testing.T) {
	good := map[string]credential.Host{
		"docker.io": "docker.io", "https://index.docker.io/v1/": "docker.io", "index.docker.io": "docker.io",
		"registry-1.docker.io": "docker.io", "https://registry-1.docker.io/v2/": "docker.io", "DOCKER.IO": "docker.io",
		"registry.hub.docker.com": "docker.io", "docker.io:443": "docker.io",
		"ghcr.io": "ghcr.io", "GHCR.io/": "ghcr.io", "localhost:5000": "localhost:5000", "127.0.0.1:5000": "127.0.0.1:5000",
		"[::1]:5000": "[::1]:5000", "http://127.0.0.1:5000": "127.0.0.1:5000", "registry.example.com:8443": "registry.example.com:8443",
	}
	for text, want := range good {
		if got, err := credential.ParseHost(text); err != nil || got != want {
			t.Errorf("ParseHost(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", " ", "dckr_pat_FAKE", "a b", "ghcr", "ghcr.io/owner", "ghcr.io:0", "ghcr.io:99999", "user@ghcr.io", "ghcr..io", "-x.io", "docker.io.", "ex\x00ample.com", "dоcker.io"} {
		if got, err := credential.ParseHost(text); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("ParseHost(%q) = %q, %v, want a usage fault", text, got, err)
		}
	}
}

func TestParseRepository(t *testing.T) {
	for _, c := range []struct {
		host credential.Host
		text string
		want credential.Repository
	}{
		{"docker.io", "mockserver/mockserver", "mockserver/mockserver"}, {"docker.io", "alpine", "library/alpine"},
		{"docker.io", "docker.io/mockserver/mockserver", "mockserver/mockserver"}, {"docker.io", "index.docker.io/a/b", "a/b"},
		{"ghcr.io", "mock-server/charts/x", "mock-server/charts/x"}, {"ghcr.io", "single", "single"},
	} {
		if got, err := credential.ParseRepository(c.host, c.text); err != nil || got != c.want {
			t.Errorf("ParseRepository(%s, %q) = %q, %v, want %q", c.host, c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "UPPER/case", "a/b:latest", "a/b@sha256:00", "ghcr.io/a/b", "a//b", "/a", "a/", "a b", strings.Repeat("a", 256)} {
		if got, err := credential.ParseRepository("docker.io", text); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("ParseRepository(%q) = %q, %v, want a usage fault", text, got, err)
		}
	}
}

func TestHoldsTokenFindsATokenAnywhereInAText(t *testing.T) {
	for _, token := range []string{canary, "dckr_oat_FAKE", "ghp_FAKE", "glpat-FAKE", "github_pat_FAKE", fakeJWT} {
		for _, form := range []string{"%", "user:%", "role/%", "/tmp/%", "/tmp/%/x.y", "a,%", `"%"`, "Bearer %\n", "export TOKEN=%", "x_%", "x-%", "%.json", "v1.%.v2", "é%", strings.Repeat("x", 10000) + " %", strings.Repeat("x/", 5000) + "%"} {
			if !credential.HoldsToken(strings.ReplaceAll(form, "%", token)) {
				t.Errorf("HoldsToken misses %.9s… in %.30q", token, form)
			}
		}
	}
	for _, innocent := range []string{
		"", "dckr_pat_", "starts with dckr_pat_…", "grep -E dckr_pat_[a-z]+", "ghp_", "highs_and_lows", "/srv/roughs_2/purser.yaml", "mockserver/mockserver",
		"eyJhbGciOiJSUzI1NiJ9", "1.2.3", "registry.example.com", "eyes.of.tigers",
	} {
		if credential.HoldsToken(innocent) {
			t.Errorf("HoldsToken(%q) = true", innocent)
		}
	}
}

func FuzzATokenIsFoundBetweenAnyTexts(f *testing.F) {
	f.Add("", "")
	f.Add("user:", "@host")
	f.Add("dckr_pat_", "eyey.ey.")
	f.Fuzz(func(t *testing.T, before, after string) {
		if !credential.HoldsToken(before + canary + after) {
			t.Errorf("HoldsToken misses a token between %q and %q", before, after)
		}
		credential.HoldsToken(before + after)
	})
}

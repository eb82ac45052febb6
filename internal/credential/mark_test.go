package credential_test

import (
	"testing"

	"purser/internal/credential"
)

func TestAMarkIsReadAsItWasWritten(t *testing.T) {
	for _, m := range []credential.Mark{
		{Registry: "docker.io", Name: "dockerhub"},
		{Registry: "[::1]:5000", Name: "local"},
		{Registry: "registry.example.net:5000", Name: "a.b-c_d", Since: "purser-01936f5e-0000-7000-8000-000000000001"},
		{Registry: "ghcr.io", Name: "a", Via: credential.ViaOf(nil, []string{"auth.example.net"})},
		{Registry: "ghcr.io", Name: "a", Since: "purser-01936f5e-0000-7000-8000-000000000001", Via: credential.ViaOf([]byte("PEM"), nil)},
		{Registry: "ghcr.io", Via: credential.ViaOf([]byte("PEM"), nil)},
	} {
		if got := credential.ParseMark(m.String()); got != m {
			t.Errorf("%q was read as %+v", m, got)
		}
	}
	if got := credential.ParseMark("  "); !got.IsZero() {
		t.Errorf("nothing was read as %+v", got)
	}
}

func TestAValueWithADamagedMarkIsSentNowhere(t *testing.T) {
	for _, text := range []string{"DOCKER.IO x", "https://docker.io x", "docker.io NAME", "docker.io x y z", "-", "docker.io dckr_pat_FAKEFAKEFAKE", "via:00112233445566778899aabbccddeeff", "docker.io x via:", "docker.io via:00 x"} {
		if got := credential.ParseMark(text); got.Registry != credential.Elsewhere {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

func TestAMarkVouchesOnlyForTheWayThatAPersonAgreedTo(t *testing.T) {
	one, usual := credential.ViaOf([]byte("PEM"), []string{"a.example", "b.example"}), credential.ViaOf(nil, nil)
	if usual != "" || one != credential.ViaOf([]byte("PEM"), []string{"b.example", "a.example"}) {
		t.Errorf("the usual way is %q, and the order of hosts counts", usual)
	}
	agreed := credential.Mark{Registry: "ghcr.io", Via: one}
	for _, other := range []string{
		credential.ViaOf([]byte("PEM2"), []string{"a.example", "b.example"}), credential.ViaOf([]byte("PEM"), nil), credential.ViaOf(nil, []string{"a.example", "b.example"}),
	} {
		if agreed.Vouches(other) || (credential.Mark{Registry: "ghcr.io"}).Vouches(other) {
			t.Errorf("a mark vouches for %s", other)
		}
	}
	if !agreed.Vouches(one) || !agreed.Vouches("") {
		t.Error("a mark does not vouch for what was agreed to")
	}
}

// FuzzMark: any text parses to a mark that survives being written and parsed again, and
// whose registry is a valid host or none.
func FuzzMark(f *testing.F) {
	for _, seed := range []string{"docker.io dockerhub", "=5B::1=5D:5000 x", "ghcr.io x purser-01936f5e-0000-7000-8000-000000000001 via:00112233445566778899aabbccddeeff", "a b c d", "via:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m := credential.ParseMark(text)
		if m.Registry == credential.Elsewhere {
			if m != (credential.Mark{Registry: credential.Elsewhere}) {
				t.Errorf("%q was read as %+v", text, m)
			}
			return
		}
		if again := credential.ParseMark(m.String()); again != m {
			t.Errorf("%q was read as %+v, and that as %+v", text, m, again)
		}
		if host, err := credential.ParseHost(string(m.Registry)); !m.IsZero() && (err != nil || host != m.Registry) {
			t.Errorf("%q was read as the registry %q", text, m.Registry)
		}
	})
}

func TestAMarkCoversOnlyVersionsSinceItWasWritten(t *testing.T) {
	const older, since, newer = credential.VersionID("purser-01936f5e-0000-7000-8000-000000000001"),
		credential.VersionID("purser-01936f5f-0000-7000-8000-000000000001"), credential.VersionID("purser-01936f60-0000-7000-8000-000000000001")
	m := credential.Mark{Registry: "ghcr.io", Name: "x", Since: since}
	for _, c := range []struct {
		id   credential.VersionID
		at   credential.Stage
		want credential.Host
	}{
		{since, credential.Current, "ghcr.io"},
		{newer, credential.Current, "ghcr.io"},
		{older, credential.Previous, credential.Elsewhere},
		{older, credential.Current, credential.Elsewhere},
		{"by-hand", credential.Previous, credential.Elsewhere},
		{"by-hand", credential.Current, "ghcr.io"},
	} {
		if got := m.For(c.id, c.at); got != c.want {
			t.Errorf("%s in %s belongs to %s, want %s", c.id, c.at, got, c.want)
		}
	}
}

func TestATokenOfAKnownFormGoesOnlyToItsVendor(t *testing.T) {
	for _, c := range []struct {
		token, host string
		home        bool
		misplaced   string
	}{
		{"dckr_pat_FAKEFAKEFAKE", "docker.io", true, ""},
		{"dckr_oat_FAKEFAKEFAKE", "ghcr.io", false, "Docker Hub"},
		{"dckr_pat_FAKEFAKEFAKE", "evil.example", false, "Docker Hub"},
		{"dckr_pat_FAKEFAKEFAKE", "localhost:5000", false, "Docker Hub"},
		{"Bearer dckr_pat_FAKEFAKEFAKE", "evil.example", false, "Docker Hub"},
		{"ghp_FAKEFAKEFAKE", "ghcr.io", true, ""},
		{"ghp_FAKEFAKEFAKE", "containers.acme.ghe.com", true, ""},
		{"ghp_FAKEFAKEFAKE", "notghcr.io", false, ""}, // perhaps a GitHub Enterprise server: the mark decides
		{"ghp_FAKEFAKEFAKE", "docker.io", false, "GitHub"},
		{"github_pat_FAKEFAKEFAKE", "1234.dkr.ecr.eu-west-2.amazonaws.com", false, "GitHub"},
		{"glpat-FAKEFAKEFAKE", "registry.gitlab.com", true, ""},
		{"glpat-FAKEFAKEFAKE", "ghcr.io", false, "GitLab"},
		{"glpat-FAKEFAKEFAKE", "registry.example.net", false, ""},
		{"no-known-form-FAKE", "evil.example", false, ""},
	} {
		token, host := credential.NewSecret(c.token), credential.Host(c.host)
		if home, misplaced := credential.IsHome(host, token), credential.Misplaced(host, token); home != c.home || misplaced != c.misplaced {
			t.Errorf("%s for %s: home %v, of %q", c.token[:6], c.host, home, misplaced)
		}
	}
}

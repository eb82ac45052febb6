package wire_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/wire"
)

// alone hides the machine's AWS configuration from a test.
func alone(t *testing.T, profiles string) {
	t.Helper()
	for _, name := range []string{"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL"} {
		t.Setenv(name, "")
	}
	path := filepath.Join(t.TempDir(), "config")
	writeFile(t, path, profiles)
	t.Setenv("AWS_CONFIG_FILE", path)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

var someCredential = credential.Credential{Name: "dockerhub", Registry: "docker.io"}

func TestStoreReportsWhatAWSLacks(t *testing.T) {
	const profiles = "[profile here]\nregion = eu-west-2\n[profile nowhere]\n"
	for name, c := range map[string]struct {
		target credential.Target
		env    config.Environment
		want   credential.Reason
	}{
		"an existing profile":            {credential.Target{Kind: "secret", Name: "x", Profile: "here"}, config.Environment{}, ""},
		"a missing profile":              {credential.Target{Kind: "secret", Name: "x", Profile: "elsewhere"}, config.Environment{}, credential.ProfileMissing},
		"no region":                      {credential.Target{Kind: "secret", Name: "x", Profile: "nowhere"}, config.Environment{}, credential.RegionMissing},
		"a region of its own":            {credential.Target{Kind: "secret", Name: "x", Profile: "nowhere", Region: "us-east-1"}, config.Environment{}, ""},
		"credentials in the environment": {credential.Target{Kind: "secret", Name: "x", Profile: "elsewhere", Region: "us-east-1"}, config.Environment{AWSAccessKey: true}, ""},
		"a file without a home":          {credential.Target{}, config.Environment{}, credential.Usage},
		"a file":                         {credential.Target{}, config.Environment{Home: os.TempDir()}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			alone(t, profiles)
			w := &wire.Wire{Env: c.env}
			_, err := w.Store(t.Context(), someCredential, c.target)
			if got := credential.ReasonOf(err); got != c.want || (err == nil) != (c.want == "") {
				t.Errorf("error = %v (%s), want %s", err, got, c.want)
			}
		})
	}
}

func TestACredentialWithoutAStoreIsKeptInTheDataDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its paths are those of Unix: skipped")
	}
	w := &wire.Wire{Env: config.Environment{Home: "/home/me"}}
	if got := w.Target(someCredential, credential.Target{}).Name; got != "/home/me/.local/share/purser/dockerhub.age.json" {
		t.Errorf("kept in %s", got)
	}
}

func TestACAFileWithoutCertificatesIsAFault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, path, "no certificate")
	c := someCredential
	c.CAFile = path
	p := (&wire.Wire{}).Prove(t.Context(), c, credential.Login{Username: "u", Token: credential.NewSecret("FAKE")}, false)
	if p.Verdict != credential.Unknown || p.Fault == nil || !strings.Contains(p.Fault.Error(), "has no PEM certificates") {
		t.Errorf("%v %v", p.Verdict, p.Fault)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesThatChangeMeanwhileAreNotTrusted(t *testing.T) {
	c := credential.Credential{Registry: "registry.example.net", CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	writeFile(t, c.CAFile, "-----BEGIN CERTIFICATE-----\napproved")
	c.Via = wire.Via(c)
	writeFile(t, c.CAFile, "-----BEGIN CERTIFICATE-----\nchanged")
	if _, err := (&wire.Wire{}).Registry(c); credential.ReasonOf(err) != credential.RegistryUnsafe {
		t.Errorf("%v", err)
	}
}

// TestNothingOfAWSFollowsARedirect has whoever answers for AWS send purser elsewhere.
func TestNothingOfAWSFollowsARedirect(t *testing.T) {
	var trapped atomic.Bool
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { trapped.Store(true) }))
	t.Cleanup(trap.Close)
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		server := httptest.NewServer(http.RedirectHandler(trap.URL, status))
		t.Cleanup(server.Close)
		w := &wire.Wire{Now: time.Now, AWS: &wire.LocalAWS{Endpoint: server.URL}}
		target := credential.Target{Kind: "secret", Name: "team/ci", Region: "eu-west-2"}
		place, err := w.Bare(t.Context(), credential.Credential{Name: "ci"}, target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = place.Describe(t.Context()); err == nil || !strings.Contains(err.Error(), "redirects to") {
			t.Errorf("%d: %v", status, err)
		}
		resp, err := w.SignIn(nil).HTTP.Get(server.URL)
		if err != nil || resp.StatusCode != status {
			t.Errorf("signing in, %d: %v", status, err)
		}
		_ = resp.Body.Close()
	}
	if trapped.Load() {
		t.Error("a request went where it was sent to")
	}
}

package wire_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/wire"
)

// asked opens a secret with an environment, and returns the fault.
func asked(t *testing.T, env config.Environment) *credential.Fault {
	t.Helper()
	w := &wire.Wire{Env: env, Now: time.Now}
	s, err := w.Store(t.Context(), credential.Credential{}, credential.Target{Kind: "secret", Name: "a", Region: "eu-west-2"})
	if err == nil {
		_, err = s.Open(t.Context())
	}
	f, ok := errors.AsType[*credential.Fault](err)
	if !ok {
		t.Fatalf("no fault: %v", err)
	}
	return f
}

// The service accepts connections but never answers, like one beyond the hop limit.
func TestAMetadataServiceThatNeverAnswersIsNamed(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	calls := make(chan struct{}, 100)
	go func() {
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
			calls <- struct{}{}
		}
	}()
	endpoint := "http://" + l.Addr().String()
	none := filepath.Join(t.TempDir(), "none")
	f := asked(t, config.Environment{AWSConfigFile: none, AWSSharedCredentialsFile: none, AWSMetadataEndpoint: endpoint})
	if f.Reason != credential.NotSignedIn || f.SignIn != "machine" || !strings.Contains(f.Why, endpoint+" does not answer") || !strings.Contains(f.Why, "hop limit is 1") {
		t.Errorf("%+v", f)
	}
	// Each connection times out after half a second.
	if n := len(calls); n == 0 || n > 2 {
		t.Errorf("it was called %d times, want one or two", n)
	}
}

func TestAMachineWithoutARoleDiffersFromNoMachine(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			_, _ = w.Write([]byte("FAKE"))
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	none := filepath.Join(t.TempDir(), "none")
	env := config.Environment{AWSConfigFile: none, AWSSharedCredentialsFile: none, AWSMetadataEndpoint: server.URL}
	if f := asked(t, env); !strings.Contains(f.Why, "has no instance role") {
		t.Errorf("%+v", f)
	}
	env.AWSMetadataEndpoint = "http://127.0.0.1:1"
	if f := asked(t, env); !strings.Contains(f.Why, "there is no metadata service at http://127.0.0.1:1") {
		t.Errorf("%+v", f)
	}
	env.AWSMetadataDisabled = true
	if f := asked(t, env); !strings.Contains(f.Why, "switched off") {
		t.Errorf("%+v", f)
	}
}

func TestASilentContainerEndpointIsAskedTwice(t *testing.T) {
	asks := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asks <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	f := asked(t, config.Environment{AWSContainer: true})
	if f.Reason != credential.NotSignedIn || f.SignIn != "container" || len(asks) != 2 {
		t.Errorf("%+v after %d questions, want two", f, len(asks))
	}
}

func TestEachKindOfProfileIsExplained(t *testing.T) {
	for name, c := range map[string]struct{ config, signIn, want string }{
		"a program":    {"[default]\ncredential_process = /bin/false\n", "credential_process", "returned no credentials"},
		"web identity": {"[default]\nrole_arn = arn:aws:iam::123456789012:role/x\nweb_identity_token_file = /nowhere/token\n", "web-identity", "/nowhere/token, which is missing"},
	} {
		path := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(path, []byte(c.config), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_CONFIG_FILE", path)
		f := asked(t, config.Environment{AWSConfigFile: path, AWSSharedCredentialsFile: filepath.Join(t.TempDir(), "none"), AWSMetadataDisabled: true})
		if f.SignIn != c.signIn || !strings.Contains(f.Why, c.want) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

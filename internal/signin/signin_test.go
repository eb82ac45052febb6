package signin_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/signin"
)

const sessionConfig = `# the running example
[profile mockserver-build]
sso_session = mockserver
sso_account_id = 123456789012
sso_role_name = AdministratorAccess
region = eu-west-2

[sso-session mockserver]
sso_start_url = https://mockserver.awsapps.example/start
sso_region = eu-west-1
sso_registration_scopes = sso:account:access

[profile old]
sso_start_url = https://old.awsapps.example/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = AdministratorAccess
`

// desk is a person's machine, with a stand-in for IAM Identity Center.
type desk struct {
	*testing.T
	idc    *sandboxaws.IdentityCenter
	url    string
	client *signin.Client
	files  signin.Files
	shown  []signin.Prompt
	waited []time.Duration
	now    time.Time
}

func newDesk(t *testing.T, config string) *desk {
	t.Helper()
	d := &desk{T: t, now: time.Now()}
	clock := func() time.Time { return d.now }
	d.idc = sandboxaws.NewIdentityCenter(clock, rand.Reader)
	server := httptest.NewServer(d.idc)
	t.Cleanup(server.Close)
	d.url = server.URL
	dir := t.TempDir()
	d.files = signin.Files{Config: filepath.Join(dir, "config"), Credentials: filepath.Join(dir, "credentials")}
	if err := os.WriteFile(d.files.Config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d.client = &signin.Client{
		Cache: signin.Cache{Dir: filepath.Join(dir, ".aws", "sso", "cache")}, Now: clock, Random: rand.Reader,
		HTTP: http.DefaultClient, OIDCEndpoint: server.URL, PortalEndpoint: server.URL,
		Wait: func(ctx context.Context, pause time.Duration) error {
			d.waited = append(d.waited, pause)
			return ctx.Err()
		},
		Open: visit, Show: func(p signin.Prompt) { d.shown = append(d.shown, p) },
	}
	return d
}

// visit acts as a browser whose person agrees.
func visit(ctx context.Context, url string) error {
	go func() {
		req, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, url, nil)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	return nil
}

func (d *desk) profile(name string) signin.Profile {
	d.Helper()
	p, err := d.files.Profile(name)
	if err != nil {
		d.Fatal(err)
	}
	return p
}

func TestSigningInLeavesASessionForEveryTool(t *testing.T) {
	for name, how := range map[string]signin.How{"mockserver-build": {}, "old": {}, "by code": {NoBrowser: true}} {
		d := newDesk(t, sessionConfig)
		if how.NoBrowser {
			name = "mockserver-build"
			d.client.Show = func(p signin.Prompt) { d.shown = append(d.shown, p); _ = visit(t.Context(), p.URL) }
		}
		p := d.profile(name)
		if state, _ := d.client.Cache.State(p, d.now); state != signin.Never {
			t.Fatalf("%s: before it, %s", name, state)
		}
		got, err := d.client.SignIn(t.Context(), p, how)
		if err != nil || got.Kept || got.Renewed {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		state, until := d.client.Cache.State(p, d.now)
		if state != signin.SignedIn || until.Sub(d.now) < 59*time.Minute {
			t.Errorf("%s: after it, %s until %v", name, state, until)
		}
		path := d.client.Cache.Path(p)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
			t.Errorf("%s: the cache file: %v, %v", name, info, err)
		}
		if again, err := d.client.SignIn(t.Context(), p, how); err != nil || !again.Kept {
			t.Errorf("%s: again: %+v, %v", name, again, err)
		}
	}
}

func TestAnExpiredSessionIsRenewedOrAskedForAgain(t *testing.T) {
	d := newDesk(t, sessionConfig)
	p := d.profile("mockserver-build")
	if _, err := d.client.SignIn(t.Context(), p, signin.How{}); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(2 * time.Hour)
	if state, _ := d.client.Cache.State(p, d.now); state != signin.Refreshable {
		t.Fatalf("after two hours: %s", state)
	}
	d.shown = nil
	if got, err := d.client.SignIn(t.Context(), p, signin.How{}); err != nil || !got.Renewed || len(d.shown) > 0 {
		t.Errorf("renewing: %+v, %v, shown %v", got, err, d.shown)
	}
	d.now = d.now.Add(2 * time.Hour)
	d.idc.End(true) // the refresh token is invalid now
	if got, err := d.client.SignIn(t.Context(), p, signin.How{}); err != nil || got.Renewed || len(d.shown) != 1 {
		t.Errorf("asking again: %+v, %v, shown %v", got, err, d.shown)
	}
	if err := d.client.SignOut(t.Context(), p); err != nil {
		t.Error(err)
	}
	if state, _ := d.client.Cache.State(p, d.now); state != signin.Never {
		t.Errorf("after signing out: %s", state)
	}
}

func TestPollingFollowsTheServicesInterval(t *testing.T) {
	d := newDesk(t, sessionConfig)
	d.idc.Answer("authorization_pending", "slow_down", "authorization_pending")
	d.client.Show = func(p signin.Prompt) {
		resp, err := http.Get(p.URL)
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	if _, err := d.client.SignIn(t.Context(), d.profile("mockserver-build"), signin.How{NoBrowser: true}); err != nil {
		t.Fatal(err)
	}
	if len(d.waited) != 3 || d.waited[0] != time.Second || d.waited[1] != 6*time.Second || d.waited[2] != 6*time.Second {
		t.Errorf("waited %v", d.waited)
	}
}

func TestAFailedSignInSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*desk)
		how  signin.How
		want string
	}{
		"refused in the browser":    {func(d *desk) { d.idc.Deny(true) }, signin.How{}, "access_denied"},
		"refused with a code":       {func(d *desk) { d.idc.Answer("access_denied") }, signin.How{NoBrowser: true}, "refused in the browser"},
		"the code expired":          {func(d *desk) { d.idc.Answer("expired_token") }, signin.How{NoBrowser: true}, "the code expired"},
		"no answer":                 {func(d *desk) { d.client.OIDCEndpoint = "http://127.0.0.1:1" }, signin.How{}, "no answer from IAM Identity Center in eu-west-1"},
		"the page was closed":       {func(d *desk) { d.client.Open = func(context.Context, string) error { return nil } }, signin.How{}, "nobody agreed"},
		"the browser does not open": {func(d *desk) { d.client.Open = func(context.Context, string) error { return errors.New("none") } }, signin.How{}, "nobody agreed"},
		"an invalid code":           {func(d *desk) { d.idc.Answer("invalid_grant") }, signin.How{}, "InvalidGrantException"},
	} {
		d := newDesk(t, sessionConfig)
		c.set(d)
		patience := 20 * time.Second
		if c.want == "nobody agreed" {
			patience = 100 * time.Millisecond
		}
		ctx, stop := context.WithTimeout(t.Context(), patience)
		_, err := d.client.SignIn(ctx, d.profile("mockserver-build"), c.how)
		stop()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if _, err := os.Stat(d.client.Cache.Path(d.profile("mockserver-build"))); err == nil {
			t.Errorf("%s: left a cache file", name)
		}
		if name == "the browser does not open" && (len(d.shown) != 1 || d.shown[0].Opened) {
			t.Errorf("%s: shown %+v", name, d.shown)
		}
	}
}

func TestTheCallbackRefusesForgedAnswers(t *testing.T) {
	d := newDesk(t, sessionConfig)
	strangers := make(chan string, 4)
	d.client.Open = func(ctx context.Context, address string) error {
		go func() {
			req, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, address, nil)
			stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			resp, err := stay.Do(req)
			if err != nil {
				return
			}
			_ = resp.Body.Close()
			good := resp.Header.Get("Location")
			for _, bad := range []func(*http.Request){
				func(r *http.Request) { q := r.URL.Query(); q.Set("state", "FAKE"); r.URL.RawQuery = q.Encode() },
				func(r *http.Request) { r.Host = "rebound.example" },
				func(r *http.Request) { r.URL.Path = "/other" },
				func(r *http.Request) { r.Method = http.MethodPost },
			} {
				r, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, good, nil)
				bad(r)
				if resp, err := stay.Do(r); err == nil {
					strangers <- resp.Status
					_ = resp.Body.Close()
				}
			}
			_ = visit(ctx, good)
		}()
		return nil
	}
	if _, err := d.client.SignIn(t.Context(), d.profile("mockserver-build"), signin.How{}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if status := <-strangers; status != "404 Not Found" {
			t.Errorf("a forged answer got %s", status)
		}
	}
}

func TestConcurrentSignInsBothSucceed(t *testing.T) {
	d := newDesk(t, sessionConfig)
	p := d.profile("mockserver-build")
	d.client.Show = func(signin.Prompt) {}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := d.client.SignIn(t.Context(), p, signin.How{}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if state, _ := d.client.Cache.State(p, d.now); state != signin.SignedIn {
		t.Error(state)
	}
	if files, _ := os.ReadDir(d.client.Cache.Dir); len(files) != 1 {
		t.Errorf("left %v", files)
	}
}

func TestABrokenCacheFileIsReplaced(t *testing.T) {
	for name, text := range map[string]string{
		"half-written": `{"accessToken":"FAKE`, "empty": "", "a list": "[]", "no expiry": `{"accessToken":"FAKE"}`,
		"the old time format": `{"accessToken":"FAKE","expiresAt":"2026-11-23T13:06:59UTC"}`,
	} {
		d := newDesk(t, sessionConfig)
		p := d.profile("mockserver-build")
		if err := errors.Join(os.MkdirAll(d.client.Cache.Dir, 0o700), os.WriteFile(d.client.Cache.Path(p), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		if state, _ := d.client.Cache.State(p, d.now); state != signin.Broken {
			t.Errorf("%s: %s", name, state)
		}
		if _, err := d.client.SignIn(t.Context(), p, signin.How{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknownMembersOfTheCacheAreKept(t *testing.T) {
	d := newDesk(t, sessionConfig)
	p := d.profile("mockserver-build")
	old := `{"accessToken":"FAKE","expiresAt":"2020-01-01T00:00:00Z","future":{"a":1}}`
	if err := errors.Join(os.MkdirAll(d.client.Cache.Dir, 0o700), os.WriteFile(d.client.Cache.Path(p), []byte(old), 0o600)); err != nil {
		t.Fatal(err)
	}
	if state, _ := d.client.Cache.State(p, d.now); state != signin.Expired {
		t.Error(state)
	}
	if _, err := d.client.SignIn(t.Context(), p, signin.How{}); err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(d.client.Cache.Path(p))
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil || all["future"] == nil || all["region"] != "eu-west-1" {
		t.Errorf("%v, %v", all["region"], err)
	}
}

func TestAssignedRolesAreListed(t *testing.T) {
	d := newDesk(t, sessionConfig)
	p := d.profile("mockserver-build")
	if _, err := d.client.SignIn(t.Context(), p, signin.How{}); err != nil {
		t.Fatal(err)
	}
	roles, err := d.client.Assigned(t.Context(), p)
	if err != nil || len(roles) != 2 || roles[0] != (signin.Role{Account: "123456789012", Name: "AdministratorAccess"}) {
		t.Errorf("%v, %v", roles, err)
	}
}

func TestTheAWSCLIReadsTheSession(t *testing.T) {
	cli, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("skipped: the AWS CLI is not installed; purser's own tests cover the SDK")
	}
	d := newDesk(t, sessionConfig)
	home := t.TempDir()
	d.client.Cache.Dir = filepath.Join(home, ".aws", "sso", "cache")
	if _, err := d.client.SignIn(t.Context(), d.profile("mockserver-build"), signin.How{}); err != nil {
		t.Fatal(err)
	}
	manager := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{}))
	t.Cleanup(manager.Close)
	cmd := exec.CommandContext(t.Context(), cli, "sts", "get-caller-identity", "--profile", "mockserver-build", "--query", "Account", "--output", "text")
	cmd.Env = []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "AWS_CONFIG_FILE=" + d.files.Config, "AWS_ENDPOINT_URL_SSO=" + d.url,
		"AWS_ENDPOINT_URL_SSO_OIDC=" + d.url, "AWS_ENDPOINT_URL_STS=" + manager.URL,
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) == "" {
		t.Errorf("%v: %s%s", err, out, errs.String())
	}
}

package registry_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/realservers"
	"purser/internal/registry"
	sandboxhub "purser/internal/sandbox/hub"
	sandboxregistry "purser/internal/sandbox/registry"
	"purser/internal/transport"
)

// registries are third-party registries whose users have different rights, and the stand-in with every
// way to authenticate. All must behave alike.
var registries = map[string]func(t testing.TB, o ...realservers.Option) *realservers.Registry{
	"docker-registry 2.8 with a token server": realservers.Registry2,
	"distribution 3 with a token server":      realservers.Registry3,
	"docker-registry with Basic auth":         realservers.BasicRegistry,
	"stand-in with a token service":           standIn(sandboxregistry.Config{Auth: sandboxregistry.AuthBearer}),
	"stand-in with access_token alone":        standIn(sandboxregistry.Config{Auth: sandboxregistry.AuthBearer, AccessToken: true, CancelStatus: http.StatusNoContent, AbsoluteURLs: true}),
	"stand-in with two challenges":            standIn(sandboxregistry.Config{Auth: sandboxregistry.AuthBearer, TwoChallenges: true}),
	"stand-in with opaque bearers":            standIn(sandboxregistry.Config{Auth: sandboxregistry.AuthOpaque, CancelStatus: http.StatusMethodNotAllowed}),
	"stand-in with Basic auth":                standIn(sandboxregistry.Config{Auth: sandboxregistry.AuthBasic}),
}

// standIn starts the stand-in like a registry of realservers.
func standIn(cfg sandboxregistry.Config) func(testing.TB, ...realservers.Option) *realservers.Registry {
	return func(t testing.TB, _ ...realservers.Option) *realservers.Registry {
		t.Helper()
		r := &realservers.Registry{
			Push: realservers.User{Name: "ci-push", Password: rand.Text()}, Pull: realservers.User{Name: "ci-pull", Password: rand.Text()},
			Repository: "ci-push/app", Foreign: "else/app",
		}
		accounts := sandboxhub.NewAccounts(time.Now, rand.Reader)
		accounts.Patient = true
		for _, u := range []realservers.User{r.Push, r.Pull} {
			accounts.AddAccount(u.Name, credential.NewSecret(u.Password), false)
		}
		r.End = func(testing.TB) { accounts.AddAccount(r.Push.Name, credential.NewSecret(rand.Text()), false) }
		accounts.AddRepository(r.Repository, r.Push.Name, true)
		accounts.AddRepository(r.Foreign, "else", false)
		server := httptest.NewUnstartedServer(nil)
		r.Host = "localhost:" + server.Listener.Addr().String()[len("127.0.0.1:"):]
		r.URL = "http://" + r.Host
		cfg := cfg
		cfg.Realm, cfg.Service, cfg.Accounts, cfg.Now, cfg.Random = r.URL+"/token", "stand-in", accounts, time.Now, rand.Reader
		handler, err := sandboxregistry.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		server.Config.Handler = handler
		server.Start()
		t.Cleanup(server.Close)
		return r
	}
}

func clientFor(t *testing.T, r *realservers.Registry) *registry.Client {
	t.Helper()
	var carry http.RoundTripper = transport.New(nil)
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		roots, err := transport.Roots(pem, r.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		carry = transport.New(roots)
	}
	return registry.New(registry.Config{Transport: carry})
}

// TestAProofIsGrantedExactlyWhenARealPushWorks compares the proof with what real clients can do, for all
// registries, users and repositories.
func TestAProofIsGrantedExactlyWhenARealPushWorks(t *testing.T) {
	for name, start := range registries {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			realservers.Seed(t, r, r.Repository)
			client := clientFor(t, r)
			users := []realservers.User{r.Push, {Name: r.Push.Name, Password: "wrong-FAKE"}, {Name: "nobody", Password: "nothing-FAKE"}}
			if r.Pull.Name != "" {
				users = append(users, r.Pull)
			}
			repositories := []string{r.Repository, r.Repository + "-new"}
			if r.Foreign != "" {
				repositories = append(repositories, r.Foreign)
			}
			for _, user := range users {
				for _, repository := range repositories {
					agree(t, client, r, user, repository)
				}
			}
		})
	}
}

func agree(t *testing.T, client *registry.Client, r *realservers.Registry, user realservers.User, repository string) {
	t.Helper()
	proof := prove(t, client, r, user, repository, credential.Push, true)
	if proof.Verdict == credential.Unknown {
		t.Errorf("%s on %s: unknown: %v", user.Name, repository, proof.Fault)
	}
	for _, c := range realservers.Clients() {
		if c == realservers.Docker && repository == r.Repository+"-new" {
			continue // without a daemon, docker can only add to an existing image
		}
		t.Run(fmt.Sprintf("%s pushes %s as %s", c, repository, user.Name), func(t *testing.T) {
			err := realservers.Push(t, c, r, repository, user.Name, user.Password)
			if pushed := err == nil; pushed != (proof.Verdict == credential.Granted) {
				t.Errorf("the proof says %v (%v), the push says %v", proof.Verdict, proof.Fault, err)
			}
		})
	}
}

func prove(t *testing.T, client *registry.Client, r *realservers.Registry, user realservers.User, repository string, access credential.Access, allowNew bool) credential.Proof {
	t.Helper()
	host, err := credential.ParseHost(r.Host)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := credential.ParseRepository(host, repository)
	if err != nil {
		t.Fatal(err)
	}
	cred := credential.Credential{Name: "rig", Registry: host, Repositories: []credential.Repository{repo}, Access: access}
	return client.Prove(t.Context(), cred, credential.Login{Username: user.Name, Token: credential.NewSecret(user.Password)}, allowNew)
}

func TestRefusalsOfRealRegistriesHaveReasons(t *testing.T) {
	for name, start := range registries {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			realservers.Seed(t, r, r.Repository)
			client := clientFor(t, r)
			expect := func(what string, p credential.Proof, want credential.Reason) {
				t.Helper()
				if p.Fault == nil || p.Fault.Reason != want {
					t.Errorf("%s: %v %v, want %s", what, p.Verdict, p.Fault, want)
				}
			}
			expect("wrong password", prove(t, client, r, realservers.User{Name: r.Push.Name, Password: "wrong-FAKE"}, r.Repository, credential.Push, false), credential.TokenRefused)
			expect("no such repository", prove(t, client, r, r.Push, r.Repository+"-missing", credential.Push, false), credential.RepositoryMissing)
			if r.Pull.Name == "" {
				return
			}
			expect("pull-only user", prove(t, client, r, r.Pull, r.Repository, credential.Push, false), credential.NotPermitted)
			expect("no rights at all", prove(t, client, r, r.Push, r.Foreign, credential.Push, false), credential.NotPermitted)
			if p := prove(t, client, r, r.Pull, r.Repository, credential.Pull, false); p.Verdict != credential.Granted {
				t.Errorf("the pull-only user may not pull: %v", p.Fault)
			}
			p := prove(t, client, r, r.Push, r.Repository, credential.Pull, false)
			tells := len(p.Repositories) == 1 && len(p.Repositories[0].Actions) > 0
			if p.Verdict != credential.Granted || tells && len(p.Excess) == 0 {
				t.Errorf("a pusher's token for pulling: %v, excess %v (%v)", p.Verdict, p.Excess, p.Fault)
			}
		})
	}
}

func TestAPrivateCAIsTrustedOnlyWhenNamed(t *testing.T) {
	r := realservers.Registry3(t, realservers.WithTLS)
	realservers.Seed(t, r, r.Repository)
	if p := prove(t, clientFor(t, r), r, r.Push, r.Repository, credential.Push, false); p.Verdict != credential.Granted {
		t.Errorf("with the CA named: %v", p.Fault)
	}
	untrusting := registry.New(registry.Config{})
	p := prove(t, untrusting, r, r.Push, r.Repository, credential.Push, false)
	if p.Verdict != credential.Unknown || p.Fault.Reason != credential.RegistryUnreachable {
		t.Errorf("without it: %v %v", p.Verdict, p.Fault)
	}
}

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
	"purser/internal/wire"
)

// fleet is purser in a sandbox with many credentials of one account, which makes and ends
// its tokens without a person.
type fleet struct {
	testing.TB
	app *app
	box *sandbox.Sandbox
	out bytes.Buffer

	mu      sync.Mutex // guards the fields below
	now     time.Time
	asked   map[string]int // requests to the registry, by method and path
	waiting []chan struct{}
	party   int // how many must wait before time passes; 0: nobody waits
}

// goEnding matches words that purser must not say.
var goEnding = regexp.MustCompile(`context (canceled|deadline exceeded)`)

const (
	fleetAccount    = "robot"
	fleetManagement = "fleet/management"
)

// newFleet makes n credentials c000, c001 and so on, with this rotate setting.
func newFleet(tb testing.TB, n int, rotation string) *fleet {
	tb.Helper()
	return newFleetBehind(tb, n, rotation, nil)
}

// newFleetBehind puts a handler in front of all servers.
func newFleetBehind(tb testing.TB, n int, rotation string, around func(http.Handler) http.Handler) *fleet {
	tb.Helper()
	f := &fleet{TB: tb, now: time.Now(), asked: map[string]int{}}
	box, err := sandbox.Start(tb.Context(), sandbox.Options{Now: f.clock, AWSNow: time.Now, Around: around})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = box.Close() })
	f.box = box
	password := credential.NewSecret("FAKE password of " + fleetAccount)
	box.Accounts.AddAccount(fleetAccount, password, false)
	box.Accounts.AddRepository(fleetAccount+"/app", fleetAccount, false)
	f.put(fleetManagement, "hand", credential.ShapePassword, credential.Login{Username: fleetAccount, Token: password})
	var text strings.Builder
	text.WriteString("aws: {region: eu-west-2}\ncredentials:\n")
	for i := range n {
		fmt.Fprintf(&text, "  c%03d: {registry: docker.io, username: %s, repositories: [%s/app], store: {secret: fleet/c%03d}, rotate: {%s}}\n", i, fleetAccount, fleetAccount, i, rotation)
		s, mark := f.store(fmt.Sprintf("fleet/c%03d", i)), credential.Mark{Registry: "docker.io", Name: credential.Name(fmt.Sprintf("c%03d", i))}
		if err := errors.Join(s.Create(tb.Context()), s.Bind(tb.Context(), mark)); err != nil {
			tb.Fatal(err)
		}
	}
	dir := tb.TempDir()
	writeFile(tb, filepath.Join(dir, config.FileName), text.String())
	f.app = &app{
		env: config.Environment{Home: dir, ManagementSecret: fleetManagement}, out: &f.out, err: &f.out, now: f.clock, random: rand.Reader, dir: dir,
		transport: counting{f, box.Transport()}, aws: &wire.LocalAWS{Endpoint: box.SecretsManagerURL}, wait: f.wait,
	}
	return f
}

func (f *fleet) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// counting counts requests.
type counting struct {
	*fleet
	next http.RoundTripper
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.asked[r.Method+" "+r.URL.Path]++
	c.mu.Unlock()
	return c.next.RoundTrip(r)
}

func (f *fleet) requests() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.asked)
}

// meet lets time pass only when enough wait for it.
func (f *fleet) meet(n int) { f.party = n }

func (f *fleet) wait(_ context.Context, d time.Duration) error {
	f.mu.Lock()
	if f.party == 0 {
		f.now = f.now.Add(d)
		f.mu.Unlock()
		return nil
	}
	done := make(chan struct{})
	if f.waiting = append(f.waiting, done); len(f.waiting) == f.party {
		f.now = f.now.Add(d)
		for _, one := range f.waiting {
			close(one)
		}
		f.waiting, f.party = nil, 0
	}
	f.mu.Unlock()
	<-done
	return nil
}

// pass lets time pass.
func (f *fleet) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *fleet) store(secret string) interface {
	Create(context.Context) error
	Bind(context.Context, credential.Mark) error
	Stage(context.Context, credential.VersionID, credential.Secret) error
	Promote(ctx context.Context, id, from credential.VersionID) error
	Describe(context.Context) (credential.Description, error)
} {
	f.Helper()
	w := &wire.Wire{Now: time.Now, AWS: &wire.LocalAWS{Endpoint: f.box.SecretsManagerURL}}
	s, err := w.Bare(f.Context(), credential.Credential{}, credential.Target{Kind: "secret", Name: secret, Region: "eu-west-2"})
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// put stores a login as a person would by hand.
func (f *fleet) put(secret string, id credential.VersionID, shape credential.Shape, login credential.Login) {
	f.Helper()
	value, err := shape.Encode(credential.Secret{}, "docker.io", login)
	if err != nil {
		f.Fatal(err)
	}
	s := f.store(secret)
	if err := s.Create(f.Context()); err != nil {
		f.Fatal(err)
	}
	d, err := s.Describe(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	id += "-000000000000000000000000000000000"
	if err := s.Stage(f.Context(), id, value); err != nil {
		f.Fatal(err)
	}
	from := d.At(credential.Current)
	if from == "" {
		from = id
	}
	if err := s.Promote(f.Context(), id, from); err != nil {
		f.Fatal(err)
	}
}

// byHand stores a person's token in the secrets of n credentials.
func (f *fleet) byHand(n int) {
	f.Helper()
	token, err := f.box.Accounts.AddToken(fleetAccount, sandboxhub.ReadWrite)
	if err != nil {
		f.Fatal(err)
	}
	for i := range n {
		f.put(fmt.Sprintf("fleet/c%03d", i), credential.VersionID(fmt.Sprintf("hand%03d", i)), credential.ShapeToken, credential.Login{Username: fleetAccount, Token: token.Secret})
	}
}

// purser runs a command line and returns its output.
func (f *fleet) purser(want int, args ...string) string {
	f.Helper()
	code, out := f.run(args...)
	if code != want {
		f.Fatalf("%v ended with %d, want %d\n%s", args, code, want, out)
	}
	return out
}

func (f *fleet) run(args ...string) (code int, out string) {
	f.out.Reset()
	a := *f.app
	code = run(f.Context(), args, &a)
	return code, f.out.String()
}

// TestRetiringManyTokensLeavesTheAccountUsable retires more tokens of an account than the
// registry accepts wrong logins.
func TestRetiringManyTokensLeavesTheAccountUsable(t *testing.T) {
	f := newFleet(t, 12, "every: 90d, overlap: 5m")
	f.purser(present.ExitOK, "rotate", "--all")
	f.pass(time.Hour)
	f.purser(present.ExitOK, "rotate", "--all", "--force")
	f.pass(time.Hour)
	out := f.purser(present.ExitOK, "rotate", "--all")
	if n := strings.Count(out, "and the registry refuses it"); n != 3 {
		t.Errorf("%d tokens were tried, want 3", n)
	}
	if n := strings.Count(out, "the registry no longer lists it; purser did not try it, to keep the account from being locked"); n != 9 {
		t.Errorf("%d tokens were looked up in the registry's list, want 9\n%s", n, out)
	}
	f.purser(present.ExitOK, "check")
	if n := len(f.box.Accounts.Tokens(fleetAccount)); n != 12 {
		t.Errorf("%d tokens are left of 12 credentials", n)
	}

	f.purser(present.ExitOK, "rotate", "--all", "--force", "--now")
	out = f.purser(present.ExitOK, "rotate", "--all", "--output", "json")
	if strings.Contains(out, `"retired_proof"`) {
		t.Errorf("nothing was left to retire\n%s", out)
	}
}

func TestAReportSaysHowATokenIsKnownToBeDead(t *testing.T) {
	f := newFleet(t, 5, "every: 90d, overlap: 5m")
	f.purser(present.ExitOK, "rotate", "--all")
	f.purser(present.ExitOK, "rotate", "--all", "--force")
	f.pass(time.Hour)
	out := f.purser(present.ExitOK, "rotate", "--all", "--output", "json")
	for proof, want := range map[string]int{`"retired_proof": "refused"`: 3, `"retired_proof": "not-listed"`: 2} {
		if n := strings.Count(out, proof); n != want {
			t.Errorf("%s %d times, want %d\n%s", proof, n, want, out)
		}
	}
}

// TestRotateDueFindsWhatDoesNotWork: tokens that somebody deleted, and a value that
// somebody stored by hand.
func TestRotateDueFindsWhatDoesNotWork(t *testing.T) {
	f := newFleet(t, 12, "every: 90d, overlap: 1h")
	f.purser(present.ExitOK, "rotate", "--all")
	f.pass(24 * time.Hour)
	f.purser(present.ExitOK, "rotate", "--due")
	for _, token := range f.box.Accounts.Tokens(fleetAccount) {
		f.box.Accounts.Revoke(token.Secret)
	}
	f.put("fleet/c011", "hand", credential.ShapeToken, credential.Login{Username: fleetAccount, Token: credential.NewSecret("dckr_pat_FAKEnonsenseFAKEnonsense00")})
	// The list does not have the one by hand, and purser may have used up the account's
	// tries: then it is unknown until the next run.
	code, out := f.run("rotate", "--due")
	if code == present.ExitUnknown {
		var more string
		code, more = f.run("rotate", "--due")
		out += more
	}
	if n := strings.Count(out, "Due        now: the token in fleet/c"); code != present.ExitOK || n != 12 {
		t.Errorf("%d were due, want 12; the last run ended with %d\n%s", n, code, out)
	}
	f.purser(present.ExitOK, "check")
}

package soak

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"golang.org/x/crypto/ssh"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
	sandboxhub "purser/internal/sandbox/hub"
	sandboxregistry "purser/internal/sandbox/registry"
	"purser/internal/wire"
)

var (
	length = flag.Duration("soak", time.Minute, "how long to run")
	seed   = flag.Uint64("soak-seed", 0, "the seed of a run to repeat; 0: random")
)

// account owns credentials.
type account struct {
	name        string
	credentials []*kept
	env         []string // for its runs
	signers     string   // allowed signers of its receipts; "": no receipts

	mu   sync.Mutex
	runs []string // the latest, for failures
}

type kept struct {
	*account
	name   string
	places []string
	stores []bare
	// broken means that the last command may have left it without a valid token on purpose: a
	// revocation, or an interrupted response to a leak.
	broken atomic.Bool
}

// bare is a place as consumers read it.
type bare interface {
	Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error)
	Describe(ctx context.Context) (credential.Description, error)
}

type soak struct {
	*testing.T
	random   *rand.Rand
	box      *sandbox.Sandbox
	secrets  *sm.Client
	program  string
	dir      string
	accounts []*account

	mu     sync.Mutex // guards strike
	strike func()     // runs at a coming request; nil: nothing does
	after  bool       // after the request takes effect
	in     int        // counts down the requests before it

	steps, kills, faults, pairs, reads atomic.Int64
}

// around runs the armed strike at its request.
func (s *soak) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.mu.Lock()
		strike, after := s.strike, s.after
		if s.in--; s.in > 0 || strike == nil {
			strike = nil
		} else {
			s.strike = nil
		}
		s.mu.Unlock()
		if strike != nil && !after {
			strike()
		}
		next.ServeHTTP(w, req)
		if strike != nil && after {
			strike()
		}
	})
}

func (s *soak) arm(in int, after bool, strike func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in, s.after, s.strike = in, after, strike
}

const repository = "app"

// newSoak makes three accounts with twenty credentials, some of them in two places.
func newSoak(t *testing.T) *soak {
	t.Helper()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("to repeat this run: go test ./internal/soak -soak %s -soak-seed %d", *length, *seed)
	s := &soak{T: t, random: rand.New(rand.NewPCG(*seed, 0)), dir: t.TempDir()}
	var err error
	if s.box, err = sandbox.Start(t.Context(), sandbox.Options{Around: s.around}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.box.Close() })
	s.program = filepath.Join(s.dir, "purser")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.program, "../../cmd/purser").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.secrets = sm.New(sm.Options{Region: "eu-west-2", BaseEndpoint: &s.box.SecretsManagerURL, Credentials: awscredentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", "")})
	s.accounts = []*account{s.newAccount("team1", 7, plain), s.newAccount("team2", 7, recorded), s.newAccount("team3", 6, organization)}
	return s
}

// What differs between accounts.
const (
	plain        = iota // also stores some credentials in files
	recorded            // has a chain of signed receipts
	organization        // an owner makes its tokens
)

func (s *soak) newAccount(name string, n, special int) *account {
	s.Helper()
	a := &account{name: name}
	password, person := credential.NewSecret("FAKE password of "+name), name
	if special == organization {
		person = name + "-owner"
		s.box.Accounts.AddOrganization(name, sandboxhub.Organization{Owners: []string{person}, Allowed: 10_000})
	}
	s.box.Accounts.AddAccount(person, password, false)
	s.box.Accounts.AddRepository(name+"/"+repository, name, false)
	management, _ := json.Marshal(map[string]string{"username": person, "password": password.Reveal()})
	s.put(name+"/management", string(management))
	var text strings.Builder
	home := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Join(home, "work"), 0o700); err != nil {
		s.Fatal(err)
	}
	text.WriteString("aws: {region: eu-west-2}\n")
	if special == recorded {
		a.signers = s.signer(home)
		text.WriteString("receipts: {key: key, file: receipts.jsonl}\n")
	}
	text.WriteString("credentials:\n")
	for i := range n {
		c := &kept{account: a, name: fmt.Sprintf("c%d", i)}
		var targets []string
		for place := range 1 + i%2 {
			secret := fmt.Sprintf("%s/c%d-%d", name, i, place)
			c.places, targets = append(c.places, secret), append(targets, "{secret: "+secret+"}")
			c.stores = append(c.stores, s.store(home, credential.Target{Kind: "secret", Name: secret, Region: "eu-west-2"}))
		}
		if special == plain && i < 2 {
			file := filepath.Join(home, c.name+".age.json")
			c.places, targets, c.stores = append(c.places, file), append(targets, "{file: "+file+"}"), append(c.stores, s.store(home, credential.Target{Kind: "file", Name: file}))
		}
		if i == 2 {
			s.replicate(c.places[0])
		}
		fmt.Fprintf(&text, "  %s: {registry: docker.io, username: %s, repositories: [%s/%s], store: [%s], rotate: {every: 90d}}\n", c.name, name, name, repository, strings.Join(targets, ", "))
		a.credentials = append(a.credentials, c)
	}
	if err := os.WriteFile(filepath.Join(home, "purser.yaml"), []byte(text.String()), 0o600); err != nil {
		s.Fatal(err)
	}
	vars, err := s.box.Environment(home)
	if err != nil {
		s.Fatal(err)
	}
	a.env = append(vars, "HOME="+home, "PATH="+os.Getenv("PATH"), "CI=true", "PURSER_CONFIG="+filepath.Join(home, "purser.yaml"), "PURSER_MANAGEMENT_SECRET_ID="+name+"/management")
	return a
}

// signer makes a signing key for receipts, and the allowed signers file.
func (s *soak) signer(home string) (signers string) {
	s.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		s.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		s.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		s.Fatal(err)
	}
	signers = filepath.Join(home, "allowed_signers")
	line := "soak@example.com namespaces=\"purser-receipt\" " + string(ssh.MarshalAuthorizedKey(key))
	if err := errors.Join(os.WriteFile(filepath.Join(home, "key"), pem.EncodeToMemory(block), 0o600), os.WriteFile(signers, []byte(line), 0o600)); err != nil {
		s.Fatal(err)
	}
	return signers
}

// replicate makes an empty secret with a replica that lags briefly.
func (s *soak) replicate(secret string) {
	s.Helper()
	_, err := s.secrets.CreateSecret(s.Context(), &sm.CreateSecretInput{Name: &secret, ClientRequestToken: aws.String(strings.Repeat("0", 36))})
	if err == nil {
		_, err = s.secrets.ReplicateSecretToRegions(s.Context(), &sm.ReplicateSecretToRegionsInput{SecretId: &secret, AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String("us-east-1")}}})
	}
	if err != nil {
		s.Fatal(err)
	}
	s.box.SecretsManager.LagReplicas(secret, 1, "")
}

func (s *soak) store(home string, t credential.Target) bare {
	s.Helper()
	w := &wire.Wire{
		Now: time.Now, AWS: &wire.LocalAWS{Endpoint: s.box.SecretsManagerURL},
		Env: config.Environment{Home: home, AgeIdentity: filepath.Join(home, ".config", "purser", "identity.txt")},
	}
	one, err := w.Bare(s.Context(), credential.Credential{}, t)
	if err != nil {
		s.Fatal(err)
	}
	return one
}

func (s *soak) put(secret, value string) {
	s.Helper()
	w := &wire.Wire{Now: time.Now, AWS: &wire.LocalAWS{Endpoint: s.box.SecretsManagerURL}}
	one, err := w.Bare(s.Context(), credential.Credential{}, credential.Target{Kind: "secret", Name: secret, Region: "eu-west-2"})
	if err == nil {
		err = errors.Join(one.Create(s.Context()), one.Stage(s.Context(), "put-by-hand-0000000000000000000000000", credential.NewSecret(value)))
	}
	if err != nil {
		s.Fatal(err)
	}
}

// process is purser as an account's scheduler starts it.
func (a *account) process(s *soak, args ...string) *exec.Cmd {
	cmd := exec.Command(s.program, args...)
	cmd.Env, cmd.Dir = a.env, filepath.Join(s.dir, a.name, "work")
	return cmd
}

type ended struct {
	args []string
	code int // -1: killed
	out  string
}

// slow is when a run that waited for another is worth logging.
const slow = 10 * time.Second

// run runs a command with an armed strike.
func (s *soak) run(a *account, armed func(*exec.Cmd), args ...string) ended {
	cmd := a.process(s, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	if armed != nil {
		armed(cmd)
	}
	began := time.Now()
	_ = cmd.Wait() // the caller checks the exit code
	if took := time.Since(began); took > slow {
		s.Logf("%6.1f s, %2d: purser %s", took.Seconds(), cmd.ProcessState.ExitCode(), strings.Join(args, " "))
	}
	done := ended{args, cmd.ProcessState.ExitCode(), out.String()}
	a.remember(began, done)
	return done
}

// recent is how many runs of an account a failure shows.
const recent = 12

func (a *account) remember(began time.Time, done ended) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs = append(a.runs[max(0, len(a.runs)-recent+1):], fmt.Sprintf("%s, %d: purser %s\n%s", began.UTC().Format("15:04:05.000"), done.code, strings.Join(done.args, " "), done.out))
}

// step runs one random command.
func (s *soak) step() {
	s.steps.Add(1)
	a := s.accounts[s.random.IntN(len(s.accounts))]
	c := a.credentials[s.random.IntN(len(a.credentials))]
	commands := []struct {
		weight int
		breaks bool // may leave c without a valid token, as requested
		args   []string
	}{
		{30, false, []string{"rotate", c.name, "--force", "--mint", "--yes"}},
		{15, false, []string{"rotate", c.name, "--force", "--now", "--mint", "--yes"}},
		{8, false, []string{"rotate", "--due", "--yes"}},
		{3, false, []string{"rotate", "--all", "--yes"}},
		{12, false, []string{"rollback", c.name, "--yes"}},
		{8, false, []string{"revoke", c.name, "--previous", "--yes"}},
		{2, true, []string{"revoke", c.name, "--yes"}},
		{6, true, []string{"respond", c.name, "--mint", "--yes", "--since", "1s", "--record", filepath.Join(s.dir, a.name)}},
		{6, false, []string{"store", c.name, "--mint", "--yes"}},
		{4, false, []string{"check", c.name}},
		{2, false, []string{"status"}},
	}
	total := 0
	for _, one := range commands {
		total += one.weight
	}
	at, chosen := s.random.IntN(total), commands[0]
	for _, one := range commands {
		if at -= one.weight; at < 0 {
			chosen = one
			break
		}
	}
	if chosen.breaks {
		c.broken.Store(true)
	}
	for _, done := range s.disturbed(a, chosen.args) {
		s.sound(a, done)
		if done.code == 0 && slices.Contains([]string{"respond", "store", "rotate"}, chosen.args[0]) && chosen.args[1] == c.name {
			c.broken.Store(false) // it says that the current token is valid
		}
	}
	s.look(a, chosen.args)
}

// disturbed runs a command while something goes wrong.
func (s *soak) disturbed(a *account, args []string) []ended {
	in, after := 1+s.random.IntN(40), s.random.IntN(2) == 0
	defer s.arm(0, false, nil)
	switch how := s.random.IntN(10); {
	case how < 3: // killed at a request
		s.kills.Add(1)
		return []ended{s.run(a, func(cmd *exec.Cmd) { s.arm(in, after, func() { _ = cmd.Process.Kill() }) }, args...)}
	case how < 4: // killed at a random time
		s.kills.Add(1)
		wait := time.Duration(s.random.IntN(400)) * time.Millisecond
		return []ended{s.run(a, func(cmd *exec.Cmd) { time.AfterFunc(wait, func() { _ = cmd.Process.Kill() }) }, args...)}
	case how < 6: // a server fails
		s.faults.Add(1)
		defer s.fault(after)()
		return []ended{s.run(a, nil, args...)}
	case how < 8: // another scheduler runs it too
		s.pairs.Add(1)
		both := make([]ended, 2)
		var all sync.WaitGroup
		for i := range both {
			all.Go(func() { both[i] = s.run(a, nil, args...) })
		}
		all.Wait()
		return both
	}
	return []ended{s.run(a, nil, args...)}
}

// fault makes AWS, Docker Hub or its registry fail once.
func (s *soak) fault(after bool) (clear func()) {
	operations := []string{"DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage", "TagResource"}
	kinds := sandboxhub.Faults()
	switch s.random.IntN(3) {
	case 0:
		s.box.SecretsManager.Fault(operations[s.random.IntN(len(operations))], sandboxaws.Fault{Status: http.StatusInternalServerError, After: after})
	case 1:
		s.box.Hub.Fault(kinds[s.random.IntN(len(kinds))], sandbox.Fault{Status: http.StatusServiceUnavailable, After: after})
	default:
		kinds = sandboxregistry.Faults()
		s.box.HubRegistry.Fault(kinds[s.random.IntN(len(kinds))], sandbox.Fault{Status: http.StatusServiceUnavailable})
	}
	return s.box.ClearFaults
}

// sound checks a process's exit code and output.
func (s *soak) sound(a *account, done ended) {
	s.Helper()
	if done.code > 6 || strings.Contains(done.out, "a bug in purser") || strings.Contains(done.out, "too many failed login attempts") {
		s.Errorf("purser %s ended with %d:\n%s", strings.Join(done.args, " "), done.code, done.out)
	}
	for _, text := range []string{"context deadline exceeded", "context canceled"} {
		if strings.Contains(done.out, text) {
			s.Errorf("purser %s says %q", strings.Join(done.args, " "), text)
		}
	}
	for _, t := range s.box.Accounts.Tokens(a.name) {
		if credential.Shows(done.out, t.Secret) {
			s.Errorf("purser %s shows a token", strings.Join(done.args, " "))
		}
	}
}

// look reads all of an account's credentials as consumers do.
func (s *soak) look(a *account, args []string) {
	s.Helper()
	for _, c := range a.credentials {
		for i := range c.stores {
			if why := s.consume(c, i); why != "" {
				s.Errorf("after purser %s: %s: %s", strings.Join(args, " "), c.places[i], why)
			}
		}
	}
}

// consume reads a place, and returns what is wrong with the value.
func (s *soak) consume(c *kept, place int) string {
	_, value, err := c.stores[place].Read(context.Background(), credential.Current)
	s.reads.Add(1)
	if credential.ReasonOf(err) == credential.SecretEmpty || credential.ReasonOf(err) == credential.SecretMissing {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	login, err := credential.ShapeToken.Decode(value, "docker.io")
	if err != nil {
		return err.Error()
	}
	if !s.alive(c.account.name, login.Token) && !c.broken.Load() {
		// The token may have been retired after the read. Then the place has another one now.
		_, again, err := c.stores[place].Read(context.Background(), credential.Current)
		if err == nil && again.Equal(value) && !s.alive(c.account.name, login.Token) {
			return "the current token does not work"
		}
	}
	return ""
}

func (s *soak) alive(owner string, token credential.Secret) bool {
	return slices.ContainsFunc(s.box.Accounts.Tokens(owner), func(t sandboxhub.Token) bool { return t.Active && t.Secret.Equal(token) })
}

// settle runs undisturbed commands at the end, which must repair everything.
func (s *soak) settle() {
	s.Helper()
	for _, a := range s.accounts {
		for _, c := range a.credentials {
			if done := s.run(a, nil, "rotate", c.name, "--force", "--now", "--mint", "--yes"); done.code != 0 {
				s.Errorf("settling: purser %s ended with %d:\n%s", strings.Join(done.args, " "), done.code, done.out)
			}
			c.broken.Store(false)
		}
		if done := s.run(a, nil, "rotate", "--all", "--now", "--yes"); done.code != 0 {
			s.Errorf("settling: purser %s ended with %d:\n%s", strings.Join(done.args, " "), done.code, done.out)
		}
		s.look(a, []string{"settling"})
		s.leftOver(a)
		if a.signers != "" {
			if done := s.run(a, nil, "receipt", "verify", filepath.Join(s.dir, a.name, "receipts.jsonl"), "--signers", a.signers); done.code != 0 {
				s.Errorf("the receipts do not form a chain:\n%s", done.out)
			}
		}
	}
}

// leftOver reports pending versions, places that differ, and live tokens that are stored nowhere.
func (s *soak) leftOver(a *account) {
	s.Helper()
	held := map[credential.VersionID]bool{}
	for _, c := range a.credentials {
		var current credential.VersionID
		for i, place := range c.stores {
			d, err := place.Describe(s.Context())
			if err != nil {
				s.Fatal(err)
			}
			for _, v := range d.Versions {
				held[v.ID] = true
			}
			now, pending := d.At(credential.Current), d.At(credential.Pending)
			if pending != "" && pending != now {
				s.Errorf("%s still has a version in AWSPENDING", c.places[i])
			}
			if current != "" && now != current {
				s.Errorf("%s has a different version from the first place of %s", c.places[i], c.name)
			}
			current = now
		}
	}
	for _, t := range s.box.Accounts.Tokens(a.name) {
		if l, ours := credential.ParseLabel(t.Label); ours && t.Active && !held[l.Version] {
			s.Errorf("no place has the live token %s, made at %s; the runs before:\n%s", t.Label, t.Created.UTC().Format("15:04:05"), strings.Join(a.runs, "\n"))
		}
	}
}

// consumers read all credentials continuously, like build agents.
func (s *soak) consumers(stop <-chan struct{}) *sync.WaitGroup {
	var all sync.WaitGroup
	all.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond) // leaves the CPU to the rest
		defer pace.Stop()
		for n := 0; ; n++ {
			a := s.accounts[n%len(s.accounts)]
			c := a.credentials[n/len(s.accounts)%len(a.credentials)]
			select {
			case <-stop:
				return
			case <-pace.C:
			}
			for i := range c.stores {
				if why := s.consume(c, i); why != "" {
					s.Errorf("a consumer of %s: %s", c.places[i], why)
				}
			}
		}
	})
	return &all
}

func TestTheSoak(t *testing.T) {
	s := newSoak(t)
	for _, a := range s.accounts {
		for _, c := range a.credentials {
			if done := s.run(a, nil, "store", c.name, "--mint", "--yes", "--create"); done.code != 0 {
				t.Fatalf("store the first token of %s: exit code %d\n%s", c.name, done.code, done.out)
			}
		}
	}
	stop := make(chan struct{})
	reading := s.consumers(stop)
	for end := time.Now().Add(*length); time.Now().Before(end) && !t.Failed(); {
		s.step()
	}
	close(stop)
	reading.Wait()
	if !t.Failed() {
		s.settle()
	}
	t.Logf("soak: %d steps, %d killed, %d with a fault, %d in pairs, %d reads by consumers", s.steps.Load(), s.kills.Load(), s.faults.Load(), s.pairs.Load(), s.reads.Load())
}

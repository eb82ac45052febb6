package hub

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"purser/internal/credential"
)

// Level is a personal access token's access level, in Docker Hub's words. Each level includes
// the ones before it.
type Level string

// The levels from low to high.
const (
	PublicRead Level = "repo:public_read"
	Read       Level = "repo:read"
	ReadWrite  Level = "repo:write"
	Admin      Level = "repo:admin"
)

var levelActions = map[Level][]string{
	PublicRead: {"pull"}, Read: {"pull"}, ReadWrite: {"pull", "push"}, Admin: {"pull", "push", "delete", "*"},
}

// Token is a registry token of an account.
type Token struct {
	ID      string // a UUID
	Owner   string
	Level   Level
	Secret  credential.Secret
	Active  bool
	Expires time.Time // zero: never

	Label     string
	Created   time.Time
	LastUsed  time.Time // zero: not yet
	Generated string    // "manual", or what made it

	// Resources lists an organization token's actions by repository; its Owner is the
	// organization. nil for a personal token.
	Resources map[string][]string
}

// lockoutAfter is the number of wrong secrets per user name before the answer is 429. Docker Hub
// does not publish its number.
const lockoutAfter = 10

// Accounts holds the accounts, tokens and repositories that the registry's token service and
// Docker Hub's API share. It is safe for concurrent use.
type Accounts struct {
	now    func() time.Time
	random io.Reader
	// Patient turns lockouts off. Set it before use.
	Patient bool
	// Form is the prefix of personal tokens; "": dckr_pat_. Set it before use.
	Form string
	// LongestLife is the most that a token lives; one that asks for more gets this. 0: any.
	LongestLife time.Duration

	mu            sync.Mutex // guards what follows
	organizations map[string]*Organization
	pushes        map[string]map[string]push // by repository and tag
	log           []logEntry                 // oldest first
	passwords     map[string]password
	tokens        []*Token
	bySecret      map[[sha256.Size]byte]*Token // index of tokens
	repositories  map[string]repository
	failures      map[string]int // wrong secrets in a row, by user name
}

type password struct {
	secret       credential.Secret
	secondFactor bool
	code         string // of the second factor
	sso          bool   // single sign-on is enforced: the password is refused everywhere
}

// Organization is a namespace with owners.
type Organization struct {
	Owners  []string
	NoPlan  bool // its plan does not include access tokens
	Allowed int  // token limit, inactive ones included; 0: ten
}

type repository struct {
	Owner       string
	Public      bool
	Short, Full string // descriptions
}

// NewAccounts returns an empty set of accounts.
func NewAccounts(now func() time.Time, random io.Reader) *Accounts {
	return &Accounts{
		now: now, random: random, passwords: map[string]password{}, repositories: map[string]repository{}, failures: map[string]int{},
		organizations: map[string]*Organization{}, pushes: map[string]map[string]push{}, bySecret: map[[sha256.Size]byte]*Token{},
	}
}

// AddAccount adds an account. With a second factor, its password does not work at the registry.
func (a *Accounts) AddAccount(name string, secret credential.Secret, secondFactor bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.passwords[name] = password{secret: secret, secondFactor: secondFactor, code: DefaultCode}
}

// DefaultCode is the second factor's code for every account.
const DefaultCode = "271828"

// EnforceSSO restricts the account to single sign-on.
func (a *Accounts) EnforceSSO(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.passwords[name]
	p.sso = true
	a.passwords[name] = p
}

// AddOrganization adds an organization. It owns the repositories in its namespace.
func (a *Accounts) AddOrganization(name string, o Organization) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.organizations[name] = &o
}

// Tokens returns copies of an owner's tokens, oldest first.
func (a *Accounts) Tokens(owner string) []Token {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []Token
	for _, t := range a.tokens {
		if t.Owner == owner {
			all = append(all, *t)
		}
	}
	return all
}

// AddRepository adds a repository that belongs to an account.
func (a *Accounts) AddRepository(name, owner string, public bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.repositories[name] = repository{Owner: owner, Public: public}
}

// Practise adds an account without a second factor, unless it exists.
func (a *Accounts) Practise(name string, secret credential.Secret) {
	a.mu.Lock()
	_, there := a.passwords[name]
	a.mu.Unlock()
	if !there {
		a.AddAccount(name, secret, false)
	}
}

// PractiseRepository adds a private repository, unless it exists.
func (a *Accounts) PractiseRepository(name, owner string) {
	if _, there := a.Repository(name); !there {
		a.AddRepository(name, owner, false)
	}
}

// AddToken makes a personal access token. Its secret is 36 characters long, like Docker Hub's,
// and contains FAKE.
func (a *Accounts) AddToken(owner string, level Level) (*Token, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.addToken(cmp.Or(a.Form, "dckr_pat_"), owner, level)
}

func (a *Accounts) addToken(prefix, owner string, level Level) (*Token, error) {
	var b [20]byte
	if _, err := io.ReadFull(a.random, b[:]); err != nil {
		return nil, fmt.Errorf("make a token: %w", err)
	}
	t := &Token{
		ID:    uuid(b[:16]),
		Owner: owner, Level: level, Active: true, Secret: credential.NewSecret(prefix + "FAKE" + letters(b[:], 23)),
		Created: a.now().UTC(), Generated: "manual",
	}
	a.keep(t)
	return t, nil
}

func (a *Accounts) keep(t *Token) {
	a.tokens = append(a.tokens, t)
	a.bySecret[digest(t.Secret)] = t
}

func (a *Accounts) drop(which func(*Token) bool) {
	a.tokens = slices.DeleteFunc(a.tokens, func(t *Token) bool {
		if !which(t) {
			return false
		}
		delete(a.bySecret, digest(t.Secret))
		return true
	})
}

func digest(s credential.Secret) [sha256.Size]byte { return sha256.Sum256([]byte(s.Reveal())) }

// uuid formats random bytes as a version 4 UUID (RFC 9562).
func uuid(random []byte) string {
	b := slices.Clone(random)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// letters spells random bytes in a real token's alphabet.
func letters(b []byte, n int) string {
	const alphabet = "ABCDEFGHJKMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[(int(b[i%len(b)])+i*7)%len(alphabet)]
	}
	return string(out)
}

// SetActive activates or deactivates a token.
func (a *Accounts) SetActive(t *Token, active bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t.Active = active
}

// Principal is the account, and the token if there is one, that a secret authenticated.
type Principal struct {
	Account string
	token   *Token // nil for passwords and anonymous requests
}

// Refusal is a failed sign-in, with the text of Docker Hub's token service.
type Refusal struct {
	Status int
	Text   string
	factor bool // the password is right; the second factor is missing
}

// Revoke deletes a token.
func (a *Accounts) Revoke(secret credential.Secret) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(func(t *Token) bool { return t.Secret.Equal(secret) })
}

// SignIn authenticates a secret. Docker Hub ignores the user name beside a token; it matters only
// beside a password.
func (a *Accounts) SignIn(user string, secret credential.Secret) (Principal, *Refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failures[user] >= lockoutAfter && !a.Patient {
		return Principal{}, &Refusal{Status: 429, Text: "toomanyrequests: too many failed login attempts for username or IP address"}
	}
	if t := a.bySecret[digest(secret)]; t != nil && t.Active && (t.Expires.IsZero() || a.now().Before(t.Expires)) {
		delete(a.failures, user)
		t.LastUsed = a.now().UTC()
		return Principal{t.Owner, t}, nil
	}
	if p, ok := a.passwords[strings.ToLower(user)]; ok && p.secret.Equal(secret) && !p.secret.IsZero() {
		if p.sso {
			return Principal{}, &Refusal{Status: 401, Text: "please use personal access token to login when SSO is enforced"}
		}
		if p.secondFactor {
			return Principal{}, &Refusal{Status: 401, Text: "please use personal access token to login", factor: true}
		}
		return Principal{Account: strings.ToLower(user)}, nil
	}
	a.failures[user]++
	return Principal{}, &Refusal{Status: 401, Text: "incorrect username or password"}
}

// Repository looks a repository up by name.
func (a *Accounts) Repository(name string) (r repository, there bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, there = a.repositories[name]
	return r, there
}

// Adopt adds a repository that a push created. It belongs to its namespace.
func (a *Accounts) Adopt(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.repositories[name]; !ok {
		owner, _, _ := strings.Cut(name, "/")
		a.repositories[name] = repository{Owner: owner, Public: true}
	}
}

// Rights lists what a principal's account may do with a repository, before the token's level
// is applied. An account may create missing repositories in its own namespace.
func (a *Accounts) Rights(p Principal, name string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, ok := a.repositories[name]
	namespace, _, _ := strings.Cut(name, "/")
	if p.token != nil && p.token.Resources != nil {
		return p.token.Resources[name]
	}
	switch {
	case p.Account != "" && (ok && r.Owner == p.Account || !ok && namespace == p.Account):
		return []string{"pull", "push", "delete"}
	case ok && r.Public:
		return []string{"pull"}
	}
	return nil
}

// WithinLevel reports whether a token's level covers all actions.
func (p Principal) WithinLevel(actions []string) bool {
	if p.token == nil || p.token.Resources != nil {
		return true
	}
	for _, a := range actions {
		if !slices.Contains(levelActions[p.token.Level], a) {
			return false
		}
	}
	return true
}

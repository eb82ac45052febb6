package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"purser/internal/atomicfile"
	"purser/internal/credential"
)

// state is what stays in the folder of Options.Data: accounts, tokens, secrets, keys and
// manifests. Blobs lie beside it. Sign-ins and bearers are not in it, for they end by
// themselves; nor are faults.
type state struct {
	Format      int
	Hub, GitHub accountsState
	AWS         awsState
	Root        []byte // the certificate authority, as DER
	RootKey     []byte // PKCS #8
	Example     map[string]written
	Images      map[string][]manifest // by registry
}

// stateFormat grows when a folder of an older purser can no longer be read.
const stateFormat = 1

const stateFile = "state.json"

// ErrData says that a folder cannot be used.
var ErrData = errors.New("the state cannot be used")

// ErrDataInUse says that another sandbox has the folder.
var ErrDataInUse = errors.New("another sandbox keeps its state there")

// written is a secret on its way to the folder: the stand-ins' own are made up, and a
// sandbox that is started again must know them.
type written struct{ secret credential.Secret }

// MarshalJSON writes the text.
func (w written) MarshalJSON() ([]byte, error) { return json.Marshal(w.secret.Reveal()) }

// UnmarshalJSON reads it.
func (w *written) UnmarshalJSON(raw []byte) error {
	var text string
	err := json.Unmarshal(raw, &text)
	w.secret = credential.NewSecret(text)
	return err
}

type tokenState struct {
	Token
	Secret written // in the place of the token's
}

type passwordState struct {
	Secret       written
	SecondFactor bool
	Code         string
	SSO          bool
}

type accountsState struct {
	Organizations map[string]*Organization
	Passwords     map[string]passwordState
	Tokens        []tokenState
	Repositories  map[string]repository
	Pushes        map[string]map[string]push
	Log           []logEntry
}

func (a *Accounts) state() accountsState {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := accountsState{
		Organizations: maps.Clone(a.organizations), Log: slices.Clone(a.log), Passwords: map[string]passwordState{},
		Repositories: maps.Clone(a.repositories), Pushes: map[string]map[string]push{},
	}
	for name, p := range a.passwords {
		out.Passwords[name] = passwordState{written{p.secret}, p.secondFactor, p.code, p.sso}
	}
	for _, t := range a.tokens {
		out.Tokens = append(out.Tokens, tokenState{*t, written{t.Secret}})
	}
	for repo, tags := range a.pushes {
		out.Pushes[repo] = maps.Clone(tags)
	}
	return out
}

func (a *Accounts) restore(from accountsState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = from.Log
	maps.Copy(a.organizations, from.Organizations)
	for name, p := range from.Passwords {
		a.passwords[name] = password{p.Secret.secret, p.SecondFactor, p.Code, p.SSO}
	}
	for _, t := range from.Tokens {
		token := t.Token
		token.Secret = t.Secret.secret
		a.keep(&token)
	}
	maps.Copy(a.repositories, from.Repositories)
	maps.Copy(a.pushes, from.Pushes)
}

// example are the secrets that the sandbox tells whoever started it, by name.
func (s *Sandbox) example() map[string]*credential.Secret {
	return map[string]*credential.Secret{
		"push": &s.PushToken, "second": &s.SecondPushToken, "readonly": &s.ReadOnlyToken, "revoked": &s.RevokedToken,
		"other": &s.OtherToken, "password": &s.Password, "packages": &s.PackagesToken,
	}
}

// openData takes the folder for this sandbox, and reads what an earlier one has left
// there; nil: nothing.
func (s *Sandbox) openData(dir string) (*state, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockFolder(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("use the folder %s: %w", dir, err)
	}
	s.unlock = unlock
	path := filepath.Join(dir, stateFile)
	raw, err := os.ReadFile(path) //nolint:gosec // the person names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // as the comment says
	}
	if err != nil {
		return nil, err
	}
	var found state
	switch err := json.Unmarshal(raw, &found); {
	case err != nil:
		return nil, fmt.Errorf("%s is not a sandbox's state", path)
	case found.Format != stateFormat:
		return nil, fmt.Errorf("%s has format %d, and this purser reads %d", path, found.Format, stateFormat)
	}
	return &found, nil
}

// save writes the state.
func (s *Sandbox) save() error {
	key, err := x509.MarshalPKCS8PrivateKey(s.authority.server.PrivateKey)
	if err != nil {
		return err
	}
	aws, err := s.SecretsManager.state()
	if err != nil {
		return err
	}
	now := state{
		Format: stateFormat, Hub: s.Accounts.state(), GitHub: s.GitHub.state(), AWS: aws,
		Root: s.authority.certificate.Raw, RootKey: key, Example: map[string]written{}, Images: map[string][]manifest{},
	}
	for name, secret := range s.example() {
		now.Example[name] = written{*secret}
	}
	for name, r := range s.registries() {
		now.Images[name] = r.kept()
	}
	raw, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(s.data, stateFile), raw, 0o600)
}

// changes reports whether a request may change what is saved. A last use is saved with the
// next change.
func changes(req *http.Request) bool {
	if req.Method == http.MethodGet || req.Method == http.MethodHead || req.Method == http.MethodConnect {
		return false
	}
	_, operation, aws := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	for _, reads := range []string{"Get", "Describe", "List", "BatchGet", "Lookup", "Sign"} {
		if aws && strings.HasPrefix(operation, reads) {
			return false
		}
	}
	return true
}

// saving saves after each change. Changes that come while one is saved are saved together.
func (s *Sandbox) saving(h http.Handler) http.Handler {
	if s.data == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer func() {
			if changes(req) {
				select {
				case s.changed <- struct{}{}:
				default: // one is waiting
				}
			}
		}()
		h.ServeHTTP(w, req)
	})
}

// keepSaving ends when stop is closed, with a last save.
func (s *Sandbox) keepSaving(stop <-chan struct{}) {
	defer close(s.saved)
	for {
		select {
		case <-s.changed:
			s.saveError = s.save()
		case <-stop:
			s.saveError = s.save()
			return
		}
	}
}

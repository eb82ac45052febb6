package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"purser/internal/sandbox/registry"

	"purser/internal/sandbox/hub"

	"purser/internal/sandbox/aws"

	"purser/internal/sandbox/saved"

	"purser/internal/atomicfile"
	"purser/internal/credential"
	"purser/internal/filelock"
)

// state is the content of Options.Data, except blobs, which have files of their own. Sign-ins
// and bearers are short-lived, so they are not saved; nor are faults.
type state struct {
	Format      int
	Hub, GitHub hub.State
	AWS         aws.State
	Root        []byte // the certificate authority, as DER
	RootKey     []byte // PKCS #8
	Example     map[string]saved.Secret
	Images      map[string][]registry.Manifest // by registry
}

// stateFormat increases when purser can no longer read older folders.
const stateFormat = 1

const stateFile = "state.json"

// ErrData means that the data folder is unusable.
var ErrData = errors.New("cannot use the sandbox's state")

// ErrDataInUse means that another sandbox uses the folder.
var ErrDataInUse = errors.New("another sandbox is using it")

// example lists the example's secrets by name.
func (s *Sandbox) example() map[string]*credential.Secret {
	return map[string]*credential.Secret{
		"push": &s.PushToken, "second": &s.SecondPushToken, "readonly": &s.ReadOnlyToken, "revoked": &s.RevokedToken,
		"other": &s.OtherToken, "password": &s.Password, "packages": &s.PackagesToken,
	}
}

// openData locks the folder and reads the state in it; nil: it has none.
func (s *Sandbox) openData(dir string) (*state, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockFolder(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("use folder %s: %w", dir, err)
	}
	s.unlock = unlock
	path := filepath.Join(dir, stateFile)
	raw, err := os.ReadFile(path) //nolint:gosec // the person names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a new folder has no state
	}
	if err != nil {
		return nil, err
	}
	var found state
	switch err := json.Unmarshal(raw, &found); {
	case err != nil:
		return nil, fmt.Errorf("%s is not a sandbox state file", path)
	case found.Format != stateFormat:
		return nil, fmt.Errorf("%s has format %d; this purser reads format %d", path, found.Format, stateFormat)
	}
	return &found, nil
}

// lockFolder takes a lock that the system releases when the process ends, however it ends.
func lockFolder(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // in the folder that the person names
	if err != nil {
		return nil, err
	}
	if err := filelock.Try(f); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		_ = f.Close() // nothing was written
		if errors.Is(err, filelock.ErrHeld) {
			err = ErrDataInUse
		}
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

func (s *Sandbox) save() error {
	key, err := x509.MarshalPKCS8PrivateKey(s.authority.server.PrivateKey)
	if err != nil {
		return err
	}
	aws, err := s.SecretsManager.State()
	if err != nil {
		return err
	}
	now := state{
		Format: stateFormat, Hub: s.Accounts.State(), GitHub: s.GitHub.State(), AWS: aws,
		Root: s.authority.certificate.Raw, RootKey: key, Example: map[string]saved.Secret{}, Images: map[string][]registry.Manifest{},
	}
	for name, secret := range s.example() {
		now.Example[name] = saved.Secret{Value: *secret}
	}
	for name, r := range s.registries() {
		now.Images[name] = r.Kept()
	}
	raw, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(s.data, stateFile), raw, 0o600)
}

// changes reports whether a request may change the saved state. A token's last use is saved
// with the next change.
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

// saving triggers a save after each change. Changes during a save share the next one.
func (s *Sandbox) saving(h http.Handler) http.Handler {
	if s.data == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer func() {
			if changes(req) {
				select {
				case s.changed <- struct{}{}:
				default: // a save is already due
				}
			}
		}()
		h.ServeHTTP(w, req)
	})
}

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

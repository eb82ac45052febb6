package signin

import (
	"cmp"
	"crypto/sha1" //nolint:gosec // the name of a file, as AWS's tools make it
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"purser/internal/atomicfile"
	"purser/internal/boundedfile"
	"purser/internal/credential"
)

// State is how far a profile of IAM Identity Center is signed in.
type State string

// The states.
const (
	SignedIn    State = "signed in"
	Refreshable State = "expired; purser can renew it without asking"
	Expired     State = "expired"
	Never       State = "never signed in on this machine"
	Broken      State = "its cache file is unreadable"
)

// Cache is the folder where AWS's tools keep IAM Identity Center's tokens. No variable moves it.
type Cache struct{ Dir string }

// token is a cache file with the members that AWS CLI v2 and the SDKs read. Other members are preserved.
type token struct {
	StartURL            string
	Region              string
	Access              credential.Secret
	Expires             time.Time
	ClientID            string
	ClientSecret        credential.Secret
	RegistrationExpires time.Time
	Refresh             credential.Secret
}

// Path returns the profile's cache file. Its name is the SHA-1 of the session's name, or of the start
// URL without a session.
func (c Cache) Path(p Profile) string {
	sum := sha1.Sum([]byte(cmp.Or(p.Session, p.StartURL))) //nolint:gosec // AWS's tools name the file like this
	return filepath.Join(c.Dir, hex.EncodeToString(sum[:])+".json")
}

// State returns how far a profile is signed in, and until when.
func (c Cache) State(p Profile, now time.Time) (State, time.Time) {
	t, err := c.load(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Never, time.Time{}
	case err != nil:
		return Broken, time.Time{}
	case now.Before(t.Expires):
		return SignedIn, t.Expires
	case !t.Refresh.IsZero() && now.Before(t.RegistrationExpires):
		return Refreshable, t.Expires
	}
	return Expired, t.Expires
}

// cacheLimit is far above any real cache file, in bytes.
const cacheLimit = 256 << 10

func (c Cache) load(p Profile) (token, error) {
	raw, err := c.raw(p)
	if err != nil {
		return token{}, err
	}
	text := func(key string) string { s, _ := raw[key].(string); return s }
	t := token{
		StartURL: text("startUrl"), Region: text("region"), ClientID: text("clientId"),
		Access: credential.NewSecret(text("accessToken")), Refresh: credential.NewSecret(text("refreshToken")), ClientSecret: credential.NewSecret(text("clientSecret")),
	}
	t.Expires, err = time.Parse(time.RFC3339, text("expiresAt"))
	if err != nil || t.Access.IsZero() {
		return token{}, errors.New("it has no token with an expiry")
	}
	t.RegistrationExpires, _ = time.Parse(time.RFC3339, text("registrationExpiresAt"))
	return t, nil
}

// raw returns the file's content. It drops the parser's error, which may quote it.
func (c Cache) raw(p Profile) (map[string]any, error) {
	text, err := boundedfile.Read(c.Path(p), cacheLimit)
	if err != nil {
		return nil, err
	}
	var raw map[string]any
	if json.Unmarshal(text, &raw) != nil {
		return nil, errors.New("it is not JSON")
	}
	return raw, nil
}

// save replaces the file atomically, so that readers and concurrent sign-ins see one complete token.
func (c Cache) save(p Profile, t token) error {
	raw, err := c.raw(p)
	if err != nil {
		raw = map[string]any{} // replaces a half-written file
	}
	stamp := func(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }
	raw["startUrl"], raw["region"] = t.StartURL, t.Region
	raw["accessToken"], raw["expiresAt"] = t.Access.Reveal(), stamp(t.Expires)
	raw["clientId"], raw["clientSecret"] = t.ClientID, t.ClientSecret.Reveal()
	raw["registrationExpiresAt"] = stamp(t.RegistrationExpires)
	delete(raw, "refreshToken")
	if !t.Refresh.IsZero() {
		raw["refreshToken"] = t.Refresh.Reveal()
	}
	text, err := json.Marshal(raw)
	if err != nil {
		return fmt.Errorf("write the sign-in: %w", err)
	}
	return atomicfile.Write(c.Path(p), text, 0o600)
}

// drop removes the sign-in, if there is one.
func (c Cache) drop(p Profile) error {
	if err := os.Remove(c.Path(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the sign-in: %w", err)
	}
	return nil
}

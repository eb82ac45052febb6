package signin

import (
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
	Refreshable State = "expired, and it can be renewed without asking"
	Expired     State = "expired"
	Never       State = "never signed in on this machine"
	Broken      State = "its cache file cannot be read"
)

// Cache is where AWS's tools keep the tokens of IAM Identity Center. There is no
// variable that moves it.
type Cache struct{ Dir string }

// token is a cache file. AWS CLI v2 and the SDKs read these members; others are
// kept as they are.
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

// Path is the profile's cache file: named by the SHA-1 of the session's name,
// or of the start URL for a profile without a session.
func (c Cache) Path(p Profile) string {
	key := p.Session
	if key == "" {
		key = p.StartURL
	}
	sum := sha1.Sum([]byte(key)) //nolint:gosec // the name of a file, as AWS's tools make it
	return filepath.Join(c.Dir, hex.EncodeToString(sum[:])+".json")
}

// State says how far a profile is signed in, and until when.
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
		return token{}, errors.New("it holds no token with an end")
	}
	t.RegistrationExpires, _ = time.Parse(time.RFC3339, text("registrationExpiresAt"))
	return t, nil
}

// raw is the file as it stands. The parser's error is dropped: it may quote.
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

// save replaces the file whole, so that a second sign-in at once, or a reader,
// finds one token or the other.
func (c Cache) save(p Profile, t token) error {
	raw, err := c.raw(p)
	if err != nil {
		raw = map[string]any{} // a half-written one is replaced
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

// drop removes the sign-in; one that is not there is gone already.
func (c Cache) drop(p Profile) error {
	if err := os.Remove(c.Path(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the sign-in: %w", err)
	}
	return nil
}

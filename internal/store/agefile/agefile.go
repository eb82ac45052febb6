// Package agefile stores a credential's token in a file encrypted with age, the default
// store, which needs nothing else. kind.go describes the kind, format.go has the file's
// format, crypt.go its keys.
package agefile

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"purser/internal/credential"
)

// Config describes one encrypted file.
type Config struct {
	Path string
	// Identity is the path of the age identity that opens the file. If there is none, it is in
	// the keychain. If it is nowhere, the first write creates it, in the keychain if it can.
	Identity string
	Keychain Keychain // nil: none
	// KeychainOnly means that no file has the identity. Identity then only names the lock
	// under which it is made.
	KeychainOnly bool
	// Passphrase asks for a passphrase; nil: use the identity. confirm is set while the file
	// has no value, so that a typing error does not lock it.
	Passphrase func(ctx context.Context, confirm bool) (credential.Secret, error)
	Now        func() time.Time // nil: time.Now
	WorkFactor int              // of scrypt, as the power of two; 0: age's default
}

// File keeps a credential in a file with the three stages of Secrets Manager. Each value is
// encrypted by itself; ids, stages and dates are plain, so that Describe needs no key.
type File struct {
	cfg        Config
	passphrase credential.Secret // "" until asked for
}

// New returns a store of an existing or future file, without touching it.
func New(cfg Config) *File {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &File{cfg: cfg}
}

// Open names the key.
func (a *File) Open(ctx context.Context) (string, error) {
	if a.cfg.Passphrase != nil {
		return "a passphrase, asked for when it is needed", nil
	}
	inFile, later := "age identity "+a.cfg.Identity, ", made on the first write"
	if !a.cfg.KeychainOnly {
		if err := checkIdentity(a.cfg.Identity); err == nil {
			return inFile, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if a.cfg.Keychain == nil {
		return inFile + later, nil
	}
	inKeychain := "age identity in " + a.cfg.Keychain.Name()
	switch _, err := a.cfg.Keychain.Get(ctx); {
	case err == nil:
		return inKeychain, nil
	case errors.Is(err, fs.ErrNotExist):
		return inKeychain + later, nil
	case errors.Is(err, errors.ErrUnsupported) && !a.cfg.KeychainOnly:
		return inFile + later, nil
	}
	_, err := a.fromKeychain(ctx)
	return "", err
}

// Describe reads the plain part.
func (a *File) Describe(context.Context) (credential.Description, error) {
	file, info, err := a.load()
	if err != nil {
		return credential.Description{}, err
	}
	d := credential.Description{Where: a.cfg.Path, Changed: info.ModTime(), Mark: file.mark()}
	if file.Made != nil {
		// Many machines may have the same path, but not the same nanosecond.
		d.Home = a.cfg.Path + " " + file.Made.Format(time.RFC3339Nano)
	}
	for _, v := range file.Versions {
		d.Versions = append(d.Versions, credential.Version{ID: v.ID, Stages: slices.Clone(v.Stages)})
		if v.Expires != nil && slices.Contains(v.Stages, credential.Current) {
			d.Expires = *v.Expires
		}
	}
	return d, nil
}

// Read decrypts the value in a stage.
func (a *File) Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error) {
	file, _, err := a.load()
	if err != nil {
		return "", credential.Secret{}, err
	}
	v := file.at(at)
	if v == nil {
		return "", credential.Secret{}, &credential.Fault{
			Reason: credential.SecretEmpty, Target: a.target(), What: a.cfg.Path + " holds no value in " + string(at),
		}
	}
	value, registry, err := a.decrypt(ctx, v)
	if err != nil {
		return v.ID, value, err
	}
	if says := file.registry(v); says != registry && says != credential.Elsewhere {
		return v.ID, credential.Secret{}, a.fault(a.cfg.Path+" was tampered with", "its mark names another registry than the encrypted value does")
	}
	return v.ID, value, nil
}

// Bind writes the mark into the file, and into each value that it covers.
func (a *File) Bind(ctx context.Context, m credential.Mark) error {
	m.Via = ""
	return a.change(ctx, func(c *content) error {
		c.Mark = m.String()
		for i := range c.Versions {
			v := &c.Versions[i]
			if c.registry(v) != m.Registry {
				continue
			}
			value, registry, err := a.decrypt(ctx, v)
			if err == nil && registry != m.Registry {
				v.Value, err = a.encrypt(ctx, v.ID, m.Registry, value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, false)
}

// Create creates the file without a version.
func (a *File) Create(ctx context.Context) error {
	return a.change(ctx, func(*content) error { return nil }, true)
}

// Stage encrypts a value as a new version in AWSPENDING.
func (a *File) Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error {
	file, _, err := a.load()
	if err != nil {
		return untouched(err)
	}
	if err := a.opens(ctx, file); err != nil {
		return untouched(err)
	}
	// Encrypt before taking the lock: it may ask for a passphrase.
	sealed, err := a.encrypt(ctx, id, file.mark().For(id, credential.Pending), value)
	if err != nil {
		return untouched(err)
	}
	return a.change(ctx, func(c *content) error {
		if v := c.find(id); v != nil {
			return a.same(ctx, v, value)
		}
		if c.Mark != file.Mark {
			return &credential.Fault{Reason: credential.MidRotation, Target: a.target(), What: "somebody else bound the file to a registry meanwhile", Why: "nothing was changed"}
		}
		if len(file.Versions) == 0 { // somebody may have stored the first one meanwhile
			if err := a.opens(ctx, c); err != nil {
				return err
			}
		}
		c.Versions = append(c.Versions, version{ID: id, Created: a.cfg.Now().UTC(), Value: sealed})
		c.give(id, credential.Pending)
		if c.at(credential.Current) == nil {
			c.give(id, credential.Current)
		}
		return nil
	}, false)
}

// opens fails if the key does not open the file's values. Otherwise a mistyped passphrase,
// or a new identity on another machine, would store a value that the file's readers cannot
// open.
func (a *File) opens(ctx context.Context, c *content) error {
	if len(c.Versions) == 0 {
		return nil
	}
	v := c.at(credential.Current)
	if v == nil {
		v = &c.Versions[0]
	}
	_, _, err := a.decrypt(ctx, v)
	return err
}

// same fails if the version holds another value. If it holds this one, the version keeps
// its stages, as at AWS.
func (a *File) same(ctx context.Context, v *version, value credential.Secret) error {
	stored, _, err := a.decrypt(ctx, v)
	if err == nil && !stored.Equal(value) {
		return &credential.Fault{Reason: credential.StoreRefused, Target: a.target(), What: "another value already has this version id"}
	}
	return err
}

// Promote compares and swaps AWSCURRENT.
func (a *File) Promote(ctx context.Context, id, from credential.VersionID) error {
	return a.change(ctx, func(c *content) error {
		var current credential.VersionID
		if v := c.at(credential.Current); v != nil {
			current = v.ID
		}
		if current != id {
			if current != from || c.find(id) == nil {
				return &credential.Fault{
					Reason: credential.MidRotation, Target: a.target(), What: "somebody else moved the file's stages meanwhile", Why: "nothing more was changed",
				}
			}
			c.take(credential.Previous)
			if from != "" {
				c.give(from, credential.Previous)
			}
			c.give(id, credential.Current)
		}
		if v := c.at(credential.Pending); v != nil && v.ID == id {
			c.take(credential.Pending)
		}
		return nil
	}, false)
}

// Unstage takes AWSPENDING off the version. save drops a version without a stage.
func (a *File) Unstage(ctx context.Context, id credential.VersionID) error {
	return a.change(ctx, func(c *content) error {
		if v := c.at(credential.Pending); v != nil && v.ID == id {
			c.take(credential.Pending)
		}
		return nil
	}, false)
}

// SetExpiry notes when the version's token expires.
func (a *File) SetExpiry(ctx context.Context, id credential.VersionID, at time.Time) error {
	return a.change(ctx, func(c *content) error {
		if v := c.find(id); v != nil {
			v.Expires = new(at.UTC())
		}
		return nil
	}, false)
}

func (a *File) target() credential.Target { return credential.Target{Kind: Key, Name: a.cfg.Path} }

func (a *File) fault(what, why string) *credential.Fault {
	return &credential.Fault{Reason: credential.StoreFile, Target: a.target(), What: what, Why: why}
}

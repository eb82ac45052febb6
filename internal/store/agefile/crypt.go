package agefile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/armor"

	"purser/internal/boundedfile"
	"purser/internal/credential"
	"purser/internal/fileaccess"
)

// envelope is the plaintext of a value. The version's id and the registry in it reveal a
// value that was moved to another version, and a forged mark.
type envelope struct {
	ID       credential.VersionID `json:"id"`
	Registry credential.Host      `json:"registry,omitempty"` // "": not marked
	Value    string               `json:"value"`
}

func (a *File) encrypt(ctx context.Context, id credential.VersionID, registry credential.Host, value credential.Secret) (string, error) {
	to, err := a.recipient(ctx)
	if err != nil {
		return "", err
	}
	text := value.Reveal()
	plain, err := json.Marshal(envelope{id, registry, text})
	if err != nil || !utf8.ValidString(text) { // JSON would change such a value
		return "", a.fault("the value cannot be encrypted", "it is not text")
	}
	var sealed bytes.Buffer
	letters := armor.NewWriter(&sealed)
	w, err := age.Encrypt(letters, to)
	if err != nil {
		return "", a.fault("the value cannot be encrypted", err.Error())
	}
	_, err = w.Write(plain)
	if err := errors.Join(err, w.Close(), letters.Close()); err != nil {
		return "", a.fault("the value cannot be encrypted", err.Error())
	}
	return sealed.String(), nil
}

// decrypt opens a version. It also returns the registry encrypted with the value.
func (a *File) decrypt(ctx context.Context, v *version) (credential.Secret, credential.Host, error) {
	none := credential.Secret{}
	with, who, err := a.identity(ctx)
	if err != nil {
		return none, "", err
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(v.Value)), with)
	if err != nil {
		a.passphrase = credential.Secret{} // ask again after a wrong one
		return none, "", a.fault("purser cannot decrypt "+a.cfg.Path, who+" is not the one it was encrypted for, or the file is damaged")
	}
	plain, err := io.ReadAll(io.LimitReader(r, sizeLimit))
	var e envelope
	if err != nil || json.Unmarshal(plain, &e) != nil {
		return none, "", a.fault(a.cfg.Path+" is damaged", "a value in it is incomplete")
	}
	if e.ID != v.ID {
		return none, "", a.fault(a.cfg.Path+" was tampered with", "a value in it comes from another version")
	}
	return credential.NewSecret(e.Value), e.Registry, nil
}

func (a *File) identity(ctx context.Context) (age.Identity, string, error) {
	if a.cfg.Passphrase != nil {
		if err := a.ask(ctx, false); err != nil {
			return nil, "", err
		}
		id, err := age.NewScryptIdentity(a.passphrase.Reveal())
		if err != nil {
			return nil, "", a.fault("the passphrase cannot be used", "it is empty")
		}
		if a.cfg.WorkFactor > 0 {
			id.SetMaxWorkFactor(a.cfg.WorkFactor)
		}
		return id, "the passphrase", nil
	}
	k, err := a.loadIdentity()
	return k.identity, "the identity " + a.cfg.Identity, err
}

// key is an age identity with its public side.
type key struct {
	identity  age.Identity
	recipient age.Recipient
}

func (a *File) recipient(ctx context.Context) (age.Recipient, error) {
	if a.cfg.Passphrase != nil {
		d, err := a.Describe(ctx)
		if err := a.ask(ctx, err != nil || len(d.Versions) == 0); err != nil {
			return nil, err
		}
		to, err := age.NewScryptRecipient(a.passphrase.Reveal())
		if err != nil {
			return nil, a.fault("the passphrase cannot be used", "it is empty")
		}
		if a.cfg.WorkFactor > 0 {
			to.SetWorkFactor(a.cfg.WorkFactor)
		}
		return to, nil
	}
	k, err := a.loadIdentity()
	if errors.Is(err, fs.ErrNotExist) {
		k, err = a.makeIdentity()
	}
	return k.recipient, err
}

func (a *File) ask(ctx context.Context, confirm bool) error {
	if !a.passphrase.IsZero() {
		return nil
	}
	p, err := a.cfg.Passphrase(ctx, confirm)
	a.passphrase = p
	return err
}

const identityLimit = 64 << 10

// checkIdentity refuses a key that other users can read.
func checkIdentity(path string) error {
	if err := boundedfile.Check(path, identityLimit); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if forbid := fileaccess.Readers(path, info); forbid != "" {
		return &credential.Fault{
			Reason: credential.StoreFile, What: "other users can read the identity " + path, Why: "restrict it: " + forbid,
		}
	}
	return nil
}

// loadIdentity reads the native age identity. For a missing one it returns a fault that
// wraps fs.ErrNotExist.
func (a *File) loadIdentity() (key, error) {
	if err := checkIdentity(a.cfg.Identity); err != nil {
		if f, ok := errors.AsType[*credential.Fault](err); ok {
			return key{}, f
		}
		f := a.fault("the age identity "+a.cfg.Identity+" cannot be read", cause(err))
		f.Err = err
		return key{}, f
	}
	text, err := boundedfile.Read(a.cfg.Identity, identityLimit)
	if err != nil {
		return key{}, a.fault("the age identity cannot be read", cause(err))
	}
	all, err := age.ParseIdentities(bytes.NewReader(text))
	if err == nil && len(all) == 1 {
		switch id := all[0].(type) {
		case *age.X25519Identity:
			return key{id, id.Recipient()}, nil
		case *age.HybridIdentity:
			return key{id, id.Recipient()}, nil
		}
	}
	return key{}, a.fault("the age identity "+a.cfg.Identity+" cannot be used", "it is not a file with one AGE-SECRET-KEY line, as age-keygen makes it")
}

// makeIdentity creates the key. Two processes at once end with the same one: the link fails
// for the second, which then reads the first's.
func (a *File) makeIdentity() (key, error) {
	if err := writeIdentity(a.cfg.Identity); err != nil {
		return key{}, a.fault("the age identity cannot be created", cause(err))
	}
	return a.loadIdentity()
}

func writeIdentity(path string) error {
	id, err := age.GenerateHybridIdentity() // what age advises since 1.3
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text := "# made by purser for its encrypted files; keep it: they cannot be decrypted without it\n# public key: " + id.Recipient().String() + "\n" + id.String() + "\n"
	f, err := os.CreateTemp(dir, ".identity-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir) // before anything is encrypted with it
}

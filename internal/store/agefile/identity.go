package agefile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"purser/internal/boundedfile"
	"purser/internal/credential"
	"purser/internal/fileaccess"
)

// Keychain is the system's own keychain, with room for one identity.
type Keychain interface {
	Name() string // such as "the macOS Keychain"
	// Get returns fs.ErrNotExist if it has no identity, and wraps errors.ErrUnsupported if
	// there is no keychain.
	Get(ctx context.Context) (credential.Secret, error)
	Set(ctx context.Context, identity credential.Secret) error
}

// key is an age identity with its public side.
type key struct {
	identity  age.Identity
	recipient age.Recipient
	where     string // for people
}

// places lists where an identity may be, in the order in which purser looks. There may be
// one in both: somebody who worked without the keychain for a while has a file too.
func (a *File) places() []func(context.Context) (key, error) {
	var all []func(context.Context) (key, error)
	if !a.cfg.KeychainOnly {
		all = append(all, func(context.Context) (key, error) { return a.fromFile() })
	}
	if a.cfg.Keychain != nil {
		all = append(all, a.fromKeychain)
	}
	return all
}

// firstKey returns the identity for encrypting. The error wraps fs.ErrNotExist if there is
// none.
func (a *File) firstKey(ctx context.Context) (k key, err error) {
	for _, find := range a.places() {
		if k, err = find(ctx); !errors.Is(err, fs.ErrNotExist) {
			return k, err
		}
	}
	return key{}, a.noKey()
}

// noKey is the fault for an identity that is nowhere. It wraps fs.ErrNotExist.
func (a *File) noKey() *credential.Fault {
	f := a.fault("the age identity "+a.cfg.Identity+" cannot be read", "there is no such file")
	switch {
	case a.cfg.KeychainOnly:
		f = a.fault("there is no age identity", a.cfg.Keychain.Name()+" has none")
	case a.cfg.Keychain != nil:
		f = a.fault("there is no age identity", "there is no file "+a.cfg.Identity+", and "+a.cfg.Keychain.Name()+" has none")
	}
	f.Err = fs.ErrNotExist
	return f
}

// makeKey makes an identity, in the keychain if there is one. Two processes at once end with
// the same one.
func (a *File) makeKey(ctx context.Context) (key, error) {
	if a.cfg.Keychain == nil {
		return a.makeFile()
	}
	if err := os.MkdirAll(filepath.Dir(a.cfg.Identity), private); err != nil {
		return key{}, a.notMade(err)
	}
	unlock, err := lockFile(ctx, a.cfg.Identity+".lock")
	if err != nil {
		return key{}, a.notMade(err)
	}
	defer unlock()
	if k, err := a.firstKey(ctx); !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return key{}, a.notMade(err)
	}
	made := credential.NewSecret(id.String())
	if err = a.cfg.Keychain.Set(ctx, made); err == nil {
		var kept credential.Secret
		if kept, err = a.cfg.Keychain.Get(ctx); err == nil && kept.Equal(made) { // before anything is encrypted with it
			return a.fromKeychain(ctx)
		}
	}
	if a.cfg.KeychainOnly || ctx.Err() != nil {
		return key{}, a.notMade(fmt.Errorf("%s did not keep it: %w", a.cfg.Keychain.Name(), cmp.Or(err, io.ErrUnexpectedEOF)))
	}
	return a.makeFile()
}

func (a *File) notMade(err error) *credential.Fault {
	f := a.fault("the age identity cannot be created", cause(err))
	f.Err = err
	return f
}

// fromKeychain reads the identity in the keychain.
func (a *File) fromKeychain(ctx context.Context) (key, error) {
	where := "the age identity in " + a.cfg.Keychain.Name()
	text, err := a.cfg.Keychain.Get(ctx)
	switch absent := errors.Is(err, errors.ErrUnsupported) && !a.cfg.KeychainOnly; {
	case errors.Is(err, fs.ErrNotExist), absent:
		return key{}, a.noKey()
	case err != nil:
		f := a.fault(where+" cannot be read", credential.Quote(err.Error())+"; PURSER_AGE_IDENTITY can name a file instead")
		f.Err = err
		return key{}, f
	}
	k, ok := parse(text.Reveal())
	if !ok {
		return key{}, a.fault(where+" cannot be used", "it is not one AGE-SECRET-KEY line")
	}
	k.where = where
	return k, nil
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

// fromFile reads the native age identity.
func (a *File) fromFile() (key, error) {
	switch err := checkIdentity(a.cfg.Identity); {
	case errors.Is(err, fs.ErrNotExist):
		return key{}, a.noKey()
	case err != nil:
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
	k, ok := parse(string(text))
	if !ok {
		return key{}, a.fault("the age identity "+a.cfg.Identity+" cannot be used", "it is not a file with one AGE-SECRET-KEY line, as age-keygen makes it")
	}
	k.where = "the identity " + a.cfg.Identity
	return k, nil
}

func parse(text string) (k key, ok bool) {
	all, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil || len(all) != 1 {
		return key{}, false
	}
	switch id := all[0].(type) {
	case *age.X25519Identity:
		return key{identity: id, recipient: id.Recipient()}, true
	case *age.HybridIdentity:
		return key{identity: id, recipient: id.Recipient()}, true
	}
	return key{}, false
}

// makeFile creates the file. Of two processes at once, the link fails for the second, which
// then reads the first's.
func (a *File) makeFile() (key, error) {
	if err := writeIdentity(a.cfg.Identity); err != nil {
		return key{}, a.notMade(err)
	}
	return a.fromFile()
}

const private = 0o700

func writeIdentity(path string) error {
	id, err := age.GenerateHybridIdentity() // what age advises since 1.3
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, private); err != nil {
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

package agefile_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"purser/internal/credential"
	"purser/internal/store/agefile"
)

// keychain is a keychain in memory.
type keychain struct {
	mu      sync.Mutex
	text    credential.Secret
	broken  error
	forgets bool
}

func (k *keychain) Name() string { return "the test's keychain" }

func (k *keychain) Get(context.Context) (credential.Secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken == nil && k.text.IsZero() {
		return k.text, fs.ErrNotExist
	}
	return k.text, k.broken
}

func (k *keychain) Set(_ context.Context, text credential.Secret) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.forgets {
		k.text = text
	}
	return k.broken
}

var (
	errNone   = fmt.Errorf("%w: no bus", errors.ErrUnsupported)
	errLocked = errors.New("it is locked")
)

func (h ageHome) with(k agefile.Keychain, only bool) *agefile.File {
	return agefile.New(agefile.Config{Path: h.path, Identity: h.identity, Keychain: k, KeychainOnly: only})
}

// stored stores a value, and returns what the store says of its key before.
func stored(t *testing.T, s *agefile.File, n int) (key string, err error) {
	t.Helper()
	key, err = s.Open(t.Context())
	if err != nil {
		return "", err
	}
	return key, errors.Join(s.Create(t.Context()), s.Stage(t.Context(), id(n), value("value")))
}

func TestWhereAnIdentityIsMade(t *testing.T) {
	locked := &keychain{broken: errLocked}
	for name, c := range map[string]struct {
		keychain *keychain
		only     bool
		key, err string // what is said of the key, or what is wrong
		inFile   bool
	}{
		"there is a keychain":                 {&keychain{}, false, "age identity in the test's keychain, made on the first write", "", false},
		"there is none":                       {&keychain{broken: errNone}, false, "identity.txt, made on the first write", "", true},
		"it keeps nothing":                    {&keychain{forgets: true}, false, "age identity in the test's keychain, made on the first write", "", true},
		"it is locked":                        {locked, false, "", "it is locked; PURSER_AGE_IDENTITY can name a file instead", false},
		"the keychain only":                   {&keychain{}, true, "age identity in the test's keychain, made on the first write", "", false},
		"the keychain only, and none":         {&keychain{broken: errNone}, true, "", "no bus; PURSER_AGE_IDENTITY can name a file instead", false},
		"the keychain only, keeps nothing":    {&keychain{forgets: true}, true, "", "the test's keychain did not keep it", false},
		"the keychain only, and it is locked": {locked, true, "", "it is locked", false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newAgeHome(t)
			key, err := stored(t, h.with(c.keychain, c.only), 1)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("error = %v, want %q", err, c.err)
			}
			if err == nil && !strings.HasSuffix(key, c.key) {
				t.Errorf("the key is %q, want %q", key, c.key)
			}
			if _, err := os.Stat(h.identity); (err == nil) != c.inFile {
				t.Errorf("the file: %v", err)
			}
			if err != nil {
				return
			}
			if _, got, err := h.with(c.keychain, c.only).Read(t.Context(), credential.Current); err != nil || !got.Equal(value("value")) {
				t.Errorf("it is read as nothing that was stored: %v", err)
			}
			again, err := h.with(c.keychain, c.only).Open(t.Context())
			if want := strings.TrimSuffix(c.key, ", made on the first write"); err != nil || !c.inFile && again != want {
				t.Errorf("afterwards, the key is %q, %v", again, err)
			}
		})
	}
}

// TestEitherIdentityOpensAFile is about somebody who worked without the keychain meanwhile, as
// over SSH.
func TestEitherIdentityOpensAFile(t *testing.T) {
	h, k := newAgeHome(t), &keychain{}
	if _, err := stored(t, h.with(k, false), 1); err != nil {
		t.Fatal(err)
	}
	other := h
	other.path = filepath.Join(h.dir, "files", "other.age.json")
	if _, err := stored(t, other.store(), 1); err != nil { // makes the file
		t.Fatal(err)
	}
	for _, path := range []string{h.path, other.path} {
		h.path = path
		if _, _, err := h.with(k, false).Read(t.Context(), credential.Current); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	h.refusedBy(h.with(k, true), "the age identity in the test's keychain is not the one it was encrypted for")
	// A file wins, so that what is written is for those who have it alone.
	if err := h.with(k, false).Stage(t.Context(), id(2), value("two")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.store().Read(t.Context(), credential.Pending); err != nil {
		t.Error(err)
	}
	k.text = credential.NewSecret("")
	stranger := newAgeHome(t).filled()
	h.write(h.identity, stranger.read(stranger.identity))
	if _, err := stored(t, newAgeHome(t).with(k, true), 1); err != nil {
		t.Fatal(err)
	}
	h.refusedBy(h.with(k, false), "the identity "+h.identity+" or the age identity in the test's keychain is not the one it was encrypted for")
}

func (h ageHome) refusedBy(s *agefile.File, why string) {
	h.Helper()
	if _, _, err := s.Read(h.Context(), credential.Current); err == nil || !strings.Contains(err.Error(), why) {
		h.Errorf("error = %v, want %q", err, why)
	}
}

func TestReadingMakesNoIdentityInTheKeychain(t *testing.T) {
	h, k := newAgeHome(t).filled(), &keychain{}
	if err := os.Remove(h.identity); err != nil {
		t.Fatal(err)
	}
	h.refusedBy(h.with(k, false), "there is no file "+h.identity+", and the test's keychain has none")
	h.refusedBy(h.with(k, true), "the test's keychain has none")
	h.refusedBy(h.with(&keychain{broken: errLocked}, false), "the age identity in the test's keychain cannot be read: it is locked")
	if !k.text.IsZero() {
		t.Error("reading made an identity")
	}
}

func TestWhatIsNoIdentityInTheKeychainIsRefused(t *testing.T) {
	for _, text := range []string{"garbage", canary, "# comment only\n"} {
		h := newAgeHome(t).filled()
		if err := os.Remove(h.identity); err != nil {
			t.Fatal(err)
		}
		h.refusedBy(h.with(&keychain{text: credential.NewSecret(text)}, false), "it is not one AGE-SECRET-KEY line")
	}
}

func TestManyAtOnceMakeOneIdentityInTheKeychain(t *testing.T) {
	h, k := newAgeHome(t), &keychain{}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			own := h
			own.path = filepath.Join(h.dir, "files", fmt.Sprint(n)+".age.json")
			if _, err := stored(t, own.with(k, false), 1); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for n := range 8 {
		h.path = filepath.Join(h.dir, "files", fmt.Sprint(n)+".age.json")
		if _, _, err := h.with(k, false).Read(t.Context(), credential.Current); err != nil {
			t.Error(err)
		}
	}
}

package agefile_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"purser/internal/boundedfile"
	"purser/internal/credential"
	"purser/internal/store/agefile"
)

const canary = "dckr_pat_" + "FAKEcanaryFAKEcanaryFAKE000"

type ageHome struct {
	*testing.T
	dir, path, identity string
}

func newAgeHome(t *testing.T) ageHome {
	t.Helper()
	dir := t.TempDir()
	return ageHome{t, dir, filepath.Join(dir, "files", "ci.age.json"), filepath.Join(dir, "keys", "identity.txt")}
}

func (h ageHome) store() *agefile.File {
	return agefile.New(agefile.Config{Path: h.path, Identity: h.identity})
}

func (h ageHome) filled() ageHome {
	h.Helper()
	s := h.store()
	for _, err := range []error{
		s.Create(h.Context()), s.Stage(h.Context(), id(1), value(canary)), s.Promote(h.Context(), id(1), id(1)),
	} {
		if err != nil {
			h.Fatal(err)
		}
	}
	return h
}

// refused fails unless reading ends in a StoreFile fault that contains why.
func (h ageHome) refused(why string) {
	h.Helper()
	_, _, err := h.store().Read(h.Context(), credential.Current)
	if credential.ReasonOf(err) != credential.StoreFile || !strings.Contains(err.Error(), why) {
		h.Errorf("error = %v, want %q", err, why)
	}
}

func (h ageHome) read(path string) string {
	h.Helper()
	raw, err := boundedfile.Read(path, boundedfile.Named)
	if err != nil {
		h.Fatal(err)
	}
	return string(raw)
}

func (h ageHome) write(path, text string) {
	h.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
}

func TestOnlyTheOwnerCanReadTheFileAndItsIdentity(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows: skipped")
	}
	h := newAgeHome(t).filled()
	for path, want := range map[string]fs.FileMode{
		h.path: 0o600, h.identity: 0o600, filepath.Dir(h.path): 0o700 | fs.ModeDir, filepath.Dir(h.identity): 0o700 | fs.ModeDir,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, want %v (%v)", path, info.Mode(), want, err)
		}
	}
	if credential.Shows(h.read(h.path), value(canary)) {
		t.Error("the file shows the token")
	}
	left, err := filepath.Glob(filepath.Join(h.dir, "*", "*tmp*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
}

func TestAnIdentityThatOthersMayReadIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows: skipped")
	}
	h := newAgeHome(t).filled()
	if err := os.Chmod(h.identity, 0o644); err != nil {
		t.Fatal(err)
	}
	h.refused("chmod 600 " + h.identity)
}

func TestTheErrorNamesAWrongIdentity(t *testing.T) {
	h := newAgeHome(t).filled()
	other := newAgeHome(t).filled()
	h.write(h.identity, h.read(other.identity))
	h.refused("the identity " + h.identity + " is not the one it was encrypted for")
}

func TestAnInvalidIdentityIsRefused(t *testing.T) {
	for _, text := range []string{"", "garbage", canary, "# comment only\n"} {
		h := newAgeHome(t).filled()
		h.write(h.identity, text)
		h.refused("it is not a file with one AGE-SECRET-KEY line")
	}
}

func TestReadingCreatesNoIdentity(t *testing.T) {
	h := newAgeHome(t).filled()
	if err := os.Remove(h.identity); err != nil {
		t.Fatal(err)
	}
	h.refused("the age identity " + h.identity + " cannot be read")
	if _, err := os.Stat(h.identity); err == nil {
		t.Error("reading made a new identity")
	}
}

func TestADamagedFileIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(text string) string
		why   string
	}{
		"cut off":         {func(text string) string { return text[:len(text)/2] }, "damaged or not a purser file"},
		"garbage":         {func(string) string { return canary }, "damaged or not a purser file"},
		"another format":  {func(text string) string { return strings.Replace(text, "purser/v1", "purser/v9", 1) }, "its format is not purser/v1"},
		"a changed value": {func(text string) string { return strings.Replace(text, "----\\nY", "----\\nZ", 1) }, "purser cannot decrypt"},
		"too long":        {func(text string) string { return text + strings.Repeat(" ", 2<<20) }, "it is larger than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newAgeHome(t).filled()
			h.write(h.path, c.spoil(h.read(h.path)))
			h.refused(c.why)
		})
	}
}

func TestAValueMovedToAnotherVersionIsRefused(t *testing.T) {
	h := newAgeHome(t).filled()
	s := h.store()
	if err := s.Stage(t.Context(), id(2), value("two")); err != nil {
		t.Fatal(err)
	}
	var content struct {
		Format   string           `json:"format"`
		Versions []map[string]any `json:"versions"`
	}
	if err := json.Unmarshal([]byte(h.read(h.path)), &content); err != nil {
		t.Fatal(err)
	}
	content.Versions[0]["value"] = content.Versions[1]["value"]
	text, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	h.write(h.path, string(text))
	h.refused("comes from another version")
}

// typing returns the store of a person who types that passphrase; asked, if not nil,
// collects whether it had to be confirmed.
func (h ageHome) typing(passphrase string, asked *[]bool) *agefile.File {
	return agefile.New(agefile.Config{Path: h.path, WorkFactor: 10, Passphrase: func(_ context.Context, confirm bool) (credential.Secret, error) {
		if asked != nil {
			*asked = append(*asked, confirm)
		}
		return value(passphrase), nil
	}})
}

// locked returns a file with one version behind the passphrase "right FAKE".
func (h ageHome) locked() ageHome {
	h.Helper()
	s := h.typing("right FAKE", nil)
	for _, err := range []error{s.Create(h.Context()), s.Stage(h.Context(), id(1), value("one"))} {
		if err != nil {
			h.Fatal(err)
		}
	}
	return h
}

func TestAWrongPassphraseIsRefused(t *testing.T) {
	h := newAgeHome(t).locked()
	_, _, err := h.typing("wrong FAKE", nil).Read(t.Context(), credential.Current)
	if credential.ReasonOf(err) != credential.StoreFile || !strings.Contains(err.Error(), "the passphrase is not the one") {
		t.Errorf("error = %v", err)
	}
}

func TestAMistypedPassphraseStoresNothing(t *testing.T) {
	h := newAgeHome(t).locked()
	before := h.read(h.path)
	err := h.typing("wrong FAKE", nil).Stage(t.Context(), id(2), value("two"))
	if credential.ReasonOf(err) != credential.StoreFile || !strings.Contains(err.Error(), "the passphrase is not the one") {
		t.Errorf("Stage = %v, want %s", err, credential.StoreFile)
	}
	if h.read(h.path) != before {
		t.Error("the file was changed")
	}
}

// TestTheSecondOfTwoFirstWritesNeedsTheFirstsPassphrase: another process stores the first
// version while this one asks.
func TestTheSecondOfTwoFirstWritesNeedsTheFirstsPassphrase(t *testing.T) {
	h := newAgeHome(t)
	s := agefile.New(agefile.Config{Path: h.path, WorkFactor: 10, Passphrase: func(context.Context, bool) (credential.Secret, error) {
		h.locked()
		return value("other FAKE"), nil
	}})
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stage(t.Context(), id(2), value("two")); credential.ReasonOf(err) != credential.StoreFile {
		t.Errorf("Stage = %v, want %s", err, credential.StoreFile)
	}
	if d, err := s.Describe(t.Context()); err != nil || d.At(credential.Pending) != id(1) {
		t.Errorf("the winner's version is not pending: %v", err)
	}
}

func TestAPassphraseIsConfirmedForTheFirstVersionOnly(t *testing.T) {
	h := newAgeHome(t)
	for n, confirm := range []bool{true, false} {
		var asked []bool
		s := h.typing("right FAKE", &asked)
		if err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Stage(t.Context(), id(n), value("a value")); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(asked, []bool{confirm}) {
			t.Errorf("version %d: asked with confirm = %v, want once with %v", n, asked, confirm)
		}
	}
}

func TestDescribingNeedsNoKey(t *testing.T) {
	h := newAgeHome(t).filled()
	if err := os.Remove(h.identity); err != nil {
		t.Fatal(err)
	}
	if d, err := h.store().Describe(t.Context()); err != nil || d.At(credential.Current) != id(1) {
		t.Errorf("without the identity: %v", err)
	}
	var asked []bool
	h = newAgeHome(t).locked()
	if _, err := h.typing("", &asked).Describe(t.Context()); err != nil || asked != nil {
		t.Errorf("the passphrase was asked for %v (%v)", asked, err)
	}
}

func TestALostIdentityIsNotReplacedWhileTheFileHasValues(t *testing.T) {
	h := newAgeHome(t).filled()
	if err := os.Remove(h.identity); err != nil {
		t.Fatal(err)
	}
	err := h.store().Stage(t.Context(), id(2), value("two"))
	if credential.ReasonOf(err) != credential.StoreFile || !strings.Contains(err.Error(), h.identity) {
		t.Errorf("Stage = %v, want %s that names the identity", err, credential.StoreFile)
	}
	if _, err := os.Stat(h.identity); err == nil {
		t.Error("a new identity was made; it does not open the file")
	}
}

func TestATooLongValueIsRefusedAndChangesNothing(t *testing.T) {
	h := newAgeHome(t).filled()
	before := h.read(h.path)
	if err := h.store().Stage(t.Context(), id(2), value(strings.Repeat("x", 1<<20))); credential.ReasonOf(err) != credential.StoreRefused {
		t.Errorf("Stage = %v, want %s", err, credential.StoreRefused)
	}
	if h.read(h.path) != before {
		t.Error("the file was changed")
	}
}

func TestAMissingFileLeavesNothingBehind(t *testing.T) {
	h := newAgeHome(t)
	s := h.store()
	for name, err := range map[string]error{
		"Stage":     s.Stage(t.Context(), id(1), value("one")),
		"Promote":   s.Promote(t.Context(), id(1), ""),
		"Unstage":   s.Unstage(t.Context(), id(1)),
		"SetExpiry": s.SetExpiry(t.Context(), id(1), time.Now()),
	} {
		if credential.ReasonOf(err) != credential.SecretMissing {
			t.Errorf("%s = %v, want %s", name, err, credential.SecretMissing)
		}
	}
	if made, err := filepath.Glob(filepath.Join(h.dir, "*")); err != nil || len(made) != 0 {
		t.Errorf("made %v (%v)", made, err)
	}
}

// TestWaitingForTheLockEndsWithTheContext holds the lock with a clock that blocks: change
// reads it while it edits the file.
func TestWaitingForTheLockEndsWithTheContext(t *testing.T) {
	h := newAgeHome(t).filled()
	holds, release := make(chan struct{}), make(chan struct{})
	s := agefile.New(agefile.Config{Path: h.path, Identity: h.identity, Now: func() time.Time {
		close(holds)
		<-release
		return time.Time{}
	}})
	staged := make(chan error, 1)
	go func() { staged <- s.Stage(t.Context(), id(2), value("two")) }()
	select {
	case <-holds:
	case err := <-staged:
		t.Fatalf("Stage = %v before it looked at the clock", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.store().Unstage(ctx, id(1)); !errors.Is(err, context.Canceled) || credential.ReasonOf(err) != credential.StoreFile {
		t.Errorf("Unstage = %v, want %s by %v", err, credential.StoreFile, context.Canceled)
	}
	close(release)
	if err := <-staged; err != nil {
		t.Errorf("Stage = %v", err)
	}
}

func TestADanglingLinkStaysALinkWhenItsFileIsCreated(t *testing.T) {
	h := newAgeHome(t)
	link := filepath.Join(h.dir, "link.json")
	for name, to := range map[string]string{link: "next.json", filepath.Join(h.dir, "next.json"): h.path} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	s := agefile.New(agefile.Config{Path: link, Identity: h.identity})
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v %v", info.Mode(), err)
	}
	if _, err := h.store().Describe(t.Context()); err != nil {
		t.Errorf("what the links point to was not made: %v", err)
	}
}

func TestASymbolicLinkStaysALink(t *testing.T) {
	h := newAgeHome(t).filled()
	link := filepath.Join(h.dir, "link.json")
	if err := os.Symlink(h.path, link); err != nil {
		t.Fatal(err)
	}
	s := agefile.New(agefile.Config{Path: link, Identity: h.identity})
	if err := s.Stage(t.Context(), id(2), value("two")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v %v", info.Mode(), err)
	}
	if d, err := h.store().Describe(t.Context()); err != nil || d.At(credential.Pending) != id(2) {
		t.Errorf("what the link points to was not changed: %v", err)
	}
}

// TestAKilledWriterLeavesAWholeFile kills a process that stages and promotes without end,
// at ever different moments.
func TestAKilledWriterLeavesAWholeFile(t *testing.T) {
	if path := os.Getenv("PURSER_TEST_WRITER"); path != "" {
		writeForever(t, path, os.Getenv("PURSER_TEST_IDENTITY"))
		return
	}
	h := newAgeHome(t).filled()
	for round := range 15 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestAKilledWriterLeavesAWholeFile$")
		cmd.Env = append(os.Environ(), "PURSER_TEST_WRITER="+h.path, "PURSER_TEST_IDENTITY="+h.identity)
		before := h.read(h.path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		h.changes(before, round)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		got, v, err := h.store().Read(t.Context(), credential.Current)
		if err != nil || v.Reveal() != "value of "+string(got) && v.Reveal() != canary {
			t.Fatalf("after the kill: %v", err)
		}
	}
}

// changes waits until the file has changed and some more work is under way.
func (h ageHome) changes(before string, looks int) {
	h.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for h.read(h.path) == before {
		if time.Now().After(deadline) {
			h.Fatal("the writer does not write")
		}
	}
	for range looks * 7 {
		h.read(h.path)
	}
}

// writerLimit ends a writer whose parent died without killing it; no round of the test
// reaches it.
const writerLimit = 100_000

func writeForever(t *testing.T, path, identity string) {
	t.Helper()
	s := agefile.New(agefile.Config{Path: path, Identity: identity})
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	current := d.At(credential.Current)
	for n := range writerLimit {
		next := credential.VersionID("purser-" + strconv.Itoa(os.Getpid()) + "-" + strconv.Itoa(n))
		if err := s.Stage(t.Context(), next, value("value of "+string(next))); err != nil {
			t.Fatal(err)
		}
		if err := s.Promote(t.Context(), next, current); err != nil {
			t.Fatal(err)
		}
		current = next
	}
}

// TestAForgedMarkIsRefused: the file may be in a checkout with its plain mark; each value
// repeats the mark, encrypted.
func TestAForgedMarkIsRefused(t *testing.T) {
	for _, marked := range []bool{true, false} {
		dir := t.TempDir()
		path := filepath.Join(dir, "one.age.json")
		s := agefile.New(agefile.Config{Path: path, Identity: filepath.Join(dir, "identity.txt")})
		must(t, s.Create(t.Context()))
		if marked {
			must(t, s.Bind(t.Context(), credential.MarkOf(private)))
		}
		must(t, s.Stage(t.Context(), id(1), value(opaque)))
		raw, err := os.ReadFile(path)
		must(t, err)
		text := strings.Replace(string(raw), "registry.example.net private", "evil.example private", 1)
		if !marked {
			text = strings.Replace(text, `"versions"`, `"registry": "evil.example private", "versions"`, 1)
		}
		must(t, os.WriteFile(path, []byte(text), 0o600))
		_, got, err := s.Read(t.Context(), credential.Current)
		if err == nil || !got.IsZero() || !strings.Contains(err.Error(), "tampered") {
			t.Errorf("marked before %v: %v", marked, err)
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

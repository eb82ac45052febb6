//go:build linux

package keyringcache_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/keyringcache"
)

// ringName is a name that programs do not use, shared by a test's processes.
func ringName() string {
	if name := os.Getenv("PURSER_TEST_RING"); name != "" {
		return name
	}
	return "purser-ring-of-test-" + strconv.Itoa(os.Getpid())
}

func open(t *testing.T) *keyringcache.Keyring {
	t.Helper()
	k, err := keyringcache.New(ringName())
	if errors.Is(err, keyringcache.ErrUnavailable) {
		t.Skipf("%v: skipped", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestMain also serves as another process that reads an entry.
func TestMain(m *testing.M) {
	name := os.Getenv("PURSER_TEST_ENTRY")
	if name == "" {
		code := m.Run()
		keyringcache.Hold(ringName()) // which expires in a minute
		os.Exit(code)
	}
	k, err := keyringcache.New(ringName())
	if err != nil {
		os.Exit(3)
	}
	if text, ok := k.Get(name); ok {
		_, _ = os.Stdout.WriteString(strconv.Itoa(text.Len()))
	}
}

// elsewhere returns what another process finds, perhaps as another user.
func elsewhere(t *testing.T, name string, uid uint32) string {
	t.Helper()
	program := os.Args[0]
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	if uid == 0 {
		cmd = exec.CommandContext(t.Context(), program)
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	cmd.Env = append(os.Environ(), "PURSER_TEST_ENTRY="+name, "PURSER_TEST_RING="+ringName())
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("another process cannot be started: %v: skipped", err)
	}
	return string(out)
}

func TestAnotherProcessOfTheUserFindsAnEntry(t *testing.T) {
	k := open(t)
	name := t.Name() + strconv.Itoa(os.Getpid())
	if _, ok := k.Get(name); ok {
		t.Fatal("it is there before it was put there")
	}
	secret := credential.NewSecret("dckr_pat_FAKEfakeFAKEfakeFAKEfake1")
	if err := k.Put(name, secret, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := elsewhere(t, name, 0); got != strconv.Itoa(secret.Len()) {
		t.Errorf("another process finds %q", got)
	}
	if err := k.Put(name, credential.NewSecret("another"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, ok := k.Get(name); !ok || !got.Equal(credential.NewSecret("another")) {
		t.Error("it was not replaced")
	}
	if err := k.Clear(); err != nil {
		t.Fatal(err)
	}
	if _, ok := k.Get(name); ok {
		t.Error("it was not cleared")
	}
}

// TestNothingComesBackAfterAClear puts what was fetched before the clear.
func TestNothingComesBackAfterAClear(t *testing.T) {
	before, after := open(t), open(t)
	secret := credential.NewSecret("FAKE")
	if err := before.Put("there", secret, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := after.Clear(); err != nil {
		t.Fatal(err)
	}
	if _, ok := before.Get("there"); ok {
		t.Error("whoever had it open still finds what was cleared")
	}
	_ = before.Put("late", secret, time.Minute) // this may fail
	if _, ok := open(t).Get("late"); ok {
		t.Error("it is kept")
	}
	if err := after.Put("late", secret, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, ok := open(t).Get("late"); !ok {
		t.Error("what was put afterwards is not found")
	}
}

func TestAHoldPreventsEntries(t *testing.T) {
	secret := credential.NewSecret("FAKE")
	before := open(t)
	if err := before.Put("there", secret, time.Minute); err != nil {
		t.Fatal(err)
	}
	release := keyringcache.Hold(ringName())
	for name, k := range map[string]*keyringcache.Keyring{"before": before, "during": open(t)} {
		_ = k.Put("there", secret, time.Minute)
		if _, ok := open(t).Get("there"); ok {
			t.Errorf("opened %s it, it is kept", name)
		}
	}
	release()
	if _, ok := open(t).Get("there"); ok {
		t.Error("something is there after it")
	}
	if err := open(t).Put("there", secret, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, ok := open(t).Get("there"); !ok {
		t.Error("nothing is kept after it")
	}
}

func TestAnotherUserFindsNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("becoming another user needs root: skipped")
	}
	k := open(t)
	name := t.Name() + strconv.Itoa(os.Getpid())
	if err := k.Put(name, credential.NewSecret("FAKE"), time.Minute); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	if got := elsewhere(t, name, nobody); got != "" {
		t.Errorf("nobody finds %q", got)
	}
}

// TestAnEntryExpires asks the kernel for the remaining time, since waiting would be slow.
func TestAnEntryExpires(t *testing.T) {
	k := open(t)
	name := "purser-test-" + strconv.Itoa(os.Getpid())
	if err := k.Put(name, credential.NewSecret("FAKE"), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("/proc/keys")
	if err != nil {
		t.Skipf("%v: skipped", err)
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); strings.Contains(line, name) && len(fields) > 4 {
			if !strings.HasSuffix(fields[3], "s") || fields[4] != "3f3f0000" {
				t.Errorf("time left %s, rights %s", fields[3], fields[4])
			}
			return
		}
	}
	t.Error("it is not in /proc/keys")
}

// TestOneProcessAtATime starts twenty at once: the first is alone, and the others wait for
// its end.
func TestOneProcessAtATime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("Linux only: skipped")
	}
	k := open(t)
	name := t.Name() + strconv.Itoa(os.Getpid())
	done, waited := k.Alone(t.Context(), name)
	if waited {
		t.Fatal("the first had to wait")
	}
	var over atomic.Bool
	var all, started sync.WaitGroup
	for range 20 {
		started.Add(1)
		all.Go(func() {
			started.Done()
			done, waited := k.Alone(t.Context(), name)
			defer done()
			if waited && !over.Load() {
				t.Error("one came before the first was done")
			}
		})
	}
	started.Wait()
	over.Store(true)
	done()
	all.Wait()
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	k := open(t)
	name := t.Name() + strconv.Itoa(os.Getpid())
	done, _ := k.Alone(t.Context(), name)
	defer done()
	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if _, waited := k.Alone(ctx, name); !waited {
		t.Error("it did not wait")
	}
}

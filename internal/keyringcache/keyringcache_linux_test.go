package keyringcache_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purser/internal/credential"
	"purser/internal/keyringcache"
)

func TestAHoldEndsByItself(t *testing.T) {
	open(t)
	keyringcache.Hold(ringName())
	raw, err := os.ReadFile("/proc/keys")
	if err != nil {
		t.Skipf("%v: skipped", err)
	}
	timed := false
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		timed = timed || strings.Contains(line, ringName()+":") && fields[4] == "3b3b0000" && fields[3] != "perm"
	}
	if !timed {
		t.Error("it has no end")
	}
	keyringcache.Expire(t, open(t))
	if err := open(t).Put("there", credential.NewSecret("FAKE"), time.Minute); err != nil {
		t.Error(err)
	}
}

// TestAloneWaitsForANameThatIsNotListeningYet stops the owner between its two system calls:
// it has the name but accepts no connections.
func TestAloneWaitsForANameThatIsNotListeningYet(t *testing.T) {
	name := "not-yet-" + strconv.Itoa(os.Getpid())
	taken := take(t, name)
	asked := make(chan int, 1)
	keyringcache.OnPause(t, func() {
		if err := unix.Listen(taken, 1); err != nil {
			t.Error(err)
		}
		go func() {
			conn, _, err := unix.Accept(taken)
			if err != nil {
				t.Error(err)
			}
			asked <- conn
			_ = unix.Close(conn)
		}()
	})
	done, waited := open(t).Alone(t.Context(), name)
	done()
	if !waited {
		t.Error("it was alone")
	}
	select {
	case <-asked:
	default:
		t.Error("it did not wait")
	}
}

func TestAloneGivesUpOnANameThatNeverListens(t *testing.T) {
	name := "never-" + strconv.Itoa(os.Getpid())
	take(t, name)
	done, waited := open(t).Alone(t.Context(), name) // if it failed, it would never return
	done()
	if !waited {
		t.Error("it was alone")
	}
}

// take takes a name as Alone does, without listening.
func take(t *testing.T, name string) (socket int) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(socket) })
	if err := unix.Bind(socket, &unix.SockaddrUnix{Name: "@purser-" + name}); err != nil {
		t.Fatal(err)
	}
	return socket
}

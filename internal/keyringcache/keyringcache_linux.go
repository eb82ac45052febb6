package keyringcache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"purser/internal/credential"
)

const (
	// sizeLimit is the limit of a key of type user (keyrings(7)).
	sizeLimit = 32767
	usualSize = 1024
	// ownerOnly gives every right to the possessor of a key and to its user, none to the
	// group and to others (keyctl_setperm(3)).
	ownerOnly = 0x3f3f0000
	// nothingAdded is ownerOnly without the right to write.
	nothingAdded = 0x3b3b0000
	// untilItListens is how long to wait before trying a taken name again, mostTries times:
	// somebody could take it and never listen.
	untilItListens = time.Millisecond
	mostTries      = 20
)

// pause waits until the context ends at the latest. Tests replace it.
var pause = func(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

// possess makes this thread possess the user's keyring. A session that began without it,
// as systemd's do for services, does not.
func possess() (release func(), err error) {
	runtime.LockOSThread()
	if _, err := unix.KeyctlInt(unix.KEYCTL_LINK, unix.KEY_SPEC_USER_KEYRING, unix.KEY_SPEC_THREAD_KEYRING, 0, 0); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	return runtime.UnlockOSThread, nil
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }

func open(name string) (*Keyring, error) {
	release, err := possess()
	if err != nil {
		return nil, unavailable(err)
	}
	defer release()
	ring, err := find(name)
	if err != nil {
		return nil, unavailable(err)
	}
	k := &Keyring{name, ring}
	if ring == 0 {
		err = k.replace(0)
	}
	return k, err
}

// find returns the ring of a name, 0 if there is none. A killed process's hold has expired.
func find(name string) (int, error) {
	ring, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "keyring", name, 0)
	if errors.Is(err, unix.ENOKEY) || errors.Is(err, unix.EKEYEXPIRED) || errors.Is(err, unix.EKEYREVOKED) {
		return 0, nil
	}
	return ring, err
}

func (k *Keyring) renew(hold time.Duration) error {
	release, err := possess()
	if err != nil {
		return err
	}
	defer release()
	old, err := find(k.name)
	if err == nil {
		err = k.replace(hold)
	}
	if old != 0 { // for those who have it open, and in case it was not replaced
		_, _ = unix.KeyctlInt(unix.KEYCTL_CLEAR, old, 0, 0, 0)
	}
	return err
}

// replace puts an empty ring in place of the one of this name. It creates the ring elsewhere
// first, so that a ring for a hold never accepts entries.
func (k *Keyring) replace(hold time.Duration) error {
	ring, err := unix.AddKey("keyring", k.name, nil, unix.KEY_SPEC_THREAD_KEYRING)
	if err != nil {
		return unavailable(err)
	}
	defer func() { _, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, ring, unix.KEY_SPEC_THREAD_KEYRING, 0, 0) }()
	rights := uint32(ownerOnly)
	if hold > 0 {
		rights = nothingAdded
		_, err = unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, ring, int(hold/time.Second), 0, 0)
	}
	if err == nil {
		err = unix.KeyctlSetperm(ring, rights)
	}
	if err == nil {
		_, err = unix.KeyctlInt(unix.KEYCTL_LINK, ring, unix.KEY_SPEC_USER_KEYRING, 0, 0)
	}
	if err != nil {
		return unavailable(err)
	}
	k.ring = ring
	return nil
}

func (k *Keyring) get(name string) (credential.Secret, bool) {
	release, err := possess()
	if err != nil {
		return credential.Secret{}, false
	}
	defer release()
	id, err := unix.KeyctlSearch(k.ring, "user", name, 0)
	if err != nil {
		return credential.Secret{}, false
	}
	for size := usualSize; ; size = sizeLimit {
		buffer := make([]byte, size)
		n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, buffer, 0)
		if err != nil || n > sizeLimit {
			return credential.Secret{}, false
		}
		if n <= size {
			defer clear(buffer)
			return credential.NewSecret(string(buffer[:n])), true
		}
	}
}

func (k *Keyring) put(name string, text credential.Secret, life time.Duration) error {
	if text.Len() > sizeLimit {
		return errors.New("too long for the keyring")
	}
	release, err := possess()
	if err != nil {
		return err
	}
	defer release()
	// Create the key empty and set its expiry before it holds anything: if killed in
	// between, it leaves nothing for longer.
	id, err := unix.AddKey("user", name, []byte{0}, k.ring)
	if err != nil {
		return err
	}
	seconds := int((life + time.Second - 1) / time.Second)
	_, err = unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, id, seconds, 0, 0)
	if err == nil {
		err = unix.KeyctlSetperm(id, ownerOnly)
	}
	if err == nil {
		payload := []byte(text.Reveal())
		defer clear(payload)
		_, err = unix.KeyctlBuffer(unix.KEYCTL_UPDATE, id, payload, 0)
	}
	if err == nil { // an update removes the expiry
		_, err = unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, id, seconds, 0, 0)
	}
	if err != nil {
		_, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, k.ring, 0, 0)
	}
	return err
}

// alone takes a name in the abstract namespace of unix sockets, which only one process can
// have and which the system frees when that ends. Whoever comes later connects, is never
// answered, and notices the end by the end of the connection.
func alone(ctx context.Context, name string) (done func(), waited bool) {
	address := &net.UnixAddr{Net: "unix", Name: "@purser-" + name}
	var dialer net.Dialer
	var conn net.Conn
	for tries := 0; conn == nil; tries++ {
		listener, err := net.ListenUnix("unix", address)
		if err == nil {
			return func() { _ = listener.Close() }, tries > 0
		}
		if conn, err = dialer.DialContext(ctx, "unix", address.Name); err != nil {
			// The owner has just ended, or does not listen yet, which takes microseconds.
			if tries == mostTries || ctx.Err() != nil {
				return func() {}, true
			}
			pause(ctx, untilItListens)
		}
	}
	defer func() { _ = conn.Close() }()
	if !sameUser(conn) {
		return func() {}, false // another user took the name: do not wait
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(0, 1)) })
	defer stop()
	_, _ = conn.Read(make([]byte, 1))
	return func() {}, true
}

func sameUser(conn net.Conn) bool {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return false
	}
	same := false
	err = raw.Control(func(fd uintptr) {
		peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		same = err == nil && int(peer.Uid) == os.Geteuid()
	})
	return err == nil && same
}

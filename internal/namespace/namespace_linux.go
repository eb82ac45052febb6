package namespace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Own makes a command start in its own namespaces. Without root, it also gets a user
// namespace, as the same user, with the rights that Open and Arrange need. For that its user
// can trace this process again, so it must not hold a secret.
func Own(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	a := cmd.SysProcAttr
	a.Cloneflags |= syscall.CLONE_NEWNET | syscall.CLONE_NEWNS
	if os.Geteuid() == 0 {
		return
	}
	a.Cloneflags |= syscall.CLONE_NEWUSER
	// If this process is not dumpable, the kernel gives the new process's user map to root
	// (proc(5)), and this process cannot write it.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) // if this fails, so does the start
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	a.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_ADMIN}
}

// Open brings up loopback in this process's own network and makes its mounts private. It
// refuses a process that was not started with Own.
func Open() error {
	for _, kind := range []string{"net", "mnt"} {
		mine, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			return err
		}
		// Inside a user namespace the parent's link is unreadable, so it is another namespace.
		if parents, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", os.Getppid(), kind)); err == nil && parents == mine {
			return errors.New("this process has no namespaces of its own")
		}
	}
	own, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer func() { _ = unix.Close(own) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(own, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bring up loopback: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts private: %w", err)
	}
	return nil
}

// Arrange makes names resolve to 127.0.0.1 and the system trust more certificates, in PEM. It
// puts its files into dir. Call Open first.
func Arrange(dir string, names []string, roots []byte) error {
	old, err := os.ReadFile(hostsFile)
	if err != nil {
		return err
	}
	if err := cover(hostsFile, filepath.Join(dir, "hosts"), []byte(hosts(string(old), names))); err != nil {
		return err
	}
	for i, path := range present(bundles, filepath.EvalSymlinks) {
		old, err := os.ReadFile(path) //nolint:gosec // one of bundles
		if err != nil {
			return err
		}
		if err := cover(path, filepath.Join(dir, "roots-"+strconv.Itoa(i)+".pem"), append(append(old, '\n'), roots...)); err != nil {
			return err
		}
	}
	return nil
}

// cover makes a path show another text in this namespace.
func cover(path, by string, text []byte) error {
	const mode = 0o644                                   // like the covered file: others in the namespace read it
	if err := os.WriteFile(by, text, mode); err != nil { //nolint:gosec // see mode
		return err
	}
	if err := unix.Mount(by, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over %s: %w", path, err)
	}
	return nil
}

// Drop gives up the user namespace's rights for everything that this process starts later.
func Drop() {
	// Programs with C lack this call and keep the rights, which only cover this namespace.
	_, _, _ = syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
}

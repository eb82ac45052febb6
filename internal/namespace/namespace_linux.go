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

// Own has a command that is to be started be in namespaces of its own. Without root, it is
// in a user namespace too, as the same user, with the rights that Open and Arrange take;
// for that this process, which must not hold a secret, may be traced by its user again.
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
	// The kernel gives the new process's map of users to root where this one is not
	// dumpable (proc(5)), and then its own parent cannot write it.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) // where it fails, so does the start
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	a.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_ADMIN}
}

// Open has the loopback of this process's own network work, and keeps what it mounts to
// itself. It is for processes that were started as Own says, and refuses others.
func Open() error {
	for _, kind := range []string{"net", "mnt"} {
		mine, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			return err
		}
		// From a user namespace the parent's cannot be read: then it is another one.
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

// Arrange has names lead to 127.0.0.1, and the system trust further certificates, which
// are PEM. What it makes lies in dir. Open comes before it.
func Arrange(dir string, names []string, roots []byte) error {
	old, err := os.ReadFile(hostsFile)
	if err != nil {
		return err
	}
	if err := cover(hostsFile, filepath.Join(dir, "hosts"), []byte(hosts(string(old), names))); err != nil {
		return err
	}
	for i, path := range present(bundles, filepath.EvalSymlinks) {
		old, err := os.ReadFile(path) //nolint:gosec // one of the list
		if err != nil {
			return err
		}
		if err := cover(path, filepath.Join(dir, "roots-"+strconv.Itoa(i)+".pem"), append(append(old, '\n'), roots...)); err != nil {
			return err
		}
	}
	return nil
}

// cover has a path show another text to this namespace.
func cover(path, by string, text []byte) error {
	const mode = 0o644                                   // as what is covered: others in the namespace read it
	if err := os.WriteFile(by, text, mode); err != nil { //nolint:gosec // as the comment says
		return err
	}
	if err := unix.Mount(by, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over %s: %w", path, err)
	}
	return nil
}

// Drop gives up the rights of a user namespace for what this process starts from now on.
func Drop() {
	// In programs with C it is not to be had, and then the rights stay: they are rights
	// over this namespace alone.
	_, _, _ = syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
}

package scan

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// IsRemote reports whether a text is the address of a git repository, and no path.
func IsRemote(text string) bool {
	switch scheme, _, ok := strings.Cut(text, "://"); {
	case ok:
		return slices.Contains([]string{"https", "ssh", "file", "http", "git"}, scheme)
	default:
		host, _, ok := strings.Cut(text, ":")
		return ok && strings.Contains(host, "@") && !strings.ContainsAny(host, `/\`)
	}
}

// Remote looks through a git repository elsewhere. It clones the repository, with all its
// refs, into a folder that goes away afterwards; one on this machine needs no clone.
func (s *Scanner) Remote(ctx context.Context, address string) error {
	if err := checkRemote(address); err != nil {
		return err
	}
	if at, err := url.Parse(address); err == nil && at.Scheme == "file" {
		return s.Files(ctx, filepath.FromSlash(at.Path))
	}
	program, err := exec.LookPath("git")
	if err != nil {
		s.Miss(place(address), noGit)
		return ctx.Err()
	}
	dir, err := os.MkdirTemp("", "purser-scan-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is a temporary folder
	mirror := filepath.Join(dir, "mirror.git")
	cmd := exec.CommandContext(ctx, program, "-c", "core.hooksPath="+filepath.Join(dir, "none"), "-c", "transfer.bundleURI=false", //nolint:gosec // checkRemote
		"clone", "--quiet", "--mirror", "--template=", "--", address, mirror)
	cmd.Dir, cmd.Env, cmd.Stderr = dir, personal(cmd.Environ()), &excerpt{}
	apart(cmd)
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() == nil {
			s.Miss(place(address), "git could not clone it: "+said(cmd, err))
		}
		return context.Cause(ctx)
	}
	s.history(ctx, mirror, address)
	w := place(address)
	w.Inside = []string{"packed-refs"} // the names of branches and tags
	if f, err := openFile(filepath.Join(mirror, "packed-refs")); err == nil {
		defer f.Close()       //nolint:errcheck // it was only read
		_ = s.Look(ctx, w, f) // the caller asks ctx
	}
	return context.Cause(ctx)
}

// checkRemote refuses what others could read on the way or on this machine, and what git
// could take for something else than an address.
func checkRemote(address string) error {
	scheme, _, ok := strings.Cut(address, "://")
	if !ok {
		if _, host, _ := strings.Cut(address, "@"); strings.HasPrefix(address, "-") || strings.HasPrefix(host, "-") {
			return errors.New("the address of a repository has a host that starts with -")
		}
		return nil
	}
	at, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("that is not the address of a repository") // the error repeats it
	case scheme == "http" || scheme == "git":
		return errors.New(scheme + ":// is not encrypted; use https:// or ssh://")
	case scheme == "file" && at.Host != "" && at.Host != "localhost":
		return errors.New("file:// names a host; give the path alone")
	case strings.HasPrefix(at.Host, "-"):
		return errors.New("the address of a repository has a host that starts with -")
	}
	if _, has := at.User.Password(); has {
		return errors.New("the address holds a password, which other programs on this machine can read; let git's credential helper sign in, and leave it out")
	}
	return nil
}

// personal is the environment for git when it acts for the person, who asked: their
// configuration, proxies and sign-ins apply. A repository that the environment names does not,
// nor does git ask for anything.
func personal(environment []string) []string {
	repository := []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE"}
	return append(slices.DeleteFunc(environment, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(repository, name)
	}), "GIT_ALLOW_PROTOCOL=https:ssh", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
}

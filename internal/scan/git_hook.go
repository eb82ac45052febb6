package scan

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"purser/internal/credential"
)

// Hook is what a pre-commit hook runs.
const Hook = "purser scan --staged"

const hookScript = `#!/bin/sh
# purser looks for your registry tokens in what you are about to commit.
# "purser scan --install-hook" wrote this file; delete it, and nothing looks any more.
if ! command -v purser >/dev/null; then
	echo "purser is not installed, so nothing looked for tokens in this commit. Install it, or delete $0" >&2
	exit 1
fi
` + Hook + `
code=$?
case $code in
[456]) echo "purser could not look for every token; the commit goes on" >&2 ;; # such as without a sign-in
*) exit $code ;;
esac
`

// InstallHook writes the pre-commit hook of the checkout that a folder is in, and returns where
// it is. It changes no hook that is there.
func InstallHook(ctx context.Context, folder string) (path string, err error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return "", errors.New(noGit)
	}
	// Git knows all configuration that says where hooks are, and runs nothing to tell.
	cmd := exec.CommandContext(ctx, program, "rev-parse", "--path-format=absolute", "--git-path", "hooks", "--git-common-dir", "--show-toplevel") //nolint:gosec // the person's git
	cmd.Dir, cmd.Env, cmd.Stderr = folder, personal(cmd.Environ()), &excerpt{}
	out, err := cmd.Output()
	if err != nil {
		return "", errors.New("git found no checkout: " + said(cmd, err))
	}
	folders := strings.Split(strings.TrimSpace(string(out)), "\n")
	const hooks, common, top, all = 0, 1, 2, 3
	if len(folders) != all {
		return "", errors.New("git did not say where its hooks are")
	}
	path = filepath.Join(filepath.FromSlash(folders[hooks]), "pre-commit")
	add := "add this line to it: " + Hook + " || exit 1"
	text, err := readSmall(path)
	switch {
	case err == nil && strings.Contains(text, Hook):
		return path, nil
	case err == nil:
		return "", errors.New(credential.Quote(path) + " exists; " + add)
	case !isWithin(path, folders[common]) && !isWithin(path, folders[top]):
		return "", errors.New(credential.Quote(path) + " is the hook of all your repositories, because core.hooksPath says so; " + add)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // hooks are no secret
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755) //nolint:gosec // git runs it
	if errors.Is(err, fs.ErrExist) {
		return "", errors.New(credential.Quote(path) + " exists and cannot be read")
	}
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(hookScript)
	return path, errors.Join(err, f.Close())
}

func isWithin(path, folder string) bool {
	rel, err := filepath.Rel(filepath.FromSlash(folder), path)
	return err == nil && filepath.IsLocal(rel)
}

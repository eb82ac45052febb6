package config

import (
	"os"
	"path/filepath"

	"purser/internal/credential"
	"purser/internal/fileaccess"
)

// Find returns the path of the configuration file: the chosen one, else PURSER_CONFIG's, else
// the nearest purser.yaml from the working directory upwards, until the repository's root or
// the home directory; "" if there is none. A chosen file need not exist. A found one must be
// the person's own: somebody else's, in a folder above, could name another registry.
func Find(chosen string, env Environment, workingDir string) (string, error) {
	if path := firstOf(chosen, env.Config); path != "" {
		if credential.HoldsToken(path) {
			return "", &credential.Fault{
				Reason: credential.TokenInArguments, What: "you gave a token where the path of the configuration file belongs",
				Why: "others can read it there; purser does not repeat it here",
			}
		}
		return path, nil
	}
	dir, err := filepath.Abs(workingDir)
	if err != nil {
		return "", &credential.Fault{Reason: credential.Usage, What: "the working directory is unknown; name the configuration file with --config", Err: err}
	}
	for {
		path := filepath.Join(dir, FileName)
		// Go on past folders that purser cannot read.
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, checkOwn(path)
		}
		if parent := filepath.Dir(dir); parent != dir && dir != env.Home && !isRepository(dir) {
			dir = parent
			continue
		}
		return "", nil
	}
}

// isRepository reports whether a folder is the root of a git work tree.
func isRepository(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}

// checkOwn refuses a found file that somebody else could have written.
func checkOwn(path string) error {
	why, err := othersHand(path, true)
	if err != nil {
		return unreadable(path, err)
	}
	if why == "" {
		return nil
	}
	return &credential.Fault{
		Reason: credential.Usage, What: "purser found " + display(path) + " but does not read it",
		Why: why + "; if you trust the file, name it: --config " + display(path),
	}
}

// othersHand says how somebody else could have written a file; "" if the file and every
// folder above it belong to this user or root.
func othersHand(path string, ownGroup bool) (string, error) {
	link, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if why := fileaccess.Writers(path, link, ownGroup); why != "" {
		return why, nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	for at := real; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return "", err
		}
		if why := fileaccess.Writers(at, info, ownGroup); why != "" {
			return why, nil
		}
		if at == filepath.Dir(at) {
			return "", nil
		}
	}
}

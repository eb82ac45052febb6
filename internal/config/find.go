package config

import (
	"os"
	"path/filepath"

	"purser/internal/credential"
)

// Find names the configuration file to read: the one that was chosen, else the one of
// PURSER_CONFIG, else the nearest purser.yaml from the working directory upwards, to
// where the repository begins or to the home directory. It is "" when there is none. A
// file that was chosen need not exist. One that is only found has to be the person's
// own: somebody else's, left in a folder above, could name another registry.
func Find(chosen string, env Environment, workingDir string) (string, error) {
	if path := firstOf(chosen, env.Config); path != "" {
		if credential.HoldsToken(path) {
			return "", &credential.Fault{
				Reason: credential.TokenInArguments, What: "a token was given where the path of the configuration file belongs",
				Why: "it is now where others can read it, and is not repeated here",
			}
		}
		return path, nil
	}
	dir, err := filepath.Abs(workingDir)
	if err != nil {
		return "", &credential.Fault{Reason: credential.Usage, What: "the working directory cannot be told; name the configuration file", Err: err}
	}
	for {
		path := filepath.Join(dir, FileName)
		// A folder that may not be looked into has nothing for us: go on.
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

// isRepository reports whether a folder is the root of a git repository or work tree.
func isRepository(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}

// checkOwn refuses a file that was found and that somebody else could have put there or
// could change.
func checkOwn(path string) error {
	why, err := othersHand(path, true)
	if err != nil {
		return unreadable(path, err)
	}
	if why == "" {
		return nil
	}
	return &credential.Fault{
		Reason: credential.Usage, What: "purser found " + display(path) + " and does not read it",
		Why: why + "; if you trust what it says, name it: --config " + display(path),
	}
}

// othersHand says how somebody else could have written a file, "" when nobody could: the
// file itself, its folder, and every folder on the way to it are this user's or root's.
func othersHand(path string, ownGroup bool) (string, error) {
	link, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if why := othersMayWrite(path, link, ownGroup); why != "" {
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
		if why := othersMayWrite(at, info, ownGroup); why != "" {
			return why, nil
		}
		if at == filepath.Dir(at) {
			return "", nil
		}
	}
}

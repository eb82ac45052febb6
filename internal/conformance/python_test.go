package conformance

import (
	"os/exec"
	"path/filepath"
	"testing"

	"purser/internal/realservers"
)

// pythonWith returns an interpreter with a module: the one in PATH, or the one next to moto_server, which
// may have its own virtual environment.
func pythonWith(t *testing.T, module string) string {
	t.Helper()
	places := []string{"python3"}
	if real, err := filepath.EvalSymlinks(programOr(t, "moto_server")); err == nil {
		places = append(places, filepath.Join(filepath.Dir(real), "python3"))
	}
	for _, python := range places {
		if exec.CommandContext(t.Context(), python, "-c", "import "+module).Run() == nil {
			return python
		}
	}
	t.Skipf("skipped: there is no python3 with %s", module)
	return ""
}

// programOr returns a program's path, or "".
func programOr(t *testing.T, name string) (path string) {
	t.Helper()
	t.Run("look for "+name, func(t *testing.T) { path = realservers.Need(t, name) })
	return path
}

// pythonOr is pythonWith, but returns "" instead of skipping.
func pythonOr(t *testing.T, module string) (python string) {
	t.Helper()
	t.Run("look for "+module, func(t *testing.T) { python = pythonWith(t, module) })
	return python
}

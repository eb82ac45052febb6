package conformance

import (
	"os/exec"
	"path/filepath"
	"testing"

	"purser/internal/realservers"
)

// pythonWith is an interpreter that has a module: the one on PATH, or the one beside
// moto_server, which may have an environment of its own.
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
	t.Skipf("there is no python3 with %s on this machine: skipped", module)
	return ""
}

// programOr is the path of a program; "": it is not there.
func programOr(t *testing.T, name string) (path string) {
	t.Helper()
	t.Run("look for "+name, func(t *testing.T) { path = realservers.Need(t, name) })
	return path
}

// pythonOr is pythonWith for who can do without it; "": there is none.
func pythonOr(t *testing.T, module string) (python string) {
	t.Helper()
	t.Run("look for "+module, func(t *testing.T) { python = pythonWith(t, module) })
	return python
}

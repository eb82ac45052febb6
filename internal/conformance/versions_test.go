package conformance

import (
	"debug/buildinfo"
	"maps"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"purser/internal/realservers"
)

// versions returns the versions of this machine's programs, and recorded ones for the others. They only
// inform readers.
func versions(t *testing.T, recorded map[string]string) map[string]string {
	t.Helper()
	found := maps.Clone(recorded)
	note := func(name, program string, args ...string) {
		if version := versionOf(t, program, args); version != "" {
			found[name] = version
		}
	}
	note("aws CLI", "aws", "--version")
	note("crane", "crane", "version")
	note("distribution 2.8", "docker-registry", "--version")
	note("distribution 3", "registry", "--version")
	note("docker", "docker", "--version")
	note("helm", "helm", "version", "--short")
	note("oras", "oras", "version")
	note("regctl", "regctl", "version")
	note("skopeo", "skopeo", "--version")
	for _, module := range []string{"boto3", "moto"} {
		if python := pythonOr(t, module); python != "" {
			note(module, python, "-c", "import "+module+"; print("+module+".__version__)")
		}
	}
	return found
}

var versionForm = regexp.MustCompile(`[0-9]+\.[0-9]+\.[0-9]+[-+0-9a-z]*`)

// versionOf asks a program for its version, or reads it from the build information; "": not installed.
func versionOf(t *testing.T, program string, args []string) (version string) {
	t.Helper()
	t.Run(program, func(t *testing.T) {
		path := realservers.Need(t, program)
		if said, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err == nil {
			version = versionForm.FindString(string(said))
		}
		if info, err := buildinfo.ReadFile(path); version == "" && err == nil {
			version = strings.TrimPrefix(info.Main.Version, "v")
		}
	})
	return version
}

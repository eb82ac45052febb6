package install

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The programs start where no C library is: neither an older glibc nor musl matters to them.
func TestTheProgramsNeedNothingOfTheMachine(t *testing.T) {
	i := on(t, "dash and curl")
	built, root, programs := t.TempDir(), t.TempDir(), map[string][]byte{}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w -buildid=", "-o", built+"/", "../../cmd/purser", "../../cmd/docker-credential-purser")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range both {
		program, err := os.ReadFile(filepath.Join(built, name))
		if err != nil {
			t.Fatal(err)
		}
		programs[name] = program
	}
	i.env = []string{"PURSER_HOME=" + Home(t, []string{"v1.1.0"}, map[string]Release{"v1.1.0": Pack("v1.1.0", programs)})}
	i.args = []string{"--to", root}
	if out, err := i.run(t); err != nil || !strings.Contains(out, "is installed in "+root) {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range both {
		file, err := elf.Open(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		libraries, _ := file.ImportedLibraries()
		for _, p := range file.Progs {
			if p.Type == elf.PT_INTERP || len(libraries) > 0 {
				t.Errorf("%s needs the machine's linker or %v", name, libraries)
			}
		}
		_ = file.Close()
	}
	for _, name := range both {
		out, err := exec.CommandContext(t.Context(), "unshare", "-r", "chroot", root, "/"+name, "version").CombinedOutput()
		if err != nil && strings.Contains(string(out), "unshare") {
			t.Skipf("cannot change the root here: the programs were not started without a C library: %s", out)
		}
		if err != nil || !strings.HasPrefix(string(out), name+" ") {
			t.Errorf("in a root with nothing else, %s: %v\n%s", name, err, out)
		}
	}
}

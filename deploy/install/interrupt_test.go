//go:build unix

package install

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Ctrl-C reaches the shell and what it runs.
func TestAnInterruptLeavesNothing(t *testing.T) {
	for machine := range machines {
		t.Run(machine, func(t *testing.T) {
			i := on(t, machine)
			honest, asked := Handler(listed, map[string]Release{"v1.1.0": Printing("v1.1.0")}), make(chan struct{}, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if strings.HasSuffix(req.URL.Path, ".tar.gz") {
					asked <- struct{}{}
					<-req.Context().Done()
					return
				}
				honest.ServeHTTP(w, req)
			}))
			t.Cleanup(s.Close)
			tmp := t.TempDir()
			cmd := exec.CommandContext(t.Context(), i.shell[0], append(slices.Clone(i.shell[1:]), "-s", "--", "--to", filepath.Join(i.user, "bin"), "--cache", filepath.Join(i.user, "cache"))...)
			cmd.Stdin, cmd.SysProcAttr = bytes.NewReader(script), &syscall.SysProcAttr{Setpgid: true}
			cmd.Env = []string{"PATH=" + i.bin, "TMPDIR=" + tmp, "HOME=" + i.user, "PURSER_HOME=" + s.URL}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-asked
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait()
			if left := append(append(names(tmp), names(filepath.Join(i.user, "bin"))...), names(filepath.Join(i.user, "cache"))...); cmd.ProcessState.Success() || len(left) > 0 {
				t.Errorf("%v: left %v", cmd.ProcessState, left)
			}
		})
	}
}

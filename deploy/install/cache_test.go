package install

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTheCacheIsVerifiedInEveryRun(t *testing.T) {
	archive := ArchiveName("v1.1.0")
	for name, c := range map[string]struct {
		prepare   string // a command of whoever can write to the cache
		want      string
		downloads int32 // of the archive, in two runs
		kept      bool
	}{
		"an empty cache":                     {"true", "purser v1.1.0 is installed", 1, true},
		"an archive that a build changed":    {`echo evil >cache/$archive`, "does not match the release's checksums, so this downloads it again", 1, true},
		"a planted link to a file":           {`echo precious >elsewhere; ln -s ../elsewhere cache/$archive`, "is installed", 1, true},
		"a planted link to a folder":         {`mkdir elsewhere; ln -s ../elsewhere cache/$archive`, "is installed", 1, true},
		"a planted link to nothing":          {`ln -s ../elsewhere cache/$archive`, "is installed", 1, true},
		"a planted device":                   {`ln -s /dev/zero cache/$archive`, "is installed", 1, true},
		"a folder under the name":            {`mkdir -p cache/$archive/x`, "is installed", 1, true},
		"a cache that everyone may write to": {`chmod 777 cache`, "others may write to the cache", 2, false},
		"a cache that a group may write to":  {`chmod 770 cache`, "run chmod go-w ", 2, false},
		"a cache that is a file":             {`rmdir cache; touch cache`, "cannot write to the cache", 2, false},
	} {
		for machine := range machines {
			t.Run(name+" on "+machine, func(t *testing.T) {
				t.Parallel()
				i := on(t, machine)
				var downloads atomic.Int32
				honest := Handler(listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if strings.HasSuffix(req.URL.Path, archive) {
						downloads.Add(1)
					}
					honest.ServeHTTP(w, req)
				}))
				t.Cleanup(s.Close)
				cache, to, elsewhere := filepath.Join(i.user, "cache"), filepath.Join(i.user, "bin"), filepath.Join(i.user, "elsewhere")
				prepare := exec.CommandContext(t.Context(), "sh", "-c", "mkdir -m 700 cache; "+c.prepare)
				prepare.Dir, prepare.Env = i.user, append(os.Environ(), "archive="+archive)
				if out, err := prepare.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				i.env, i.args = []string{"PURSER_HOME=" + s.URL}, []string{"--to", to, "--cache", cache}
				out, err := i.run(t)
				again, failed := i.run(t)
				if err != nil || failed != nil || !strings.Contains(out, c.want) || downloads.Load() != c.downloads || !slices.Equal(names(to), both) {
					t.Errorf("%v, %v: %d downloads, installed %v; want %q\n%s%s", err, failed, downloads.Load(), names(to), c.want, out, again)
				}
				if got := names(cache); c.kept && !slices.Equal(got, []string{archive}) || !c.kept && slices.Contains(got, archive) {
					t.Errorf("the cache has %v", got)
				}
				if text, err := os.ReadFile(elsewhere); err == nil && string(text) != "precious\n" || len(names(elsewhere)) > 0 {
					t.Errorf("it wrote through a planted link: %q %v", text, names(elsewhere))
				}
			})
		}
	}
}

// Two jobs of one agent may start at once.
func TestInstallationsAtOnceEndWell(t *testing.T) {
	for machine := range machines {
		t.Run(machine, func(t *testing.T) {
			i := on(t, machine)
			cache, to := filepath.Join(i.user, "cache"), filepath.Join(i.user, "bin")
			i.env = []string{"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})}
			i.args = []string{"--to", to, "--cache", cache}
			var jobs sync.WaitGroup
			for range 6 {
				jobs.Go(func() {
					if out, err := i.run(t); err != nil || strings.Contains(out, "cannot") {
						t.Errorf("%v\n%s", err, out)
					}
				})
			}
			jobs.Wait()
			if !slices.Equal(names(to), both) || !slices.Equal(names(cache), []string{ArchiveName("v1.1.0")}) {
				t.Errorf("left: %v and %v", names(to), names(cache))
			}
		})
	}
}

// The disks of these tests are mounted in a namespace of their own.
func TestADiskThatRefusesIsNamed(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "unshare", "-mr", "true").CombinedOutput(); err != nil {
		t.Skipf("cannot mount here: a read-only or full disk was not tried: %v %s", err, out)
	}
	padded := Pack("v1.1.0", map[string][]byte{
		"purser": []byte("#!/bin/sh\necho purser v1.1.0\nexit\n" + strings.Repeat("x", 1<<20)), "docker-credential-purser": []byte("#!/bin/sh\n"),
	})
	padded[ArchiveName("v1.1.0")] = append(padded[ArchiveName("v1.1.0")], make([]byte, 100<<10)...)
	padded.Sum()
	for name, c := range map[string]struct{ options, at, want string }{
		"a read-only folder":        {"ro", "bin", "/bin; choose another folder with --to, or use sudo"},
		"a full disk":               {"size=64k", "bin", "check that its disk is not full"},
		"a full temporary folder":   {"size=64k", "tmp", "the disk is full; free some space, or set TMPDIR"},
		"a folder without programs": {"noexec", "bin", "if that folder is mounted with noexec, choose another one with --to"},
	} {
		for machine := range machines {
			t.Run(name+" on "+machine, func(t *testing.T) {
				i := on(t, machine)
				for _, dir := range []string{"bin", "tmp"} {
					if err := os.Mkdir(filepath.Join(i.user, dir), 0o700); err != nil {
						t.Fatal(err)
					}
				}
				at := filepath.Join(i.user, c.at)
				mount := fmt.Sprintf(`mount -t tmpfs -o %s none %s && "$@"; code=$?; ls -A %s; exit $code`, c.options, at, at)
				i.shell = append([]string{"/usr/bin/unshare", "-mr", "/bin/sh", "-c", "export PATH=$PATH:/usr/bin:/bin; " + mount, "sh"}, i.shell...)
				i.env = []string{"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.1.0": padded}), "TMPDIR=" + filepath.Join(i.user, "tmp")}
				i.args = []string{"--to", filepath.Join(i.user, "bin")}
				out, err := i.run(t)
				if err == nil || !strings.Contains(out, c.want) || !strings.HasPrefix(out[strings.LastIndex(strings.TrimRight(out, "\n"), "\n")+1:], "purser: ") {
					t.Errorf("%v; want %q, and nothing left on the disk\n%s", err, c.want, out)
				}
			})
		}
	}
}

package receipt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"purser/internal/receipt"
)

func of(name string) receipt.Receipt {
	return receipt.Receipt{ID: "1", Time: noon, Command: receipt.Store, Outcome: receipt.Done, Credential: name}
}

func appended(t testing.TB, l receipt.Log, r receipt.Receipt) []byte {
	t.Helper()
	line, err := l.Append(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func linesOf(text []byte) [][]byte {
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

// numbers returns the credentials and numbers of a file's receipts.
func numbers(t testing.TB, path string) string {
	t.Helper()
	var all []string
	for _, e := range entries(linesOf(read(t, path))) {
		all = append(all, fmt.Sprint(e.Receipt.Credential, e.Receipt.Number))
	}
	return strings.Join(all, " ")
}

func TestALogNumbersAndChainsReceipts(t *testing.T) {
	dir := t.TempDir()
	l := receipt.Log{Path: filepath.Join(dir, "receipts.jsonl"), Folder: dir}
	var want []byte
	for _, name := range []string{"a", "b", "a", "", "b", "a", ""} {
		want = append(append(want, appended(t, l, of(name))...), '\n')
	}
	if got := read(t, l.Path); !bytes.Equal(got, want) {
		t.Errorf("the file holds\n%s", got)
	}
	if got := numbers(t, l.Path); got != "a1 b1 a2 1 b2 a3 2" {
		t.Error(got)
	}
	if found := findings(linesOf(want)); found != "" {
		t.Error(found)
	}
	if info, err := os.Stat(l.Path); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A crash, an older purser or an editor may have left such lines.
func TestALogContinuesAfterDamagedLines(t *testing.T) {
	before := chainOf(t, "a", "b", "a")
	whole := string(bytes.Join(before, []byte("\n"))) + "\n"
	half := string(before[2][:len(before[2])/2])
	old := string(pack(t, receipt.PayloadType, []byte(v1)))
	for _, test := range []struct{ name, text, want, found string }{
		{"nothing", "", "a1", ""},
		{"a whole one", whole, "a1 b1 a2 a3", ""},
		{"a whole one without its end", whole[:len(whole)-1], "a1 b1 a2 a3", ""},
		{"half a line", whole + half, "a1 b1 a2 a3", ""},
		{"half a line, and another", whole + half + "\n" + half[:9], "a1 b1 a2 a3", ""},
		{"half of the first line", half, "a1", ""},
		{"the beginning of the first line", half[:3] + "\n" + whole, "a1 b1 a2 a3", ""},
		{"an empty line", whole + "\n", "a1 b1 a2 a3", ""},
		{"not chained", old + "\n", "dockerhub0 a1", ""},
		{"a line that is too long", whole + strings.Repeat("x", 3*receipt.LongestLine) + "\n", "a1 b1 a2 a3", ""},
		{"the end is missing", string(before[0]) + "\n", "a1 a2", ""},
		{"one is missing", string(before[2]) + "\n", "a2 a3", "1:missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "receipts.jsonl")
			write(t, filepath.Dir(path), "receipts.jsonl", []byte(test.text))
			line := appended(t, receipt.Log{Path: path}, of("a"))
			after := read(t, path)
			if !bytes.HasPrefix(after, []byte(test.text)) || !bytes.HasSuffix(after, append([]byte("\n"+string(line)), '\n')) && test.text != "" {
				t.Error("what was there was changed, or the receipt has no line of its own")
			}
			if got := numbers(t, path); got != test.want {
				t.Errorf("the file holds %q, want %q", got, test.want)
			}
			if got := findings(linesOf(after)); got != test.found {
				t.Errorf("found %q", got)
			}
		})
	}
}

// A project's purser.yaml may only name files of the project.
func TestALogStaysInItsFolder(t *testing.T) {
	outside, folder := t.TempDir(), t.TempDir()
	rc := filepath.Join(outside, "bashrc")
	write(t, outside, "bashrc", nil)
	if err := os.Mkdir(filepath.Join(folder, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		"out": rc, "relative": "../" + filepath.Base(outside) + "/bashrc", "away": outside, "dangling": filepath.Join(outside, "new"),
		"inside": "sub/receipts.jsonl", "loop": "loop", "sub/up": "..", "home": filepath.Dir(folder),
	} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Skip("no links here: skipped")
		}
	}
	for _, path := range []string{
		rc, filepath.Join(folder, "..", filepath.Base(outside), "bashrc"), "out", "relative", "away/bashrc", "away/new", "dangling", "inside", "loop", "sub/up/receipts.jsonl",
		"sub", ".", "home/" + filepath.Base(folder) + "/receipts.jsonl", "none/receipts.jsonl",
	} {
		t.Run(path, func(t *testing.T) {
			l := receipt.Log{Path: path, Folder: folder}
			if !filepath.IsAbs(path) {
				l.Path = filepath.Join(folder, path)
			}
			if err := l.Check(); err == nil {
				t.Error("Check finds nothing")
			}
			if _, err := l.Append(t.Context(), of("a"), nil); err == nil {
				t.Error("it was written")
			}
		})
	}
	if text := read(t, rc); len(text) > 0 {
		t.Errorf("a file outside holds %s", text)
	}
	for _, dir := range []string{outside, filepath.Join(folder, "sub")} {
		if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
			t.Errorf("%s holds %v, %v", dir, all, err)
		}
	}
	l := receipt.Log{Path: filepath.Join(folder, "sub", "receipts.jsonl"), Folder: folder}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(l.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Check made the file: %v", err)
	}
	appended(t, l, of("a"))
}

// The file stays unchanged, whoever named it.
func TestALogRefusesAFileOfAnotherKind(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "bashrc", []byte("alias ll='ls -l'\n"))
	write(t, dir, "json", []byte(`{"payloadType":"application/json"}`+"\n"))
	names := []string{"bashrc", "json", "."}
	if program, err := exec.LookPath("mkfifo"); err == nil {
		if err := exec.CommandContext(t.Context(), program, filepath.Join(dir, "pipe")).Run(); err != nil {
			t.Fatal(err)
		}
		names = append(names, "pipe")
	}
	for _, name := range names {
		for _, folder := range []string{"", dir} {
			l := receipt.Log{Path: filepath.Join(dir, name), Folder: folder}
			if err := l.Check(); err == nil {
				t.Errorf("%s: Check finds nothing", name)
			}
			if _, err := l.Append(t.Context(), of("a"), nil); err == nil {
				t.Errorf("%s: it was written", name)
			}
		}
	}
	if text := read(t, filepath.Join(dir, "bashrc")); string(text) != "alias ll='ls -l'\n" {
		t.Errorf("it holds %s", text)
	}
}

func TestALogWithoutAFolderMayBeAnywhere(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "real.jsonl"), filepath.Join(dir, "link.jsonl")); err != nil {
		t.Skip("no links here: skipped")
	}
	l := receipt.Log{Path: filepath.Join(dir, "link.jsonl")}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
	appended(t, l, of("a"))
	if got := numbers(t, filepath.Join(dir, "real.jsonl")); got != "a1" {
		t.Error(got)
	}
	if err := (receipt.Log{Path: filepath.Join(dir, "none", "receipts.jsonl")}).Check(); err == nil {
		t.Error("a folder that is missing is not found")
	}
}

const (
	writers    = 4
	eachWrites = 25
)

// TestMain serves as another process that writes receipts.
func TestMain(m *testing.M) {
	if path := os.Getenv("RECEIPT_LOG"); path != "" {
		for range eachWrites {
			if _, err := (receipt.Log{Path: path}).Append(context.Background(), of("a"), nil); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTwoProcessesDoNotForkAChain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "receipts.jsonl")
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			command := exec.CommandContext(t.Context(), os.Args[0])
			command.Env = append(os.Environ(), "RECEIPT_LOG="+path)
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	lines := linesOf(read(t, path))
	if found := findings(lines); found != "" || len(lines) != writers*eachWrites {
		t.Errorf("%d lines, found %q", len(lines), found)
	}
}

// slow is a key that waits for a touch, with the lock held.
type slow struct {
	failing
	asked chan<- struct{}
	touch <-chan struct{}
}

func (s slow) Sign(context.Context, []byte) ([]byte, error) {
	s.asked <- struct{}{}
	<-s.touch
	return nil, nil
}

func TestWaitingForTheLogsLockEnds(t *testing.T) {
	l := receipt.Log{Path: filepath.Join(t.TempDir(), "receipts.jsonl")}
	asked, touch, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_, err := l.Append(context.Background(), of("a"), slow{asked: asked, touch: touch})
		done <- err
	}()
	<-asked
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err := l.Append(ctx, of("a"), nil)
	wantError(t, err, "another purser")
	close(touch)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAReceiptThatCannotBeSignedIsNotWritten(t *testing.T) {
	l := receipt.Log{Path: filepath.Join(t.TempDir(), "receipts.jsonl")}
	appended(t, l, of("a"))
	before := read(t, l.Path)
	broken := errors.New("broken")
	if line, err := l.Append(t.Context(), of("a"), failing{broken}); !errors.Is(err, broken) || line != nil {
		t.Errorf("%s, %v", line, err)
	}
	if after := read(t, l.Path); !bytes.Equal(before, after) {
		t.Errorf("the file holds %s", after)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{0, 1 << 20, 100 << 20} {
		b.Run(fmt.Sprintf("%d MiB", size>>20), func(b *testing.B) {
			l := receipt.Log{Path: filepath.Join(b.TempDir(), "receipts.jsonl")}
			line := append(seal(b, example(), nil), '\n')
			if err := os.WriteFile(l.Path, bytes.Repeat(line, size/len(line)), 0o600); err != nil {
				b.Fatal(err)
			}
			// a credential's first receipt has to read the whole file
			began := time.Now()
			appended(b, l, of("a"))
			first := time.Since(began)
			for b.Loop() {
				appended(b, l, of("a"))
			}
			b.ReportMetric(float64(first.Milliseconds()), "ms/first")
		})
	}
}

package lease

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"purser/internal/credential"
)

const version = credential.VersionID("purser-01936f5e-0000-7000-8000-000000000001")

func TestALeaseIsAbandonedWhenItsRunIsOver(t *testing.T) {
	f := Folder{Path: filepath.Join(t.TempDir(), "runs")}
	if f.Abandoned(version) {
		t.Error("nobody took it")
	}
	end := f.Take(version)
	if f.Abandoned(version) {
		t.Error("its run is at work")
	}
	end(true)
	for range 2 { // looking must change nothing
		if !f.Abandoned(version) {
			t.Error("its run is over and left a token")
		}
	}
	f.Forget(version)
	if f.Abandoned(version) {
		t.Error("what was left has been ended")
	}
	f.Take(version)(false)
	if f.Abandoned(version) {
		t.Error("its run went on to store the token")
	}
}

func TestAnotherMachinesLeaseIsNotAbandoned(t *testing.T) {
	here := Folder{Path: t.TempDir()}
	there := Folder{Path: here.Path, host: "another machine"}
	there.Take(version)(true)
	if here.Abandoned(version) {
		t.Error("the lock of another machine was taken for none")
	}
}

// TestALeaseReleasedMeanwhileIsNotAbandoned has the run begin to store after the file was
// opened.
func TestALeaseReleasedMeanwhileIsNotAbandoned(t *testing.T) {
	f := Folder{Path: t.TempDir()}
	end := f.Take(version)
	opened, err := os.Open(f.file(version))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	end(false)
	if f.left(opened, version) {
		t.Error("a run that went on to store its token was taken for over")
	}
}

func TestAKilledProcessLeavesItsLease(t *testing.T) {
	f := Folder{Path: t.TempDir()}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=TestHoldALease")
	cmd.Env = append(os.Environ(), "LEASE_TEST_FOLDER="+f.Path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if f.Abandoned(version) {
		t.Error("the process is at work")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !f.Abandoned(version) {
		t.Error("the process was killed")
	}
}

// TestHoldALease is the process that the test above kills.
func TestHoldALease(t *testing.T) {
	folder := os.Getenv("LEASE_TEST_FOLDER")
	if folder == "" {
		t.Skip("skipped: it is a part of another test")
	}
	end := Folder{Path: folder}.Take(version)
	defer end(true)
	_, _ = os.Stdout.WriteString("held\n")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until it is killed
}

func TestOldLeasesAreRemoved(t *testing.T) {
	f := Folder{Path: t.TempDir()}
	f.Take("purser-old")(true)
	old := time.Now().Add(-2 * abandonedAfter)
	if err := os.Chtimes(f.file("purser-old"), old, old); err != nil {
		t.Fatal(err)
	}
	defer f.Take(version)(false)
	if f.Abandoned("purser-old") {
		t.Error("a file of two days ago is left")
	}
}

func TestWithoutAFolderThereIsNoLease(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := Folder{Path: filepath.Join(blocked, "runs")}
	f.Take(version)(true)
	if f.Abandoned(version) {
		t.Error("a lease that could not be taken is known")
	}
}

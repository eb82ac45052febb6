package receipts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/receipt"
	"purser/internal/wire"
	"purser/internal/wire/receipts"
)

var someReceipt = receipt.Receipt{
	ID: "1", Time: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC), Command: receipt.Rotate, Outcome: receipt.Done, Credential: "dockerhub",
	Places: []receipt.Place{{Where: "mockserver-build/dockerhub", Version: "v2"}}, Ended: []receipt.Token{{ID: "t1"}},
}

func TestOnlyATrustedConfigurationMayNameAnyFile(t *testing.T) {
	project, elsewhere := t.TempDir(), t.TempDir()
	for _, c := range []struct {
		name, file string
		trusted    bool
		want       credential.Reason
	}{
		{"a checkout's, of its own", filepath.Join(project, "receipts.jsonl"), false, ""},
		{"a checkout's, elsewhere", filepath.Join(elsewhere, "receipts.jsonl"), false, credential.ReceiptFile},
		{"a checkout's, its own folder", project, false, credential.ReceiptFile},
		{"trusted, elsewhere", filepath.Join(elsewhere, "receipts.jsonl"), true, ""},
		{"trusted, a device", os.DevNull, true, credential.ReceiptFile},
		{"trusted, no such folder", filepath.Join(elsewhere, "none", "receipts.jsonl"), true, credential.ReceiptFile},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := &config.File{Path: filepath.Join(project, "purser.yaml"), Trusted: c.trusted, Receipts: config.Receipts{Wanted: true, File: c.file}}
			r, err := receipts.New(t.Context(), &wire.Wire{}, file, credential.Target{}, nil)
			if credential.ReasonOf(err) != c.want || (err == nil) != (c.want == "") {
				t.Fatalf("error = %v, want %s", err, c.want)
			}
			if err != nil {
				return
			}
			if line, err := r.Write(t.Context(), someReceipt); line != nil || err != nil {
				t.Errorf("wrote %s, %v", line, err)
			}
			text, err := os.ReadFile(c.file)
			if got, _ := receipt.Unverified(text); err != nil || got.Number != 1 {
				t.Errorf("the file has %s, %v", text, err)
			}
		})
	}
}

func TestALostReceiptSaysWhatHappened(t *testing.T) {
	for _, name := range []string{"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL"} {
		t.Setenv(name, "")
	}
	dir := t.TempDir()
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, filepath.Join(dir, "none"))
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for name, where := range map[string]config.Receipts{
		"a missing bus":    {Wanted: true, File: config.StandardOutput, EventBus: "default"},
		"a deleted folder": {Wanted: true, File: filepath.Join(dir, "gone", "receipts.jsonl")},
	} {
		t.Run(name, func(t *testing.T) {
			gone := filepath.Join(dir, "gone")
			if err := os.MkdirAll(gone, 0o700); err != nil {
				t.Fatal(err)
			}
			r, err := receipts.New(t.Context(), &wire.Wire{}, &config.File{Path: filepath.Join(dir, "purser.yaml"), Receipts: where}, credential.Target{Kind: "secret", Name: "x"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(gone); err != nil {
				t.Fatal(err)
			}
			line, err := r.Write(t.Context(), someReceipt)
			want := "rotate of dockerhub succeeded, mockserver-build/dockerhub has version v2, token t1 was revoked, but purser could not write its receipt"
			if credential.ReasonOf(err) != credential.ReceiptFailed || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want %q", err, want)
			}
			if (line != nil) != (where.File == config.StandardOutput) {
				t.Errorf("the line for standard output: %q", line)
			}
		})
	}
}

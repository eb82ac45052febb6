// Command lambda builds the rotation function: purser-lambda-arm64.zip and
// purser-lambda-amd64.zip, in bin or in the folder given as the argument. The same source
// gives the same bytes, so Terraform sees only real changes.
package main

import (
	"archive/zip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"purser/internal/config"
)

func main() {
	dir := "bin"
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	for _, arch := range []string{"arm64", "amd64"} {
		path := filepath.Join(dir, "purser-lambda-"+arch+".zip")
		if err := build(context.Background(), arch, path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_, _ = fmt.Fprintln(os.Stdout, path)
	}
}

// build makes one zip. Lambda's provided.al2023 runtime starts its file bootstrap.
func build(ctx context.Context, arch, path string) error {
	tmp, err := os.MkdirTemp("", "purser-lambda-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	bootstrap := filepath.Join(tmp, "bootstrap")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=", "-o", bootstrap, "purser/cmd/purser-lambda") //nolint:gosec // the arguments are constants
	cmd.Env = config.Inherited(map[string]string{"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": arch})
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the function for %s: %w", arch, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil { //nolint:gosec // the user names the folder
		return err
	}
	return pack(bootstrap, path)
}

func pack(program, path string) error {
	data, err := os.ReadFile(program) //nolint:gosec // build has just made it
	if err != nil {
		return err
	}
	f, err := os.Create(path) //nolint:gosec // the user names the folder
	if err != nil {
		return err
	}
	z := zip.NewWriter(f)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = z.Close()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

package wire

import (
	"context"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

var errNoBrowser = errors.New("the browser is on another machine")

// Browser returns an error if OpenBrowser could not open a browser.
func (w *Wire) Browser() error {
	if w.Env.RemoteSession || w.Env.Browser == "none" {
		return errNoBrowser
	}
	_, err := w.opener("")
	return err
}

// OpenBrowser opens an address that only the person may know. Every user of the machine can read a
// program's arguments, so the opener gets a private file that redirects to the address. Call remove
// when the page is closed. OpenBrowser calls failed if the opener fails.
func (w *Wire) OpenBrowser(ctx context.Context, address string, failed func()) (remove func(), err error) {
	if err := w.Browser(); err != nil {
		return nil, err
	}
	dir, err := w.privateDir()
	if err != nil {
		return nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) } // a leftover redirects to a closed page
	file := filepath.Join(dir, "open.html")
	const mode = 0o600
	if err := os.WriteFile(file, forwarder(address), mode); err != nil {
		remove()
		return nil, fmt.Errorf("write the page that the browser opens: %w", err)
	}
	if err := w.startOpener(ctx, file, failed); err != nil {
		remove()
		return nil, err
	}
	return remove, nil
}

func (w *Wire) privateDir() (string, error) {
	const pattern = "purser-page-"
	if w.Env.XDGRuntimeDir != "" {
		if dir, err := os.MkdirTemp(w.Env.XDGRuntimeDir, pattern); err == nil {
			return dir, nil
		}
	}
	dir, err := os.MkdirTemp(w.Env.TempDir, pattern)
	if err != nil {
		return "", fmt.Errorf("make a private folder for the browser's page: %w", err)
	}
	return dir, nil
}

// forwarder is a page that redirects to an address.
func forwarder(address string) []byte {
	to := html.EscapeString(address)
	return []byte(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url=` + to + `">
<title>purser</title>
<p><a href="` + to + `">Continue to purser’s page</a></p>
</html>
`)
}

// openAddress opens AWS's sign-in page. Its address need not be secret: state and challenge are useless
// without the verifier, which purser keeps.
func (w *Wire) openAddress(ctx context.Context, address string) error {
	return w.startOpener(ctx, address, func() {})
}

// opener is the command line that opens an address or file: the first installed command in BROWSER, in
// xdg-open's syntax, or the system's opener.
func (w *Wire) opener(what string) ([]string, error) {
	for command := range strings.SplitSeq(w.Env.Browser, ":") {
		line := strings.Fields(command)
		if len(line) == 0 {
			continue
		}
		path, err := exec.LookPath(line[0])
		if err != nil {
			continue
		}
		if !strings.Contains(command, "%s") {
			line = append(line, "%s")
		}
		for i := range line {
			line[i] = strings.ReplaceAll(line[i], "%s", what)
		}
		return append([]string{path}, line[1:]...), nil
	}
	line := map[string][]string{"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}}[runtime.GOOS]
	if line == nil {
		line = []string{"xdg-open"}
	}
	path, err := exec.LookPath(line[0])
	return slices.Concat([]string{path}, line[1:], []string{what}), err
}

// openerFails is how long an opener has to say that it cannot: in a container and without
// a display it does so at once. One that opens may live as long as it likes.
const openerFails = 500 * time.Millisecond

// startOpener starts the opener. failed is called where it fails later.
func (w *Wire) startOpener(ctx context.Context, what string, failed func()) error {
	line, err := w.opener(what)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), line[0], line[1:]...) //nolint:gosec // the system's program or the person's choice
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	soon := time.NewTimer(openerFails)
	defer soon.Stop()
	select {
	case err := <-ended:
		return err
	case <-soon.C:
	}
	go func() {
		if <-ended != nil {
			failed()
		}
	}()
	return nil
}

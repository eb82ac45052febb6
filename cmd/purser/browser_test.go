package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"purser/internal/credential"
	"purser/internal/realservers"
	"purser/internal/sandbox"
)

// TestStoringByTheFormInARealBrowser runs purser without a terminal, and pastes the token
// into the page in Chromium.
func TestStoringByTheFormInARealBrowser(t *testing.T) {
	chromium := realservers.Need(t, "chromium")
	bin, work := ciPrograms(t), t.TempDir()
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	vars, err := box.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(work, "purser.yaml"), scriptConfig)
	// The desktop's opener passes its argument through a pipe to this test, which opens it
	// in Chromium.
	fifo := filepath.Join(work, "opened")
	if out, err := exec.CommandContext(t.Context(), "mkfifo", fifo).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(work, "xdg-open"), []byte("#!/bin/sh\nprintf '%s' \"$*\" >"+fifo+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "purser"), "store", "dockerhub", "--create")
	cmd.Env = append(vars, "HOME="+work, "PATH="+work+":"+os.Getenv("PATH"), "XDG_RUNTIME_DIR="+work)
	cmd.Dir = work
	cmd.SysProcAttr = withoutTerminal()
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(errs)
	line, err := said.ReadString('\n')
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+/\S+`).FindString(line)
	if err != nil || address == "" {
		t.Fatalf("%q %v", line, err)
	}
	opened, err := os.ReadFile(fifo)
	if err != nil || strings.Contains(string(opened), "127.0.0.1") || !filepath.IsAbs(string(opened)) {
		t.Fatalf("the opener was started with %q: %v", opened, err)
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	defer stop()
	ctx, end := chromedp.NewContext(allocator)
	defer end()
	ctx, over := context.WithTimeout(ctx, time.Minute)
	defer over()
	var lines, at string
	if err := chromedp.Run(ctx, chromedp.Navigate("file://"+string(opened)), chromedp.WaitVisible("#token"), chromedp.Location(&at), chromedp.SendKeys("#token", box.PushToken.Reveal()), chromedp.Click("#send"),
		chromedp.Poll(`document.getElementById("end").textContent.includes("purser is done")`, nil), chromedp.Text("#lines", &lines)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"pull and push granted", "AWSCURRENT", "identical to what purser sent"} {
		if !strings.Contains(lines, want) || !strings.Contains(out.String(), want) {
			t.Errorf("the page says\n%s\nand purser\n%s", lines, out.String())
		}
	}
	if at != address {
		t.Errorf("the file led to %s, and the page is at %s", at, address)
	}
	if _, err := os.Stat(string(opened)); err == nil {
		t.Error("the file is left behind")
	}
	if credential.Shows(out.String()+line+lines, box.PushToken) {
		t.Error("the token was shown")
	}
	_ = chromedp.Cancel(ctx)
}

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"purser/internal/config"
	"purser/internal/credential"
)

// exitLeak is how a script's purser ends when its output shows a token, a code
// that no script expects.
const exitLeak = 99

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"purser": watchedPurser})
}

// watchedPurser is main with its output looked through for the tokens in the
// folder that PURSER_TEST_TOKENS names.
func watchedPurser() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var out, errs bytes.Buffer
	code := run(ctx, os.Args[1:], &app{
		env: config.OSEnvironment(), in: os.Stdin, out: io.MultiWriter(os.Stdout, &out), err: io.MultiWriter(os.Stderr, &errs),
		tty: terminal{controllingTerminal}, now: time.Now, random: rand.Reader,
	})
	files, _ := filepath.Glob(filepath.Join(os.Getenv("PURSER_TEST_TOKENS"), "*.token"))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		token := credential.NewSecret(strings.TrimSpace(string(raw)))
		if err == nil && token.Len() > 20 && (credential.Shows(out.String(), token) || credential.Shows(errs.String(), token)) {
			fmt.Fprintln(os.Stderr, "LEAK of", filepath.Base(file))
			code = exitLeak
		}
	}
	os.Exit(code)
}

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/rig"
	"purser/internal/sandbox"
)

// exitLeak is how a script's purser ends when its output shows a token: a code
// that no script expects.
const exitLeak = 99

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"watched-purser": watchedPurser, "xdg-open": agreeingBrowser, "stubborn-purser": stubbornPurser})
}

// watchedPurser is main with its output looked through for every token in the
// folder that PURSER_TEST_TOKENS names.
func watchedPurser() {
	ctx, stop := endOnSignal(context.Background())
	var out, errs bytes.Buffer
	code := run(ctx, os.Args[1:], &app{
		env: config.OSEnvironment(), in: os.Stdin, out: io.MultiWriter(os.Stdout, &out), err: io.MultiWriter(os.Stderr, &errs),
		tty: terminal{controllingTerminal}, now: time.Now, random: rand.Reader, asks: os.Getenv("PURSER_TEST_ASKS") != "",
		wait:   func(context.Context, time.Duration) error { return nil }, // scripts have no time
		system: filepath.Join(os.Getenv("WORK"), "etc", "purser.yaml"),
	})
	stop()
	files, _ := filepath.Glob(filepath.Join(os.Getenv("PURSER_TEST_TOKENS"), "*.token"))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		first, _, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n")
		token := credential.NewSecret(first)
		if text := token.Reveal(); strings.Count(text, ".") == 2 {
			// Of a session the signature is what is secret; the rest is JSON in base64, as
			// receipts are.
			token = credential.NewSecret(text[strings.LastIndex(text, ".")+1:])
		}
		if err == nil && token.Len() > 20 && (credential.Shows(out.String(), token) || credential.Shows(errs.String(), token)) {
			fmt.Fprintln(os.Stderr, "LEAK of", filepath.Base(file))
			code = exitLeak
		}
	}
	os.Exit(code)
}

// agreeingBrowser is the browser of a person who agrees to what the page asks, and
// pastes the token of the file FORM_TOKEN into a form.
func agreeingBrowser() {
	resp, err := http.Get(os.Args[1])
	if err != nil {
		return
	}
	_ = resp.Body.Close()
	raw, err := os.ReadFile(os.Getenv("FORM_TOKEN"))
	if err != nil {
		return
	}
	if resp, err = http.PostForm(os.Args[1], url.Values{"token": {string(raw)}}); err == nil {
		page, _ := io.ReadAll(resp.Body) // to the end of what becomes of it
		_ = os.WriteFile(os.Getenv("FORM_PAGE"), page, 0o600)
		_ = resp.Body.Close()
	}
}

// stubbornPurser does not end when its context does.
func stubbornPurser() {
	ctx, stop := endOnSignal(context.Background())
	defer stop()
	_, _ = os.Stdout.WriteString("ready\n")
	<-ctx.Done()
	_, _ = os.Stdout.WriteString("told to end\n")
	select {}
}

// TestScripts runs the user stories in testdata/script, each with a sandbox of
// its own and the configuration of the running example.
func TestScripts(t *testing.T) {
	testscript.Run(t, scriptParams(t, "testdata/script", motoOrNot(t), ""))
}

// TestTheLifeOfATokenInEveryStore runs the stories in testdata/lifecycle with the
// stand-in for Secrets Manager and with moto, which has to end them alike.
func TestTheLifeOfATokenInEveryStore(t *testing.T) {
	moto := motoOrNot(t)
	for name, endpoint := range map[string]string{"the stand-in": "", "moto": moto} {
		t.Run(name, func(t *testing.T) {
			if name == "moto" && moto == "" {
				t.Skip("moto is not here: skipped")
			}
			testscript.Run(t, scriptParams(t, "testdata/lifecycle", moto, endpoint))
		})
	}
}

// scriptParams are for the stories in a folder, with a store of somebody else's where
// it has an address.
func scriptParams(t *testing.T, dir, moto, endpoint string) testscript.Params {
	t.Helper()
	helper := buildHelper(t)
	return testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", helper+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("MOTO", moto)
			err := setUpScript(env)
			if endpoint != "" {
				env.Setenv("AWS_ENDPOINT_URL", endpoint)
			}
			return err
		},
		Condition: func(name string) (bool, error) {
			if name != "moto" {
				return false, fmt.Errorf("there is no condition %s", name)
			}
			return moto != "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"purser": purserCommand, "code": codeCommand, "secret": secretCommand,
			"registry": registryCommand, "aws": awsCommand, "docker-config": dockerConfigCommand, "idc": idcCommand, "hub": hubCommand, "glob": globCommand, "stop-sandbox": stopSandboxCommand, "use-sandbox": useSandboxCommand, "await": awaitCommand,
		},
	}
}

// buildHelper makes the credential helper, and returns its folder.
func buildHelper(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "../docker-credential-purser").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// motoOrNot starts moto, and says that it is skipped where it is not there,
// without skipping the scripts.
func motoOrNot(t *testing.T) (url string) {
	t.Helper()
	t.Run("moto", func(sub *testing.T) { url = rig.Moto(keptUntil{sub, t}) })
	return url
}

// keptUntil is a test whose clean-up waits for the end of an outer one.
type keptUntil struct {
	*testing.T
	outer *testing.T
}

func (k keptUntil) Cleanup(f func())         { k.outer.Cleanup(f) }
func (k keptUntil) TempDir() string          { return k.outer.TempDir() }
func (k keptUntil) Context() context.Context { return k.outer.Context() }

// scriptConfig is what sandbox try shows.
const scriptConfig = tourConfig

const scriptFiles = `aws: {profile: mockserver-build, region: eu-west-2}
credentials:
  laptop:
    registry: docker.io
    repositories: [mockserver/mockserver]
  locked:
    registry: docker.io
    repositories: [mockserver/mockserver]
    store: {file: locked.age.json, passphrase: true}
`

// story is what a running script's commands share.
type story struct {
	box  *sandbox.Sandbox
	code int // of the last purser
	seen int // how many calls of AWS were looked at
}

type scriptKey struct{}

func scriptOf(ts *testscript.TestScript) *story { return ts.Value(scriptKey{}).(*story) }

func setUpScript(env *testscript.Env) error {
	box, err := sandbox.Start(context.Background(), sandbox.Options{})
	if err != nil {
		return err
	}
	env.Defer(func() { _ = box.Close() })
	env.Values[scriptKey{}] = &story{box: box}
	for _, dir := range []string{"home", "tokens", "docker"} {
		if err := os.MkdirAll(filepath.Join(env.WorkDir, dir), 0o700); err != nil {
			return err
		}
	}
	files := map[string]string{
		"purser.yaml": scriptConfig, "files.yaml": scriptFiles,
		"tokens/push.token": box.PushToken.Reveal() + "\n", "tokens/push2.token": box.SecondPushToken.Reveal() + "\n",
		"tokens/readonly.token": box.ReadOnlyToken.Reveal(), "tokens/revoked.token": box.RevokedToken.Reveal(),
		"tokens/other.token": box.OtherToken.Reveal(), "tokens/password.token": box.Password.Reveal(),
		"tokens/session.token":   "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJGQUtFRkFLRSJ9.RkFLRUZBS0VGQUtF",
		"tokens/code.token":      sandbox.DefaultCode + "\n",
		"tokens/two-lines.token": box.PushToken.Reveal() + "\n" + box.PushToken.Reveal() + "\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	vars, err := box.Environment(env.WorkDir)
	if err != nil {
		return err
	}
	env.Vars = append(env.Vars, vars...)
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("PURSER_TEST_TOKENS", filepath.Join(env.WorkDir, "tokens"))
	return nil
}

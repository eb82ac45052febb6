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
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"purser/internal/arguments"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/keychain"
	"purser/internal/keyringcache"
	"purser/internal/practice"
	"purser/internal/present"
	"purser/internal/realservers"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
)

// exitLeak and exitForm end a script's purser whose output shows a token, or is no report
// although --output json asked for one.
const exitLeak, exitForm = 99, 98

func TestMain(m *testing.M) {
	// purser starts itself for this, which here is the test: it would run all tests again,
	// and so on.
	if len(os.Args) > 1 && os.Args[1] == sweepArgument {
		main()
		return
	}
	testscript.Main(m, map[string]func(){"watched-purser": watchedPurser, "xdg-open": agreeingBrowser, "stubborn-purser": stubbornPurser})
}

// watchedPurser is main, with a search of its output for every token in the folder
// PURSER_TEST_TOKENS.
func watchedPurser() {
	ctx, stop := endOnSignal(context.Background())
	var out, errs bytes.Buffer
	var hold func() func()
	if os.Getenv("PURSER_TEST_HOLD") != "" { // else tests would clear each other's keyring
		hold = func() func() { return keyringcache.Hold(keyringcache.Name) }
	}
	a := &app{
		hold: hold,
		env:  config.OSEnvironment(), in: os.Stdin, out: io.MultiWriter(os.Stdout, &out), err: io.MultiWriter(os.Stderr, &errs),
		tty: present.Terminal{Path: present.ControllingTerminal}, now: time.Now, random: rand.Reader, asks: os.Getenv("PURSER_TEST_ASKS") != "",
		wait:   func(context.Context, time.Duration) error { return nil }, // scripts do not wait
		system: filepath.Join(os.Getenv("WORK"), "etc", "purser.yaml"),
	}
	if file := os.Getenv("PURSER_TEST_MOVED"); file != "" { // they wait, and the stand-ins' time moves on
		c := movedClock(file)
		a.now, a.wait = c.now, c.wait
	}
	if runtime.GOOS == "linux" { // where a script has no session, and so no keychain of the person's
		a.keychain = keychain.AgeIdentity(a.env.SessionBus)
	}
	if c, ok := readQuickClock(os.Getenv("PURSER_TEST_CLOCK")); ok {
		a.now, a.wait = c.now, c.wait
	}
	code := run(ctx, os.Args[1:], a)
	stop()
	if arguments.AskForJSON(os.Args[1:]) && !a.lent {
		if why := notAReport(out.String(), code); why != "" {
			fmt.Fprintln(os.Stderr, "NOT A REPORT:", why)
			code = exitForm
		}
	}
	files, _ := filepath.Glob(filepath.Join(os.Getenv("PURSER_TEST_TOKENS"), "*.token"))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		first, _, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n")
		token := credential.NewSecret(first)
		if text := token.Reveal(); strings.Count(text, ".") == 2 {
			// Only a session's signature is secret; the rest is base64 of JSON, as receipts
			// are.
			token = credential.NewSecret(text[strings.LastIndex(text, ".")+1:])
		}
		if os.Args[1] == "sandbox" && filepath.Base(file) == "password.token" {
			continue // the same in every sandbox, which shows it
		}
		if err == nil && token.Len() > 20 && (credential.Shows(out.String(), token) || credential.Shows(errs.String(), token)) {
			fmt.Fprintln(os.Stderr, "LEAK of", filepath.Base(file))
			code = exitLeak
		}
	}
	os.Exit(code)
}

// movedClock is ahead of the machine's by the nanoseconds in a file. The stand-ins have it
// too, so that a script can wait for minutes in no time.
type movedClock string

func (c movedClock) ahead() (d time.Duration) {
	raw, err := os.ReadFile(string(c))
	if err == nil {
		_, _ = fmt.Sscan(string(raw), (*int64)(&d))
	}
	return d
}

func (c movedClock) now() time.Time { return time.Now().Add(c.ahead()) }

func (c movedClock) wait(_ context.Context, d time.Duration) error {
	return os.WriteFile(string(c), fmt.Append(nil, int64(c.ahead()+d)), 0o600)
}

// agreeingBrowser is the browser of a person who agrees to a page, pastes the token of the
// file FORM_TOKEN, and answers a question with DECISION. It writes its address to the file
// OPENED, and the page to FORM_ASKED.
func agreeingBrowser() {
	if at := os.Getenv("OPENED"); at != "" {
		_ = os.WriteFile(at, []byte(os.Args[1]), 0o600)
	}
	address := os.Args[1]
	if page, err := os.ReadFile(address); err == nil { // a private page, which forwards
		address = forwards.FindString(string(page))
	}
	resp, err := http.Get(address)
	if err != nil {
		return
	}
	page, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if at := os.Getenv("FORM_ASKED"); at != "" {
		_ = os.WriteFile(at, page, 0o600)
	}
	own := []string{string(once.FindSubmatch(page)[1])}
	if strings.Contains(string(page), `name="answer"`) {
		if resp, err = http.PostForm(address, url.Values{"answer": {os.Getenv("DECISION")}, "once": own}); err == nil {
			_ = resp.Body.Close()
		}
		return
	}
	raw, err := os.ReadFile(os.Getenv("FORM_TOKEN"))
	if err != nil {
		return
	}
	if resp, err = http.PostForm(address, url.Values{"token": {string(raw)}, "once": own}); err == nil {
		page, _ := io.ReadAll(resp.Body) // until the run ends
		_ = os.WriteFile(os.Getenv("FORM_PAGE"), page, 0o600)
		_ = resp.Body.Close()
	}
}

// once finds the hidden value of a page's form.
var once = regexp.MustCompile(`name="once" value="([\w-]*)"|$`)

// forwards finds the address to which a private page forwards.
var forwards = regexp.MustCompile(`http://127\.0\.0\.1:\d+/[\w-]+`)

// stubbornPurser ignores the end of its context.
func stubbornPurser() {
	ctx, stop := endOnSignal(context.Background())
	defer stop()
	_, _ = os.Stdout.WriteString("ready\n")
	<-ctx.Done()
	_, _ = os.Stdout.WriteString("told to end\n")
	select {}
}

// TestScripts runs the user stories in testdata/script, each with its own sandbox and the
// running example's configuration.
func TestScripts(t *testing.T) {
	testscript.Run(t, scriptParams(t, "testdata/script", motoOrNot(t), ""))
}

// TestHostile runs the attacks in testdata/hostile, each of which begins with what the
// attacker does. make hostile prints them.
func TestHostile(t *testing.T) {
	const dir = "testdata/hostile"
	testscript.Run(t, scriptParams(t, dir, "", ""))
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no attacks in %s (%v)", dir, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(raw), "\n")
		t.Logf("attack: %-18s %s", strings.TrimSuffix(filepath.Base(file), ".txtar"), strings.TrimPrefix(first, "# "))
	}
}

// TestTheLifeOfATokenInEveryStore runs the stories in testdata/lifecycle with the stand-in
// for Secrets Manager and with moto. Both must end them alike.
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

// scriptParams are for the stories in a folder, with another store if endpoint names one.
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
			switch name {
			case "moto":
				return moto != "", nil
			case "docker":
				_, err := exec.LookPath("docker")
				return err == nil, nil
			case "small-disk":
				return smallDisks(), nil
			}
			return false, fmt.Errorf("there is no condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"purser": purserCommand, "code": codeCommand, "secret": secretCommand,
			"registry": registryCommand, "aws": awsCommand, "docker-config": dockerConfigCommand, "docker-login": dockerLoginCommand, "idc": idcCommand, "hub": hubCommand, "glob": globCommand, "stop-sandbox": stopSandboxCommand, "use-sandbox": useSandboxCommand, "small-disk": smallDiskCommand, "await": awaitCommand, "evil": evilCommand,
		},
	}
}

// buildHelper builds the credential helper, and returns its folder.
func buildHelper(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "../docker-credential-purser").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// motoOrNot starts moto, or says that it skips moto alone.
func motoOrNot(t *testing.T) (url string) {
	t.Helper()
	t.Run("moto", func(sub *testing.T) { url = realservers.Moto(keptUntil{sub, t}) })
	return url
}

// keptUntil is a test whose cleanup runs at the end of an outer one.
type keptUntil struct {
	*testing.T
	outer *testing.T
}

func (k keptUntil) Cleanup(f func())         { k.outer.Cleanup(f) }
func (k keptUntil) TempDir() string          { return k.outer.TempDir() }
func (k keptUntil) Context() context.Context { return k.outer.Context() }

// scriptConfig is what sandbox try shows.
const scriptConfig = practice.TourConfig

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

// story is what the commands of a script share.
type story struct {
	box  *sandbox.Sandbox
	code int // of the last purser
	seen int // how many AWS calls the script looked at

	heard map[string]int // how many requests of a registry the script looked at
}

type scriptKey struct{}

func scriptOf(ts *testscript.TestScript) *story { return ts.Value(scriptKey{}).(*story) }

// evilRegistry accepts every token of Docker Hub's accounts: what purser sends it is lost.
const evilRegistry = "evil.example"

// opaqueTokens are two tokens of the account team without a known form, as other registries
// make them.
func opaqueTokens(box *sandbox.Sandbox) (texts [2]string, err error) {
	box.Accounts.AddAccount("team", box.Password, false)
	box.Accounts.AddRepository("team/app", "team", true)
	box.Accounts.Form = "opaque-"
	defer func() { box.Accounts.Form = "" }()
	for i := range texts {
		token, err := box.Accounts.AddToken("team", sandboxhub.ReadWrite)
		if err != nil {
			return texts, err
		}
		texts[i] = token.Secret.Reveal()
	}
	return texts, nil
}

func setUpScript(env *testscript.Env) error {
	clock := movedClock(filepath.Join(env.WorkDir, "moved"))
	box, err := sandbox.Start(context.Background(), sandbox.Options{Now: clock.now, AWSNow: time.Now, Hosts: []string{evilRegistry, "registry.example.net"}})
	if err != nil {
		return err
	}
	opaque, err := opaqueTokens(box)
	if err != nil {
		return err
	}
	env.Defer(func() { _ = box.Close() })
	env.Values[scriptKey{}] = &story{box: box, heard: map[string]int{}}
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
		"tokens/session.token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJGQUtFRkFLRSJ9.RkFLRUZBS0VGQUtF",
		"tokens/opaque.token":  opaque[0] + "\n", "tokens/opaque2.token": opaque[1] + "\n",
		"tokens/code.token":      sandboxhub.DefaultCode + "\n",
		"quoted.txt":             `"` + box.PushToken.Reveal() + `"` + "\n",
		"header.txt":             "Bearer " + box.PushToken.Reveal() + "\n",
		"assignment.txt":         "export TOKEN=" + box.PushToken.Reveal() + "\n",
		"pair.txt":               "mockserver:" + box.PushToken.Reveal() + "\n",
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

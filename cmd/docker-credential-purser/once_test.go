package main

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"purser/internal/config"
	"purser/internal/keyringcache"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/wire"
)

// remembering returns an agent that caches logins in a keyring of its own.
func remembering(t *testing.T) *agent {
	t.Helper()
	ring := "purser-ring-of-test-" + strconv.Itoa(os.Getpid()) // only the test uses it
	kept, err := keyringcache.New(ring)
	if errors.Is(err, keyringcache.ErrUnavailable) {
		t.Skipf("%v: skipped", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := kept.Clear(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyringcache.Hold(ring) }) // it expires within a minute
	a := newAgent(t, agentConfig)
	a.ring, a.env.Home = ring, t.TempDir() // an entry's name includes the home
	a.keyring = func() (cache, error) { return keyringcache.New(a.ring) }
	return a
}

// reads counts AWS's GetSecretValue calls.
func (a *agent) reads() int { return strings.Count(strings.Join(a.aws.Calls(), " "), "GetSecretValue") }

func TestAClientThatAsksSixTimesCausesOneRead(t *testing.T) {
	a := remembering(t)
	for range 6 {
		if !a.gives("docker.io") {
			t.Fatal("no login")
		}
	}
	if got := a.reads(); got != 1 {
		t.Errorf("%d reads", got)
	}
	if !a.gives("ghcr.io") || a.reads() != 2 {
		t.Error("another credential's login was given, or read twice")
	}
}

func TestTwentyConcurrentCallsCauseOneRead(t *testing.T) {
	a := remembering(t)
	a.aws.Fault("GetSecretValue", sandboxaws.Fault{Delay: 50 * time.Millisecond, Times: -1})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if !a.gives("docker.io") {
				t.Error("no login")
			}
		})
	}
	all.Wait()
	if got := a.reads(); got != 1 {
		t.Errorf("%d reads", got)
	}
}

func TestWhatIsKeptIsForgotten(t *testing.T) {
	a := remembering(t)
	for reads, forget := range map[string]func(){
		"an erase":              func() { a.ask("erase", "https://index.docker.io/v1/") },
		"other AWS credentials": func() { a.env.AWSIdentity += "another" },
		"another home":          func() { a.env.Home = t.TempDir() },
	} {
		if !a.gives("docker.io") {
			t.Fatal("no login")
		}
		before := a.reads()
		forget()
		if !a.gives("docker.io") || a.reads() != before+1 {
			t.Errorf("%s did not cause another read", reads)
		}
	}
}

func TestTheCacheCanBeSwitchedOff(t *testing.T) {
	a := remembering(t)
	a.env.HelperCache = config.ReadEnvironment(func(name string) (string, bool) { return "off", name == "PURSER_HELPER_CACHE" }).HelperCache
	a.gives("docker.io")
	if !a.gives("docker.io") || a.reads() != 2 {
		t.Errorf("%d reads", a.reads())
	}
	a.env.HelperCache = 0
	a.keyring = func() (cache, error) { return nil, keyringcache.ErrUnavailable }
	if !a.gives("docker.io") || a.reads() != 3 {
		t.Error("without a keyring there is no login, or no read")
	}
}

func TestAFailureIsNotCached(t *testing.T) {
	a := remembering(t)
	a.aws.Fault("GetSecretValue", sandboxaws.Fault{Code: "AccessDeniedException", Message: "not authorized to perform: secretsmanager:GetSecretValue", Times: 1})
	if a.gives("docker.io") {
		t.Fatal("it returned a login although AWS refused")
	}
	if !a.gives("docker.io") {
		t.Error("it returned no login when AWS allowed it again")
	}
}

func TestSlowAndLargeInput(t *testing.T) {
	a := newAgent(t, agentConfig)
	notFound := func(out string) bool { return strings.Contains(out, "credentials not found") }
	if out, _, code := a.ask("get", strings.Repeat("x", 10<<20)); code != 1 || !notFound(out) {
		t.Errorf("10 MB: %d %.100q", code, out)
	}
	if out, _, code := a.ask("get", "\x00\x1b[2Jdocker.io\x7f"); code != 1 || !notFound(out) {
		t.Errorf("control characters: %d %q", code, out)
	}
	for verb, want := range map[string]int{"store": 0, "erase": 0} {
		if out, _, code := a.ask(verb, strings.Repeat("x", 10<<20)); code != want || out != "" {
			t.Errorf("%s of 10 MB: %d %.100q", verb, code, out)
		}
	}
	// A client that never sends a request gets a timeout that says so.
	silent, say := newPipe(t)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"get"}, &helper{
		env: config.Environment{HelperTimeout: 20 * time.Millisecond}, system: a.system, in: silent, out: &out, err: &errs, now: time.Now, aws: &wire.LocalAWS{Endpoint: a.at},
	})
	_ = say.Close()
	if code != 1 || !strings.Contains(out.String(), "timed out after 20ms while reading the client's request") || out.String() != errs.String() {
		t.Errorf("%d %q", code, out.String())
	}
}

func TestStoredValuesThatAreNotLoginsAreFailures(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*agent)
		want string
	}{
		"another shape": {func(a *agent) { a.put("mockserver-build/dockerhub", `{"user":"x","pass":"FAKE-pass"}`) }, "has no key"},
		"no JSON":       {func(a *agent) { a.put("mockserver-build/dockerhub", `FAKE-pass`) }, "JSON"},
		"binary":        {func(a *agent) { a.putBinary("mockserver-build/dockerhub") }, "binary"},
		"marked for deletion": {func(a *agent) {
			a.call("DeleteSecret", `{"SecretId":"mockserver-build/dockerhub","RecoveryWindowInDays":7}`)
		}, "is marked for deletion"},
		"throttled": {func(a *agent) {
			a.aws.Fault("GetSecretValue", sandboxaws.Fault{Code: "ThrottlingException", Message: "Rate exceeded", Times: -1})
		}, "timed out|Rate exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAgent(t, agentConfig)
			c.set(a)
			out, errs, code := a.ask("get", "docker.io")
			some := false
			for want := range strings.SplitSeq(c.want, "|") {
				some = some || strings.Contains(out, want)
			}
			if code != 1 || out != errs || !some || strings.Contains(out, "FAKE") || strings.Contains(out, "not found in native") {
				t.Errorf("%d %q", code, out)
			}
		})
	}
}

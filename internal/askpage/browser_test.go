package askpage_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"purser/internal/askpage"
	"purser/internal/credential"
	"purser/internal/realservers"
)

// browser is a real Chromium with its own profile. At the end the test searches the profile
// for the token.
type browser struct {
	*testing.T
	ctx context.Context
}

func newBrowser(t *testing.T) browser {
	t.Helper()
	program := realservers.Need(t, "chromium")
	profile := t.TempDir()
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(profile), chromedp.NoSandbox,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	ctx, cancel := chromedp.NewContext(allocator)
	limited, end := context.WithTimeout(ctx, time.Minute)
	b := browser{t, limited}
	b.do(chromedp.Navigate("about:blank"))
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // a normal exit lets it write its files
		end()
		cancel()
		stop()
		searched(t, profile)
	})
	return b
}

func (b browser) do(actions ...chromedp.Action) {
	b.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// text returns an element's text.
func (b browser) text(selector string) string {
	b.Helper()
	var text string
	b.do(chromedp.Text(selector, &text, chromedp.ByQuery))
	return text
}

// eventually waits until an element contains a text.
func (b browser) eventually(selector, want string) {
	b.Helper()
	raw, _ := json.Marshal(want)
	quoted, _ := json.Marshal(selector)
	poll := chromedp.Poll(`document.querySelector(`+string(quoted)+`)?.textContent.includes(`+string(raw)+`)`, nil)
	err := chromedp.Run(b.ctx, poll)
	for err != nil && strings.Contains(err.Error(), "Cannot find context") { // the browser is leaving the page
		err = chromedp.Run(b.ctx, poll)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// searched looks for the token in the browser's files.
func searched(t *testing.T, profile string) {
	t.Helper()
	secret := credential.NewSecret(token)
	err := filepath.WalkDir(profile, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // the browser may have removed it
		}
		raw, err := os.ReadFile(path)
		if err == nil && credential.Shows(string(raw), secret) {
			t.Errorf("the browser has kept the token in %s", filepath.Base(path))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAPersonPastesTheToken(t *testing.T) {
	b, f := newBrowser(t), open(t)
	b.do(chromedp.Navigate(f.Address()), chromedp.WaitVisible("#token"))
	if got := b.text("main"); !strings.Contains(got, "mockserver") || !strings.Contains(got, "Read & Write") {
		t.Errorf("the page says %s", got)
	}
	// The page points out a mistake while the person types, and purser again when they send it.
	b.do(chromedp.SendKeys("#token", "mockserver:dckr_pat_FAKE"))
	b.eventually("#told", "other text with the access token")
	b.do(chromedp.Click("#send"))
	b.eventually("#problem", "it is not whole")
	b.do(chromedp.SendKeys("#token", token))
	b.eventually("#told", "This is a personal access token of 36 characters.")
	b.do(chromedp.Click("#send"), chromedp.WaitVisible("#follow"))
	got, err := f.Ask(t.Context())
	if err != nil || !got.Equal(credential.NewSecret(token)) {
		t.Fatalf("it did not arrive: %v", err)
	}
	f.Line("ok", "Proof", "mockserver/mockserver: pull and push granted")
	b.eventually("#lines", "pull and push granted")
	f.Line("ok", "Stored", "version purser-01 is AWSCURRENT")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b.eventually("#end", "purser is done")
	var left string
	b.do(chromedp.Evaluate(`document.documentElement.outerHTML + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.href + document.getElementById('token').value`, &left))
	if credential.Shows(left, credential.NewSecret(token)) {
		t.Error("the page still has the token")
	}
}

func TestTheKeyboardIsEnough(t *testing.T) {
	b, f := newBrowser(t), open(t)
	b.do(chromedp.Navigate(f.Address()), chromedp.WaitVisible("#token"), chromedp.KeyEvent(token), chromedp.KeyEvent(kb.Tab))
	var focused string
	b.do(chromedp.Evaluate(`document.activeElement.id`, &focused))
	if focused != "send" {
		t.Errorf("after the field comes %q", focused)
	}
	b.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#follow"), chromedp.Evaluate(`document.activeElement.id`, &focused))
	if focused != "following" {
		t.Errorf("afterwards the focus is on %q", focused)
	}
	if _, err := f.Ask(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReloadSecondTabAndReuse(t *testing.T) {
	b, f := newBrowser(t), open(t)
	b.do(chromedp.Navigate(f.Address()), chromedp.SendKeys("#token", "half of it"), chromedp.Reload(), chromedp.WaitVisible("#token"))
	var kept string
	b.do(chromedp.Evaluate(`document.getElementById('token').value`, &kept))
	if kept != "" {
		t.Error("the field keeps what was typed over a reload")
	}
	b.do(chromedp.SendKeys("#token", token), chromedp.Click("#send"), chromedp.WaitVisible("#follow"), chromedp.Navigate(f.Address()))
	b.eventually("h1", "already used")
	if _, err := f.Ask(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWithoutJavaScript(t *testing.T) {
	b, f := newBrowser(t), open(t)
	b.do(emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(f.Address()), chromedp.WaitVisible("#token"),
		chromedp.SendKeys("#token", token), chromedp.Click("#send"))
	if _, err := f.Ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Line("ok", "Proof", "granted")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.WaitVisible(".line.ok"))
	if got := b.text("main"); !strings.Contains(got, "granted") || !strings.Contains(got, "purser is done") {
		t.Errorf("the page says %s", got)
	}
}

// Pages from another origin try to post, frame and read the form.
func TestOtherPagesCannotUseIt(t *testing.T) {
	b, f := newBrowser(t), open(t)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		switch req.URL.Path {
		case "/post":
			_, _ = w.Write([]byte(`<form method="post" action="` + f.Address() + `"><input name="token" value="dckr_pat_FAKEevilFAKEevilFAKEevil123"></form><script>document.forms[0].submit()</script>`))
		case "/frame":
			_, _ = w.Write([]byte(`<iframe id="f" src="` + f.Address() + `"></iframe><p id="done">loaded</p>`))
		default:
			_, _ = w.Write([]byte(`<p id="done"></p><script>fetch("` + f.Address() + `").then(r => r.text()).then(t => document.getElementById("done").textContent = "read " + t.length, () => document.getElementById("done").textContent = "refused")</script>`))
		}
	}))
	t.Cleanup(evil.Close)
	b.do(chromedp.Navigate(evil.URL + "/post"))
	b.eventually("h1", "Another page sent this")
	b.do(chromedp.Navigate(evil.URL + "/read"))
	b.eventually("#done", "refused")
	b.do(chromedp.Navigate(evil.URL+"/frame"), chromedp.WaitVisible("#done"))
	var framed bool
	b.do(chromedp.Evaluate(`(() => { try { return !!document.getElementById("f").contentDocument?.getElementById("token") } catch { return false } })()`, &framed))
	if framed {
		t.Error("the form can be framed")
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if _, err := f.Ask(ctx); err == nil {
		t.Error("the other page's token was taken")
	}
}

func TestAClosedTabLeavesNothingWaiting(t *testing.T) {
	b, f := newBrowser(t), open(t)
	tab, stop := chromedp.NewContext(b.ctx)
	if err := chromedp.Run(tab, chromedp.Navigate(f.Address()), chromedp.WaitVisible("#token"), page.Close()); err != nil {
		t.Log(err) // the tab closes during the call
	}
	stop()
	ctx, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	if _, err := f.Ask(ctx); err == nil {
		t.Error("a token came from nowhere")
	}
}

// TestThePageIsAccessible computes the contrast of every text in both colour schemes, and
// checks what screen readers need. It saves screenshots in PURSER_TEST_SHOTS.
func TestThePageIsAccessible(t *testing.T) {
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1100, 320} {
			b := newBrowser(t)
			f, err := askpage.Open(t.Context(), askpage.Config{Credential: "dockerhub", Registry: "docker.io", Account: "mockserver", Random: rand.Reader, Check: check, Destinations: []string{"mockserver-build/dockerhub in eu-west-2, AWS profile mockserver-build"},
				Steps: []askpage.Step{{Text: "Open Docker's page", URL: "https://app.docker.com/settings/personal-access-tokens"}, {Text: "Make one"}}})
			if err != nil {
				t.Fatal(err)
			}
			b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				chromedp.EmulateViewport(width, 900), chromedp.Navigate(f.Address()), chromedp.SendKeys("#token", "abc"), chromedp.Click("#send"))
			b.eventually("#problem", "it is not whole")
			var faults []string
			b.do(chromedp.Evaluate(readable, &faults))
			for _, fault := range faults {
				t.Errorf("%s, %d wide: %s", scheme, width, fault)
			}
			if dir := os.Getenv("PURSER_TEST_SHOTS"); dir != "" {
				var picture []byte
				b.do(chromedp.FullScreenshot(&picture, 100))
				if err := os.WriteFile(filepath.Join(dir, scheme+"-"+map[int64]string{1100: "wide", 320: "narrow"}[width]+".png"), picture, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_ = f.Close()
		}
	}
}

// readable checks what a script can check of WCAG 2.2 AA: contrast (1.4.3), names of fields
// (4.1.2), language (3.1.1), no sideways scrolling (1.4.10).
const readable = `(() => {
  const faults = [];
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return m.length > 3 && m[3] === 0 ? null : m.slice(0, 3); };
  const lum = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c) return c; } return [255, 255, 255]; };
  for (const e of document.querySelectorAll('main *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.offsetParent) continue;
    const a = lum(parse(getComputedStyle(e).color)), b = lum(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faults.push(e.tagName + ' has a contrast of ' + ratio.toFixed(2));
  }
  for (const e of document.querySelectorAll('input:not([type=hidden])')) if (!e.labels.length) faults.push('a field has no label');
  if (document.documentElement.lang !== 'en') faults.push('no language');
  if (!document.title || document.querySelectorAll('h1').length !== 1) faults.push('no title, or not one heading');
  if (document.documentElement.scrollWidth > innerWidth) faults.push('it scrolls sideways');
  if (!document.querySelector('[role=alert]')) faults.push('problems are not announced');
  return faults;
})()`

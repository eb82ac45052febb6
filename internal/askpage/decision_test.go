package askpage_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"purser/internal/askpage"
	"purser/internal/credential"
)

func decision(t *testing.T) *askpage.DecisionPage {
	t.Helper()
	p, err := askpage.OpenDecision(t.Context(), askpage.Decision{
		Question: "Make a token for dockerhub with docker's session of mockserver?",
		Facts:    []string{"registry: docker.io", "account: mockserver", "stored in: <b>mockserver-build/dockerhub</b> in eu-west-2"}, Random: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestThePageAcceptsOneDecision(t *testing.T) {
	for answer, want := range map[string]bool{"yes": true, "no": false} {
		p := decision(t)
		if status, body, _ := send(t, "GET", p.Address(), "", nil); status != 200 || !strings.Contains(body, "stored in: &lt;b&gt;mockserver-build/dockerhub") {
			t.Errorf("the page: %d %s", status, body)
		}
		again := filled(t, p, p.Address(), "answer=yes")
		if status, body, _ := send(t, "POST", p.Address(), filled(t, p, p.Address(), "answer="+answer), nil); status != 200 || !strings.Contains(body, "You said "+answer) {
			t.Errorf("%s: %d %s", answer, status, body)
		}
		if got, err := p.Answer(t.Context()); err != nil || got != want {
			t.Errorf("%s came as %v %v", answer, got, err)
		}
		for method, body := range map[string]string{"POST": again, "GET": ""} {
			if status, _, _ := send(t, method, p.Address(), body, nil); status != 410 {
				t.Errorf("a %s after the answer: %d", method, status)
			}
		}
	}
}

func TestWhatIsNoDecision(t *testing.T) {
	p := decision(t)
	good := filled(t, p, p.Address(), "answer=yes")
	for name, c := range map[string]struct {
		method, address, body string
		header                map[string]string
		want                  int
	}{
		"another path":                      {"POST", p.Address() + "x", good, nil, 404},
		"the form's progress":               {"GET", p.Address() + "/progress", "", nil, 404},
		"a rebound name":                    {"POST", p.Address(), good, map[string]string{"Host": "evil.example"}, 421},
		"a post from elsewhere":             {"POST", p.Address(), good, map[string]string{"Origin": "https://evil.example"}, 403},
		"a post across sites":               {"POST", p.Address(), good, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"a post of another port":            {"POST", p.Address(), good, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"JSON":                              {"POST", p.Address(), `{"answer":"yes"}`, map[string]string{"Content-Type": "application/json"}, 400},
		"both":                              {"POST", p.Address(), good + "&answer=no", nil, 400},
		"without the form's one-time value": {"POST", p.Address(), "answer=yes", nil, 403},
		"a guessed one-time value":          {"POST", p.Address(), "answer=yes&once=" + strings.Repeat("A", 32), nil, 403},
		"neither":                           {"POST", p.Address(), "answer=maybe", nil, 400},
		"an address that asks":              {"GET", p.Address() + "?answer=yes", "", nil, 200},
		"another method":                    {"PUT", p.Address(), good, nil, 405},
	} {
		if status, _, _ := send(t, c.method, c.address, c.body, c.header); status != c.want {
			t.Errorf("%s: %d, want %d", name, status, c.want)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if yes, err := p.Answer(ctx); yes || err == nil {
		t.Error("one of them was an answer")
	}
}

func TestNoAnswerMeansNo(t *testing.T) {
	p, err := askpage.OpenDecision(t.Context(), askpage.Decision{Random: rand.Reader, Life: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	if yes, err := p.Answer(t.Context()); yes || credential.ReasonOf(err) != credential.Declined {
		t.Errorf("%v %v", yes, err)
	}
}

func TestAPersonDecidesInABrowser(t *testing.T) {
	for _, answer := range []string{"yes", "no"} {
		b, p := newBrowser(t), decision(t)
		// Keys that somebody types while the page appears decide nothing.
		b.do(chromedp.Navigate(p.Address()), chromedp.WaitVisible("#yes"), chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(" "))
		ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := p.Answer(ctx); err == nil {
			t.Error("a key decided")
		}
		stop()
		if got := b.text("main"); !strings.Contains(got, "account: mockserver") || !strings.Contains(got, "stored in: <b>mockserver-build/dockerhub</b>") {
			t.Errorf("the page says %s", got)
		}
		for _, scheme := range []string{"light", "dark"} {
			var faults []string
			b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				chromedp.EmulateViewport(320, 900), chromedp.Evaluate(readable, &faults))
			for _, fault := range faults {
				t.Errorf("%s: %s", scheme, fault)
			}
		}
		b.do(chromedp.Click("#"+answer), chromedp.WaitVisible("#said"))
		if got := b.text("#said"); !strings.Contains(got, "You said "+answer) {
			t.Errorf("after a click on %s: %s", answer, got)
		}
		if yes, err := p.Answer(t.Context()); err != nil || yes != (answer == "yes") {
			t.Errorf("%s came as %v %v", answer, yes, err)
		}
	}
}

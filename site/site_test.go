package site_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"purser/internal/realservers"
)

// home is a repository that doesn't exist: pages link to it and load nothing from it.
const home = "https://home.invalid/purser"

// TestTheSite builds the site once, without a network, for all that follows.
func TestTheSite(t *testing.T) {
	if _, err := os.Stat("node_modules/@11ty/eleventy"); err != nil {
		t.Skip("skipped: the site's tools are not installed; `make tools` installs them if npm is there")
	}
	dir := t.TempDir()
	if out, err := build(t, dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pages := readPages(t, dir)
	t.Run("every link leads to a page and an anchor", func(t *testing.T) { linksLead(t, dir, pages) })
	t.Run("nothing comes from another host, and only the search has a script", func(t *testing.T) { loadsOnlyItsOwn(t, pages) })
	// Below a folder, as GitHub serves it.
	server := httptest.NewServer(http.StripPrefix("/purser/", http.FileServer(http.Dir(dir))))
	t.Cleanup(server.Close)
	b := newBrowser(t, server.URL+"/purser/")
	t.Run("every page is accessible in light and dark, and fits 360 pixels", func(t *testing.T) { b.on(t).read(pages) })
	t.Run("search finds a page and shows no markup of others", func(t *testing.T) { b.on(t).search() })
	t.Run("pages are readable without JavaScript", func(t *testing.T) { b.on(t).withoutScript() })
}

func build(t *testing.T, dir string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), realservers.Need(t, "node"), "node_modules/@11ty/eleventy/cmd.cjs", "--quiet", "--output="+dir)
	cmd.Env = append(os.Environ(), "PURSER_HOME="+home)
	return cmd.CombinedOutput()
}

// page is a built page: what it links to, what it loads, and its anchors.
type page struct {
	links, loads []string
	anchors      map[string]bool
}

// readPages reads the built pages; there is one for each page of the repository.
func readPages(t *testing.T, dir string) map[string]page {
	t.Helper()
	all := map[string]page{}
	for _, pattern := range []string{"*.html", "docs/*.html", "docs/decisions/*.html"} {
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, file := range files {
			name, _ := filepath.Rel(dir, file)
			all[filepath.ToSlash(name)] = readPage(t, file)
		}
	}
	for _, pattern := range []string{"README.md", "CHANGELOG.md", "docs/*.md", "docs/decisions/*.md"} {
		sources, _ := filepath.Glob("../" + pattern)
		for _, source := range sources {
			name := strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(source), "../"), ".md")
			name = strings.ReplaceAll(name, "README", "index") + ".html"
			if _, ok := all[name]; !ok {
				t.Errorf("the site lacks %s", name)
			}
		}
	}
	return all
}

func readPage(t *testing.T, file string) page {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	root, err := html.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	p := page{anchors: map[string]bool{}}
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			switch {
			case a.Key == "id":
				p.anchors[a.Val] = true
			case n.Data == "a" && a.Key == "href":
				p.links = append(p.links, a.Val)
			case a.Key == "src" || a.Key == "href" || a.Key == "action":
				p.loads = append(p.loads, a.Val)
			}
		}
	}
	return p
}

func linksLead(t *testing.T, dir string, pages map[string]page) {
	t.Helper()
	found := 0
	for name, p := range pages {
		for _, link := range slices.Concat(p.links, p.loads) {
			if strings.HasPrefix(link, "https://") {
				continue
			}
			found++
			file, anchor, _ := strings.Cut(link, "#")
			at := name
			if file != "" {
				at = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(dir, at)); err != nil || strings.HasPrefix(link, "/") {
				t.Errorf("%s has %q, which leads nowhere: %v", name, link, err)
			} else if anchor != "" && !pages[at].anchors[anchor] {
				t.Errorf("%s has %q, and there is no such anchor", name, link)
			}
		}
	}
	if found < 1000 {
		t.Errorf("only %d links were found", found)
	}
	pictures, _ := filepath.Glob("../docs/pictures/*.svg")
	for _, picture := range pictures {
		used := func(p page) bool {
			return slices.ContainsFunc(p.loads, func(l string) bool { return path.Base(l) == filepath.Base(picture) })
		}
		if shown := slices.ContainsFunc(slices.Collect(maps.Values(pages)), used); !shown {
			t.Errorf("no page shows %s", picture)
		}
	}
}

func loadsOnlyItsOwn(t *testing.T, pages map[string]page) {
	t.Helper()
	for name, p := range pages {
		for _, at := range p.loads {
			if u, err := url.Parse(at); err != nil || u.Host != "" || u.Scheme != "" {
				t.Errorf("%s loads %s", name, at)
			}
			if path.Ext(at) == ".js" && name != "search.html" {
				t.Errorf("%s has the script %s", name, at)
			}
		}
	}
}

// browser is a real Chromium that looks at the site, and notes what it asks other hosts for.
type browser struct {
	*testing.T
	ctx   context.Context
	site  string
	mu    *sync.Mutex
	asked *[]string
}

func newBrowser(t *testing.T, site string) browser {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(realservers.Need(t, "chromium")), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := browser{t, ctx, site, new(sync.Mutex), new([]string)}
	chromedp.ListenTarget(ctx, func(event any) {
		if sent, ok := event.(*network.EventRequestWillBeSent); ok && !strings.HasPrefix(sent.Request.URL, site) && !strings.HasPrefix(sent.Request.URL, "data:") {
			b.mu.Lock()
			defer b.mu.Unlock()
			*b.asked = append(*b.asked, sent.Request.URL)
		}
	})
	if err := chromedp.Run(ctx, network.Enable()); err != nil { // a time limit here would end the browser
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		cancel()
		stop()
	})
	return b
}

// on is the same browser for a subtest, after which no other host may have been asked.
func (b browser) on(t *testing.T) browser {
	t.Helper()
	b.T = t
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, address := range *b.asked {
			t.Errorf("the browser asked %s", address)
		}
		*b.asked = nil
	})
	return b
}

func (b browser) do(actions ...chromedp.Action) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.ctx, time.Minute)
	defer stop()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

func scheme(name string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}})
}

// read opens each page: axe looks at it in light and dark, and it has to fit a telephone.
// PURSER_TEST_SHOTS gets pictures.
func (b browser) read(pages map[string]page) {
	b.Helper()
	for name := range pages {
		b.do(chromedp.EmulateViewport(1200, 900), chromedp.Navigate(b.site+name))
		b.asksAxe(name)
		var wide int
		b.do(scheme("light"), chromedp.EmulateViewport(360, 740), chromedp.Evaluate(`document.documentElement.scrollWidth`, &wide))
		if wide > 360 {
			b.Errorf("%s is %d pixels wide on a screen of 360", name, wide)
		}
		b.shot("narrow", name)
	}
}

// asksAxe about the page that is open.
func (b browser) asksAxe(name string) {
	b.Helper()
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		b.Fatal(err)
	}
	b.do(chromedp.Evaluate(string(axe)+";0", nil))
	await := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	for _, with := range []struct {
		scheme, options string
		rules           int // that a page passes, at least
	}{{"light", `{}`, 10}, {"dark", `{runOnly: ["color-contrast", "link-in-text-block"]}`, 1}} { // in dark, nothing else differs
		var found struct {
			Passed int
			Faults []string
		}
		b.do(scheme(with.scheme), chromedp.Evaluate(`axe.run(`+with.options+`).then((r) => ({passed: r.passes.length, faults: r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html).slice(0, 3).join(" | "))}))`, &found, await))
		for _, fault := range found.Faults {
			b.Errorf("%s, %s: %s", name, with.scheme, fault)
		}
		if found.Passed < with.rules {
			b.Errorf("%s, %s: axe passed only %d rules", name, with.scheme, found.Passed)
		}
		b.shot(with.scheme, name)
	}
}

func (b browser) shot(kind, name string) {
	b.Helper()
	dir := os.Getenv("PURSER_TEST_SHOTS")
	if dir == "" {
		return
	}
	var picture []byte
	b.do(chromedp.FullScreenshot(&picture, 100))
	if err := os.WriteFile(filepath.Join(dir, kind+"-"+strings.ReplaceAll(name, "/", "-")+".png"), picture, 0o600); err != nil {
		b.Fatal(err)
	}
}

// search types into a page's form as a person does, and then asks for markup.
func (b browser) search() {
	b.Helper()
	var at, told string
	b.do(chromedp.EmulateViewport(1200, 900), chromedp.Navigate(b.site+"docs/ci.html"), chromedp.SendKeys("[role=search] input", "rotate\r"),
		chromedp.WaitVisible(`#found a[href$="docs/rotating.html"]`))
	b.asksAxe("what the search finds")
	b.do(chromedp.Click(`#found a[href$="docs/rotating.html"]`), chromedp.WaitVisible("nav [aria-current]"), chromedp.Location(&at))
	if at != b.site+"docs/rotating.html" {
		b.Errorf("the first page found is at %s", at)
	}
	hostile := `<img src=x onerror="document.title='ran'">`
	b.do(chromedp.Navigate(b.site+"search.html?q="+url.QueryEscape(hostile)), chromedp.Poll(`document.getElementById("told").textContent.includes("<img")`, nil), chromedp.Title(&told))
	if told != "Search · purser" {
		b.Errorf("the title is %q", told)
	}
	b.do(chromedp.Navigate(b.site+"search.html?q=zzzxqj"), chromedp.Poll(`document.getElementById("told").textContent.startsWith("No page has")`, nil))
}

func (b browser) withoutScript() {
	b.Helper()
	var said, at string
	b.do(emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(b.site+"search.html?q=rotate"), chromedp.Text("#told", &said),
		chromedp.Click("#told a"), chromedp.WaitVisible(`main a[href="rotating.html"]`), chromedp.Click(`main a[href="rotating.html"]`), chromedp.WaitVisible("#roll-back-or-revoke-now"), chromedp.Location(&at))
	if !strings.Contains(said, "needs JavaScript") || at != b.site+"docs/rotating.html" {
		b.Errorf("it says %q and leads to %s", said, at)
	}
}

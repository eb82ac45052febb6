package scan_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/scan"
)

const reading = "FAKE-reading-token"

// ciServer answers as the documentation of the services says, from a table of paths with
// their queries. It notes the requests that come without the token.
type ciServer struct {
	*httptest.Server
	answers  map[string]string
	unsigned []string
}

func newCI(t *testing.T, signed func(*http.Request) bool, answers map[string]string) *ciServer {
	t.Helper()
	s := &ciServer{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !signed(r) {
			s.unsigned = append(s.unsigned, r.URL.Path)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		key := r.URL.EscapedPath()
		if page := r.URL.Query().Get("page"); page != "" {
			key += "?page=" + page
		}
		text, ok := s.answers[key]
		if to, is := strings.CutPrefix(text, "-> "); is {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		if next, ok := s.answers["next "+key]; ok {
			w.Header().Set("Link", fmt.Sprintf(`<%s%s>; rel="next"`, s.URL, next))
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(s.Close)
	return s
}

func bearer(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+reading }

// TestLogsOfEveryServiceAreSearched: each has two builds on two pages, with a token in a log of
// the second.
func TestLogsOfEveryServiceAreSearched(t *testing.T) {
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Values("Authorization"))+len(r.Header.Values("Private-Token")) > 0 {
			t.Error("the storage of logs got the token")
		}
		_, _ = fmt.Fprintf(w, "line\n+ docker login -p %s\n", token)
	}))
	defer storage.Close()
	log := "fine\n" + "x " + token + "\n"
	for name, it := range map[string]struct {
		place   string
		signed  func(*http.Request) bool
		answers map[string]string
		want    string
	}{
		"buildkite": {"buildkite:acme/widget", bearer, map[string]string{
			"/organizations/acme/pipelines/widget/builds":                   `[{"number":8,"jobs":[{"id":"j1","name":"test","type":"script"},{"id":"w","type":"waiter"}]}]`,
			"next /organizations/acme/pipelines/widget/builds":              "/organizations/acme/pipelines/widget/builds?page=2",
			"/organizations/acme/pipelines/widget/builds?page=2":            `[{"number":7,"jobs":[{"id":"j2","name":"push","type":"script"}]}]`,
			"/organizations/acme/pipelines/widget/builds/8/jobs/j1/log.txt": "fine\n", "/organizations/acme/pipelines/widget/builds/7/jobs/j2/log.txt": log,
		}, "buildkite:acme/widget#7:2"},
		"github": {"github:acme/widget", bearer, map[string]string{
			"/repos/acme/widget/actions/runs": `{"workflow_runs":[{"id":8}]}`, "next /repos/acme/widget/actions/runs": "/repos/acme/widget/actions/runs?page=2",
			"/repos/acme/widget/actions/runs?page=2":  `{"workflow_runs":[{"id":7}]}`,
			"/repos/acme/widget/actions/runs/8/jobs":  `{"jobs":[{"id":81,"name":"test"}]}`,
			"/repos/acme/widget/actions/runs/7/jobs":  `{"jobs":[{"id":71,"name":"push"}]}`,
			"/repos/acme/widget/actions/jobs/81/logs": "fine\n", "/repos/acme/widget/actions/jobs/71/logs": "-> " + storage.URL + "/log",
		}, "github:acme/widget#7:2"},
		"gitlab": {"gitlab:acme/apps/widget", func(r *http.Request) bool { return r.Header.Get("Private-Token") == reading }, map[string]string{
			"/projects/acme%2Fapps%2Fwidget/pipelines": `[{"id":8}]`, "next /projects/acme%2Fapps%2Fwidget/pipelines": "/projects/acme%2Fapps%2Fwidget/pipelines?page=2",
			"/projects/acme%2Fapps%2Fwidget/pipelines?page=2": `[{"id":7}]`,
			"/projects/acme%2Fapps%2Fwidget/pipelines/8/jobs": `[{"id":81,"name":"test"}]`,
			"/projects/acme%2Fapps%2Fwidget/pipelines/7/jobs": `[{"id":71,"name":"push"}]`,
			"/projects/acme%2Fapps%2Fwidget/jobs/81/trace":    "fine\n", "/projects/acme%2Fapps%2Fwidget/jobs/71/trace": log,
		}, "gitlab:acme/apps/widget#7:2"},
		"jenkins": {"jenkins:BASE/job/widget", func(r *http.Request) bool {
			user, password, _ := r.BasicAuth()
			return user == "anna" && password == reading
		}, map[string]string{
			"/job/widget/api/json":               `{"jobs":[{"name":"main"}]}`,
			"/job/widget/job/main/api/json":      `{"builds":[{"number":8,"timestamp":2},{"number":7,"timestamp":1}]}`,
			"/job/widget/job/main/8/consoleText": "fine\n", "/job/widget/job/main/7/consoleText": log,
		}, "jenkins:/job/widget#job/main/7:2"},
	} {
		t.Run(name, func(t *testing.T) {
			ci := newCI(t, it.signed, it.answers)
			l, ok, err := scan.ParseLogs(strings.ReplaceAll(it.place, "BASE", ci.URL))
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			l.Login.Token = credential.NewSecret(reading)
			if name == "jenkins" {
				l.Login.Token = credential.NewSecret("anna:" + reading)
			} else {
				l.Base = ci.URL
			}
			s, r := scanner(value("dockerhub", token))
			if err := s.Logs(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			if want := []string{it.want + " dockerhub as it is"}; !slices.Equal(r.found, want) || len(r.missed)+len(ci.unsigned) > 0 || s.Totals().Streams != 2 {
				t.Errorf("found %q, want %q; missed %q, unsigned %q, %d logs", r.found, want, r.missed, ci.unsigned, s.Totals().Streams)
			}
			if name == "jenkins" {
				return
			}
			l.Build = "7"
			it.answers["/organizations/acme/pipelines/widget/builds/7"] = `{"number":7,"jobs":[{"id":"j2","name":"push","type":"script"}]}`
			s, r = scanner(value("dockerhub", token))
			if err := s.Logs(t.Context(), l); err != nil || len(r.found) != 1 || s.Totals().Streams != 1 {
				t.Errorf("one build: %v, found %q, %d logs", err, r.found, s.Totals().Streams)
			}
			l.Login.Token = credential.NewSecret("FAKE-wrong")
			s, r = scanner()
			if err := s.Logs(t.Context(), l); err != nil || len(r.missed) != 1 || !strings.Contains(r.missed[0], "the service does not let you read it; it wants a") && !strings.Contains(r.missed[0], "it wants an") {
				t.Errorf("a wrong token: %v, %q", err, r.missed)
			}
		})
	}
}

// TestServicesThatMisbehave: each is reported, and the token goes nowhere else.
func TestServicesThatMisbehave(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("another host got the token")
		}
	}))
	defer thief.Close()
	for name, it := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		missed string
		waits  int
	}{
		"a page":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>sign in")) }, "the service's answer is not the JSON that its documentation describes", 0},
		"an outage": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "the service answered 502 Bad Gateway", 0},
		"no TLS": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://evil.example/", http.StatusFound)
		}, "the service sent purser to an address without TLS, or in circles", 0},
		"in circles": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }, "the service sent purser to an address without TLS, or in circles", 0},
		"away":       {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief.URL, http.StatusFound) }, "the service's answer is not the JSON that its documentation describes", 0},
		"a limit": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "the service answered 429 Too Many Requests", 5},
		"an endless list": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "<http://"+r.Host+r.URL.Path+"?page=2>; rel=\"next\"")
			_, _ = w.Write([]byte(`[{"number":1,"jobs":[]}]`))
		}, "", 0},
		"a page elsewhere": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "<"+thief.URL+"/x>; rel=\"next\"")
			_, _ = w.Write([]byte(`[{"number":1,"jobs":[]}]`))
		}, "", 0},
		"a path in an id": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`[{"number":1,"jobs":[{"id":"../../../user","type":"script"}]}]`))
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(it.answer))
			defer server.Close()
			waits := 0
			l := scan.Logs{Service: "buildkite", Project: "acme/widget", Base: server.URL, Login: credential.Login{Token: credential.NewSecret(reading)}, Wait: func(_ context.Context, d time.Duration) error {
				if d != 7*time.Second {
					t.Errorf("paused for %s", d)
				}
				waits++
				return nil
			}}
			s, r := scanner()
			if err := s.Logs(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			var want []string
			if it.missed != "" {
				want = []string{"buildkite:acme/widget: " + it.missed}
			}
			if !slices.Equal(r.missed, want) || waits != it.waits {
				t.Errorf("missed %q after %d pauses, want %q after %d", r.missed, waits, want, it.waits)
			}
		})
	}
}

func TestWhatNamesBuilds(t *testing.T) {
	for text, good := range map[string]bool{
		"buildkite:acme/widget": true, "github:acme/widget#12": true, "gitlab:a/b/c": true, "jenkins:https://ci.example/job/x": true, "jenkins:http://127.0.0.1:80/job/x": true,
		"buildkite:acme": false, "github:acme/../x": false, "github:acme/x?y": false, "github:acme/widget#../1": false, "jenkins:http://ci.example/job/x": false, "jenkins:https://a:b@ci.example/": false, "buildkite:a/b/c": false,
	} {
		if _, ok, err := scan.ParseLogs(text); !ok || (err == nil) != good {
			t.Errorf("%s: %v, %v", text, ok, err)
		}
	}
	if _, ok, _ := scan.ParseLogs("docker://x"); ok {
		t.Error("docker: is no service")
	}
}

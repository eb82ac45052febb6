package install

import (
	"bytes"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A server that answers otherwise than GitHub does.
func TestTheInstallerVerifiesWhoeverAnswers(t *testing.T) {
	elsewhere := Home(t, listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})
	tampered := Printing("v1.1.0")
	tampered[ArchiveName("v1.1.0")] = page
	evil := Home(t, listed, map[string]Release{"v1.1.0": tampered})
	archives := func(to string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, req *http.Request) bool {
			if !strings.HasSuffix(req.URL.Path, ".tar.gz") {
				return false
			}
			http.Redirect(w, req, strings.ReplaceAll(to, "PATH", req.URL.Path), http.StatusFound)
			return true
		}
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		want   string
		fails  bool
	}{
		"a redirect to another host":           {archives(elsewhere + "PATH"), "purser v1.1.0 is installed in ", false},
		"a redirect to another host's archive": {archives(evil + "PATH"), "does not match the release's checksums, so nothing was installed", true},
		"a redirect to a file of this machine": {archives("file:///etc/passwd"), "cannot download http", true},
		"a redirect to itself":                 {archives("PATH"), "cannot download http", true},
		"a sign-in page for everything":        {func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write(page); return true }, "lists no release; name one with --version, or open the address in a browser", true},
		"a server that is down": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}, "the server is busy; try again in a few minutes", true},
		"a proxy that wants a login": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return true
		}, "the proxy wants a login; set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT", true},
		"words that steer a terminal":            {steering, "cannot download http", true},
		"a mirror without a feed":                {func(w http.ResponseWriter, req *http.Request) bool { return missing(w, req, "/releases.atom") }, "lists no release; name one with --version", true},
		"an archive that ends before its length": {cutOff, "cannot download http", true},
	} {
		for machine := range machines {
			t.Run(name+" on "+machine, func(t *testing.T) {
				t.Parallel()
				i := on(t, machine)
				honest := Handler(listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if !c.answer(w, req) {
						honest.ServeHTTP(w, req)
					}
				}))
				t.Cleanup(s.Close)
				i.env = []string{"PURSER_HOME=" + s.URL}
				out, err := i.run(t)
				if (err != nil) != c.fails || !strings.Contains(out, c.want) || c.fails && len(i.installed()) > 0 || strings.ContainsAny(out, "\x1b\r") {
					t.Errorf("error %v; want failure: %v, and in its words: %s\n%q", err, c.fails, c.want, out)
				}
			})
		}
	}
}

func missing(w http.ResponseWriter, req *http.Request, path string) bool {
	if req.URL.Path != path {
		return false
	}
	http.NotFound(w, req)
	return true
}

// cutOff announces more bytes of an archive than it sends.
func cutOff(w http.ResponseWriter, req *http.Request) bool {
	if !strings.HasSuffix(req.URL.Path, ".tar.gz") {
		return false
	}
	w.Header().Set("Content-Length", "100000")
	_, _ = w.Write([]byte("less"))
	return true
}

// steering answers with a reason that clears the screen and gives a runner an order.
func steering(w http.ResponseWriter, req *http.Request) bool {
	if !strings.HasSuffix(req.URL.Path, ".tar.gz") {
		return false
	}
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_, _ = connection.Write([]byte("HTTP/1.1 410 \x1b[2Jwiped\r::add-path::/evil\r\nContent-Length: 0\r\n\r\n"))
		_ = connection.Close()
	}
	return true
}

// The proxy forwards nothing but its own host: no test reaches the internet.
func TestTheInstallerUsesTheProxy(t *testing.T) {
	home := secure(t, Handler(listed, map[string]Release{"v1.1.0": Printing("v1.1.0")}))
	asked := make(chan string, 100)
	proxy := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked <- req.Method + " " + req.Host
			if status != http.StatusOK {
				w.WriteHeader(status)
				return
			}
			tunnel(t, w, home.Listener.Addr().String())
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	authority := filepath.Join(t.TempDir(), "ca.pem")
	write(t, authority, certificate(home))
	// httptest's certificate is for example.com, which only the proxy finds.
	for name, c := range map[string]struct {
		env   []string
		want  string
		fails bool
	}{
		"HTTPS_PROXY":                {[]string{"HTTPS_PROXY=" + proxy(200), "CURL_CA_BUNDLE=" + authority}, "purser v1.1.0 is installed", false},
		"https_proxy":                {[]string{"https_proxy=" + proxy(200), "CURL_CA_BUNDLE=" + authority}, "purser v1.1.0 is installed", false},
		"NO_PROXY":                   {[]string{"HTTPS_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1", "PURSER_HOME=" + home.URL, "CURL_CA_BUNDLE=" + authority}, "purser v1.1.0 is installed", false},
		"a proxy that wants a login": {[]string{"HTTPS_PROXY=" + strings.Replace(proxy(407), "//", "//user:FAKE-not-a-real-password@", 1)}, "the proxy wants a login; set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT", true},
		"a proxy that is down":       {[]string{"HTTPS_PROXY=http://127.0.0.1:1"}, "check the network, and HTTPS_PROXY", true},
		"a network that inspects":    {[]string{"HTTPS_PROXY=" + proxy(200)}, "if your network inspects TLS, add its certificate authority to this machine", true},
	} {
		for machine := range machines {
			t.Run(name+" on "+machine, func(t *testing.T) {
				if machine != "dash and curl" && (!c.fails || machines[machine].busybox) {
					t.Skip("this wget takes its certificate authorities from nowhere else, or dies of a proxy for https")
				}
				i := on(t, machine)
				i.env = append([]string{"PURSER_HOME=https://example.com"}, c.env...)
				out, err := i.run(t)
				if (err != nil) != c.fails || !strings.Contains(out, c.want) || strings.Contains(out, "FAKE-not") {
					t.Errorf("error %v; want failure: %v, and in its words: %s\n%s", err, c.fails, c.want, out)
				}
				for range len(asked) {
					if got := <-asked; got != "CONNECT example.com:443" {
						t.Errorf("the proxy was asked for %s", got)
					}
				}
			})
		}
	}
}

// Whoever answers for https must prove it, and cannot send the download to http.
func TestADownloadByHTTPSStaysThere(t *testing.T) {
	plain := Home(t, listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})
	home := secure(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, plain+req.URL.Path, http.StatusFound)
	}))
	authority := filepath.Join(t.TempDir(), "ca.pem")
	write(t, authority, certificate(home))
	for machine := range machines {
		t.Run(machine, func(t *testing.T) {
			i := on(t, machine)
			i.env = []string{"PURSER_HOME=" + home.URL, "CURL_CA_BUNDLE=" + authority}
			if out, err := i.run(t); err == nil || !strings.Contains(out, "cannot list the releases of https://") || len(i.installed()) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
			// This wget trusts everyone, and follows the redirect.
			if machine == "bash and wget" {
				wget, _ := exec.LookPath("wget")
				i.programs = map[string]string{"wget": wget + ` --no-check-certificate "$@"`}
				if out, err := i.run(t); err == nil || len(i.installed()) > 0 {
					t.Errorf("it followed a redirect to http: %v\n%s", err, out)
				}
			}
			i.env = []string{"PURSER_HOME=" + home.URL}
			if out, err := i.run(t); machine == "dash and curl" && (err == nil || !strings.Contains(out, "add its certificate authority")) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// A mirror serves the project's release, so only the project may have signed it.
func TestAMirrorDoesNotChangeTheSigner(t *testing.T) {
	for machine := range machines {
		i := on(t, machine)
		i.script = bytes.ReplaceAll(script, []byte("@HOME@"), []byte("https://github.example/owner/purser"))
		i.programs = map[string]string{"cosign": `case "$*" in *'--certificate-identity-regexp ^https://github\.example/owner/purser/\.github/workflows/release\.yml@refs/tags/v'*) ;; *) exit 1;; esac`}
		i.env = []string{"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})}
		if out, err := i.run(t); err != nil || !strings.Contains(out, "the signature is valid") {
			t.Errorf("%s: %v\n%s", machine, err, out)
		}
	}
}

// secure serves by https. Clients that refuse its certificate are part of the tests.
func secure(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// certificate returns the certificate of a test's server.
func certificate(s *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// tunnel answers CONNECT, and connects the client with an address, whatever it asked for.
func tunnel(t *testing.T, w http.ResponseWriter, address string) {
	t.Helper()
	var dialer net.Dialer
	server, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	client, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
}

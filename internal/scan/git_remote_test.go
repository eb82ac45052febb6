package scan_test

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purser/internal/scan"
)

func TestAddressesAreToldFromPaths(t *testing.T) {
	for text, remote := range map[string]bool{
		"https://git.example.com/a.git": true, "ssh://git@example.com/a": true, "git@example.com:a/b.git": true, "file:///srv/a.git": true, "http://example.com/a": true,
		"a": false, "./a": false, "/srv/a": false, `C:\a`: false, "dockerhub": false, "docker://alpine": false, "./git@example.com:a": false, "host:a": false, "-": false,
	} {
		if scan.IsRemote(text) != remote {
			t.Errorf("%s: %t", text, !remote)
		}
	}
}

func TestAnAddressThatIsUnsafeIsRefused(t *testing.T) {
	for address, says := range map[string]string{
		"http://example.com/a":              "not encrypted",
		"git://example.com/a":               "not encrypted",
		"https://ann:hunter2@example.com/a": "holds a password",
		"ssh://-oProxyCommand=touch/a":      "starts with -",
		"git@-oProxyCommand=touch:a":        "starts with -",
		"-u@x:y":                            "starts with -",
		"file://example.com/a":              "give the path alone",
		"https://[::1/a":                    "not the address",
	} {
		s, _ := scanner(value("dockerhub", token))
		if err := s.Remote(context.Background(), address); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestARemoteRepositoryIsLookedThroughAndNothingIsLeft(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("GIT_DIR", "/nowhere")

	c := repo(t)
	id := c.commit("a", line2)
	c.commit("a", "clean")
	c.git("branch", token)
	c.git("pack-refs", "--all")
	c.git("update-server-info")
	server := httptest.NewTLSServer(http.FileServer(http.Dir(c.dir + "/.git")))
	defer server.Close()
	ca := filepath.Join(home, "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	canary := filepath.Join(home, "canary")
	write(t, filepath.Join(home, "template/hooks/reference-transaction"), "#!/bin/sh\n: >"+canary+"\n")
	if err := os.Chmod(filepath.Join(home, "template/hooks/reference-transaction"), 0o700); err != nil {
		t.Fatal(err)
	}
	// The person's own configuration counts, but for what runs in the clone.
	t.Setenv("GIT_SSL_CAINFO", ca)
	write(t, filepath.Join(home, ".gitconfig"), "[url \""+server.URL+"/\"]\n\tinsteadOf = https://git.example.com/\n[init]\n\ttemplateDir = "+home+"/template\n[core]\n\thooksPath = "+home+"/template/hooks\n")

	for _, address := range []string{"https://git.example.com/", "file://" + c.dir + "/.git"} {
		s, r := scanner(value("dockerhub", token))
		r.git(s)
		if err := s.Remote(context.Background(), address); err != nil {
			t.Fatal(err)
		}
		all := strings.Join(r.found, "\n") + "\n" + strings.Join(r.missed, "\n")
		if !strings.Contains(all, "!a:2"+at(id, 1, "refs/heads/main")) || !strings.Contains(all, "packed-refs") {
			t.Errorf("%s: %s", address, all)
		}
	}
	s, r := scanner(value("dockerhub", token))
	if err := s.Remote(context.Background(), server.URL+"/nowhere"); err != nil || len(r.missed) != 1 || !strings.Contains(r.missed[0], "git could not clone it") {
		t.Errorf("%v %q", err, r.missed)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	if _, err := os.Stat(canary); err == nil {
		t.Error("a hook ran")
	}
}

func TestACloneThatEndsLeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("GIT_SSL_NO_VERIFY", "1")
	ctx, stop := context.WithCancel(context.Background())
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		stop() // as Ctrl-C does, while git waits for an answer
		<-r.Context().Done()
	}))
	defer server.Close()
	s, _ := scanner(value("dockerhub", token))
	if err := s.Remote(ctx, server.URL+"/a"); err == nil {
		t.Error("it says nothing of the end")
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

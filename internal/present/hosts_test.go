package present_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/registry"
	"purser/internal/sandbox"
	"purser/internal/sandbox/fault"
	_ "purser/internal/wire/kinds" // Docker Hub's hosts
)

// TestHintsNameTheHostThatFailed makes each host of a proof fail in each way.
func TestHintsNameTheHostThatFailed(t *testing.T) {
	ways := map[string]struct {
		fault fault.Fault
		told  string // of the host
	}{
		"an outage":          {fault.Fault{Status: http.StatusServiceUnavailable}, " is unavailable (503)"},
		"an outage's page":   {fault.Fault{Status: http.StatusBadGateway, HTML: true}, " is unavailable (502)"},
		"a page":             {fault.Fault{HTML: true}, " answered with a web page"},
		"a way to elsewhere": {fault.Fault{Status: http.StatusFound, Header: http.Header{"Location": {"https://portal.hotel.example/login"}}}, " redirects, and purser follows no redirect with a token"},
		"no answer":          {fault.Fault{}, "no answer from "},
		"too many":           {fault.Fault{Status: http.StatusTooManyRequests}, " limits requests (429)"},
	}
	for _, at := range []struct{ kind, host, address string }{
		{"exchange", "hub.docker.com", "https://hub.docker.com/"},
		{"ping", "registry-1.docker.io", "https://registry-1.docker.io/v2/"},
		{"token", "auth.docker.io", "https://auth.docker.io/"},
		{"tags", "registry-1.docker.io", "https://registry-1.docker.io/v2/"},
		{"upload", "registry-1.docker.io", "https://registry-1.docker.io/v2/"},
	} {
		for name, way := range ways {
			t.Run(at.kind+", "+name, func(t *testing.T) {
				t.Parallel()
				box, err := sandbox.Start(t.Context(), sandbox.Options{})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = box.Close() })
				way.fault.Times = -1
				if at.kind == "exchange" {
					box.Hub.Fault(at.kind, way.fault)
				} else {
					box.HubRegistry.Fault(at.kind, way.fault)
				}
				c := registry.New(registry.Config{Transport: box.Transport(), Wait: func(context.Context, time.Duration) error { return nil }})
				proof := c.Prove(t.Context(), credential.Credential{
					Name: "dockerhub", Registry: "docker.io", Username: "mockserver", Access: credential.Push, Repositories: []credential.Repository{"mockserver/mockserver"},
				}, credential.Login{Username: "mockserver", Token: box.PushToken}, false)
				if proof.Fault == nil {
					t.Fatal("nothing failed")
				}
				proof.Fault.Proxy = "proxy.example:3128"
				text := present.ErrorText(proof.Fault)
				if !strings.Contains(text, at.host) || !strings.Contains(text, way.told) {
					t.Errorf("%s is not blamed:\n%s", at.host, text)
				}
				for _, other := range []string{"hub.docker.com", "auth.docker.io", "registry-1.docker.io"} {
					if other != at.host && strings.Contains(text, other) {
						t.Errorf("it sends people to %s:\n%s", other, text)
					}
				}
				if name != "too many" && (!strings.Contains(text, "curl -sSI "+at.address) || !strings.Contains(text, "proxy.example:3128")) {
					t.Errorf("no command for the host, or no proxy:\n%s", text)
				}
				if strings.Contains(text, "auth-hosts") {
					t.Errorf("it proposes to trust a network's sign-in page:\n%s", text)
				}
			})
		}
	}
}

// TestHintsQuoteAHostThatIsACommand has a token service whose name a shell would run.
func TestHintsQuoteAHostThatIsACommand(t *testing.T) {
	f := &credential.Fault{Reason: credential.RegistryStrange, Registry: "registry.example.com", Host: "a$(id).example.com", What: "x"}
	if text := present.ErrorText(f); !strings.Contains(text, "curl -sSI 'https://a$(id).example.com/'") {
		t.Error(text)
	}
}

package sandbox_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"purser/internal/realservers"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
)

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		box, err := sandbox.Start(b.Context(), sandbox.Options{})
		if err != nil {
			b.Fatal(err)
		}
		_ = box.Close()
	}
}

// asked sends the same request from all processors.
func asked(b *testing.B, transport *http.Transport, request func() *http.Request) {
	b.Helper()
	transport.MaxIdleConnsPerHost = 64
	client := &http.Client{Transport: transport}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Do(request())
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				b.Errorf("%s", resp.Status)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

func awsRequest(address, operation, body string) *http.Request {
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	now := time.Now().UTC()
	req.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	req.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=SANDBOX/"+now.Format("20060102")+"/eu-west-2/secretsmanager/aws4_request, SignedHeaders=host;x-amz-date, Signature=0")
	return req
}

// BenchmarkSecretReads reads one of 100,000 secrets while 10,000 tokens exist.
func BenchmarkSecretReads(b *testing.B) {
	const secrets = 100_000
	box, err := sandbox.Start(b.Context(), sandbox.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = box.Close() })
	for i := range secrets {
		req := awsRequest("/", "CreateSecret", fmt.Sprintf(`{"Name":"bench/%d","ClientRequestToken":"00000000-0000-4000-8000-%012d","SecretString":"{\"username\":\"u\",\"token\":\"FAKE\"}"}`, i, i))
		answer := &discard{header: http.Header{}}
		box.SecretsManager.ServeHTTP(answer, req)
		if answer.status != http.StatusOK {
			b.Fatal(answer.body.String())
		}
	}
	for range 10_000 {
		if _, err := box.Accounts.AddToken("mockserver", sandboxhub.ReadWrite); err != nil {
			b.Fatal(err)
		}
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	b.ResetTimer()
	defer func() { b.ReportMetric(float64(memory.HeapAlloc)/(1<<20), "MB-held") }()
	asked(b, &http.Transport{}, func() *http.Request {
		return awsRequest(box.SecretsManagerURL, "GetSecretValue", `{"SecretId":"bench/50000","VersionStage":"AWSCURRENT"}`)
	})
}

type discard struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return d.body.Write(p) }

// BenchmarkBesideMoto sends the same reads to the sandbox and to moto.
func BenchmarkBesideMoto(b *testing.B) {
	for _, one := range []struct {
		name  string
		start func(testing.TB) string
	}{{"sandbox", func(t testing.TB) string {
		t.Helper()
		box, err := sandbox.Start(t.Context(), sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = box.Close() })
		return box.SecretsManagerURL
	}}, {"moto", realservers.Moto}} {
		b.Run(one.name, func(b *testing.B) {
			address := one.start(b)
			resp, err := http.DefaultClient.Do(awsRequest(address, "CreateSecret", `{"Name":"bench","ClientRequestToken":"00000000-0000-4000-8000-000000000001","SecretString":"{\"token\":\"FAKE\"}"}`))
			if err != nil {
				b.Fatal(err)
			}
			_ = resp.Body.Close()
			b.ResetTimer()
			asked(b, &http.Transport{}, func() *http.Request {
				return awsRequest(address, "GetSecretValue", `{"SecretId":"bench","VersionStage":"AWSCURRENT"}`)
			})
		})
	}
}

// BenchmarkTokens asks the token service for a bearer over TLS while 10,000 tokens exist.
func BenchmarkTokens(b *testing.B) {
	box, err := sandbox.Start(b.Context(), sandbox.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = box.Close() })
	for range 10_000 {
		if _, err := box.Accounts.AddToken("mockserver", sandboxhub.ReadWrite); err != nil {
			b.Fatal(err)
		}
	}
	transport := box.Transport()
	b.ResetTimer()
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	asked(b, transport, func() *http.Request {
		req, err := http.NewRequest(http.MethodGet, sandbox.TokenRealm+"?service="+sandbox.TokenService+"&scope=repository:mockserver/mockserver:pull,push", nil)
		if err != nil {
			panic(err)
		}
		req.SetBasicAuth("mockserver", box.PushToken.Reveal())
		return req
	})
}

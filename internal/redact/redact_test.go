package redact_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/redact"
)

const (
	body     = "FAKEfakeFAKEfakeFAKEfake123"
	token    = "dckr_pat_" + body
	password = `FAKE'pass"word&é<1>`
)

func login(token string) credential.Login {
	return credential.Login{Username: "mockserver", Token: credential.NewSecret(token)}
}

// passed returns what comes out when a text is written in pieces of n bytes.
func passed(t testing.TB, r *redact.Redactor, text string, n int) string {
	t.Helper()
	var out bytes.Buffer
	w := r.NewWriter(&out)
	for rest := text; rest != ""; {
		k := min(n, len(rest))
		if _, err := io.WriteString(w, rest[:k]); err != nil {
			t.Fatal(err)
		}
		rest = rest[k:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func wrap(text string, n int, end string) string {
	var b strings.Builder
	for len(text) > n {
		b.WriteString(text[:n] + end)
		text = text[n:]
	}
	return b.String() + text
}

func auth(token string) string {
	return base64.StdEncoding.EncodeToString([]byte("mockserver:" + token))
}

// spelled returns texts with a token in every usual form.
func spelled(token string) map[string]string {
	encoded, _ := json.Marshal(map[string]string{"username": "mockserver", "token": token})
	config := `{"auths":{"https://index.docker.io/v1/":{"auth":"` + auth(token) + `"}}}`
	all := map[string]string{
		"plain": token, "in a line": "login with " + token + " worked\n", "upper case": strings.ToUpper(token), "lower case": strings.ToLower(token),
		"JSON": string(encoded), "a Go string": fmt.Sprintf("%q", token), "a query": "https://example/?t=" + url.QueryEscape(token),
		"a path": url.PathEscape(token), "hex": hex.EncodeToString([]byte(token)), "hex, upper case": strings.ToUpper(hex.EncodeToString([]byte(token))),
		"docker's auth": config, "a Secret of Kubernetes": base64.StdEncoding.EncodeToString([]byte(config)),
		"JSON in base64": base64.StdEncoding.EncodeToString(encoded), "base64 for addresses": base64.URLEncoding.EncodeToString([]byte(token)),
		"base64 on lines": wrap(base64.StdEncoding.EncodeToString([]byte(config)), 76, "\n"),
		"indented base64": wrap(base64.StdEncoding.EncodeToString(encoded), 64, "\r\n    "),
	}
	for before := range 3 {
		all[fmt.Sprintf("base64 after %d bytes", before)] = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + token + "yz"))
	}
	return all
}

func TestEverySpellingIsRedactedAcrossWrites(t *testing.T) {
	for _, secret := range []string{token, password, "FAKE1234"} {
		r := redact.New(login(secret))
		for name, text := range spelled(secret) {
			for n := 1; n <= len(text); n++ {
				got := passed(t, r, text, n)
				if !strings.Contains(got, redact.Mark) || credential.Shows(got, credential.NewSecret(secret)) {
					t.Fatalf("%s of %d characters in writes of %d: %s", name, len(secret), n, got)
				}
			}
		}
	}
}

func TestPublicPrefixesAndUserNamesStay(t *testing.T) {
	r := redact.New(login(token))
	for text, want := range map[string]string{
		"user mockserver, token " + token + ".\n": "user mockserver, token dckr_pat_[redacted].\n",
		token + token:                     "dckr_pat_[redacted]dckr_pat_[redacted]",
		body[:11] + " " + body[:6] + "\n": "",
		body[:20] + "!":                   "[redacted]!",
		"dckr_pat_\n":                     "",
		strings.Repeat("FAKEfak\n", 3):    "",
	} {
		if want == "" {
			want = text
		}
		for _, n := range []int{1, 3, 1000} {
			if got := passed(t, r, text, n); got != want {
				t.Errorf("writes of %d: %q, want %q", n, got, want)
			}
		}
	}
}

// TestOtherTextPassesUnchanged writes random bytes of a small alphabet, full of beginnings
// of the secret.
func TestOtherTextPassesUnchanged(t *testing.T) {
	r := redact.New(login(token), login(password))
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		text := make([]byte, random.IntN(4000))
		for i := range text {
			text[i] = "FAKEfake \n"[random.IntN(10)]
		}
		if strings.Contains(string(text), body[:12]) {
			continue
		}
		if got := passed(t, r, string(text), 1+random.IntN(50)); got != string(text) && !strings.Contains(got, redact.Mark) {
			t.Fatalf("%q became %q", text, got)
		}
	}
}

func TestIdleShowsWhatIsHeldBack(t *testing.T) {
	r := redact.New(login(token))
	var out bytes.Buffer
	w := r.NewWriter(&out)
	for _, c := range []struct{ write, want string }{
		{"Continue? ", "Continue? "},
		{"Name of the fak", "Continue? Name of the fak"},
		{"e: ", "Continue? Name of the fake: "},
		{body[:16], "Continue? Name of the fake: [redacted]"},
		{body[16:] + " ok", "Continue? Name of the fake: [redacted] ok"},
	} {
		if _, err := io.WriteString(w, c.write); err != nil {
			t.Fatal(err)
		}
		if err := w.Idle(); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.want {
			t.Errorf("after %q: %q, want %q", c.write, out.String(), c.want)
		}
	}
}

// TestAProgramThatPrintsSlowlyIsRedacted pauses after every character of the token, when
// Idle passes on what is too little to tell anything.
func TestAProgramThatPrintsSlowlyIsRedacted(t *testing.T) {
	r := redact.New(login(token))
	for _, between := range []string{"", "\n", "\r\n  > "} {
		var out bytes.Buffer
		w := r.NewWriter(&out)
		for _, c := range body {
			if _, err := io.WriteString(w, string(c)+between); err != nil {
				t.Fatal(err)
			}
			if err := w.Idle(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if want := "F" + between + "A" + between + "K" + between + redact.Mark; !strings.HasPrefix(got, want) || strings.ContainsAny(got[len(want):], body) {
			t.Errorf("%q", got)
		}
	}
}

func TestWithoutASecretThereIsNoRedactor(t *testing.T) {
	if redact.New() != nil || redact.New(login("abc")) != nil {
		t.Error("there is one")
	}
}

// TestOutputOfRealProgramsIsRedacted has base64, xxd and od print the token.
func TestOutputOfRealProgramsIsRedacted(t *testing.T) {
	r := redact.New(login(token))
	for _, command := range []string{"base64", "base64 -w 20", "od -An -tx1 | tr -d ' \\n'", "rev", "tr a-z A-Z", "openssl base64"} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "printf 'user:%s' \"$TOKEN\" | "+command)
		cmd.Env = append(os.Environ(), "TOKEN="+token)
		raw, err := cmd.Output()
		if err != nil {
			t.Logf("%s is not here: %v", command, err)
			continue
		}
		got := passed(t, r, string(raw), 7)
		if !strings.Contains(got, redact.Mark) || credential.Shows(strings.ReplaceAll(got, "\n", ""), credential.NewSecret(token)) {
			t.Errorf("%s: %s", command, got)
		}
	}
}

func FuzzNoRunOfTheSecretPasses(f *testing.F) {
	f.Add("user "+token+"\n", uint8(3))
	f.Add(auth(token), uint8(1))
	f.Add("FAKEfakeFAKEFAKEfakeFAKEfakeFAKE", uint8(5))
	r := redact.New(login(token))
	f.Fuzz(func(t *testing.T, text string, n uint8) {
		got := passed(t, r, text, int(n%64)+1)
		for i := 0; i+12 <= len(body); i++ {
			if strings.Contains(got, body[i:i+12]) {
				t.Fatalf("%q became %q", text, got)
			}
		}
		if len(text) < 12 && got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func buildLog() []byte {
	random := rand.New(rand.NewPCG(5, 6))
	var b bytes.Buffer
	for n := 1; b.Len() < benchSize; n++ {
		fmt.Fprintf(&b, "#%d [build %d/9] RUN go build -trimpath -ldflags=-s ./cmd/...\n", n, n%9+1)
		fmt.Fprintf(&b, "#%d 0.%03d go: downloading github.com/example/module-%d v1.%d.0\n", n, n%1000, n, n%40)
		fmt.Fprintf(&b, "2024-01-01T12:%02d:%02d.%06dZ INFO  the server answered request %d after %dms, from the cache\n", n%60, n%60, random.IntN(1e6), n, n%97)
		fmt.Fprintf(&b, "#%d sha256:%016x%016x%016x%016x 3.41MB / 3.41MB 0.%ds done\n", n, random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64(), n%10)
		fmt.Fprintf(&b, "--- PASS: TestThatTheServerAnswers/request_%d (0.%02ds)\n    server_test.go:%d: the answer has %d bytes\n", n, n%100, n%400, n*31)
		fmt.Fprintf(&b, "Get:%d http://deb.debian.org/debian bookworm/main amd64 libexample%d amd64 1.%d-2+deb12u1 [%d kB]\n", n, n%30, n%12, n%900)
	}
	return b.Bytes()[:benchSize]
}

func goSource(b *testing.B) []byte {
	b.Helper()
	source, err := os.ReadFile(filepath.Join(goRoot(b), "src/net/http/server.go"))
	if err != nil {
		b.Fatal(err)
	}
	return source[:benchSize]
}

func goRoot(t testing.TB) string {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("go does not run here: %v: skipped", err)
	}
	return strings.TrimSpace(string(root))
}

const benchSize = 64 << 10

func BenchmarkRedact(b *testing.B) {
	noise := make([]byte, benchSize)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.UintN(256))
	}
	log := buildLog()
	terminal := bytes.ReplaceAll(log, []byte("\n"), []byte("\r\n"))
	for name, secret := range map[string]string{"token": token, "password": "FAKE1234"} {
		for kind, data := range map[string][]byte{"log": log, "terminal": terminal, "source": goSource(b), "noise": noise} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				w := redact.New(login(secret)).NewWriter(io.Discard)
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := w.Write(data); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

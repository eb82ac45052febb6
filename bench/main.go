// Command bench compares the credential helper with other ways to read the same secret, all
// from one stand-in for AWS over TLS on this machine. They take turns, so other load slows all of them
// alike. It prints a Markdown table and names the programs that are not installed.
//
//	go run ./bench
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/wire"
)

func main() {
	rounds := flag.Int("rounds", 40, "how often to run each program")
	distance := flag.Duration("distance", 0, "how long each write of the stand-in is delayed")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *rounds, *distance); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

const (
	secretID = "mockserver-build/dockerhub"
	region   = "eu-west-2"
	fake     = "dckr_pat_" + "FAKEfakeFAKEfakeFAKEfake1"
)

type contender struct {
	name    string
	program string
	args    []string
	input   string
	env     []string
	note    string
	log     string // the file for its output

	times []time.Duration
	peak  int64 // KiB; 0 where time is not installed
	size  int64 // of the program, in bytes
}

func run(ctx context.Context, out io.Writer, rounds int, distance time.Duration) error {
	dir, err := os.MkdirTemp("", "purser-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	manager := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.Header.Get("X-Amz-Target"), "AmazonEC2ContainerRegistry_") {
			answerECR(w)
			return
		}
		manager.ServeHTTP(w, req)
	}))
	server.Listener = farListener{server.Listener, distance}
	server.StartTLS()
	defer server.Close()
	plain := httptest.NewServer(manager)
	defer plain.Close()
	if err := keep(ctx, plain.URL); err != nil {
		return err
	}
	all, err := contenders(ctx, dir, server)
	if err != nil {
		return err
	}
	var there, missing []*contender
	for _, c := range all {
		path, err := exec.LookPath(c.program)
		if err != nil {
			missing = append(missing, c)
			continue
		}
		if info, err := os.Stat(path); err == nil {
			c.size = info.Size()
		}
		c.program, c.log = path, filepath.Join(dir, fmt.Sprintf("log-%d", len(there)))
		if err := os.WriteFile(c.log+".in", []byte(c.input), 0o600); err != nil {
			return err
		}
		there = append(there, c)
	}
	for round := range rounds + 2 {
		for _, c := range there {
			if err := c.once(ctx, round >= 2); err != nil { // two to warm up
				return err
			}
		}
	}
	for _, c := range there {
		c.memory(ctx, dir)
	}
	table(out, there, missing)
	return nil
}

// farListener delays every write by distance, even those of the handshake.
type farListener struct {
	net.Listener
	distance time.Duration
}

// Accept implements net.Listener.
func (l farListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return farConn{c, l.distance}, err
}

type farConn struct {
	net.Conn
	distance time.Duration
}

// Write implements net.Conn.
func (c farConn) Write(b []byte) (int, error) {
	if c.distance > 0 {
		<-time.After(c.distance)
	}
	return c.Conn.Write(b)
}

func keep(ctx context.Context, endpoint string) error {
	w := &wire.Wire{Now: time.Now, AWS: &wire.LocalAWS{Endpoint: endpoint}}
	s, err := w.Store(ctx, credential.Credential{}, credential.Target{Kind: "secret", Name: secretID, Region: region})
	if err != nil {
		return err
	}
	const id = credential.VersionID("purser-01936f5e-0000-7000-8000-000000000001")
	value := credential.NewSecret(`{"username":"mockserver","token":"` + fake + `"}`)
	return errors.Join(s.Create(ctx), s.Stage(ctx, id, value), s.Promote(ctx, id, id))
}

// answerECR answers Amazon ECR's helper with ECR's own kind of token.
func answerECR(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(map[string]any{"authorizationData": []map[string]any{{
		"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:" + fake)), "expiresAt": time.Now().Add(time.Hour).Unix(),
		"proxyEndpoint": "https://123456789012.dkr.ecr." + region + ".amazonaws.com",
	}}})
}

func contenders(ctx context.Context, dir string, server *httptest.Server) ([]*contender, error) {
	helper := filepath.Join(dir, "docker-credential-purser")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", helper, "./cmd/docker-credential-purser") //nolint:gosec // builds our own helper
	build.Env = append(os.Environ(), "CGO_ENABLED=0")                                                                               //nolint:forbidigo // only the programs get their environment from internal/config
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the helper: %w\n%s", err, text)
	}
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pemOf(server), 0o600); err != nil {
		return nil, err
	}
	env := []string{
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "AWS_ENDPOINT_URL=" + server.URL, "SSL_CERT_FILE=" + ca, "AWS_CA_BUNDLE=" + ca, //nolint:forbidigo // the same
		"AWS_ACCESS_KEY_ID=SANDBOX", "AWS_SECRET_ACCESS_KEY=SANDBOX", "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
		"PURSER_SECRET_ID=" + secretID, "AWS_ECR_DISABLE_CACHE=true", "CHAMBER_SECRET_BACKEND=SECRETSMANAGER",
	}
	hub := "https://index.docker.io/v1/"
	cold := append(slices.Clone(env), "PURSER_HELPER_CACHE=off")
	pass, err := passStore(ctx, dir, env)
	if err != nil {
		pass = nil
	}
	return []*contender{
		{name: "`curl`, one signed request: the floor", program: "curl", env: env, args: signed(ca, server.URL, "GetSecretValue")},
		{name: "the same, DescribeSecret", program: "curl", env: env, args: signed(ca, server.URL, "DescribeSecret"), note: "what a look whether it moved would take"},
		{name: "**`docker-credential-purser get`**", program: helper, args: []string{"get"}, input: hub, env: cold},
		{name: "the same, from the keyring", program: helper, args: []string{"get"}, input: hub, env: env},
		{name: "the same, another registry", program: helper, args: []string{"get"}, input: "quay.io", env: env, note: "not found"},
		{name: "the same, `version`", program: helper, args: []string{"version"}, env: env},
		{name: "`true`: the cost of starting any program", program: "true", env: env},
		{name: "`docker-credential-ecr-login get`", program: find("docker-credential-ecr-login"), args: []string{"get"}, input: "123456789012.dkr.ecr." + region + ".amazonaws.com", env: env},
		{name: "`docker-credential-pass get`", program: "docker-credential-pass", args: []string{"get"}, input: "https://example.com", env: append(slices.Clone(env), pass...)},
		{name: "`chamber read -q`", program: find("chamber"), args: []string{"read", "-q", "mockserver-build", "dockerhub"}, env: env},
		{name: "`vals get`", program: find("vals"), args: []string{"get", "ref+awssecrets://" + secretID + "#/token"}, env: env},
		{name: "`aws secretsmanager … \\| jq -r .token`", program: "aws", args: []string{"secretsmanager", "get-secret-value", "--secret-id", secretID, "--query", "SecretString", "--output", "text"}, env: env, note: "without jq"},
	}, nil
}

// pemOf returns the certificate of a test server.
func pemOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// signed returns curl's arguments for one request to Secrets Manager.
func signed(ca, url, operation string) []string {
	return []string{
		"-sf", "--cacert", ca, "--aws-sigv4", "aws:amz:" + region + ":secretsmanager", "--user", "SANDBOX:SANDBOX", "-H", "X-Amz-Target: secretsmanager." + operation,
		"-H", "Content-Type: application/x-amz-json-1.1", "-d", `{"SecretId":"` + secretID + `"}`, url,
	}
}

// find also looks where go install puts programs.
func find(program string) string {
	out, err := exec.CommandContext(context.Background(), "go", "env", "GOPATH").Output()
	if path := filepath.Join(strings.TrimSpace(string(out)), "bin", program); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return program
}

// passStore makes a password store with one entry and returns the variables that point to it.
func passStore(ctx context.Context, dir string, env []string) ([]string, error) {
	home := filepath.Join(dir, "gnupg")
	where := []string{"GNUPGHOME=" + home, "PASSWORD_STORE_DIR=" + filepath.Join(dir, "pass")}
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		input string
		args  []string
	}{
		{"%no-protection\nKey-Type: EDDSA\nKey-Curve: ed25519\nSubkey-Type: ECDH\nSubkey-Curve: cv25519\nName-Email: bench@example.com\n%commit\n", []string{"gpg", "--batch", "--gen-key"}},
		{"", []string{"pass", "init", "bench@example.com"}},
		{`{"ServerURL":"https://example.com","Username":"mockserver","Secret":"` + fake + `"}`, []string{"docker-credential-pass", "store"}},
	} {
		cmd := exec.CommandContext(ctx, step.args[0], step.args[1:]...) //nolint:gosec // one of three known programs
		cmd.Env, cmd.Stdin = append(slices.Clone(env), where...), strings.NewReader(step.input)
		if err := cmd.Run(); err != nil {
			return nil, err
		}
	}
	return where, nil
}

// once measures from the start of the process to its end.
func (c *contender) once(ctx context.Context, counts bool) error {
	cmd := exec.CommandContext(ctx, c.program, c.args...) //nolint:gosec // one of ours, or of the known peers
	cmd.Env = c.env
	said, err := os.Create(c.log) // a file, so the time includes no copying by this process
	if err != nil {
		return err
	}
	defer func() { _ = said.Close() }()
	in, err := os.Open(c.log + ".in")
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, said, said
	begin := time.Now()
	err = cmd.Run()
	took := time.Since(begin)
	if err != nil {
		text, _ := os.ReadFile(c.log)
		if c.note != "not found" || !strings.Contains(string(text), "credentials not found") {
			return fmt.Errorf("%s: %w\n%s", c.name, err, text)
		}
	}
	if counts {
		c.times = append(c.times, took)
	}
	return nil
}

// memory runs the program under time: a child's peak memory starts at that of the process
// that forks it, and time is small.
func (c *contender) memory(ctx context.Context, dir string) {
	file := filepath.Join(dir, "peak")
	cmd := exec.CommandContext(ctx, "/usr/bin/time", append([]string{"-q", "-f", "%M", "-o", file, c.program}, c.args...)...) //nolint:gosec // one of ours, or of the known peers
	cmd.Env, cmd.Stdin = c.env, strings.NewReader(c.input)
	_ = cmd.Run()                                  // it fails for a registry without a credential
	if raw, err := os.ReadFile(file); err == nil { //nolint:gosec // the name is from above
		c.peak, _ = strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	}
}

func (c *contender) median() float64 {
	slices.Sort(c.times)
	return float64(c.times[len(c.times)/2].Microseconds()) / 1000
}

func table(out io.Writer, there, missing []*contender) {
	floor := there[0].median()
	fmt.Fprintf(out, "%s %s, %d processors, %s; %d runs each, in turns.\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), len(there[0].times))
	fmt.Fprintln(out, "| what | median ms | fastest | slowest | × the floor | peak memory MB | program MB |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	for _, c := range there {
		m := c.median()
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %.1f | %.2f | %.1f | %.1f |\n", c.name, m, float64(c.times[0].Microseconds())/1000,
			float64(c.times[len(c.times)-1].Microseconds())/1000, m/floor, float64(c.peak)/1024, float64(c.size)/1e6)
	}
	for _, c := range missing {
		fmt.Fprintf(out, "\nNot installed: %s.\n", c.name)
	}
}

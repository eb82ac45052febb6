package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/realservers"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/source"
	"purser/internal/wire"
)

var update = flag.Bool("update", false, "update docs/clients.md")

// operation is what a client does with a registry. In its commands HOST is the registry, REPO a repository
// with the tag "seed", IMAGE the folder of an image, DIR a working folder.
type operation struct {
	client, name string
	plain        bool     // over plain http, which docker and buildx always use on loopback
	commands     []string // in order
}

// operations are the matrix of docs/clients.md.
var operations = []operation{
	{"docker", "login, logout", true, []string{"docker login --username USER --password-stdin HOST", "docker logout HOST"}},
	{"docker", "manifest inspect", true, []string{"docker manifest inspect --insecure HOST/REPO:seed"}},
	{"docker", "manifest create, push", true, []string{"docker manifest create --insecure HOST/REPO:docker HOST/REPO:seed", "docker manifest push --insecure HOST/REPO:docker"}},
	{"buildx", "imagetools inspect", true, []string{"buildx imagetools inspect HOST/REPO:seed"}},
	{"buildx", "imagetools create", true, []string{"buildx imagetools create --tag HOST/REPO:buildx HOST/REPO:seed"}},
	{"skopeo", "copy to the registry", false, []string{"skopeo --insecure-policy copy oci:IMAGE docker://HOST/REPO:skopeo"}},
	{"skopeo", "copy from the registry, inspect", false, []string{"skopeo --insecure-policy copy docker://HOST/REPO:seed oci:DIR/skopeo", "skopeo inspect --raw docker://HOST/REPO:seed"}},
	{"crane", "push", false, []string{"crane push IMAGE HOST/REPO:crane"}},
	{"crane", "pull, digest", false, []string{"crane pull --format oci HOST/REPO:seed DIR/crane", "crane digest HOST/REPO:seed"}},
	{"helm", "push", false, []string{"helm package DIR/chart --destination DIR", "helm push DIR/chart-0.1.0.tgz oci://HOST/team"}},
	{"helm", "pull", false, []string{"helm package DIR/chart --destination DIR", "helm push DIR/chart-0.1.0.tgz oci://HOST/team", "helm pull oci://HOST/team/chart --version 0.1.0 --destination DIR/pulled"}},
	{"oras", "push", false, []string{"oras push --plain-http=false --disable-path-validation HOST/REPO:oras DIR/file"}},
	{"oras", "pull, discover", false, []string{"oras pull --plain-http=false --output DIR/oras HOST/REPO:seed", "oras discover --plain-http=false HOST/REPO:seed"}},
	{"regctl", "image copy", false, []string{"regctl image copy HOST/REPO:seed HOST/team/copy:regctl"}},
	{"regctl", "manifest get, tag list", false, []string{"regctl manifest get HOST/REPO:seed", "regctl tag ls HOST/REPO"}},
	{"buildah", "pull, push", false, []string{"buildah STORAGE pull docker://HOST/REPO:seed", "buildah STORAGE push HOST/REPO:seed docker://HOST/REPO:buildah"}},
	{"podman", "pull, push", false, []string{"podman STORAGE pull docker://HOST/REPO:seed", "podman STORAGE push HOST/REPO:seed docker://HOST/REPO:podman"}},
	{"podman", "search of tags", false, []string{"podman STORAGE search --list-tags HOST/REPO"}},
}

// site is a registry and the environment of an agent with the helper.
type site struct {
	*realservers.Registry
	env []string
}

func newSite(t *testing.T, dir string, r *realservers.Registry) site {
	t.Helper()
	realservers.Seed(t, r, r.Repository)
	manager := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{}))
	t.Cleanup(manager.Close)
	w := &wire.Wire{Now: time.Now, AWS: &wire.LocalAWS{Endpoint: manager.URL}}
	s, err := w.Bare(t.Context(), credential.Credential{}, credential.Target{Kind: "secret", Name: "local", Region: "eu-west-2"})
	if err != nil {
		t.Fatal(err)
	}
	id := credential.VersionID("purser-01936f5e-0000-7000-8000-000000000001")
	value := credential.NewSecret(`{"username":"` + r.Push.Name + `","token":"` + r.Push.Password + `"}`)
	if err := errors.Join(s.Create(t.Context()), s.Stage(t.Context(), id, value), s.Promote(t.Context(), id, id)); err != nil {
		t.Fatal(err)
	}
	private := trustedDir(t)
	vars, err := source.PrivateClients(private, "", "purser", []credential.Host{credential.Host(r.Host)})
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_REGION=eu-west-2",
		"PURSER_SECRET_ID=local", "PURSER_REGISTRY=" + r.Host, "AWS_ENDPOINT_URL=" + manager.URL,
		"AWS_ACCESS_KEY_ID=SANDBOX", "AWS_SECRET_ACCESS_KEY=SANDBOX", "PURSER_HELPER_TIMEOUT=30s",
	}
	if r.CAFile != "" {
		env = append(env, "SSL_CERT_FILE="+r.CAFile)
	}
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	return site{r, env}
}

// TestEveryClientWorksWithTheHelper runs the matrix against a real registry with a token server, over TLS with a
// private CA.
func TestEveryClientWorksWithTheHelper(t *testing.T) {
	dir := buildProgram(t)
	sites := map[bool]site{false: newSite(t, dir, realservers.Registry2(t, realservers.WithTLS)), true: newSite(t, dir, realservers.Registry2(t))}
	for _, o := range operations {
		t.Run(o.client+" "+o.name, func(t *testing.T) { o.run(t, sites[o.plain]) })
	}
}

func (o operation) run(t *testing.T, s site) {
	t.Helper()
	work := t.TempDir()
	chart := filepath.Join(work, "chart")
	if err := errors.Join(
		os.Mkdir(chart, 0o700), os.Mkdir(filepath.Join(work, "pulled"), 0o700),
		os.WriteFile(filepath.Join(chart, "Chart.yaml"), []byte("apiVersion: v2\nname: chart\nversion: 0.1.0\n"), 0o600),
		os.WriteFile(filepath.Join(work, "file"), []byte("something\n"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	short, err := os.MkdirTemp("", "p") //nolint:usetesting // podman wants paths of at most 50 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	fill := strings.NewReplacer("HOST", s.Host, "REPO", s.Repository, "IMAGE", realservers.ImageFolder(t), "DIR", work,
		"STORAGE", fmt.Sprintf("--storage-driver vfs --root %s/root --runroot %s/run", short, short), "USER", s.Push.Name)
	program := realservers.Need(t, o.client)
	for _, c := range o.commands {
		args := strings.Fields(fill.Replace(c))[1:]
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env, cmd.Dir, cmd.Stdin = s.env, work, strings.NewReader(s.Push.Password)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c, err, out)
		}
		if bytes.Contains(out, []byte(s.Push.Password)) {
			t.Errorf("%s shows the token", c)
		}
	}
}

func TestTheDocumentedClientsMatchTheMatrix(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Clients that work with the credential helper\n\n" +
		"A test runs each row with `docker-credential-purser` and no other login. The registry asks a token server for\n" +
		"rights, over TLS with a private certificate authority (docker and buildx use plain http, as they do on loopback).\n\n| client | what it does | commands |\n|---|---|---|\n")
	for _, o := range operations {
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", o.client, o.name, strings.Join(o.commands, "`, `"))
	}
	b.WriteString("\nHOST is the registry, REPO is a repository in it, IMAGE is an image in the OCI layout, and STORAGE says where\n" +
		"podman and buildah keep images.\n")
	const path = "../../docs/clients.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != b.String() {
		t.Errorf("docs/clients.md is not what the matrix says; go test ./cmd/docker-credential-purser -run Documented -update writes it")
	}
}

// TestARealClientIsNotLured leads crane to somebody else's registry: by a docker configuration that names
// the helper for it, and by a redirect. That registry records the credentials it receives.
func TestARealClientIsNotLured(t *testing.T) {
	crane := realservers.Need(t, "crane")
	dir := buildProgram(t)
	var mu sync.Mutex
	var sent []string
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		sent = append(sent, req.Header.Get("Authorization"))
		mu.Unlock()
		w.Header().Set("WWW-Authenticate", `Basic realm="evil"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(evil.Close)
	evilHost := strings.TrimPrefix(evil.URL, "http://")
	ours := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/v2/" && req.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="ours"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.Redirect(w, req, evil.URL+req.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(ours.Close)
	oursHost := strings.TrimPrefix(ours.URL, "http://")
	a := newAgent(t, "")
	vars, err := source.PrivateClients(trustedDir(t), "", "purser", []credential.Host{credential.Host(oursHost), credential.Host(evilHost)})
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range []string{evilHost + "/team/app:x", oursHost + "/team/app:x"} {
		cmd := exec.CommandContext(t.Context(), crane, "digest", image)
		cmd.Env = []string{
			"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + t.TempDir(), "DOCKER_CONFIG=" + vars["DOCKER_CONFIG"], "AWS_REGION=eu-west-2",
			"PURSER_SECRET_ID=mockserver-build/dockerhub", "PURSER_REGISTRY=" + oursHost, "AWS_ENDPOINT_URL=" + a.at,
			"AWS_ACCESS_KEY_ID=SANDBOX", "AWS_SECRET_ACCESS_KEY=SANDBOX", "PURSER_HELPER_CACHE=off",
		}
		if out, err := cmd.CombinedOutput(); err == nil || bytes.Contains(out, []byte(token)) {
			t.Errorf("crane digest %s: %v", image, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(sent) < 2 {
		t.Fatalf("the other registry got %d requests", len(sent))
	}
	for _, header := range sent {
		if header != "" {
			t.Error("the other registry received a login")
		}
	}
}

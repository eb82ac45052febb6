package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/realservers"
)

// A clientPlace is a registry that clients are sent to.
type clientPlace struct {
	registryPlace
	host  string   // as clients name it
	key   string   // as docker's configuration names it
	plain bool     // in plain http
	env   []string // that leads to it
}

func registryClientsArea() area[clientPlace] {
	return area[clientPlace]{
		name: "Clients of registries",
		about: "The clients are unchanged, and each has its own configuration. They reach the sandbox as docker.io, through the\n" +
			"proxy and the certificate authority of its environment, and the distribution project's registry on loopback. For\n" +
			"a refusal, the table shows the first words that a reader would look for. The token for reading is a personal\n" +
			"access token of that level in the sandbox, and an account with reduced rights at the other registry.",
		full:      true,
		parts:     []part[clientPlace]{{sandboxPart, sandboxAsHub}, {"distribution 3", registryOnLoopback}},
		questions: clientQuestions(),
	}
}

const seedTag = "seed"

// seed leaves an image in the known repository, which clients pull and copy.
func (p registryPlace) seed(t *testing.T) {
	t.Helper()
	c := &registryCaller{t, p, p.known}
	c.image("pull,push", seedTag)
}

func sandboxAsHub(t *testing.T) clientPlace {
	t.Helper()
	s := startSandbox(t)
	s.Accounts.Patient = true // many clients sign in with a wrong token here
	env, err := s.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := placeIn(t, s)
	at.seed(t)
	return clientPlace{at, "docker.io", "https://index.docker.io/v1/", false, env}
}

func registryOnLoopback(t *testing.T) clientPlace {
	t.Helper()
	r := realservers.Registry3(t)
	at := realRegistry(t, r)
	at.low = r.Pull
	at.seed(t)
	return clientPlace{at, r.Host, r.Host, true, nil}
}

// client is a program and what it does.
type client struct {
	name  string
	login []string // its arguments; the token is on the standard input
	// push and pull are commands, one after the other; what comes first makes what is
	// pushed or pulled.
	push, pull [][]string
}

// clients spell their commands with words that stand for what differs: HOST, REPO, NS,
// USER, DIR for a folder of the case's own, IMAGE and DIGEST for an image.
func clients() []client {
	return []client{
		{
			name: "docker", login: []string{"login", "--username", "USER", "--password-stdin", "HOST"},
			push: [][]string{
				{"manifest", "create", "PLAIN=--insecure", "HOST/REPO:docker", "HOST/REPO:seed"},
				{"manifest", "push", "PLAIN=--insecure", "HOST/REPO:docker"},
			},
			pull: [][]string{{"manifest", "inspect", "PLAIN=--insecure", "HOST/REPO:seed"}},
		},
		{
			name: "skopeo", login: []string{"login", "PLAIN=--tls-verify=false", "--username", "USER", "--password-stdin", "HOST"},
			push: [][]string{{"--insecure-policy", "copy", "PLAIN=--dest-tls-verify=false", "oci:IMAGE", "docker://HOST/REPO:skopeo"}},
			pull: [][]string{{"--insecure-policy", "copy", "PLAIN=--src-tls-verify=false", "docker://HOST/REPO:seed", "oci:DIR/pulled"}},
		},
		{
			name: "crane", login: []string{"auth", "login", "--username", "USER", "--password-stdin", "HOST"},
			push: [][]string{{"push", "IMAGE", "HOST/REPO:crane"}},
			pull: [][]string{{"pull", "--format", "oci", "HOST/REPO:seed", "DIR/pulled"}},
		},
		{
			name: "helm", login: []string{"registry", "login", "PLAIN=--plain-http", "--username", "USER", "--password-stdin", "HOST"},
			push: [][]string{
				{"package", "DIR/chart", "--destination", "DIR"},
				{"push", "PLAIN=--plain-http", "DIR/chart-0.1.0.tgz", "oci://HOST/NS"},
			},
			pull: [][]string{
				{"package", "DIR/chart", "--destination", "DIR"},
				{"push", "PLAIN=--plain-http", "DIR/chart-0.1.0.tgz", "oci://HOST/NS"},
				{"pull", "PLAIN=--plain-http", "oci://HOST/NS/chart", "--version", "0.1.0", "--destination", "DIR/chart"},
			},
		},
		{
			name: "oras", login: []string{"login", "PLAIN=--plain-http", "--username", "USER", "--password-stdin", "HOST"},
			push: [][]string{{"push", "PLAIN=--plain-http", "--disable-path-validation", "HOST/REPO:oras", "DIR/file"}},
			pull: [][]string{{"pull", "PLAIN=--plain-http", "--output", "DIR/pulled", "HOST/REPO:seed"}},
		},
		{
			name: "regctl", login: []string{"PLAIN=--host=reg=HOST,tls=disabled", "registry", "login", "--user", "USER", "--pass-stdin", "HOST"},
			push: [][]string{{"PLAIN=--host=reg=HOST,tls=disabled", "image", "copy", "ocidir://IMAGE@DIGEST", "HOST/REPO:regctl"}},
			pull: [][]string{{"PLAIN=--host=reg=HOST,tls=disabled", "image", "copy", "HOST/REPO:seed", "ocidir://DIR/pulled"}},
		},
	}
}

func clientQuestions() []question[clientPlace] {
	var all []question[clientPlace]
	wrong := func(p clientPlace) realservers.User {
		return realservers.User{Name: p.push.Name, Password: "dckr_pat_FAKE-wrong-000000000000"}
	}
	low := func(p clientPlace) realservers.User { return p.low }
	pusher := func(p clientPlace) realservers.User { return p.push }
	for _, c := range clients() {
		asks := func(id, title, documented, deviation string, as func(clientPlace) realservers.User, commands [][]string) {
			all = append(all, question[clientPlace]{
				row{c.name + "-" + id, c.name + ": " + title, documented, "what the client is for", deviation},
				func(t *testing.T, at clientPlace) string {
					t.Helper()
					return newClientRun(t, c.name, at, as(at)).all(commands)
				},
			})
		}
		signIn := [][]string{c.login}
		asks("login", "sign in", "works", "", pusher, signIn)
		asks("login-low", "sign in with a token for reading", "works", "", low, signIn)
		if c.name == "crane" {
			asks("login-wrong", "sign in with a wrong token, which it stores without checking it", "works", "", wrong, signIn)
		} else {
			asks("login-wrong", "sign in with a wrong token", "refused", "", wrong, signIn)
		}
		asks("push", "push", "works", "", pusher, c.push)
		asks("pull", "pull or inspect", "works", "", pusher, c.pull)
		asks("push-low", "push with a token for reading", "refused", "", low, c.push)
		asks("push-wrong", "push with a wrong token", "refused", "", wrong, c.push)
	}
	return all
}

// clientRun is one case of a client.
type clientRun struct {
	t       *testing.T
	program string
	dir     string
	env     []string
	user    realservers.User
	words   *strings.Replacer
	plain   bool
}

func newClientRun(t *testing.T, name string, at clientPlace, u realservers.User) *clientRun {
	t.Helper()
	program := realservers.Need(t, name)
	dir, image := t.TempDir(), realservers.ImageFolder(t)
	config := writeLogin(t, dir, at.key, u)
	writeFiles(t, dir)
	namespace, _, _ := strings.Cut(at.known, "/")
	return &clientRun{
		t: t, program: program, dir: dir, user: u, plain: at.plain,
		env: cleanEnv(t, append([]string{"DOCKER_CONFIG=" + filepath.Dir(config), "REGISTRY_AUTH_FILE=" + config, "HELM_REGISTRY_CONFIG=" + config}, at.env...)...),
		words: strings.NewReplacer("HOST", at.host, "REPO", at.known, "NS", namespace, "USER", u.Name, "DIR", dir,
			"IMAGE", image, "DIGEST", digestIn(t, image)),
	}
}

// writeLogin writes a docker configuration that holds a login. Where it held none, docker
// and helm would look for a place of the machine's to store one.
func writeLogin(t *testing.T, dir, key string, u realservers.User) (path string) {
	t.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte(u.Name + ":" + u.Password))
	text, err := json.Marshal(map[string]any{"auths": map[string]any{key: map[string]string{"auth": auth}}})
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, filepath.Join(dir, "docker", "config.json"), string(text))
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeFiles leaves what oras pushes, and a chart.
func writeFiles(t *testing.T, dir string) {
	t.Helper()
	writeFile(t, filepath.Join(dir, "file"), "a file of the suite")
	writeFile(t, filepath.Join(dir, "chart", "Chart.yaml"), "apiVersion: v2\nname: chart\nversion: 0.1.0\n")
}

func digestIn(t *testing.T, image string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(image, "index.json"))
	var index struct{ Manifests []struct{ Digest string } }
	if err != nil || json.Unmarshal(text, &index) != nil || len(index.Manifests) == 0 {
		t.Fatalf("an image without an index: %v", err)
	}
	return index.Manifests[0].Digest
}

// all runs commands until one fails.
func (c *clientRun) all(commands [][]string) string {
	c.t.Helper()
	for _, command := range commands {
		if said, err := c.run(command); err != nil {
			return c.refusal(said)
		}
	}
	return "works"
}

// clientLimit ends a client that goes on trying.
const clientLimit = 20 * time.Second

func (c *clientRun) run(command []string) (said string, err error) {
	c.t.Helper()
	var args []string
	for _, word := range command {
		flag, onlyPlain := strings.CutPrefix(word, "PLAIN=")
		if c.plain || !onlyPlain {
			args = append(args, c.words.Replace(flag))
		}
	}
	ctx, stop := context.WithTimeout(c.t.Context(), clientLimit)
	defer stop()
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Env, cmd.Dir, cmd.Stdin = c.env, c.dir, strings.NewReader(c.user.Password)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// refusal is what a failed client said, by the most telling words in it.
func (c *clientRun) refusal(said string) string {
	c.t.Helper()
	lower := strings.ToLower(said)
	for _, words := range []string{
		"access token has insufficient scopes", "incorrect username or password", "invalid username/password", "insufficient_scope",
		"requested access to the resource is denied", "no such manifest", "unauthorized", "denied", "401", "403",
	} {
		if strings.Contains(lower, words) {
			return "refused: " + words
		}
	}
	c.t.Logf("%s said:\n%s", c.program, said)
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return "fails: " + strings.ReplaceAll(lines[len(lines)-1], c.dir, "DIR")
}

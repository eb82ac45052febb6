package realservers

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Client is a program that pushes images.
type Client string

// The clients are separate implementations of the registry protocol, except that skopeo and docker
// share an ancestor. Their refusals read differently.
const (
	Skopeo Client = "skopeo"
	Crane  Client = "crane"
	Docker Client = "docker"
)

// Clients lists all clients.
func Clients() []Client { return []Client{Skopeo, Crane, Docker} }

// pushTag is the tag that clients push to.
const pushTag = "pushed"

// DockerConfig writes a docker configuration folder with one login, as `docker login` does.
func DockerConfig(t testing.TB, host, user, token string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	login := base64.StdEncoding.EncodeToString([]byte(user + ":" + token))
	text := encode(t, map[string]any{"auths": map[string]any{host: map[string]string{"auth": login}}})
	write(t, filepath.Join(dir, "config.json"), string(text))
	return dir
}

// Push makes a client push a tiny image with a login. It returns nil if the registry accepts it, or
// an error with the client's words if the registry refuses. Any other failure fails the test,
// because it says nothing about the login. Seed the repository first: without a daemon, docker
// cannot push layers and only adds a manifest to the seeded image.
func Push(t testing.TB, client Client, r *Registry, repository, user, token string) error {
	t.Helper()
	return PushWith(t, client, r, repository, DockerConfig(t, r.Host, user, token))
}

// PushWith is Push with the login in a docker configuration folder, possibly from a credential
// helper. env is added to PATH and HOME for the client and its helper.
func PushWith(t testing.TB, client Client, r *Registry, repository, config string, env ...string) error {
	t.Helper()
	run := clientRun{program: Need(t, string(client)), env: cleanEnv(t.TempDir(), append(env, "DOCKER_CONFIG="+config)...)}
	if r.CAFile != "" {
		run.env = append(run.env, "SSL_CERT_FILE="+r.CAFile)
	}
	target := r.Host + "/" + repository + ":" + pushTag
	switch client {
	case Skopeo:
		return run.do(t, "--insecure-policy", "copy", "--authfile", filepath.Join(config, "config.json"),
			fmt.Sprintf("--dest-tls-verify=%t", r.CAFile != ""),
			"oci:"+newImage(t).folder(t), "docker://"+target)
	case Crane:
		return run.do(t, "push", newImage(t).folder(t), target)
	case Docker:
		return run.manifest(t, r, repository)
	}
	t.Fatalf("unknown client %q", client)
	return nil
}

type clientRun struct {
	program string
	env     []string
}

// manifest pushes with docker: a list of the one image that Seed pushed.
func (c clientRun) manifest(t testing.TB, r *Registry, repository string) error {
	t.Helper()
	if r.CAFile != "" {
		t.Skip("skipped: docker pushes manifests to loopback over plain http only; skopeo and crane push over TLS")
	}
	target := r.Host + "/" + repository
	list, seed := target+":"+pushTag, target+":"+seedTag
	if err := c.do(t, "manifest", "create", "--insecure", "--amend", list, seed); err != nil {
		// Docker says this for a refused login too, where there is no token server.
		if strings.Contains(err.Error(), noManifest) && !seeded(t, r, repository) {
			t.Fatalf("docker cannot push to %s before Seed", repository)
		}
		return err
	}
	return c.do(t, "manifest", "push", "--insecure", "--purge", list)
}

// noManifest is docker's message when there is no manifest to add.
const noManifest = "no such manifest"

// refusal matches the clients' messages for a refusal by the registry itself.
var refusal = regexp.MustCompile(`(?im)unauthorized|(?:^|[^n] )denied\b|403 \(?Forbidden|insufficient_scope|no basic auth credentials|` + noManifest)

func (c clientRun) do(t testing.TB, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.program, args...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(out))
	switch {
	case err == nil:
		return nil
	case refusal.MatchString(said):
		return errors.New(filepath.Base(c.program) + ": " + said)
	}
	t.Fatalf("%s %s failed, but not because of the login: %v\n%s", filepath.Base(c.program), strings.Join(args, " "), err, said)
	return nil
}

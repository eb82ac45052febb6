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

// The clients. They are separate implementations of the registry protocol but
// for a common ancestor of skopeo and docker, and refuse in different words.
const (
	Skopeo Client = "skopeo"
	Crane  Client = "crane"
	Docker Client = "docker"
)

// Clients are all of them.
func Clients() []Client { return []Client{Skopeo, Crane, Docker} }

// pushTag is the tag that clients push to.
const pushTag = "pushed"

// DockerConfig writes a docker configuration folder that holds one login the way
// `docker login` leaves it behind.
func DockerConfig(t testing.TB, host, user, token string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	login := base64.StdEncoding.EncodeToString([]byte(user + ":" + token))
	text := encode(t, map[string]any{"auths": map[string]any{host: map[string]string{"auth": login}}})
	write(t, filepath.Join(dir, "config.json"), string(text))
	return dir
}

// Push has a client push a tiny image to a repository with a login, and returns
// nil when the registry took it and an error with the client's words when the
// registry refused. Every other failure ends the test: it is the rig's, and says
// nothing about the login. The repository must have been through Seed: docker adds
// a manifest to the image there, because without a daemon it cannot push layers.
func Push(t testing.TB, client Client, r *Registry, repository, user, token string) error {
	t.Helper()
	return PushWith(t, client, r, repository, DockerConfig(t, r.Host, user, token))
}

// PushWith is Push with the login that a docker configuration folder leads to,
// be it a helper's, which is given the environment besides PATH and HOME.
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
	t.Fatalf("there is no client %q in the rig", client)
	return nil
}

type clientRun struct {
	program string
	env     []string
}

// manifest pushes with docker: a list of one image, which Seed left there.
func (c clientRun) manifest(t testing.TB, r *Registry, repository string) error {
	t.Helper()
	if r.CAFile != "" {
		t.Skip("docker pushes manifests to loopback in plain http only: skipped; skopeo and crane push over TLS")
	}
	target := r.Host + "/" + repository
	list, seed := target+":"+pushTag, target+":"+seedTag
	if err := c.do(t, "manifest", "create", "--insecure", "--amend", list, seed); err != nil {
		// Docker's word for a refused login where there is no token server, and for
		// what it means.
		if strings.Contains(err.Error(), noManifest) && !seeded(t, r, repository) {
			t.Fatalf("docker cannot push to %s before rig.Seed", repository)
		}
		return err
	}
	return c.do(t, "manifest", "push", "--insecure", "--purge", list)
}

// noManifest is what docker says when there is nothing to add a manifest to.
const noManifest = "no such manifest"

// refusal is how the clients say that the registry, and not something on the way
// to it, said no.
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
		return errors.New(filepath.Base(c.program) + " says: " + said)
	}
	t.Fatalf("%s %s: %v, and not because of the login:\n%s", filepath.Base(c.program), strings.Join(args, " "), err, said)
	return nil
}

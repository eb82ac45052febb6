package main

import (
	"slices"
	"strings"

	"github.com/docker/docker-credential-helpers/credentials"

	"purser/internal/credential"
)

// choose finds the credential for a client's request: a registry under any of its names, with or without a
// repository. It only gives a token to the registry that its credential names, whatever a docker
// configuration or variable says. Other names, and invalid ones, are "not found".
func choose(all []credential.Credential, asked string, named func(credential.Name) bool) (credential.Credential, error) {
	notFound := credentials.NewErrCredentialsNotFound()
	host, path, ok := split(asked)
	if !ok {
		return credential.Credential{}, notFound
	}
	var mine []credential.Credential
	for _, c := range all {
		if c.Registry == host && named(c.Name) {
			mine = append(mine, c)
		}
	}
	if len(mine) == 0 {
		return credential.Credential{}, notFound
	}
	if plainHTTP(asked) && !host.IsLoopback() {
		return credential.Credential{}, &credential.Fault{
			Reason: credential.RegistryUnsafe, Registry: host, What: "purser did not return the token", Why: "the client uses plain http, so others could read it",
		}
	}
	if repository, err := credential.ParseRepository(host, path); path != "" && err == nil {
		for _, c := range mine {
			if slices.Contains(c.Repositories, repository) {
				return c, nil
			}
		}
	}
	if len(mine) == 1 {
		return mine[0], nil
	}
	var names []string
	for _, c := range mine {
		names = append(names, string(c.Name))
	}
	return credential.Credential{}, &credential.Fault{
		Reason: credential.Usage, Registry: host, What: "several credentials are for " + string(host),
		Why: "they are " + strings.Join(names, ", ") + "; choose one with PURSER_CREDENTIAL",
	}
}

func plainHTTP(asked string) bool { return strings.HasPrefix(strings.ToLower(asked), "http://") }

// split parses a client's request. docker requests https://index.docker.io/v1/, podman and similar clients
// index.docker.io/OWNER/REPO. docker logout requests …/v1/refresh-token, which is a different secret.
func split(asked string) (host credential.Host, path string, ok bool) {
	rest := asked
	if scheme, after, found := strings.Cut(asked, "://"); found {
		if scheme = strings.ToLower(scheme); scheme != "https" && scheme != "http" {
			return "", "", false
		}
		rest = after
	}
	name, path, _ := strings.Cut(rest, "/")
	host, err := credential.ParseHost(name)
	if err != nil || strings.ContainsAny(asked, " \t\n\\@?#") {
		return "", "", false
	}
	path = strings.Trim(path, "/")
	for _, version := range []string{"v1", "v2"} {
		if path == version {
			path = ""
		}
		path = strings.TrimPrefix(path, version+"/")
	}
	if path == "refresh-token" || path == "access-token" {
		return "", "", false
	}
	return host, path, true
}

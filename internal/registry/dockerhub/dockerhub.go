// Package dockerhub has what is specific to Docker Hub: a token's owner and level (identity.go),
// sign-ins (session.go), accounts' tokens (tokens.go), and evidence of their use (evidence.go).
package dockerhub

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"purser/internal/credential"
	"purser/internal/registry"
)

const host = credential.Host("docker.io") // canonical name

// api is the management API (Docker Hub API reference, version 2).
func api() *url.URL { return &url.URL{Scheme: "https", Host: "hub.docker.com", Path: "/"} }

// Kind describes Docker Hub.
func Kind() registry.Kind {
	return registry.Kind{
		Name: "dockerhub", Word: "docker", Vendor: vendor(), Page: page, Identify: identify, Works: works, Reach: reach, Accounts: accounts{},
		Keyless: "https://docs.docker.com/security/authentication/oidc-connections/",
	}
}

// Before 2023, Docker Hub's tokens were bare UUIDs.
var uuidForm = credential.NewPattern(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// vendor has the prefixes in Docker's documentation of access tokens, and the keys under which docker,
// podman, skopeo and similar programs store logins.
func vendor() credential.Vendor {
	return credential.Vendor{
		Title: "Docker Hub", Hosts: []string{string(host)}, Default: true,
		Forms:      []credential.TokenForm{{Prefix: "dckr_pat_", Kind: credential.PersonalToken}, {Prefix: "dckr_oat_", Kind: credential.OrganizationToken}},
		Unmarked:   unmarked,
		Aliases:    []string{"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"},
		API:        "registry-1.docker.io",
		DockerKeys: []string{"https://index.docker.io/v1/", "docker.io", "index.docker.io", "https://index.docker.io/v1", "registry-1.docker.io"},
		HelperKeys: []string{"https://index.docker.io/v1/", "docker.io", "index.docker.io"},
		// docker/cli, internal/oauth/manager. Docker Desktop has been seen to write two slashes.
		SessionKeys: []string{
			"https://index.docker.io/v1/access-token", "https://index.docker.io/v1/refresh-token", "https://index.docker.io/v1//access-token", "https://index.docker.io/v1//refresh-token",
		},
		AuthHosts: []string{"auth.docker.io"},
		Library:   "library",
	}
}

func unmarked(text string) credential.Kind {
	switch {
	case uuidForm.MatchString(text):
		return credential.PersonalToken
	case strings.Contains(text, "..") && len(text) > 60:
		return credential.IdentityToken // docker's refresh token and a client id
	}
	return credential.Password
}

func page(access credential.Access) registry.Page {
	words := levels[levelWrite].words
	if access == credential.Pull {
		words = levels[levelRead].words
	}
	return registry.Page{URL: "https://app.docker.com/settings/personal-access-tokens", Permission: words}
}

func reach(ctx context.Context, c *registry.Client) (string, error) {
	a, err := c.Do(ctx, http.MethodGet, api().JoinPath("/v2/"), "", nil)
	if err != nil {
		return "", err
	}
	if a.Status >= http.StatusInternalServerError || a.Status >= 300 && a.Status < 400 {
		return "", registry.Unexpected(a, nil)
	}
	return api().Host + " answers", nil
}

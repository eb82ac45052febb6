// Command rules writes internal/scan/rules.json: the rules of gitleaks that recognize tokens of
// registries. purser links the rules and not the library, which would add 6 MB and 60 modules.
// Run it with make rules.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/zricethezav/gitleaks/v8/detect"
)

const version = "v8.30.1" // as in go.mod

// registries lists the rules about tokens with which somebody can push images or packages.
var registries = []string{
	"artifactory-api-key", "artifactory-reference-token", "digitalocean-access-token", "digitalocean-pat",
	"github-app-token", "github-fine-grained-pat", "github-oauth", "github-pat", "github-refresh-token",
	"gitlab-cicd-job-token", "gitlab-deploy-token", "gitlab-pat", "gitlab-pat-routable", "gitlab-runner-authentication-token", "gitlab-runner-authentication-token-routable",
	"heroku-api-key-v2", "npm-access-token", "pypi-upload-token", "rubygems-api-token",
}

type rule struct {
	ID       string   `json:"id"`
	Regex    string   `json:"regex"`
	Entropy  float64  `json:"entropy,omitempty"`
	Group    int      `json:"group,omitempty"`
	Keywords []string `json:"keywords"`
}

func main() {
	detector, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		fatal(err)
	}
	var all []rule
	for _, id := range registries {
		r, ok := detector.Config.Rules[id]
		if !ok {
			fatal(fmt.Errorf("gitleaks %s has no rule %s", version, id))
		}
		slices.Sort(r.Keywords)
		all = append(all, rule{id, r.Regex.String(), r.Entropy, r.SecretGroup, r.Keywords})
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(map[string]any{
		"source": "https://github.com/gitleaks/gitleaks/blob/" + version + "/config/gitleaks.toml, Copyright (c) 2019 Zachary Rice, MIT License",
		"rules":  all,
	}); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

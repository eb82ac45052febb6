package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"purser/internal/boundedfile"
	"purser/internal/credential"
)

// keptSettings are the members of docker's configuration about how docker works, rather than
// about logins.
var keptSettings = []string{"currentContext", "cliPluginsExtraDirs", "plugins", "features", "aliases", "proxies", "experimental"} // a constant that Go cannot write as one

// PrivateClients fills a folder with configurations for docker, podman and helm whose only
// login is a credential helper for the registries. docker's also has the contexts, builders
// and plugins of the folder real. It returns the variables that make clients use them. If
// purser cannot read real, the error is a *credential.Fault.
func PrivateClients(dir, real, helper string, hosts []credential.Host) (map[string]string, error) {
	var kept []member
	raw, err := boundedfile.Read(filepath.Join(real, "config.json"), configLimit)
	switch {
	case errors.Is(err, fs.ErrNotExist) || real == "":
	case err != nil:
		return nil, err
	case len(bytes.TrimSpace(raw)) > 0:
		if kept, err = readObject(raw); err != nil {
			return nil, &credential.Fault{Reason: credential.Usage, What: "purser cannot read docker's config " + filepath.Join(real, "config.json"), Why: "it is not a JSON object"}
		}
		kept = slices.DeleteFunc(kept, func(m member) bool { return !slices.Contains(keptSettings, m.key) })
	}
	var helpers []member
	name, _ := json.Marshal(helper) // text always encodes
	for _, host := range hosts {
		for _, key := range host.HelperKeys() {
			if !slices.ContainsFunc(helpers, func(m member) bool { return m.key == key }) {
				helpers = append(helpers, member{key, name})
			}
		}
	}
	only := []member{{"credHelpers", writeObject(helpers)}}
	docker := filepath.Join(dir, "docker")
	vars := map[string]string{
		"DOCKER_CONFIG": docker, "REGISTRY_AUTH_FILE": filepath.Join(dir, "auth.json"), "HELM_REGISTRY_CONFIG": filepath.Join(dir, "helm.json"),
	}
	if err := errors.Join(
		os.Mkdir(docker, 0o700),
		os.WriteFile(filepath.Join(docker, "config.json"), writeObject(append(kept, only...)), 0o600),
		os.WriteFile(vars["REGISTRY_AUTH_FILE"], writeObject(only), 0o600),
		os.WriteFile(vars["HELM_REGISTRY_CONFIG"], writeObject(only), 0o600),
		linkRest(docker, real),
	); err != nil {
		return nil, err
	}
	return vars, nil
}

// linkRest links what docker keeps beside its configuration: contexts with their certificates,
// builders, plugins.
func linkRest(docker, real string) error {
	entries, err := os.ReadDir(real)
	if err != nil {
		return nil //nolint:nilerr // there is none, or nothing of it may be read
	}
	if real, err = filepath.Abs(real); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "config.json" {
			continue
		}
		if err := os.Symlink(filepath.Join(real, e.Name()), filepath.Join(docker, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

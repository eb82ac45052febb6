package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/source"
)

type configureFlags struct {
	clients     []string
	registries  []string
	dry, remove bool
}

func (a *app) configureDockerCommand() *cobra.Command {
	var f configureFlags
	cmd := &cobra.Command{
		Use:   "configure-docker [NAME…]",
		Short: "Set up docker, podman and helm to use purser",
		Long: `configure-docker adds purser's credential helper, docker-credential-purser, to
credHelpers in docker's configuration, for the registries of your credentials.
With --client it does so for podman (and skopeo, buildah) or helm. Nothing else
in the file changes.

The helper reads its own configuration from /etc/purser/purser.yaml,
PURSER_CONFIG or PURSER_SECRET_ID, never from the working directory.`,
		Example: `  purser configure-docker
  purser configure-docker dockerhub --dry-run
  purser configure-docker --client podman --client helm
  purser configure-docker --registry docker.io
  purser configure-docker --remove`,
		RunE: func(_ *cobra.Command, args []string) error { return a.configureDocker(args, f) },
	}
	cmd.Flags().StringArrayVar(&f.clients, "client", []string{"docker"}, "configure this `CLIENT`: docker, podman or helm (repeatable)")
	cmd.Flags().StringArrayVar(&f.registries, "registry", nil, "use the helper for this `REGISTRY`, without a purser.yaml (repeatable)")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "show what would change; write nothing")
	cmd.Flags().BoolVar(&f.remove, "remove", false, "remove the helper again")
	return cmd
}

// clientConfig is the path of a client's configuration.
func (a *app) clientConfig(client string) (string, error) {
	known := map[string]string{
		"docker": under(a.env.DockerConfigDir(), "config.json"),
		"podman": cmp.Or(a.env.RegistryAuthFile, cmp.Or(under(a.env.XDGRuntimeDir, "containers/auth.json"), under(a.env.Home, ".config/containers/auth.json"))),
		"helm":   under(cmp.Or(a.env.XDGConfigHome, under(a.env.Home, ".config")), "helm/registry/config.json"),
	}
	path, ok := known[client]
	if !ok {
		return "", &credential.Fault{Reason: credential.Usage, What: "--client must be docker, podman or helm"}
	}
	if path == "" {
		return "", &credential.Fault{Reason: credential.Usage, What: "purser cannot find the configuration of " + client, Why: "HOME is not set"}
	}
	return path, nil
}

func under(dir, path string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, filepath.FromSlash(path))
}

type clientJSON struct {
	Path     string   `json:"path"`
	Changed  bool     `json:"changed"`
	Wrote    bool     `json:"wrote"`
	Warnings []string `json:"warnings"`
}

func (a *app) configureDocker(names []string, f configureFlags) error {
	hosts, err := a.hostsFor(names, f.registries)
	if err != nil {
		return err
	}
	var changes []source.HelperChange
	for _, client := range f.clients {
		path, err := a.clientConfig(client)
		if err != nil {
			return err
		}
		change, err := source.SetHelper(path, source.Helper, hosts, f.remove)
		if err != nil {
			return err
		}
		changes = append(changes, change)
	}
	out := []clientJSON{}
	for _, c := range changes {
		done, err := a.applyHelper(c, f)
		if err != nil {
			return err
		}
		out = append(out, done)
	}
	if a.output.JSON {
		a.writeJSON(present.ReportOf(nil).With("clients", out))
	}
	return nil
}

// hostsFor returns the registries that --registry or the credentials name.
func (a *app) hostsFor(names, registries []string) (hosts []credential.Host, err error) {
	for _, r := range registries {
		host, err := credential.ParseHost(r)
		if err != nil {
			return nil, &credential.Fault{Reason: credential.Usage, What: "--registry must be the host name of a registry", Why: err.Error(), Err: err}
		}
		hosts = append(hosts, host)
	}
	if len(registries) > 0 && len(names) > 0 {
		return nil, &credential.Fault{Reason: credential.Usage, What: "name credentials or --registry, not both"}
	}
	if len(registries) > 0 {
		return hosts, nil
	}
	file, err := a.project(true)
	if err != nil {
		return nil, err
	}
	credentials, err := file.Chosen(names)
	for _, c := range credentials {
		hosts = append(hosts, c.Registry)
	}
	return hosts, err
}

// applyHelper makes a change or, in a dry run, shows it without the logins in auths.
func (a *app) applyHelper(c source.HelperChange, f configureFlags) (clientJSON, error) {
	done := clientJSON{Path: c.Path, Changed: c.Changed(), Warnings: append([]string{}, c.Warnings...)}
	if f.dry && !a.output.JSON {
		_, _ = fmt.Fprint(a.out, udiff.Unified(c.Path, c.Path, source.WithoutLogins(c.Before), source.WithoutLogins(c.After)))
	}
	if !f.dry && c.Changed() {
		if err := c.Write(); err != nil {
			return done, err
		}
		done.Wrote = true
	}
	if a.output.JSON {
		return done, nil
	}
	for _, w := range c.Warnings {
		_, _ = fmt.Fprintf(a.out, "note: %s: %s\n", c.Path, w)
	}
	if !f.dry {
		text := "needs no change"
		if done.Wrote {
			text = map[bool]string{true: "no longer uses", false: "uses"}[f.remove] + " docker-credential-" + source.Helper
		}
		a.line(a.out, credential.Granted, "Docker", strings.Join([]string{c.Path, text}, " "))
	}
	return done, nil
}

// Package namespace gives a command a network and a view of /etc/hosts and of the
// system's certificates of its own (Linux namespaces), in which names lead wherever
// this machine says. Elsewhere, and where the system does not allow it, it says so.
package namespace

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// ErrUnsupported is the answer of systems without namespaces.
var ErrUnsupported = errors.New("only Linux has network namespaces")

const hostsFile = "/etc/hosts"

// hosts is a hosts file in which the names lead to this machine, before what it has.
func hosts(old string, names []string) string {
	return "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 " + strings.Join(names, " ") + "\n" + old
}

// bundles are the files in which systems keep the certificates that programs trust.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// present are those of the paths that are files, each once: some are links to others.
func present(paths []string, resolve func(string) (string, error)) []string {
	var found []string
	for _, path := range paths {
		real, err := resolve(path)
		if err != nil {
			continue
		}
		if info, err := os.Stat(real); err == nil && info.Mode().IsRegular() && !slices.Contains(found, real) {
			found = append(found, real)
		}
	}
	return found
}

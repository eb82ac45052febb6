// Package namespace gives a command its own network, /etc/hosts and system certificates
// (Linux namespaces), so that this process decides where names lead. It fails on other
// systems, and where the system does not allow it.
package namespace

import (
	"errors"
	"os"
	"slices"
	"strings"
)

// ErrUnsupported is the error on systems without namespaces.
var ErrUnsupported = errors.New("only Linux has network namespaces")

const hostsFile = "/etc/hosts"

func hosts(old string, names []string) string {
	return "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 " + strings.Join(names, " ") + "\n" + old
}

// bundles are the files in which systems keep trusted certificates.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// present returns the paths that are files, once each: some link to others.
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

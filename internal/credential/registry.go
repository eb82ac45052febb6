package credential

import (
	"cmp"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Host is a registry in canonical form: lower-case host, or host:port. A registry with
// several spellings has one canonical name.
type Host string

var hostLabel = NewPattern(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

const longestLabel = 63

// ParseHost parses a registry's name as people and docker configs write it: with or
// without a scheme, a /v1/ or /v2/ path and a trailing slash.
func ParseHost(text string) (Host, error) {
	bad := func(why string) (Host, error) {
		return "", &Fault{Reason: Usage, What: "the registry's name is invalid", Why: why}
	}
	name := strings.TrimSpace(text)
	if HoldsToken(name) {
		return bad("it looks like a token; a registry is a host name such as docker.io or ghcr.io")
	}
	name = strings.ToLower(name)
	for _, scheme := range []string{"https://", "http://"} {
		name = strings.TrimPrefix(name, scheme)
	}
	name = strings.TrimRight(name, "/")
	for _, path := range []string{"/v1", "/v2"} {
		name = strings.TrimSuffix(name, path)
	}
	name = strings.TrimSuffix(name, "/")
	if name == "" {
		return bad("it is empty")
	}
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		host, port = strings.Trim(name, "[]"), ""
	}
	if port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return bad("the port is not a number from 1 to 65535")
		}
	}
	if v := byName[host]; v != nil && (port == "" || port == "443") {
		return Host(v.Hosts[0]), nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Is6() {
			host = "[" + host + "]"
		}
	} else if !validHostName(host) {
		return bad("a registry is a host name such as docker.io or ghcr.io, with a port where it needs one")
	}
	if port != "" {
		host += ":" + port
	}
	return Host(host), nil
}

func validHostName(host string) bool {
	if len(host) > 253 {
		return false
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if len(l) > longestLabel || !hostLabel.MatchString(l) {
			return false
		}
	}
	return len(labels) > 1 || host == "localhost"
}

// API returns the host that serves the registry protocol.
func (h Host) API() string {
	return cmp.Or(h.named().API, string(h))
}

// Hostname returns the host without its port.
func (h Host) Hostname() string {
	if host, _, err := net.SplitHostPort(string(h)); err == nil {
		return host
	}
	return strings.Trim(string(h), "[]")
}

// IsLoopback reports whether the registry is on this machine, judging by its name. Plain
// http is allowed only there.
func (h Host) IsLoopback() bool { return IsLoopbackHost(h.Hostname()) }

// IsLoopbackHost is Host.IsLoopback for a bare host name or address.
func IsLoopbackHost(name string) bool {
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return name == "localhost" // not *.localhost: a resolver may send those elsewhere
}

// DockerKeys returns the keys under which docker's family of clients stores the registry's
// credential in its config, the usual one first.
func (h Host) DockerKeys() []string {
	if keys := h.named().DockerKeys; keys != nil {
		return keys
	}
	return []string{string(h), "https://" + string(h), "https://" + string(h) + "/", "http://" + string(h)}
}

// SessionKeys returns the keys under which docker's browser login keeps a session for the
// registry, the one that can manage tokens first; nil if docker has no such login there.
func (h Host) SessionKeys() []string { return h.named().SessionKeys }

// HelperKeys returns the keys under which clients look up the registry's helper: docker
// uses its own name for the registry, podman and similar programs the host.
func (h Host) HelperKeys() []string {
	if keys := h.named().HelperKeys; keys != nil {
		return keys
	}
	return []string{string(h)}
}

// Repository is a repository's path within its registry, without tag or digest.
type Repository string

// The grammar is the OCI distribution specification's <name>.
var repositoryForm = NewPattern(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// ParseRepository parses a repository's name. The registry's own host may precede it. A
// single word gets the registry's library prefix if there is one, as docker does it.
func ParseRepository(host Host, text string) (Repository, error) {
	bad := func(why string) (Repository, error) {
		return "", &Fault{Reason: Usage, What: "the repository's name is invalid", Why: why}
	}
	name := text
	if first, rest, ok := strings.Cut(text, "/"); ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		if h, err := ParseHost(first); err == nil {
			if h != host {
				return bad("its registry is not " + string(host))
			}
			name = rest
		}
	}
	switch {
	case name == "":
		return bad("it is empty")
	case len(name) > 255:
		return bad("it is longer than 255 characters")
	case strings.Contains(name, "@"), strings.LastIndex(name, ":") > strings.LastIndex(name, "/"):
		return bad("remove the tag or digest: a credential covers the whole repository")
	case !repositoryForm.MatchString(name):
		return bad("a name is lower-case letters and digits, joined by . _ - and /, such as mockserver/mockserver")
	}
	if library := host.named().Library; library != "" && !strings.Contains(name, "/") {
		name = library + "/" + name
	}
	return Repository(name), nil
}

// Access is what a credential's consumers need to do with its repositories.
type Access string

// The kinds of access; push includes pull.
const (
	Pull Access = "pull"
	Push Access = "push"
)

// Actions returns the registry protocol's words for the access. Delete is never among
// them: a token that cannot delete must still pass.
func (a Access) Actions() []string {
	if a == Pull {
		return []string{"pull"}
	}
	return []string{"pull", "push"}
}

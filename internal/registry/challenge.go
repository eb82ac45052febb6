package registry

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"purser/internal/credential"
)

// challenge is a way to sign in, from WWW-Authenticate.
type challenge struct {
	scheme string            // lower-case
	params map[string]string // lower-case name → value
}

// parseChallenges parses WWW-Authenticate headers (RFC 9110 section 11.6.1). A registry may send
// several headers with several challenges each. It skips what it cannot parse.
func parseChallenges(headers []string) []challenge {
	var all []challenge
	for _, h := range headers {
		rest := h
		for {
			rest = strings.TrimLeft(rest, " \t,")
			scheme, after := token(rest)
			if scheme == "" {
				break
			}
			c := challenge{strings.ToLower(scheme), map[string]string{}}
			rest = parseParams(after, c.params)
			all = append(all, c)
		}
	}
	return all
}

// parseParams reads name=value pairs up to the next challenge, and returns the rest.
func parseParams(text string, into map[string]string) string {
	for {
		text = strings.TrimLeft(text, " \t,")
		name, after := token(text)
		after = strings.TrimLeft(after, " \t")
		if name == "" || !strings.HasPrefix(after, "=") {
			return text
		}
		value, rest := paramValue(strings.TrimLeft(after[1:], " \t"))
		if key := strings.ToLower(name); into[key] == "" {
			into[key] = value
		}
		text = rest
	}
}

func paramValue(text string) (value, rest string) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, ", \t")
		if end < 0 {
			return text, ""
		}
		return text[:end], text[end:]
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i < len(text) {
				b.WriteByte(text[i])
			}
		case '"':
			return b.String(), text[i+1:]
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String(), ""
}

// token cuts a leading token (RFC 9110 section 5.6.2) off text.
func token(text string) (name, rest string) {
	i := 0
	for i < len(text) && isTokenChar(text[i]) {
		i++
	}
	return text[:i], text[i:]
}

func isTokenChar(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// choose prefers a token service over Basic.
func choose(all []challenge) (challenge, bool) {
	for _, scheme := range []string{"bearer", "basic"} {
		i := slices.IndexFunc(all, func(c challenge) bool {
			return c.scheme == scheme && (scheme == "basic" || c.params["realm"] != "")
		})
		if i >= 0 {
			return all[i], true
		}
	}
	return challenge{}, false
}

// checkRealm decides whether the token service that a registry names may receive the login. It must be
// the registry's own host, or one that the vendor documents (without such, any host under the same
// registered domain), or one that the configuration names. On loopback it may be anything on loopback.
func checkRealm(cred credential.Credential, base *url.URL, realm string) (*url.URL, error) {
	refuse := func(why string) (*url.URL, error) {
		return nil, &credential.Fault{
			Reason: credential.RegistryUnsafe, Registry: cred.Registry,
			What: "the token was not sent: " + string(cred.Registry) + " asks for it at another host",
			Why:  why,
		}
	}
	u, err := url.Parse(realm)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return refuse("its challenge has an invalid token service address")
	}
	host := strings.ToLower(u.Hostname())
	shown := credential.Quote(u.Host)
	loopback := credential.IsLoopbackHost(base.Hostname())
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return refuse("the token service's address is neither http nor https")
	case u.Scheme == "http" && (!loopback || !credential.IsLoopbackHost(host)):
		return refuse("the token service " + shown + " uses plain http")
	case strings.EqualFold(u.Host, base.Host),
		loopback && credential.IsLoopbackHost(host),
		slices.Contains(cred.AuthHosts, host),
		slices.Contains(cred.Registry.AuthHosts(), u.Host):
		return u, nil
	case cred.Registry.AuthHosts() == nil && sameOwner(base.Hostname(), host):
		return u, nil
	}
	return refuse(shown + " does not belong to " + string(cred.Registry) + "; if it may receive the token, add it to auth-hosts in purser.yaml")
}

// sameOwner reports whether two hosts share a registered domain, by the public suffix list.
func sameOwner(a, b string) bool {
	for _, h := range []string{a, b} {
		if _, err := netip.ParseAddr(h); err == nil {
			return false
		}
	}
	ownerA, errA := publicsuffix.EffectiveTLDPlusOne(a)
	ownerB, errB := publicsuffix.EffectiveTLDPlusOne(b)
	return errA == nil && errB == nil && ownerA == ownerB
}

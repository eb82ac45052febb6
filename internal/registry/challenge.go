package registry

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"purser/internal/credential"
)

// challenge is one way in that a registry offers in WWW-Authenticate.
type challenge struct {
	scheme string            // lower-case
	params map[string]string // lower-case name → value
}

// parseChallenges reads WWW-Authenticate headers (RFC 9110 section 11.6.1). One
// header may hold several challenges and a registry may send several headers.
// What cannot be read is left out.
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

// parseParams reads name=value pairs until the next challenge begins, and
// returns what is left.
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

// token cuts a token of RFC 9110 section 5.6.2 off the front of text.
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

// choose picks how to sign in: a token service where there is one, else Basic.
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

// checkRealm decides whether the token service that a registry names may be
// given the login. It may when it is the registry's own host, one that its vendor
// documents or, without such, one under the same registered domain, or one that
// the configuration names; on loopback, anything on loopback.
func checkRealm(cred credential.Credential, base *url.URL, realm string) (*url.URL, error) {
	refuse := func(why string) (*url.URL, error) {
		return nil, &credential.Fault{
			Reason: credential.RegistryUnsafe, Registry: cred.Registry,
			What: "the token was not sent: " + string(cred.Registry) + " wants it at another place",
			Why:  why,
		}
	}
	u, err := url.Parse(realm)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return refuse("its challenge names a token service that is not an address")
	}
	host := strings.ToLower(u.Hostname())
	shown := credential.Quote(u.Host)
	loopback := credential.IsLoopbackHost(base.Hostname())
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return refuse("the token service is not at an http address")
	case u.Scheme == "http" && (!loopback || !credential.IsLoopbackHost(host)):
		return refuse("the token service " + shown + " speaks plain http")
	case strings.EqualFold(u.Host, base.Host),
		loopback && credential.IsLoopbackHost(host),
		slices.Contains(cred.AuthHosts, host),
		slices.Contains(cred.Registry.AuthHosts(), u.Host):
		return u, nil
	case cred.Registry.AuthHosts() == nil && sameOwner(base.Hostname(), host):
		return u, nil
	}
	return refuse(shown + " is not a host of " + string(cred.Registry) + "; if it is right, name it under auth-hosts in purser.yaml")
}

// sameOwner reports whether two hosts are under one registered domain, by the
// public suffix list.
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

package credential

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// ProxyRefusal is the error of a request that a proxy refused.
type ProxyRefusal struct {
	Proxy  string // its host
	Status int
}

// Error names the proxy.
func (p *ProxyRefusal) Error() string {
	if p.Status == http.StatusProxyAuthRequired {
		return "the proxy " + p.Proxy + " asks for a user name and a password (407); put the right ones into HTTPS_PROXY"
	}
	return fmt.Sprintf("the proxy %s refused the connection (%d)", p.Proxy, p.Status)
}

// Unanswered says why a request got no answer and what to do. trust is the setting for trusted
// certificates. The errors of net/http contain the request's address, but no header.
func Unanswered(err error, trust string) string {
	if refused, ok := errors.AsType[*ProxyRefusal](err); ok {
		return refused.Error()
	}
	var timeout net.Error
	unknown, isCA := errors.AsType[x509.UnknownAuthorityError](err)
	_, isName := errors.AsType[x509.HostnameError](err)
	_, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	_, isDNS := errors.AsType[*net.DNSError](err)
	op, _ := errors.AsType[*net.OpError](err)
	switch {
	case op != nil && op.Op == "proxyconnect":
		return "purser cannot reach the proxy of HTTPS_PROXY: " + Innermost(err)
	case isCA:
		return "its certificate is signed by " + issuer(unknown.Cert) + ", which this machine does not trust; a proxy that inspects TLS or your own authority may have signed it; if you trust it, name the authority's certificate with " + trust
	case isName:
		return "its certificate is for another host name"
	case isInvalid:
		return "its certificate has expired or is not valid yet, or this machine's clock is off"
	case isDNS:
		return "its name is unknown; check the spelling and the network"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "it did not answer in time"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it speaks plain http, which purser allows only on loopback"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closed the connection"
	}
	return Innermost(err)
}

// issuer returns a certificate's own words about who signed it.
func issuer(c *x509.Certificate) string {
	if c == nil || c.Issuer.String() == "" {
		return "an authority"
	}
	return "“" + Quote(c.Issuer.String()) + "”"
}

// HostOf returns the host of the request that err is about; "" if unknown.
func HostOf(err error) string {
	asked, ok := errors.AsType[*url.Error](err)
	if !ok {
		return ""
	}
	u, err := url.Parse(asked.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

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

// ProxyRefusal is the error of a request that a proxy did not let through.
type ProxyRefusal struct {
	Proxy  string // its host
	Status int
}

// Error says which proxy it was.
func (p *ProxyRefusal) Error() string {
	if p.Status == http.StatusProxyAuthRequired {
		return "the proxy " + p.Proxy + " wants a user name and a password (407), which HTTPS_PROXY lacks or has wrong"
	}
	return fmt.Sprintf("the proxy %s does not let the connection through (%d)", p.Proxy, p.Status)
}

// Unanswered says why a request got no answer, in words that lead somewhere. trust is
// where a certificate to trust is named. The errors of net/http hold the request's
// address and no header.
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
		return "the proxy of HTTPS_PROXY cannot be reached: " + Innermost(err)
	case isCA:
		return "its certificate is signed by " + issuer(unknown.Cert) + ", which this machine does not trust: a proxy that looks into TLS signs so, and so does an authority of your own; where that is right, name its certificate with " + trust
	case isName:
		return "its certificate is for another name"
	case isInvalid:
		return "its certificate is not valid now: expired, not yet valid, or this machine's clock is off"
	case isDNS:
		return "its name cannot be looked up: a typing error, or no network"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "it did not answer in time"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it speaks plain http, which is allowed on loopback only"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closed the connection"
	}
	return Innermost(err)
}

// issuer is who signed a certificate, as it says itself.
func issuer(c *x509.Certificate) string {
	if c == nil || c.Issuer.String() == "" {
		return "an authority"
	}
	return "“" + Quote(c.Issuer.String()) + "”"
}

// HostOf is the host of the request that err is about; "" where it does not say.
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

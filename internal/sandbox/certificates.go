package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authority is a certificate authority that lives as long as the sandbox. Its
// key is never written anywhere.
type authority struct {
	certificate *x509.Certificate
	pem         []byte
	server      tls.Certificate
}

// newAuthority makes the authority and one server certificate for all names.
// Certificates use the system's randomness and clock: they protect connections
// of this run, and nothing is tested against their bytes.
func newAuthority(names []string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	from, to := time.Now().Add(-time.Hour), time.Now().Add(7*24*time.Hour)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "purser sandbox"}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	if root, err = x509.ParseCertificate(raw); err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "purser sandbox server"}, NotBefore: from, NotAfter: to,
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	served, err := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a server certificate: %w", err)
	}
	return &authority{
		certificate: root, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}),
		server: tls.Certificate{Certificate: [][]byte{served}, PrivateKey: key},
	}, nil
}

func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authority is a certificate authority that lives as long as the sandbox, or as its data folder.
type authority struct {
	certificate *x509.Certificate
	pem         []byte
	server      tls.Certificate
}

// A data folder may be used for years. Clients refuse server certificates that last longer
// than serverLife, so each start makes a new one.
const (
	rootLife   = 10 * 365 * 24 * time.Hour
	serverLife = 397 * 24 * time.Hour
)

// newAuthority makes the certificates, with the authority of found if there is one. It uses the
// system's randomness and clock, since no test depends on the certificates' bytes.
func newAuthority(names []string, found *state) (*authority, error) {
	key, root, err := rootOf(found)
	if err != nil {
		return nil, fmt.Errorf("make a certificate authority: %w", err)
	}
	from := time.Now().Add(-time.Hour)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(from.UnixNano()), Subject: pkix.Name{CommonName: "purser sandbox server"}, NotBefore: from, NotAfter: from.Add(serverLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	served, err := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a server certificate: %w", err)
	}
	return &authority{
		certificate: root, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}),
		server: tls.Certificate{Certificate: [][]byte{served}, PrivateKey: key},
	}, nil
}

func rootOf(found *state) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	if found != nil {
		root, err := x509.ParseCertificate(found.Root)
		if err != nil {
			return nil, nil, err
		}
		parsed, err := x509.ParsePKCS8PrivateKey(found.RootKey)
		if key, ok := parsed.(*ecdsa.PrivateKey); ok && err == nil {
			return key, root, nil
		}
		return nil, nil, errors.Join(errors.New("cannot read the data folder's key"), err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	from := time.Now().Add(-time.Hour)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "purser sandbox"}, NotBefore: from, NotAfter: from.Add(rootLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	root, err = x509.ParseCertificate(raw)
	return key, root, err
}

func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

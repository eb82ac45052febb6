package receipt

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// DigestSigner signs a SHA-256 digest with ECDSA over P-256 and returns the signature in
// DER: KMS's Sign with MessageType DIGEST and ECDSA_SHA_256.
type DigestSigner interface {
	SignDigest(ctx context.Context, digest []byte) ([]byte, error)
}

type kmsSigner struct {
	keyARN string
	signer DigestSigner
}

// KMSSigner signs with a key that does not leave KMS. Its id is the key's ARN.
func KMSSigner(keyARN string, s DigestSigner) Signer { return kmsSigner{keyARN, s} }

// KeyID returns the key's ARN.
func (s kmsSigner) KeyID() string { return s.keyARN }

// Sign hashes locally, since KMS limits the length of a message.
func (s kmsSigner) Sign(ctx context.Context, message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	return s.signer.SignDigest(ctx, digest[:])
}

type publicKeyVerifier struct {
	keyID string
	key   *ecdsa.PublicKey
}

// PublicKeyVerifier trusts one public key under one id, for KMS the key's ARN. The key is
// PEM or DER, as KMS's GetPublicKey returns it.
func PublicKeyVerifier(keyID string, key []byte) (Verifier, error) {
	public, err := ParsePublicKey(key)
	if err != nil {
		return nil, err
	}
	return publicKeyVerifier{keyID, public}, nil
}

// Verify returns the key's id as the signer's name, since nothing else is known.
func (v publicKeyVerifier) Verify(_ context.Context, keyID string, message, signature []byte) (string, error) {
	if keyID != v.keyID {
		return "", ErrUnknownKey
	}
	digest := sha256.Sum256(message)
	if !ecdsa.VerifyASN1(v.key, digest[:], signature) {
		return "", errors.New("it is wrong: another key made it, or it is for another receipt")
	}
	return v.keyID, nil
}

// ParsePublicKey parses a public key in PEM or DER (SubjectPublicKeyInfo, RFC 5280). It must
// be ECDSA over P-256, as KMSSigner's keys are.
func ParsePublicKey(key []byte) (*ecdsa.PublicKey, error) {
	if block, _ := pem.Decode(key); block != nil {
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("the PEM block is %q, not a public key", block.Type)
		}
		key = block.Bytes
	}
	parsed, err := x509.ParsePKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	switch {
	case !ok:
		return nil, fmt.Errorf("the public key is not ECDSA (%T): receipts are signed with ECC_NIST_P256 keys", parsed)
	case public.Curve != elliptic.P256():
		return nil, fmt.Errorf("the public key is on the curve %s: receipts are signed with ECC_NIST_P256 keys", public.Params().Name)
	}
	return public, nil
}

package receipt_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"

	"purser/internal/receipt"
)

const keyARN = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"

type kms struct{ key *ecdsa.PrivateKey }

func (k kms) SignDigest(_ context.Context, digest []byte) ([]byte, error) {
	if len(digest) != crypto.SHA256.Size() {
		return nil, errors.New("ValidationException: digest is invalid length for algorithm ECDSA_SHA_256")
	}
	return ecdsa.SignASN1(rand.Reader, k.key, digest)
}

func der(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	text, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newKMS(t testing.TB) keys {
	t.Helper()
	private := aPrivateKey(t, "ecdsa256").(*ecdsa.PrivateKey)
	v, err := receipt.PublicKeyVerifier(keyARN, der(t, private))
	if err != nil {
		t.Fatal(err)
	}
	return keys{signer: receipt.KMSSigner(keyARN, kms{private}), verifier: v, by: keyARN, private: private}
}

func TestAnotherKMSKeyOfTheSameNameIsRefused(t *testing.T) {
	_, err := receipt.Open(t.Context(), seal(t, example(), newKMS(t).signer), newKMS(t).verifier)
	wantError(t, err, "it is wrong")
	if errors.Is(err, receipt.ErrUnknownKey) {
		t.Errorf("the key's name is known: %v", err)
	}
}

func TestAFailureOfKMSIsReturned(t *testing.T) {
	broken := errors.New("AccessDeniedException")
	_, err := receipt.Seal(t.Context(), example(), receipt.KMSSigner(keyARN, failing{broken}))
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	wantError(t, err, keyARN)
}

func TestOnlyP256PublicKeysParse(t *testing.T) {
	key := aPrivateKey(t, "ecdsa256")
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for _, test := range []struct {
		name string
		key  []byte
		want string
	}{
		{"DER", der(t, key), ""},
		{"PEM", block("PUBLIC KEY", der(t, key)), ""},
		{"P-384", der(t, aPrivateKey(t, "ecdsa384")), "curve P-384: receipts are signed with ECC_NIST_P256"},
		{"P-521", block("PUBLIC KEY", der(t, aPrivateKey(t, "ecdsa521"))), "curve P-521"},
		{"RSA", der(t, aPrivateKey(t, "rsa")), "not ECDSA (*rsa.PublicKey)"},
		{"ed25519", der(t, aPrivateKey(t, "ed25519")), "not ECDSA (ed25519.PublicKey)"},
		{"certificate", block("CERTIFICATE", der(t, key)), `"CERTIFICATE", not a public key`},
		{"nothing", nil, "read the public key"},
		{"text", []byte("ssh-ed25519 AAAA"), "read the public key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := receipt.ParsePublicKey(test.key)
			if test.want != "" {
				wantError(t, err, test.want)
				_, err = receipt.PublicKeyVerifier(keyARN, test.key)
				wantError(t, err, test.want)
				return
			}
			if err != nil || !got.Equal(key.Public()) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

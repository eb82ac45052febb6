package receipt

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"purser/internal/credential"
)

// Namespace is part of every SSH signature of a receipt, so that nobody can pass one off as
// the signature of a commit or file, or the other way round (PROTOCOL.sshsig).
const Namespace = "purser-receipt"

// leastRSABits is NIST's minimum for signatures (SP 800-131A).
const leastRSABits = 2048

type sshSigner struct {
	signer ssh.Signer
	key    ssh.PublicKey
}

// SSHSigner signs like `ssh-keygen -Y sign -n purser-receipt`, without the armor. It refuses
// keys that SSHVerifier would refuse, so that you know before anything changes.
func SSHSigner(signer ssh.Signer) (Signer, error) {
	// An agent's key has its own type only after parsing.
	key, err := ssh.ParsePublicKey(signer.PublicKey().Marshal())
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	if err := checkSSHKey(key); err != nil {
		return nil, err
	}
	return sshSigner{signer, key}, nil
}

// KeyID returns the key's fingerprint as ssh-keygen prints it.
func (s sshSigner) KeyID() string { return ssh.FingerprintSHA256(s.key) }

// Sign waits for the key no longer than ctx: an agent may wait for a person's touch. It
// verifies the signature, because an agent that does not know a flag signs with SHA-1.
func (s sshSigner) Sign(ctx context.Context, message []byte) ([]byte, error) {
	type result struct {
		signature []byte
		err       error
	}
	made := make(chan result, 1)
	go func() {
		sig, err := sshsig.Sign(bytes.NewReader(message), s.signer, sshsig.HashSHA512, Namespace)
		if err != nil {
			made <- result{err: err}
			return
		}
		blob := sig.Marshal()
		made <- result{blob, checkSSHSignature(s.key, message, blob)}
	}()
	select {
	case r := <-made:
		return r.signature, r.err
	case <-ctx.Done():
		return nil, credential.Stopped(ctx, "waiting for the SSH agent to sign")
	}
}

// LoadSSHKey reads a private key in any form that ssh-keygen writes. It calls passphrase for
// a key that has one, and overwrites the result after use; nil: there is nobody to ask.
func LoadSSHKey(pem []byte, passphrase func() ([]byte, error)) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(pem)
	if _, ok := errors.AsType[*ssh.PassphraseMissingError](err); !ok {
		return signer, err
	}
	if passphrase == nil {
		return nil, errors.New("the key has a passphrase, and there is nobody to ask for it")
	}
	text, err := passphrase()
	if err != nil {
		return nil, fmt.Errorf("ask for the key's passphrase: %w", err)
	}
	defer clear(text)
	signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, text)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, errors.New("the key's passphrase is wrong")
	}
	return signer, err
}

// Agent is what AgentSigner needs of an ssh-agent's client.
type Agent interface {
	Signers() ([]ssh.Signer, error)
}

// AgentSigner signs with the agent's key for a public key.
func AgentSigner(client Agent, public ssh.PublicKey) (Signer, error) {
	signers, err := client.Signers()
	if err != nil {
		return nil, fmt.Errorf("ask ssh-agent for its keys: %w", err)
	}
	for _, s := range signers {
		if sameKey(s.PublicKey(), public) {
			return SSHSigner(s)
		}
	}
	return nil, fmt.Errorf("ssh-agent does not hold %s; it holds %d other keys", ssh.FingerprintSHA256(public), len(signers))
}

type sshVerifier struct {
	allowed AllowedSigners
	at      time.Time
}

// SSHVerifier trusts the keys that an allowed_signers file allows at a time. At the present
// time, it rejects everything that a retired key ever signed. At the receipt's own time (see
// Unverified), whoever has a retired key can forge old receipts.
func SSHVerifier(allowed AllowedSigners, at time.Time) Verifier {
	return sshVerifier{allowed, at}
}

// Verify returns the principals of the first line that allows the key.
func (v sshVerifier) Verify(_ context.Context, keyID string, message, signature []byte) (string, error) {
	failed := ErrUnknownKey
	for _, a := range v.allowed {
		if a.fingerprint != keyID {
			continue
		}
		if err := checkSSHSignature(a.key, message, signature); err != nil {
			return "", err
		}
		err := a.allows(v.at)
		if err == nil {
			return a.principals, nil
		}
		failed = moreTelling(failed, err)
	}
	return "", failed
}

// checkSSHSignature also checks the parts of the blob that the signature does not cover, so
// that every signature has one form.
func checkSSHSignature(key ssh.PublicKey, message, blob []byte) error {
	sig, err := sshsig.ParseSignature(blob)
	switch {
	case err != nil:
		return fmt.Errorf("it is not an SSH signature: %w", err)
	case !bytes.Equal(sig.Marshal(), blob):
		return errors.New("it is not in the canonical form of an SSH signature")
	case sig.HashAlgorithm != sshsig.HashSHA512:
		return fmt.Errorf("it uses %s, not %s", sig.HashAlgorithm, sshsig.HashSHA512)
	case sig.PublicKey.Type() == ssh.KeyAlgoRSA && sig.Signature.Format != ssh.KeyAlgoRSASHA512:
		return fmt.Errorf("it uses %s, not %s", sig.Signature.Format, ssh.KeyAlgoRSASHA512)
	case sig.Namespace != Namespace:
		return fmt.Errorf("it is for the namespace %q, not %q", sig.Namespace, Namespace)
	}
	if err := sshsig.Verify(bytes.NewReader(message), sig, key, sshsig.HashSHA512, Namespace); err != nil {
		return fmt.Errorf("it is wrong: %w", err)
	}
	return nil
}

// checkSSHKey refuses certificates, which would need their authority's rules, DSA, and short
// RSA keys.
func checkSSHKey(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return nil
	case ssh.KeyAlgoRSA:
		if bits := rsaBits(key); bits < leastRSABits {
			return fmt.Errorf("the RSA key has %d bits, and receipts need %d", bits, leastRSABits)
		}
		return nil
	}
	return fmt.Errorf("keys of type %q cannot sign receipts", key.Type())
}

func rsaBits(key ssh.PublicKey) int {
	k, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return 0
	}
	public, ok := k.CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return 0
	}
	return public.N.BitLen()
}

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

package receipt_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"purser/internal/receipt"
)

const me = "me@example.com"

type keys struct {
	signer   receipt.Signer
	verifier receipt.Verifier
	by       string
	private  crypto.Signer
	public   ssh.PublicKey
}

// aPrivateKey makes a key; RSA keys are slow to make, so tests share one.
func aPrivateKey(t testing.TB, kind string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ecdsa521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "rsa":
		key, err = oneRSA()
	case "rsa1024":
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var oneRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func sshSigner(t testing.TB, key crypto.Signer) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// allowedLine returns a line of an allowed_signers file; options end in a blank.
func allowedLine(options string, key ssh.PublicKey) string {
	return me + " " + options + string(ssh.MarshalAuthorizedKey(key))
}

func allowed(t testing.TB, text string) receipt.AllowedSigners {
	t.Helper()
	a, err := receipt.ParseAllowedSigners([]byte(text), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newSSHOf(t testing.TB, kind string) keys {
	t.Helper()
	return newSSHFrom(t, aPrivateKey(t, kind))
}

// newSSHFrom serves fuzzing, whose processes must have the same key.
func newSSHFrom(t testing.TB, private crypto.Signer) keys {
	t.Helper()
	signer := sshSigner(t, private)
	s, err := receipt.SSHSigner(signer)
	if err != nil {
		t.Fatal(err)
	}
	public := signer.PublicKey()
	return keys{s, receipt.SSHVerifier(allowed(t, allowedLine("", public)), noon), me, private, public}
}

func newSSHForFuzz(f *testing.F) keys {
	f.Helper()
	return newSSHFrom(f, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
}

func newSSH(t testing.TB) keys { t.Helper(); return newSSHOf(t, "ed25519") }

func signers(t testing.TB) map[string]keys {
	t.Helper()
	all := map[string]keys{"kms": newKMS(t)}
	for _, kind := range []string{"ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa"} {
		all[kind] = newSSHOf(t, kind)
	}
	return all
}

func TestKeyIDIsTheFingerprint(t *testing.T) {
	k := newSSH(t)
	if got := k.signer.KeyID(); got != ssh.FingerprintSHA256(k.public) || !strings.HasPrefix(got, "SHA256:") {
		t.Errorf("got %q", got)
	}
}

// ssh-keygen would make or accept these.
func TestSSHSignaturesOfAnotherKindAreRefused(t *testing.T) {
	k := newSSHOf(t, "rsa")
	_, payload := unpack(t, seal(t, example(), nil))
	message := receipt.PAE(receipt.PayloadType, payload)
	private := sshSigner(t, k.private)
	sha256Only, err := ssh.NewSignerWithAlgorithms(private.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSASHA256})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(s ssh.Signer, message []byte, h sshsig.HashAlgorithm, namespace string) *sshsig.Signature {
		sig, err := sshsig.Sign(bytes.NewReader(message), s, h, namespace)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	right := sign(private, message, sshsig.HashSHA512, receipt.Namespace)
	reserved := bytes.Replace(right.Marshal(), []byte("receipt\x00\x00\x00\x00"), []byte("receipt\x00\x00\x00\x01x"), 1)
	for _, test := range []struct {
		name, want string
		blob       []byte
	}{
		{"right", "", right.Marshal()},
		{"armored", "it is not an SSH signature", sshsig.Armor(right)},
		{"namespace", `the namespace "file"`, sign(private, message, sshsig.HashSHA512, "file").Marshal()},
		{"hash", "it uses sha256, not sha512", sign(private, message, sshsig.HashSHA256, receipt.Namespace).Marshal()},
		{"RSA with SHA-256", "it uses rsa-sha2-256", sign(asSHA256{sha256Only}, message, sshsig.HashSHA512, receipt.Namespace).Marshal()},
		{"reserved part", "canonical form", reserved},
		{"payload without PAE", "it is wrong", sign(private, payload, sshsig.HashSHA512, receipt.Namespace).Marshal()},
		{"another key", "it is wrong", sign(sshSigner(t, aPrivateKey(t, "ed25519")), message, sshsig.HashSHA512, receipt.Namespace).Marshal()},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := receipt.Open(t.Context(), pack(t, receipt.PayloadType, payload, signature(k.signer.KeyID(), test.blob)), k.verifier)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, test.want)
		})
	}
}

// asSHA256 ignores the requested algorithm, like an agent that does not know the
// flags.
type asSHA256 struct{ ssh.MultiAlgorithmSigner }

func (s asSHA256) SignWithAlgorithm(random io.Reader, data []byte, _ string) (*ssh.Signature, error) {
	return s.MultiAlgorithmSigner.SignWithAlgorithm(random, data, ssh.KeyAlgoRSASHA256)
}

func TestTheSignerVerifiesItsSignature(t *testing.T) {
	private := sshSigner(t, aPrivateKey(t, "rsa"))
	weak, err := ssh.NewSignerWithAlgorithms(private.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSASHA256})
	if err != nil {
		t.Fatal(err)
	}
	s, err := receipt.SSHSigner(asSHA256{weak})
	if err != nil {
		t.Fatal(err)
	}
	_, err = receipt.Seal(t.Context(), example(), s)
	wantError(t, err, "rsa-sha2-256, not rsa-sha2-512")
}

// waiting is an agent's key that nobody touches.
type waiting struct {
	ssh.Signer
	until <-chan struct{}
}

func (w waiting) Sign(io.Reader, []byte) (*ssh.Signature, error) {
	<-w.until
	return nil, errors.New("too late")
}

func TestSignDoesNotWaitForever(t *testing.T) {
	until := make(chan struct{})
	defer close(until)
	s, err := receipt.SSHSigner(waiting{sshSigner(t, aPrivateKey(t, "ed25519")), until})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := receipt.Seal(ctx, example(), s); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestUnsuitableKeysAreRefused(t *testing.T) {
	short := sshSigner(t, aPrivateKey(t, "rsa1024"))
	_, err := receipt.SSHSigner(short)
	wantError(t, err, "1024 bits")
	_, err = receipt.ParseAllowedSigners([]byte(allowedLine("", short.PublicKey())), time.UTC)
	wantError(t, err, "1024 bits")

	ca, k := sshSigner(t, aPrivateKey(t, "ed25519")), sshSigner(t, aPrivateKey(t, "ed25519"))
	cert := &ssh.Certificate{Key: k.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	withCert, err := ssh.NewCertSigner(cert, k)
	if err != nil {
		t.Fatal(err)
	}
	_, err = receipt.SSHSigner(withCert)
	wantError(t, err, "cannot sign receipts")
	_, err = receipt.ParseAllowedSigners([]byte(allowedLine("", cert)), time.UTC)
	wantError(t, err, "cannot sign receipts")
}

func TestLoadSSHKey(t *testing.T) {
	private := aPrivateKey(t, "ed25519")
	open, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	closed, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("FAKE passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	nobody := errors.New("nobody there")
	say := func(text string, err error) func() ([]byte, error) {
		return func() ([]byte, error) { return []byte(text), err }
	}
	for _, test := range []struct {
		name string
		pem  []byte
		ask  func() ([]byte, error)
		want string
	}{
		{"open", pem.EncodeToMemory(open), nil, ""},
		{"closed", pem.EncodeToMemory(closed), say("FAKE passphrase", nil), ""},
		{"wrong", pem.EncodeToMemory(closed), say("FAKE wrong", nil), "the key's passphrase is wrong"},
		{"nobody to ask", pem.EncodeToMemory(closed), nil, "nobody to ask"},
		{"no answer", pem.EncodeToMemory(closed), say("", nobody), "nobody there"},
		{"no key", []byte("x"), nil, "no key found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := receipt.LoadSSHKey(test.pem, test.ask)
			if test.want != "" {
				wantError(t, err, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.PublicKey().Marshal(), sshSigner(t, private).PublicKey().Marshal()) {
				t.Error("it is another key")
			}
		})
	}
}

func TestLoadSSHKeyForgetsThePassphrase(t *testing.T) {
	closed, err := ssh.MarshalPrivateKeyWithPassphrase(aPrivateKey(t, "ed25519"), "", []byte("FAKE"))
	if err != nil {
		t.Fatal(err)
	}
	text := []byte("FAKE")
	if _, err := receipt.LoadSSHKey(pem.EncodeToMemory(closed), func() ([]byte, error) { return text, nil }); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, make([]byte, len(text))) {
		t.Errorf("it is still %q", text)
	}
}

// It speaks the agent protocol with x/crypto's agent.
func TestAgentSigner(t *testing.T) {
	ours, theirs := net.Pipe()
	keyring := agent.NewKeyring()
	go func() { _ = agent.ServeAgent(keyring, theirs) }()
	defer func() { _, _ = ours.Close(), theirs.Close() }()
	client := agent.NewClient(ours)
	for _, kind := range []string{"ed25519", "ecdsa256", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			k := newSSHOf(t, kind)
			_, err := receipt.AgentSigner(client, k.public)
			wantError(t, err, "ssh-agent does not hold "+k.signer.KeyID())
			private := any(k.private)
			if ed, ok := private.(ed25519.PrivateKey); ok {
				private = &ed
			}
			if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
				t.Fatal(err)
			}
			s, err := receipt.AgentSigner(client, k.public)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := receipt.Open(t.Context(), seal(t, example(), s), k.verifier); err != nil {
				t.Error(err)
			}
		})
	}
	_ = theirs.Close()
	_, err := receipt.AgentSigner(client, newSSH(t).public)
	wantError(t, err, "ask ssh-agent for its keys")
}

// sshKeygen runs the real ssh-keygen in a directory.
func sshKeygen(t *testing.T, dir string, stdin []byte, args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed: whether it agrees was not looked at")
	}
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir, command.Stdin = dir, bytes.NewReader(stdin)
	out, err := command.CombinedOutput()
	return string(out), err
}

func write(t *testing.T, dir, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRealSSHKeygenAcceptsReceipts(t *testing.T) {
	for _, kind := range []string{"ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			dir, k := t.TempDir(), newSSHOf(t, kind)
			_, payload := unpack(t, seal(t, example(), k.signer))
			message := receipt.PAE(receipt.PayloadType, payload)
			blob, err := k.signer.Sign(t.Context(), message)
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir, "sig", pem.EncodeToMemory(&pem.Block{Type: sshsig.PEMType, Bytes: blob}))
			write(t, dir, "allowed", []byte(allowedLine(`namespaces="purser-receipt" `, k.public)))
			args := []string{"-Y", "verify", "-f", "allowed", "-I", me, "-n", receipt.Namespace, "-s", "sig"}
			out, err := sshKeygen(t, dir, message, args...)
			if err != nil || !strings.Contains(out, k.signer.KeyID()) {
				t.Errorf("%v: %s", err, out)
			}
			if out, err := sshKeygen(t, dir, append(message, 'x'), args...); err == nil {
				t.Errorf("it accepts anything: %s", out)
			}
		})
	}
}

func TestReceiptsSignedByRealSSHKeygenAreAccepted(t *testing.T) {
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			if out, err := sshKeygen(t, dir, nil, "-q", "-t", kind, "-N", "FAKE pass", "-f", "key"); err != nil {
				t.Fatal(err, out)
			}
			text, err := os.ReadFile(filepath.Join(dir, "key"))
			if err != nil {
				t.Fatal(err)
			}
			private, err := receipt.LoadSSHKey(text, func() ([]byte, error) { return []byte("FAKE pass"), nil })
			if err != nil {
				t.Fatal(err)
			}
			if out, err := sshKeygen(t, dir, nil, "-q", "-p", "-P", "FAKE pass", "-N", "", "-f", "key"); err != nil {
				t.Fatal(err, out)
			}
			_, payload := unpack(t, seal(t, example(), nil))
			write(t, dir, "message", receipt.PAE(receipt.PayloadType, payload))
			if out, err := sshKeygen(t, dir, nil, "-Y", "sign", "-f", "key", "-n", receipt.Namespace, "message"); err != nil {
				t.Fatal(err, out)
			}
			armored, err := os.ReadFile(filepath.Join(dir, "message.sig"))
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(armored)
			if block == nil {
				t.Fatalf("no signature: %s", armored)
			}
			v := receipt.SSHVerifier(allowed(t, allowedLine(`namespaces="purser-receipt" `, private.PublicKey())), noon)
			line := pack(t, receipt.PayloadType, payload, signature(ssh.FingerprintSHA256(private.PublicKey()), block.Bytes))
			got, err := receipt.Open(t.Context(), line, v)
			if err != nil || got.SignedBy != me {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

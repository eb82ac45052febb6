// Package receipts connects receipts to where they are signed and sent: SSH keys and agents,
// AWS KMS, and EventBridge. It stands beside wire, since the credential helper needs none of
// that and would start later with it.
package receipts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"purser/internal/boundedfile"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/receipt"
	"purser/internal/wire"
)

// Recorder writes receipts as configured.
type Recorder struct {
	wire   *wire.Wire
	where  config.Receipts
	log    *receipt.Log      // nil: no file
	target credential.Target // has the bus's account and region
	signer receipt.Signer    // nil: not signed
}

// New prepares to write receipts, so that an unusable key or file is found before anything changes.
// It is nil if none are configured.
func New(ctx context.Context, w *wire.Wire, file *config.File, t credential.Target, passphrase func() ([]byte, error)) (*Recorder, error) {
	where := file.Receipts
	if !where.Wanted {
		return nil, nil // a nil Recorder writes nothing
	}
	log, err := logOf(file)
	if err != nil {
		return nil, err
	}
	r := &Recorder{wire: w, where: where, log: log, target: t}
	switch {
	case where.KMSKey != "":
		r.signer, err = kmsSigner(ctx, w, t, where.KMSKey)
	case where.SSHKey != "":
		r.signer, err = sshSigner(w, where.SSHKey, passphrase)
	}
	if err != nil {
		return nil, &credential.Fault{Reason: credential.ReceiptFailed, What: "cannot sign receipts with the key in purser.yaml", Why: credential.Quote(err.Error()), Err: err}
	}
	return r, nil
}

// logOf returns the receipts file, or nil. A configuration that a checkout may have written can only
// name a file in its own folder.
func logOf(file *config.File) (*receipt.Log, error) {
	path := file.Receipts.File
	if path == "" || path == config.StandardOutput {
		return nil, nil // no file
	}
	log := &receipt.Log{Path: path}
	if !file.Trusted {
		folder, err := filepath.Abs(filepath.Dir(file.Path))
		if err != nil {
			return nil, err
		}
		log.Folder = folder
	}
	if err := log.Check(); err != nil {
		return nil, &credential.Fault{Reason: credential.ReceiptFile, What: "cannot write receipts to the file in purser.yaml", Why: credential.Quote(err.Error()), Err: err}
	}
	return log, nil
}

// Write signs and writes a receipt. It returns the line if it belongs on standard output, or nil. Only
// receipts in a file are chained, since earlier ones elsewhere are unknown.
func (r *Recorder) Write(ctx context.Context, record receipt.Receipt) (line []byte, err error) {
	if r == nil {
		return nil, nil
	}
	// The change happened, so write it even after an interruption. An SSH agent may want a touch.
	limit := receiptTime
	if ctx.Err() != nil {
		limit = lastReceiptTime
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer stop()
	if r.log != nil {
		line, err = r.log.Append(ctx, record, r.signer)
	} else {
		line, err = receipt.Seal(ctx, record, r.signer)
	}
	if err == nil && r.where.EventBus != "" {
		err = PutEvent(ctx, r.wire, r.target, r.where.EventBus, "Receipt", rawJSON(line))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("it took too long")
	}
	if err != nil {
		err = &credential.Fault{Reason: credential.ReceiptFailed, What: whatHappened(record) + ", but purser could not write its receipt", Why: credential.Quote(err.Error()), Err: err}
	}
	if r.where.File != config.StandardOutput {
		line = nil
	}
	return line, err
}

const (
	// receiptTime limits writing a receipt.
	receiptTime = time.Minute
	// lastReceiptTime limits it after an interruption.
	lastReceiptTime = 250 * time.Millisecond
)

type rawJSON []byte

// MarshalJSON returns the text.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

// whatHappened describes a change whose receipt is lost.
func whatHappened(r receipt.Receipt) string {
	text := fmt.Sprintf("%s of %s succeeded", r.Command, cmp.Or(r.Credential, r.Registry))
	if r.Outcome == receipt.Failed {
		text = fmt.Sprintf("%s of %s failed", r.Command, cmp.Or(r.Credential, r.Registry))
	}
	for _, p := range r.Places {
		if p.Version != "" {
			text += fmt.Sprintf(", %s has version %s", p.Where, p.Version)
		}
	}
	for _, t := range r.Ended {
		text += fmt.Sprintf(", token %s was revoked", t.ID)
	}
	return text
}

// keyLimit is far above any SSH key, in bytes.
const keyLimit = 64 << 10

func sshSigner(w *wire.Wire, path string, passphrase func() ([]byte, error)) (receipt.Signer, error) {
	data, err := boundedfile.Read(path, keyLimit)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(path, ".pub") {
		key, err := receipt.LoadSSHKey(data, passphrase)
		if err != nil {
			return nil, err
		}
		return receipt.SSHSigner(key)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: it has no public key", path)
	}
	if w.Env.SSHAuthSock == "" {
		return nil, errors.New("there is no SSH agent: SSH_AUTH_SOCK is not set")
	}
	conn, err := (&net.Dialer{}).Dial("unix", w.Env.SSHAuthSock)
	if err != nil {
		return nil, fmt.Errorf("reach the SSH agent: %w", err)
	}
	return receipt.AgentSigner(agent.NewClient(conn), public)
}

func kmsSigner(ctx context.Context, w *wire.Wire, t credential.Target, key string) (receipt.Signer, error) {
	public, arn, err := KMSKey(ctx, w, t, key)
	if err != nil {
		return nil, err
	}
	if _, err := receipt.ParsePublicKey(public); err != nil {
		return nil, err
	}
	cfg, err := w.AWSConfig(ctx, t)
	if err != nil {
		return nil, err
	}
	return receipt.KMSSigner(arn, &digestSigner{kms.NewFromConfig(cfg), arn}), nil
}

// KMSKey returns a KMS key's public key and ARN, in a target's account and region.
func KMSKey(ctx context.Context, w *wire.Wire, t credential.Target, key string) (public []byte, arn string, err error) {
	cfg, err := w.AWSConfig(ctx, t)
	if err != nil {
		return nil, "", err
	}
	out, err := kms.NewFromConfig(cfg).GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &key})
	if _, answered := errors.AsType[smithy.APIError](err); err != nil && !answered {
		if ended := credential.Ended(ctx, "asking AWS KMS for a key"); ended != nil {
			return nil, "", ended
		}
		return nil, "", &credential.Fault{Reason: credential.StoreUnreachable, Target: t, What: "AWS KMS does not answer", Why: credential.Quote(credential.Innermost(err))}
	}
	if err != nil {
		return nil, "", fmt.Errorf("get the public key of %s: %s", key, credential.Quote(err.Error()))
	}
	return out.PublicKey, aws.ToString(out.KeyId), nil
}

type digestSigner struct {
	client *kms.Client
	key    string
}

// SignDigest signs with KMS.
func (s *digestSigner) SignDigest(ctx context.Context, digest []byte) ([]byte, error) {
	out, err := s.client.Sign(ctx, &kms.SignInput{KeyId: &s.key, Message: digest, MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	if err != nil {
		return nil, err
	}
	return out.Signature, nil
}

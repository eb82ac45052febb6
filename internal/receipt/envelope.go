package receipt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// PayloadType names the envelope's content. The signature covers it.
const PayloadType = "application/vnd.purser.receipt+json"

var (
	// ErrUnsigned is Open's error for a receipt without a signature.
	ErrUnsigned = errors.New("the receipt is not signed")
	// ErrCutOff is Open's error for a line that ends too early.
	ErrCutOff = errors.New("the line is cut off: purser was stopped while writing the receipt")
	// ErrUnknownKey is in the error chain when no trusted key made a signature.
	ErrUnknownKey = errors.New("the key is not trusted")
)

// Signer signs with one key.
type Signer interface {
	KeyID() string
	Sign(ctx context.Context, message []byte) ([]byte, error)
}

// Verifier knows which keys to trust. It returns the signer's name; for a key that it does
// not know, the error wraps ErrUnknownKey.
type Verifier interface {
	Verify(ctx context.Context, keyID string, message, signature []byte) (by string, err error)
}

type envelope struct {
	PayloadType string          `json:"payloadType"`
	Payload     []byte          `json:"payload"`
	Signatures  List[signature] `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// PAE is DSSE's pre-authentication encoding: the bytes that are signed. It is exported so
// that you can check a receipt with ssh-keygen and without purser.
func PAE(payloadType string, payload []byte) []byte {
	head := fmt.Sprintf("DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload))
	return append([]byte(head), payload...)
}

// Seal returns the line for a receipt, without the line's end. Without a signer the
// envelope has no signatures, and Open refuses it.
func Seal(ctx context.Context, r Receipt, s Signer) ([]byte, error) {
	payload, err := r.encode()
	if err != nil {
		return nil, fmt.Errorf("encode the receipt: %w", err)
	}
	e := envelope{PayloadType: PayloadType, Payload: payload}
	if s != nil {
		sig, err := s.Sign(ctx, PAE(PayloadType, payload))
		if err != nil {
			return nil, fmt.Errorf("sign the receipt with %s: %w", s.KeyID(), err)
		}
		e.Signatures = List[signature]{{s.KeyID(), sig}}
	}
	return json.Marshal(e)
}

// Open parses a line, with or without its end. It returns the receipt only if the verifier
// trusts a signature.
func Open(ctx context.Context, line []byte, v Verifier) (Receipt, error) {
	e, err := openEnvelope(line)
	if err != nil {
		return Receipt{}, err
	}
	by, err := e.signedBy(ctx, v)
	if err != nil {
		return Receipt{}, err
	}
	r, err := e.receipt()
	if err == nil {
		r.SignedBy = by
	}
	return r, err
}

// Unverified parses a line without checking signatures: anybody may have written it. It
// serves to show unsigned receipts as such, and to get the time at which SSHVerifier shall
// judge a key that was retired since.
func Unverified(line []byte) (Receipt, error) {
	e, err := openEnvelope(line)
	if err != nil {
		return Receipt{}, err
	}
	return e.receipt()
}

func (e envelope) receipt() (Receipt, error) {
	r, err := decodeReceipt(e.Payload)
	if err != nil {
		return Receipt{}, fmt.Errorf("read the receipt: %w", err)
	}
	return r, nil
}

func openEnvelope(line []byte) (envelope, error) {
	e, err := decodeExactly[envelope](bytes.TrimSuffix(line, []byte("\n")))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return envelope{}, ErrCutOff
	}
	if err != nil {
		return envelope{}, fmt.Errorf("read the receipt's envelope: %w", err)
	}
	if e.PayloadType != PayloadType {
		return envelope{}, fmt.Errorf("read the receipt's envelope: it contains %q, not %q", e.PayloadType, PayloadType)
	}
	return e, nil
}

func (e envelope) signedBy(ctx context.Context, v Verifier) (string, error) {
	if len(e.Signatures) == 0 {
		return "", ErrUnsigned
	}
	if v == nil {
		return "", ErrUnknownKey
	}
	var failed error
	for _, s := range e.Signatures {
		by, err := v.Verify(ctx, s.KeyID, PAE(e.PayloadType, e.Payload), s.Sig)
		if err == nil {
			return by, nil
		}
		failed = moreTelling(failed, fmt.Errorf("the receipt's signature by %q: %w", s.KeyID, err))
	}
	return "", failed
}

// Verifiers tries each verifier in turn.
type Verifiers []Verifier

// Verify returns the first accepting verifier's answer.
func (vs Verifiers) Verify(ctx context.Context, keyID string, message, signature []byte) (string, error) {
	failed := ErrUnknownKey
	for _, v := range vs {
		by, err := v.Verify(ctx, keyID, message, signature)
		if err == nil {
			return by, nil
		}
		failed = moreTelling(failed, err)
	}
	return "", failed
}

// moreTelling keeps one of two errors: a wrong signature by a trusted key says more than an
// unknown key.
func moreTelling(have, next error) error {
	if have == nil || errors.Is(have, ErrUnknownKey) {
		return next
	}
	return have
}

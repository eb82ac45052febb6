package receipt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// PayloadType says in the envelope what is inside. It is signed with the payload.
const PayloadType = "application/vnd.purser.receipt+json"

var (
	// ErrUnsigned is what Open says of a receipt that nobody signed.
	ErrUnsigned = errors.New("the receipt is not signed")
	// ErrCutOff is what Open says of a line that ends too early.
	ErrCutOff = errors.New("the line is cut off: purser was stopped while it wrote the receipt")
	// ErrUnknownKey is in the error when no signature is by a key that is trusted.
	ErrUnknownKey = errors.New("the key is not one that is trusted")
)

// Signer makes signatures with one key.
type Signer interface {
	KeyID() string
	Sign(ctx context.Context, message []byte) ([]byte, error)
}

// Verifier knows whom to trust. It gives the signer's name, or an error with
// ErrUnknownKey in it when the key is none of its own.
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

// PAE is DSSE's pre-authentication encoding, the bytes that are signed. It is
// exported so that a receipt can be checked with ssh-keygen and without purser.
func PAE(payloadType string, payload []byte) []byte {
	head := fmt.Sprintf("DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload))
	return append([]byte(head), payload...)
}

// Seal makes the line for a receipt, without a line's end. With no signer it is an
// envelope without signatures, which Open refuses.
func Seal(ctx context.Context, r Receipt, s Signer) ([]byte, error) {
	payload, err := r.encode()
	if err != nil {
		return nil, fmt.Errorf("write the receipt: %w", err)
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

// Open reads a line, with or without its end, and gives the receipt only when the
// verifier trusts a signature of it.
func Open(ctx context.Context, line []byte, v Verifier) (Receipt, error) {
	e, err := openEnvelope(line)
	if err != nil {
		return Receipt{}, err
	}
	by, err := e.signedBy(ctx, v)
	if err != nil {
		return Receipt{}, err
	}
	r, err := decodeReceipt(e.Payload)
	if err != nil {
		return Receipt{}, fmt.Errorf("read the receipt: %w", err)
	}
	r.SignedBy = by
	return r, nil
}

// Unverified reads a line and looks at no signature: anybody may have written what it
// says. It is for showing receipts that are not signed as what they are, and for the
// time at which SSHVerifier shall look at a key that has been retired since.
func Unverified(line []byte) (Receipt, error) {
	e, err := openEnvelope(line)
	if err != nil {
		return Receipt{}, err
	}
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
		return envelope{}, fmt.Errorf("read the receipt's envelope: it holds %q and not %q", e.PayloadType, PayloadType)
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

// Verifiers are tried in turn.
type Verifiers []Verifier

// Verify asks each until one trusts the signature.
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

// moreTelling keeps one of two errors: that a signature by a trusted key is wrong says
// more than that other keys are not known.
func moreTelling(have, next error) error {
	if have == nil || errors.Is(have, ErrUnknownKey) {
		return next
	}
	return have
}

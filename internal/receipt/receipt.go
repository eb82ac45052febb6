// Package receipt writes and reads signed records of changes, without anything secret: who
// put which token where, which one it replaced, and what the registry said of it.
//
// A receipt is one line of JSON: a DSSE envelope (PROTOCOL.md of
// github.com/secure-systems-lab/dsse, version 1) around the record. An SSH key or a KMS key
// signs it, so that whoever holds the log cannot rewrite it. In a Log the receipts of a
// credential are numbered and each names its predecessor, so that CheckChains finds any
// that is missing, repeated or moved.
package receipt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
)

// Schema is the schema of new receipts.
const Schema = "purser/receipt/v2"

// schemaV1 is the schema of receipts without a chain, which are still read.
const schemaV1 = "purser/receipt/v1"

// Command is the command that made the change.
type Command string

// The commands that change something, and Record: respond wrote down its findings, in
// Receipt.Files.
const (
	Store    Command = "store"
	Rotate   Command = "rotate"
	Retire   Command = "retire"
	Rollback Command = "rollback"
	Revoke   Command = "revoke"
	Respond  Command = "respond"
	Record   Command = "record"
)

var commands = []Command{Store, Rotate, Retire, Rollback, Revoke, Respond, Record}

// Outcome says how the command ended.
type Outcome string

// The outcomes. A failed change has a receipt too, since it may have ended a token.
const (
	Done   Outcome = "done"
	Failed Outcome = "failed"
)

// Receipt is the record of one change. Its fields are plain text, not the program's types,
// because a record outlives the program.
type Receipt struct {
	Schema     string       `json:"schema"` // set by Seal
	ID         string       `json:"id"`
	Time       time.Time    `json:"time"`               // UTC
	Number     int64        `json:"number,omitempty"`   // counts a credential's receipts in a Log from 1; 0: not chained
	Previous   string       `json:"previous,omitempty"` // Hash of the predecessor; "" for the first
	Command    Command      `json:"command"`
	Outcome    Outcome      `json:"outcome"`
	Reason     string       `json:"reason,omitempty"` // why it failed
	Who        List[string] `json:"who"`              // AWS identities, user@host
	Credential string       `json:"credential"`
	Registry   string       `json:"registry"`
	Account    string       `json:"account"`
	Kind       string       `json:"kind"`
	Token      *Token       `json:"token,omitempty"` // now in use
	Ended      List[Token]  `json:"ended"`           // no longer in use
	Places     List[Place]  `json:"places"`
	Proofs     List[Proof]  `json:"proofs"`
	Files      List[File]   `json:"files,omitempty"` // of a Record

	// SignedBy is the signer that Open found. It is not part of the record.
	SignedBy string `json:"-"`
}

// Token is a token's entry in its registry's list.
type Token struct {
	ID    string `json:"id"`
	Label string `json:"label"`
}

// Place is one place where the token was put.
type Place struct {
	Where    string       `json:"where"`
	Region   string       `json:"region"`
	Version  string       `json:"version"`
	Replaced string       `json:"replaced"` // the previous version
	Stages   List[string] `json:"stages"`
}

// Proof is the registry's answer about a token.
type Proof struct {
	At           string           `json:"at"` // the step that asked
	Verdict      string           `json:"verdict"`
	Repositories List[Repository] `json:"repositories"`
}

// Repository is the registry's answer about one repository.
type Repository struct {
	Repository string       `json:"repository"`
	Actions    List[string] `json:"actions"`
	Upload     string       `json:"upload"`
}

// File is a file as it was when the receipt was written.
type File struct {
	Name   string `json:"name"` // without the folder
	SHA256 string `json:"sha256"`
}

// FileOf describes a file with that content.
func FileOf(path string, data []byte) File { return File{filepath.Base(path), Hash(data)} }

// Hash returns the SHA-256 of data in hexadecimal, as sha256sum prints it. For a receipt,
// pass its line without the line's end.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func isHash(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size && text == strings.ToLower(text)
}

// ProofOf converts a proof for a receipt.
func ProofOf(at string, p credential.Proof) Proof {
	out := Proof{At: at, Verdict: p.Verdict.String()}
	for _, r := range p.Repositories {
		out.Repositories = append(out.Repositories, Repository{string(r.Repository), r.Actions, string(r.Upload)})
	}
	return out
}

// TokensOf converts a registry's tokens for a receipt.
func TokensOf(all []credential.ManagedToken) List[Token] {
	var out List[Token]
	for _, t := range all {
		out = append(out, Token{t.ID, t.Label})
	}
	return out
}

// List is a slice that encodes as [] when empty, never as null, so that jq scripts need no
// special case.
type List[T any] []T

// MarshalJSON encodes the list.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// encode returns the payload to sign. It decodes it again, so that no receipt is written
// that Open rejects, and looks for tokens, so that a mistake elsewhere does not put one into
// records that are kept for years.
func (r Receipt) encode() ([]byte, error) {
	r.Schema, r.Time = Schema, r.Time.UTC()
	payload, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if _, err := decodeReceipt(payload); err != nil {
		return nil, err
	}
	if holdsToken(payload) {
		return nil, errors.New("it contains a token")
	}
	return payload, nil
}

// decodeReceipt checks the schema first: for a newer one, that is the error to report, not
// an unknown field.
func decodeReceipt(payload []byte) (Receipt, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(payload, &head); err != nil {
		return Receipt{}, err
	}
	if head.Schema != Schema && head.Schema != schemaV1 {
		return Receipt{}, fmt.Errorf("its schema is %q, and this purser reads %q", head.Schema, Schema)
	}
	r, err := decodeExactly[Receipt](payload)
	if err != nil {
		return Receipt{}, err
	}
	return r, r.check()
}

func (r Receipt) check() error {
	_, offset := r.Time.Zone()
	switch {
	case r.ID == "":
		return errors.New("it has no id")
	case r.Time.IsZero():
		return errors.New("it has no time")
	case offset != 0:
		return errors.New("its time is not in UTC")
	case !slices.Contains(commands, r.Command):
		return fmt.Errorf("it has an unknown command, %q", r.Command)
	case r.Outcome != Done && r.Outcome != Failed:
		return fmt.Errorf("it has an unknown outcome, %q", r.Outcome)
	case r.Schema == schemaV1 && (r.Number != 0 || r.Previous != "" || len(r.Files) > 0 || r.Command == Record):
		return fmt.Errorf("it has fields that %q lacks", schemaV1)
	}
	for _, f := range r.Files {
		if f.Name == "" || strings.ContainsAny(f.Name, `/\`) || !isHash(f.SHA256) {
			return errors.New("its files need a name and a SHA-256")
		}
	}
	return r.checkLink()
}

// mostNumber is the largest number that every JSON reader reads exactly.
const mostNumber = 1<<53 - 1

func (r Receipt) checkLink() error {
	switch {
	case r.Number < 0 || r.Number > mostNumber:
		return errors.New("its number is out of range")
	case r.Number > 1 && !isHash(r.Previous):
		return errors.New("it does not give its predecessor's SHA-256")
	case r.Number <= 1 && r.Previous != "":
		return errors.New("it is the first but names a predecessor")
	}
	return nil
}

// decodeExactly accepts JSON only in the form in which this package writes it. encoding/json
// accepts duplicate keys, keys in any case, and invalid UTF-8: two programs could then read
// different things under one signature.
func decodeExactly[T any](data []byte) (T, error) {
	var v, none T
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return none, err
	}
	again, err := json.Marshal(v)
	if err != nil {
		return none, err
	}
	if !bytes.Equal(again, data) {
		return none, errors.New("it is not in the form that purser writes")
	}
	return v, nil
}

// holdsToken checks decoded texts: in the encoding, the escape of a line's end would look
// like a letter before a token.
func holdsToken(payload []byte) bool {
	d := json.NewDecoder(bytes.NewReader(payload))
	for {
		part, err := d.Token()
		if err != nil {
			return false
		}
		if text, ok := part.(string); ok && credential.HoldsToken(text) {
			return true
		}
	}
}

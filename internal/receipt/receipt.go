// Package receipt makes and reads signed records of what was changed, without a
// value of anything secret: who put which token where, which one it replaced, and
// what the registry said of it.
//
// A receipt is one line of JSON: a DSSE envelope (PROTOCOL.md of
// github.com/secure-systems-lab/dsse, version 1) around the record. It is signed with
// an SSH key or with a key in KMS, so that whoever holds the log cannot rewrite it.
// In a Log the receipts of a credential are numbered and each names the one before,
// so that CheckChains finds one that is missing, repeated or moved.
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

// Schema is the schema of every receipt that this package makes.
const Schema = "purser/receipt/v2"

// schemaV1 is that of receipts without a place in a chain. They are read still.
const schemaV1 = "purser/receipt/v1"

// Command is what was asked for.
type Command string

// The commands that change something, and Record, which is not one: respond had done
// its work and wrote down what it found, in Receipt.Files.
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

// Outcome is how it ended.
type Outcome string

// The two outcomes. A failed change has a receipt too: it may have ended a token.
const (
	Done   Outcome = "done"
	Failed Outcome = "failed"
)

// Receipt is the record of one change. Its fields are text, and not the program's
// own types, because a record outlives the program that wrote it.
type Receipt struct {
	Schema     string       `json:"schema"` // Seal fills it in
	ID         string       `json:"id"`
	Time       time.Time    `json:"time"`               // UTC
	Number     int64        `json:"number,omitempty"`   // counts a credential's receipts in a Log from 1; 0: not chained
	Previous   string       `json:"previous,omitempty"` // Hash of the one before; "" for the first
	Command    Command      `json:"command"`
	Outcome    Outcome      `json:"outcome"`
	Reason     string       `json:"reason,omitempty"` // why it failed
	Who        List[string] `json:"who"`              // AWS identities, user@host
	Credential string       `json:"credential"`
	Registry   string       `json:"registry"`
	Account    string       `json:"account"`
	Kind       string       `json:"kind"`
	Token      *Token       `json:"token,omitempty"` // the one that is in use now
	Ended      List[Token]  `json:"ended"`           // those that are no longer
	Places     List[Place]  `json:"places"`
	Proofs     List[Proof]  `json:"proofs"`
	Files      List[File]   `json:"files,omitempty"` // the record's

	// SignedBy is whose signature Open found. It is not a part of the record.
	SignedBy string `json:"-"`
}

// Token names a token as its registry lists it: everything but the token.
type Token struct {
	ID    string `json:"id"`
	Label string `json:"label"`
}

// Place is one place where the token was put.
type Place struct {
	Where    string       `json:"where"`
	Region   string       `json:"region"`
	Version  string       `json:"version"`
	Replaced string       `json:"replaced"` // the version that was there before
	Stages   List[string] `json:"stages"`
}

// Proof is what the registry said when it was asked.
type Proof struct {
	At           string           `json:"at"` // the step at which it was asked
	Verdict      string           `json:"verdict"`
	Repositories List[Repository] `json:"repositories"`
}

// Repository is what the registry said of one repository.
type Repository struct {
	Repository string       `json:"repository"`
	Actions    List[string] `json:"actions"`
	Upload     string       `json:"upload"`
}

// File is a file as it was when the receipt was written.
type File struct {
	Name   string `json:"name"` // without its folder
	SHA256 string `json:"sha256"`
}

// FileOf describes a file that holds data.
func FileOf(path string, data []byte) File { return File{filepath.Base(path), Hash(data)} }

// Hash is the SHA-256 of data in hexadecimal, as sha256sum prints it. Of a receipt it
// is that of its line without the line's end.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func isHash(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size && text == strings.ToLower(text)
}

// ProofOf is what a proof found.
func ProofOf(at string, p credential.Proof) Proof {
	out := Proof{At: at, Verdict: p.Verdict.String()}
	for _, r := range p.Repositories {
		out.Repositories = append(out.Repositories, Repository{string(r.Repository), r.Actions, string(r.Upload)})
	}
	return out
}

// TokensOf names tokens that a registry lists.
func TokensOf(all []credential.ManagedToken) List[Token] {
	var out List[Token]
	for _, t := range all {
		out = append(out, Token{t.ID, t.Label})
	}
	return out
}

// List is a slice that is [] in JSON when it is empty, never null: who reads a
// receipt with jq does not have to ask first.
type List[T any] []T

// MarshalJSON writes the list.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// encode writes what is signed. It reads it back as Open will, so that no receipt is
// made that cannot be opened, and looks for tokens, so that a mistake elsewhere does
// not put one where records are kept for years.
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
		return nil, errors.New("a token stands in it")
	}
	return payload, nil
}

// decodeReceipt looks at the schema first: of a newer one, that is what to say, and
// not which of its fields is unknown.
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
		return fmt.Errorf("it says more than %q does", schemaV1)
	}
	for _, f := range r.Files {
		if f.Name == "" || strings.ContainsAny(f.Name, `/\`) || !isHash(f.SHA256) {
			return errors.New("its files are not names with a SHA-256")
		}
	}
	return r.checkLink()
}

// mostNumber is the largest number that every reader of JSON reads exactly.
const mostNumber = 1<<53 - 1

func (r Receipt) checkLink() error {
	switch {
	case r.Number < 0 || r.Number > mostNumber:
		return errors.New("its number is out of range")
	case r.Number > 1 && !isHash(r.Previous):
		return errors.New("it does not name the one before with a SHA-256")
	case r.Number <= 1 && r.Previous != "":
		return errors.New("it names one before and is the first")
	}
	return nil
}

// decodeExactly reads JSON in the one spelling in which this package writes it.
// encoding/json alone takes a key twice, in any case, and text that is not UTF-8:
// two programs could then read different things in what one signature covers.
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
		return none, errors.New("it is not spelled as purser writes it")
	}
	return v, nil
}

// holdsToken looks at the texts and not at their encoding, where a line's end before
// a token would be a letter before it.
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

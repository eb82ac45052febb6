package receipt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"purser/internal/credential"
)

// Verified is the result of checking one receipt.
type Verified struct {
	Line    int      `json:"line"`
	Good    bool     `json:"good"`
	By      string   `json:"by,omitempty"`
	Finding Finding  `json:"finding,omitempty"` // about its place in the file
	Why     string   `json:"why,omitempty"`
	SHA256  string   `json:"sha256,omitempty"`
	Receipt *Receipt `json:"receipt,omitempty"`
}

// Head is the last receipt of a credential.
type Head struct {
	Credential string `json:"credential"`
	Number     int64  `json:"number"`
	SHA256     string `json:"sha256"`
}

// Compared is the result of comparing the receipts with a head or a record.
type Compared struct {
	What string `json:"what"` // head or record
	Name string `json:"name"` // the hash, or the file
	Good bool   `json:"good"`
	Line int    `json:"line,omitempty"`
	Why  string `json:"why,omitempty"`
}

// Keys are the trusted keys.
type Keys struct {
	Fixed   Verifiers
	Allowed AllowedSigners
	SSH     bool // Allowed is set
}

// LookAll opens every receipt of a file.
func (k Keys) LookAll(ctx context.Context, in io.Reader) ([]Verified, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, LongestLine)
	rows := []Verified{}
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) > 0 {
			rows = append(rows, k.look(ctx, n, lines.Bytes()))
		}
	}
	if ended, ok := errors.AsType[*credential.Fault](lines.Err()); ok {
		return nil, ended
	}
	if err := lines.Err(); err != nil {
		return nil, &credential.Fault{Reason: credential.ReceiptBad, What: "purser cannot read all of the receipts", Why: err.Error()}
	}
	return rows, nil
}

// Placed marks receipts that are out of place as bad. It returns all with a good signature.
func Placed(rows []Verified) []Entry {
	var log []Entry
	var at []int
	for i, row := range rows {
		if row.Good {
			log, at = append(log, Entry{Line: row.Line, Hash: row.SHA256, Receipt: *row.Receipt}), append(at, i)
		}
	}
	CheckChains(log)
	for i, e := range log {
		if e.Found != "" {
			row := &rows[at[i]]
			row.Good, row.Finding, row.Why = false, e.Found, credential.Quote(e.Why)
		}
	}
	return log
}

// HeadsOf returns the last receipt of each credential.
func HeadsOf(log []Entry) []Head {
	var heads []Head
	for _, e := range Heads(log) {
		heads = append(heads, Head{e.Receipt.Credential, e.Receipt.Number, e.Hash})
	}
	return heads
}

// CompareRecord finds the receipt of a file, even if the file was renamed.
func CompareRecord(log []Entry, path string, data []byte) Compared {
	row := Compared{What: "record", Name: credential.Quote(path), Why: "no receipt names it"}
	for _, e := range log {
		for _, file := range e.Receipt.Files {
			switch {
			case file.SHA256 == Hash(data):
				row.Good, row.Line, row.Why = true, e.Line, ""
				return row
			case file.Name == filepath.Base(path):
				row.Line, row.Why = e.Line, "it has changed since its receipt was written"
			}
		}
	}
	return row
}

// Verdict returns nil if everything is good.
func Verdict(rows []Verified, beside []Compared) error {
	bad := func(what string) error { return &credential.Fault{Reason: credential.ReceiptBad, What: what} }
	if len(rows) == 0 {
		return bad("the file contains no receipts")
	}
	good := 0
	for _, row := range rows {
		if row.Good {
			good++
		}
	}
	if good < len(rows) {
		return bad(fmt.Sprintf("%d of %d receipts are bad", len(rows)-good, len(rows)))
	}
	for _, row := range beside {
		if !row.Good {
			return bad("the receipts do not match a " + row.What)
		}
	}
	return nil
}

// AnyName trusts a public key under any name that a receipt gives it.
type AnyName struct{ Key []byte }

// Verify trusts the key under the receipt's name for it.
func (v AnyName) Verify(ctx context.Context, keyID string, message, signature []byte) (string, error) {
	under, err := PublicKeyVerifier(keyID, v.Key)
	if err != nil {
		return "", err
	}
	return under.Verify(ctx, keyID, message, signature)
}

func (k Keys) look(ctx context.Context, n int, line []byte) Verified {
	row := Verified{Line: n, SHA256: Hash(line)}
	verifiers := k.Fixed
	if claimed, err := Unverified(line); err == nil && k.SSH {
		verifiers = append(slices.Clone(verifiers), SSHVerifier(k.Allowed, claimed.Time))
	}
	r, err := Open(ctx, line, verifiers)
	if err != nil {
		row.Why = credential.Quote(err.Error())
		return row
	}
	row.Good, row.By, row.Receipt = true, credential.Quote(r.SignedBy), &r
	return row
}

package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"purser/internal/arguments"

	"purser/internal/present"

	"github.com/spf13/cobra"

	"purser/internal/boundedfile"
	"purser/internal/credential"
	"purser/internal/receipt"
)

type verifyFlags struct {
	signers, publicKey, kmsKey string
	heads, records             []string
}

func (a *app) receiptVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that receipts are signed, unchanged and complete",
		Long: `verify reads a file of receipts, or standard input for -, and says of each who signed it. A
receipt that no named key signed, or that was changed, is bad. So is one that is repeated,
stands in another place, or comes after one that is missing. Any of these ends the command
with exit code 1.

At the end verify prints the head of each credential: the number and the hash of its last
receipt. Note them elsewhere and give them to a later run with --head: only so can verify
find that receipts are missing at the end.

With --record, verify compares a record that respond wrote with the receipt of it.

Keys are named by a file as ssh-keygen has it (ALLOWED SIGNERS; with the namespace
purser-receipt), by a public key in a PEM file, or by a key in KMS whose public half is
asked for. An SSH key has to have been valid at the time that the receipt itself says.`,
		Example: `  purser receipt verify receipts.jsonl --signers allowed_signers
  purser receipt verify receipts.jsonl --kms-key alias/receipts
  purser receipt verify receipts.jsonl --public-key receipts.pem`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &credential.Fault{Reason: credential.Usage, What: "verify needs the FILE with the receipts", Why: cmd.UseLine()}
			}
			return arguments.AtMost(cmd, args, 1)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.verifyReceipts(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.signers, "signers", "", "a `FILE` of SSH keys that may sign")
	cmd.Flags().StringVar(&f.publicKey, "public-key", "", "a PEM `FILE` with an ECDSA key that may sign")
	cmd.Flags().StringVar(&f.kmsKey, "kms-key", "", "a `KEY` in KMS that may sign, by ARN or as alias/NAME")
	cmd.Flags().StringArrayVar(&f.heads, "head", nil, "a `SHA256` that verify printed before, and whose receipt must still be there; may be repeated")
	cmd.Flags().StringArrayVar(&f.records, "record", nil, "a `FILE` that respond wrote, to compare with its receipt; may be repeated")
	return cmd
}

// receiptJSON is a receipt that was looked at.
type receiptJSON struct {
	Line    int              `json:"line"`
	Good    bool             `json:"good"`
	By      string           `json:"by,omitempty"`
	Finding receipt.Finding  `json:"finding,omitempty"` // of its place in the file
	Why     string           `json:"why,omitempty"`
	SHA256  string           `json:"sha256,omitempty"`
	Receipt *receipt.Receipt `json:"receipt,omitempty"`
}

// headJSON is the last receipt of a credential.
type headJSON struct {
	Credential string `json:"credential"`
	Number     int64  `json:"number"`
	SHA256     string `json:"sha256"`
}

// besideJSON is something that a file of receipts was compared with.
type besideJSON struct {
	What string `json:"what"` // head or record
	Name string `json:"name"` // the hash, or the file
	Good bool   `json:"good"`
	Line int    `json:"line,omitempty"`
	Why  string `json:"why,omitempty"`
}

// longestReceipt is far above what one takes, in bytes.
const longestReceipt = receipt.LongestLine

func (a *app) verifyReceipts(ctx context.Context, path string, f verifyFlags) error {
	keys, err := a.trustedKeys(ctx, f)
	if err != nil {
		return err
	}
	in := a.in
	if path != "-" {
		file, err := openStream(ctx, path)
		if ended, ok := present.AsFault(err); ok {
			return ended
		}
		if err != nil {
			return &credential.Fault{Reason: credential.Usage, What: "the receipts cannot be read", Why: credential.Quote(err.Error())}
		}
		defer func() { _ = file.Close() }() // nothing was written
		in = file
	}
	rows, err := keys.lookAll(ctx, present.Stoppable{Ctx: ctx, From: in, Doing: "reading receipts"})
	if err != nil {
		return err
	}
	log := placed(rows)
	beside, err := f.compare(log)
	if err != nil {
		return err
	}
	err = verdict(rows, beside)
	if a.output.JSON {
		return a.printJSON(present.ReportOf(err).With("verified", rows).With("heads", headsOf(log)).With("compared", beside), err)
	}
	a.tellVerified(rows, headsOf(log), beside)
	return err
}

// lookAll opens every receipt of a file.
func (k keys) lookAll(ctx context.Context, in io.Reader) ([]receiptJSON, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestReceipt)
	rows := []receiptJSON{}
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) > 0 {
			rows = append(rows, k.look(ctx, n, lines.Bytes()))
		}
	}
	if ended, ok := present.AsFault(lines.Err()); ok {
		return nil, ended
	}
	if err := lines.Err(); err != nil {
		return nil, &credential.Fault{Reason: credential.ReceiptBad, What: "the receipts cannot be read to their end", Why: err.Error()}
	}
	return rows, nil
}

// placed says of receipts that are not in their place that they are bad. It returns
// all whose signature is good.
func placed(rows []receiptJSON) []receipt.Entry {
	var log []receipt.Entry
	var at []int
	for i, row := range rows {
		if row.Good {
			log, at = append(log, receipt.Entry{Line: row.Line, Hash: row.SHA256, Receipt: *row.Receipt}), append(at, i)
		}
	}
	receipt.CheckChains(log)
	for i, e := range log {
		if e.Found != "" {
			row := &rows[at[i]]
			row.Good, row.Finding, row.Why = false, e.Found, credential.Quote(e.Why)
		}
	}
	return log
}

func headsOf(log []receipt.Entry) []headJSON {
	var heads []headJSON
	for _, e := range receipt.Heads(log) {
		heads = append(heads, headJSON{e.Receipt.Credential, e.Receipt.Number, e.Hash})
	}
	return heads
}

// compare looks for what the flags name in a log.
func (f verifyFlags) compare(log []receipt.Entry) ([]besideJSON, error) {
	var all []besideJSON
	for _, head := range f.heads {
		if sum, err := hex.DecodeString(head); err != nil || len(sum) != len(receipt.Hash(nil))/2 {
			return nil, &credential.Fault{Reason: credential.Usage, What: "--head must be a SHA-256 that purser receipt verify printed"}
		}
		row := besideJSON{What: "head", Name: head, Why: "no receipt has this hash: receipts were taken away"}
		if i := slices.IndexFunc(log, func(e receipt.Entry) bool { return e.Hash == head }); i >= 0 {
			row.Good, row.Line, row.Why = true, log[i].Line, ""
		}
		all = append(all, row)
	}
	for _, path := range f.records {
		data, err := boundedfile.Read(path, boundedfile.Named)
		if err != nil {
			return nil, &credential.Fault{Reason: credential.Usage, What: "the file of --record cannot be read", Why: credential.Quote(err.Error())}
		}
		all = append(all, compareRecord(log, path, data))
	}
	return all, nil
}

// compareRecord finds the receipt of a file, also when the file has another name now.
func compareRecord(log []receipt.Entry, path string, data []byte) besideJSON {
	row := besideJSON{What: "record", Name: credential.Quote(path), Why: "no receipt names it"}
	for _, e := range log {
		for _, file := range e.Receipt.Files {
			switch {
			case file.SHA256 == receipt.Hash(data):
				row.Good, row.Line, row.Why = true, e.Line, ""
				return row
			case file.Name == filepath.Base(path):
				row.Line, row.Why = e.Line, "it was changed since its receipt was written"
			}
		}
	}
	return row
}

func verdict(rows []receiptJSON, beside []besideJSON) error {
	bad := func(what string) error { return &credential.Fault{Reason: credential.ReceiptBad, What: what} }
	if len(rows) == 0 {
		return bad("there is no receipt in it")
	}
	good := 0
	for _, row := range rows {
		if row.Good {
			good++
		}
	}
	if good < len(rows) {
		return bad(fmt.Sprintf("%d of %d receipts are not good", len(rows)-good, len(rows)))
	}
	for _, row := range beside {
		if !row.Good {
			return bad("the receipts do not agree with a " + row.What)
		}
	}
	return nil
}

func (a *app) tellVerified(rows []receiptJSON, heads []headJSON, beside []besideJSON) {
	for _, row := range rows {
		label := fmt.Sprintf("line %d", row.Line)
		switch r := row.Receipt; {
		case row.Good:
			text := fmt.Sprintf("%s %s of %s at %s, signed by %s", r.Command, r.Outcome, r.Credential, r.Time.Format(time.RFC3339), row.By)
			if r.Number == 0 {
				text += ", not chained"
			}
			a.line(a.out, credential.Granted, label, text)
		case row.Finding != "":
			a.line(a.out, credential.Refused, label, string(row.Finding)+": "+row.Why)
		default:
			a.line(a.out, credential.Refused, label, row.Why)
		}
	}
	for _, row := range beside {
		if row.Good {
			a.line(a.out, credential.Granted, row.What, fmt.Sprintf("%s is in line %d", row.Name, row.Line))
		} else {
			a.line(a.out, credential.Refused, row.What, row.Name+": "+row.Why)
		}
	}
	for _, h := range heads {
		_, _ = fmt.Fprintf(a.out, "head: %s of %s, receipt %d\n", h.SHA256, cmp.Or(credential.Quote(h.Credential), "no credential"), h.Number)
	}
}

// keys are those that may sign.
type keys struct {
	fixed   receipt.Verifiers
	allowed receipt.AllowedSigners
	ssh     bool
}

func (a *app) trustedKeys(ctx context.Context, f verifyFlags) (keys, error) {
	var k keys
	bad := func(what string, err error) (keys, error) {
		return k, &credential.Fault{Reason: credential.Usage, What: what + " cannot be used", Why: credential.Quote(err.Error())}
	}
	if f.signers == "" && f.publicKey == "" && f.kmsKey == "" {
		return k, &credential.Fault{Reason: credential.Usage, What: "it is not said who may sign", Why: "--signers, --public-key or --kms-key"}
	}
	if f.signers != "" {
		data, err := boundedfile.Read(f.signers, boundedfile.Named)
		if err == nil {
			k.allowed, err = receipt.ParseAllowedSigners(data, time.Local)
		}
		if err != nil {
			return bad("the file of --signers", err)
		}
		k.ssh = true
	}
	if f.publicKey != "" {
		data, err := boundedfile.Read(f.publicKey, boundedfile.Named)
		if err != nil {
			return bad("the file of --public-key", err)
		}
		// Of a key in KMS the receipts name the ARN, which a file does not know.
		if _, err := receipt.ParsePublicKey(data); err != nil {
			return bad("the file of --public-key", err)
		}
		k.fixed = append(k.fixed, anyName{data})
	}
	if f.kmsKey != "" {
		t := credential.Target{}
		if file, err := a.load(false); err == nil && file != nil {
			t.Profile, t.Region = file.AWS.Profile, file.AWS.Region
		}
		public, arn, err := a.wire().KMSKey(ctx, t, f.kmsKey)
		if err != nil {
			return bad("the key of --kms-key", err)
		}
		v, err := receipt.PublicKeyVerifier(arn, public)
		if err != nil {
			return bad("the key of --kms-key", err)
		}
		k.fixed = append(k.fixed, v)
	}
	return k, nil
}

// anyName trusts a public key whatever a receipt calls it.
type anyName struct{ key []byte }

// Verify trusts the key under the name that the receipt has.
func (v anyName) Verify(ctx context.Context, keyID string, message, signature []byte) (string, error) {
	under, err := receipt.PublicKeyVerifier(keyID, v.key)
	if err != nil {
		return "", err
	}
	return under.Verify(ctx, keyID, message, signature)
}

// look opens one receipt.
func (k keys) look(ctx context.Context, n int, line []byte) receiptJSON {
	row := receiptJSON{Line: n, SHA256: receipt.Hash(line)}
	verifiers := k.fixed
	if claimed, err := receipt.Unverified(line); err == nil && k.ssh {
		verifiers = append(slices.Clone(verifiers), receipt.SSHVerifier(k.allowed, claimed.Time))
	}
	r, err := receipt.Open(ctx, line, verifiers)
	if err != nil {
		row.Why = credential.Quote(err.Error())
		return row
	}
	row.Good, row.By, row.Receipt = true, credential.Quote(r.SignedBy), &r
	return row
}

// openStream opens what may be a FIFO, such as <(...) of a shell: to open one takes until
// somebody writes to it.
func openStream(ctx context.Context, path string) (*os.File, error) {
	var file *os.File
	_, err := present.Interruptible(ctx, "waiting for somebody to write to "+credential.Quote(path), func() (_ []byte, err error) {
		file, err = os.Open(path) //nolint:gosec // the person names it
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/boundedfile"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/receipt"
	"purser/internal/wire"
)

// recorder writes the receipts of one command. A nil one writes none.
type recorder struct {
	app  *app
	to   *wire.Recorder
	who  []string
	made []json.RawMessage // those for standard output, with --output json
}

// recorder is ready before anything is changed, or says why it cannot be.
func (a *app) recorder(ctx context.Context, w *wire.Wire, targets []credential.Target) (*recorder, error) {
	file, err := a.load(false)
	if err != nil || file == nil || !file.Receipts.Wanted {
		return nil, err
	}
	var t credential.Target
	for _, one := range slices.Backward(targets) {
		if one.Secret != "" {
			t = one
		}
	}
	to, err := w.Recorder(ctx, file.Receipts, t, func() ([]byte, error) {
		return a.tty.secret(ctx, "Passphrase of the key that signs receipts (not shown): ")
	})
	if err != nil {
		return nil, err
	}
	return &recorder{app: a, to: to, who: a.whoami()}, nil
}

// whoami is the person and the machine.
func (a *app) whoami() []string {
	host, _ := os.Hostname() // what is not known is left out
	who := strings.Trim(a.env.User+"@"+host, "@")
	if who == "" {
		return nil
	}
	return []string{credential.Quote(who)}
}

// follow takes the identity at AWS out of what a flow reports.
func (r *recorder) follow(e lifecycle.Event) {
	if r != nil && e.Step == lifecycle.StepSignIn && !slices.Contains(r.who, e.Text) {
		r.who = append(r.who, e.Text)
	}
}

// following has the recorder told of events besides whoever else is.
func (r *recorder) following(also func(lifecycle.Event)) func(lifecycle.Event) {
	if r == nil {
		return also
	}
	return func(e lifecycle.Event) {
		r.follow(e)
		if also != nil {
			also(e)
		}
	}
}

// change is one thing that was done, or tried.
type change struct {
	command receipt.Command
	c       credential.Credential
	store   lifecycle.StoreResult
	ended   []credential.ManagedToken
	err     error
}

// happened reports whether anything was changed.
func (c change) happened() bool {
	stored := func(p lifecycle.PlaceResult) bool { return p.Outcome == lifecycle.OutcomeStored }
	return slices.ContainsFunc(c.store.Places, stored) || len(c.ended) > 0 || c.store.Made.ID != ""
}

// write records a change. Its error is joined to that of the change.
func (r *recorder) write(ctx context.Context, ch change) error {
	if r == nil || !ch.happened() {
		return ch.err
	}
	id, err := credential.NewVersionID(r.app.now(), r.app.random, "")
	if err != nil {
		return errors.Join(ch.err, err)
	}
	record := receipt.Receipt{
		ID: strings.TrimPrefix(string(id), "purser-"), Time: r.app.now().UTC(), Command: ch.command, Outcome: receipt.Done, Who: r.who,
		Credential: string(ch.c.Name), Registry: string(ch.c.Registry), Account: cmp.Or(ch.c.Username, ch.store.Proof.Owner), Kind: string(ch.store.Kind), Ended: receipt.TokensOf(ch.ended),
	}
	if ch.err != nil {
		record.Outcome, record.Reason = receipt.Failed, cmp.Or(string(credential.ReasonOf(ch.err)), "failed")
	}
	if t := ch.store.Made; t.ID != "" {
		record.Token = &receipt.Token{ID: t.ID, Label: t.Label}
	} else if name := ch.store.Proof.TokenID; name != "" {
		record.Token = &receipt.Token{ID: name}
	}
	if ch.store.Proof.Verdict != credential.Unknown || ch.store.Proof.Fault != nil {
		record.Proofs = append(record.Proofs, receipt.ProofOf("before it was stored", ch.store.Proof))
	}
	for _, p := range ch.store.Places {
		record.Places = append(record.Places, receipt.Place{
			Where: p.Target.String(), Region: p.Target.Region, Version: string(p.Version), Replaced: string(p.Replaced), Stages: texts(p.Stages),
		})
	}
	line, err := r.to.Write(ctx, record)
	switch {
	case line == nil:
	case r.app.output.json:
		r.made = append(r.made, line)
	default:
		_, _ = fmt.Fprintf(r.app.out, "%s\n", line)
	}
	return errors.Join(ch.err, err)
}

// lines are the receipts for a report.
func (r *recorder) lines() []json.RawMessage {
	if r == nil {
		return nil
	}
	return r.made
}

func (a *app) receiptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "receipt",
		Short: "Look at the signed records of changes",
		Long: `receipt looks at the records that store, rotate, rollback, revoke and respond write where
purser.yaml has receipts: who changed what, when, with which proofs. A record is a DSSE
envelope in a line of JSON, and holds nothing secret.`,
		Example: `  purser receipt verify receipts.jsonl --signers allowed_signers`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.receiptVerifyCommand())
	return cmd
}

type verifyFlags struct{ signers, publicKey, kmsKey string }

func (a *app) receiptVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "See that receipts are signed by who may, and unchanged",
		Long: `verify reads a file of receipts, or standard input for -, and says of each whose signature it
has. One that is not signed by a key that is named, or was changed, is bad, and ends the
command with exit code 1.

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
			return atMost(cmd, args, 1)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.verifyReceipts(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.signers, "signers", "", "a `FILE` of SSH keys that may sign")
	cmd.Flags().StringVar(&f.publicKey, "public-key", "", "a PEM `FILE` with an ECDSA key that may sign")
	cmd.Flags().StringVar(&f.kmsKey, "kms-key", "", "a `KEY` in KMS that may sign, by ARN or as alias/NAME")
	return cmd
}

// receiptJSON is a receipt that was looked at.
type receiptJSON struct {
	Line    int              `json:"line"`
	Good    bool             `json:"good"`
	By      string           `json:"by,omitempty"`
	Why     string           `json:"why,omitempty"`
	Receipt *receipt.Receipt `json:"receipt,omitempty"`
}

// longestReceipt is far above what one takes, in bytes.
const longestReceipt = 1 << 20

func (a *app) verifyReceipts(ctx context.Context, path string, f verifyFlags) error {
	keys, err := a.trustedKeys(ctx, f)
	if err != nil {
		return err
	}
	in := a.in
	if path != "-" {
		file, err := openStream(ctx, path)
		if ended, ok := asFault(err); ok {
			return ended
		}
		if err != nil {
			return &credential.Fault{Reason: credential.Usage, What: "the receipts cannot be read", Why: credential.Quote(err.Error())}
		}
		defer func() { _ = file.Close() }() // nothing was written
		in = file
	}
	lines := bufio.NewScanner(stoppable{ctx, in, "reading receipts"})
	lines.Buffer(nil, longestReceipt)
	rows, bad := []receiptJSON{}, 0
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		row := keys.look(ctx, n, lines.Bytes())
		if rows = append(rows, row); !row.Good {
			bad++
		}
		a.receiptLine(row)
	}
	if ended, ok := asFault(lines.Err()); ok {
		return ended
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.EOF) {
		return &credential.Fault{Reason: credential.ReceiptBad, What: "the receipts cannot be read to their end", Why: err.Error()}
	}
	switch {
	case len(rows) == 0:
		err = &credential.Fault{Reason: credential.ReceiptBad, What: "there is no receipt in it"}
	case bad > 0:
		err = &credential.Fault{Reason: credential.ReceiptBad, What: fmt.Sprintf("%d of %d receipts are not good", bad, len(rows))}
	}
	if a.output.json {
		return a.printJSON(report{Schema: schemaVersion, Exit: exitCode(err), Error: errorReport(err), Verified: rows}, err)
	}
	return err
}

// openStream opens what may be a FIFO, such as <(...) of a shell: to open one takes until
// somebody writes to it.
func openStream(ctx context.Context, path string) (*os.File, error) {
	var file *os.File
	_, err := interruptible(ctx, "waiting for somebody to write to "+credential.Quote(path), func() (_ []byte, err error) {
		file, err = os.Open(path) //nolint:gosec // the person names it
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (a *app) receiptLine(row receiptJSON) {
	if a.output.json {
		return
	}
	if !row.Good {
		a.line(a.out, credential.Refused, fmt.Sprintf("line %d", row.Line), row.Why)
		return
	}
	r := row.Receipt
	text := fmt.Sprintf("%s %s of %s at %s, signed by %s", r.Command, r.Outcome, r.Credential, r.Time.Format(time.RFC3339), row.By)
	a.line(a.out, credential.Granted, fmt.Sprintf("line %d", row.Line), text)
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
		data, err := boundedfile.Read(f.signers, fileLimit)
		if err == nil {
			k.allowed, err = receipt.ParseAllowedSigners(data, time.Local)
		}
		if err != nil {
			return bad("the file of --signers", err)
		}
		k.ssh = true
	}
	if f.publicKey != "" {
		data, err := boundedfile.Read(f.publicKey, fileLimit)
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
	row := receiptJSON{Line: n}
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

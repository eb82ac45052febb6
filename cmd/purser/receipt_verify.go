package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/boundedfile"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/receipt"
	"purser/internal/wire/receipts"
)

type verifyFlags struct {
	signers, publicKey, kmsKey string
	heads, records             []string
}

func (a *app) receiptVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify that receipts are signed, unchanged and complete",
		Long: `verify reads a file of receipts, or standard input for -, and says who signed
each one. A receipt is bad if no key that you trust signed it, if somebody
changed, repeated or moved it, or if the one before it is missing. With a bad
receipt, verify ends with exit code 1.

At the end verify prints the head of each credential: the number and the hash
of its last receipt. Note them elsewhere, and give them to a later run with
--head. Without them, verify cannot notice that receipts are missing at the
end.

With --record, verify compares a report of respond with its receipt.

You name the keys that you trust: a file in the ALLOWED SIGNERS format of
ssh-keygen (with the namespace purser-receipt), a public key in a PEM file, or
a key in KMS, whose public half purser fetches. An SSH key must have been valid
at the time that the receipt states.`,
		Example: `  purser receipt verify receipts.jsonl --signers allowed_signers
  purser receipt verify receipts.jsonl --kms-key alias/receipts
  purser receipt verify receipts.jsonl --public-key receipts.pem`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &credential.Fault{Reason: credential.Usage, What: "verify needs a FILE of receipts", Why: cmd.UseLine()}
			}
			return arguments.AtMost(cmd, args, 1)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.verifyReceipts(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.signers, "signers", "", "trust the SSH keys in this `FILE` of allowed signers")
	cmd.Flags().StringVar(&f.publicKey, "public-key", "", "trust the ECDSA key in this PEM `FILE`")
	cmd.Flags().StringVar(&f.kmsKey, "kms-key", "", "trust this `KEY` in KMS: an ARN or alias/NAME")
	cmd.Flags().StringArrayVar(&f.heads, "head", nil, "require the receipt with this `SHA256`, which verify printed before (repeatable)")
	cmd.Flags().StringArrayVar(&f.records, "record", nil, "compare this `FILE` of respond with its receipt (repeatable)")
	return cmd
}

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
			return &credential.Fault{Reason: credential.Usage, What: "purser cannot read the receipts", Why: credential.Quote(err.Error())}
		}
		defer func() { _ = file.Close() }() // read only
		in = file
	}
	rows, err := keys.LookAll(ctx, present.Stoppable{Ctx: ctx, From: in, Doing: "reading receipts"})
	if err != nil {
		return err
	}
	log := receipt.Placed(rows)
	beside, err := f.compare(log)
	if err != nil {
		return err
	}
	err = receipt.Verdict(rows, beside)
	if a.output.JSON {
		return a.printJSON(present.ReportOf(err).With("verified", rows).With("heads", receipt.HeadsOf(log)).With("compared", beside), err)
	}
	a.tellVerified(rows, receipt.HeadsOf(log), beside)
	return err
}

// compare looks up --head and --record in a log.
func (f verifyFlags) compare(log []receipt.Entry) ([]receipt.Compared, error) {
	var all []receipt.Compared
	for _, head := range f.heads {
		if sum, err := hex.DecodeString(head); err != nil || len(sum) != len(receipt.Hash(nil))/2 {
			return nil, &credential.Fault{Reason: credential.Usage, What: "--head must be a SHA-256 that purser receipt verify printed"}
		}
		row := receipt.Compared{What: "head", Name: head, Why: "no receipt has this hash: somebody removed receipts"}
		if i := slices.IndexFunc(log, func(e receipt.Entry) bool { return e.Hash == head }); i >= 0 {
			row.Good, row.Line, row.Why = true, log[i].Line, ""
		}
		all = append(all, row)
	}
	for _, path := range f.records {
		data, err := boundedfile.Read(path, boundedfile.Named)
		if err != nil {
			return nil, &credential.Fault{Reason: credential.Usage, What: "purser cannot read the file of --record", Why: credential.Quote(err.Error())}
		}
		all = append(all, receipt.CompareRecord(log, path, data))
	}
	return all, nil
}

func (a *app) tellVerified(rows []receipt.Verified, heads []receipt.Head, beside []receipt.Compared) {
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

func (a *app) trustedKeys(ctx context.Context, f verifyFlags) (receipt.Keys, error) {
	var k receipt.Keys
	bad := func(what string, err error) (receipt.Keys, error) {
		return k, &credential.Fault{Reason: credential.Usage, What: "purser cannot use " + what, Why: credential.Quote(err.Error())}
	}
	if f.signers == "" && f.publicKey == "" && f.kmsKey == "" {
		return k, &credential.Fault{Reason: credential.Usage, What: "verify needs the keys that you trust", Why: "give --signers, --public-key or --kms-key"}
	}
	if f.signers != "" {
		data, err := boundedfile.Read(f.signers, boundedfile.Named)
		if err == nil {
			k.Allowed, err = receipt.ParseAllowedSigners(data, time.Local)
		}
		if err != nil {
			return bad("the file of --signers", err)
		}
		k.SSH = true
	}
	if f.publicKey != "" {
		data, err := boundedfile.Read(f.publicKey, boundedfile.Named)
		if err != nil {
			return bad("the file of --public-key", err)
		}
		// Receipts name a KMS key by its ARN, which a file does not know.
		if _, err := receipt.ParsePublicKey(data); err != nil {
			return bad("the file of --public-key", err)
		}
		k.Fixed = append(k.Fixed, receipt.AnyName{Key: data})
	}
	if f.kmsKey != "" {
		t := credential.Target{}
		if file, err := a.load(false); err == nil && file != nil {
			t.Profile, t.Region = file.AWS.Profile, file.AWS.Region
		}
		public, arn, err := receipts.KMSKey(ctx, a.wire(), t, f.kmsKey)
		if _, told := present.AsFault(err); told {
			return k, err
		}
		v, bug := receipt.PublicKeyVerifier(arn, public)
		if err = cmp.Or(err, bug); err != nil {
			return bad("the key of --kms-key", err)
		}
		k.Fixed = append(k.Fixed, v)
	}
	return k, nil
}

// openStream opens a file that may be a FIFO, such as a shell's <(...): opening one blocks
// until somebody writes to it.
func openStream(ctx context.Context, path string) (*os.File, error) {
	var file *os.File
	_, err := present.Interruptible(ctx, "waiting for data from "+credential.Quote(path), func() (_ []byte, err error) {
		file, err = os.Open(path) //nolint:gosec // the person names it
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

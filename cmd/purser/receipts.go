package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"purser/internal/arguments"

	"purser/internal/present"

	"github.com/spf13/cobra"

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
		if one.Traits().Cloud != "" {
			t = one
		}
	}
	to, err := w.Recorder(ctx, file, t, func() ([]byte, error) {
		return a.tty.Secret(ctx, "Passphrase of the key that signs receipts (not shown): ")
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
	if r != nil && e.Who && !slices.Contains(r.who, e.Text) {
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

// begin is a receipt of what a command did with a credential.
func (r *recorder) begin(command receipt.Command, c credential.Credential) (receipt.Receipt, error) {
	id, err := credential.NewVersionID(r.app.now(), r.app.random, "")
	return receipt.Receipt{
		ID: strings.TrimPrefix(string(id), "purser-"), Time: r.app.now().UTC(), Command: command, Outcome: receipt.Done, Who: r.who,
		Credential: string(c.Name), Registry: string(c.Registry), Account: c.Username,
	}, err
}

// write records a change. Its error is joined to that of the change.
func (r *recorder) write(ctx context.Context, ch change) error {
	if r == nil || !ch.happened() {
		return ch.err
	}
	record, err := r.begin(ch.command, ch.c)
	if err != nil {
		return errors.Join(ch.err, err)
	}
	record.Account, record.Kind, record.Ended = cmp.Or(record.Account, ch.store.Proof.Owner), string(ch.store.Kind), receipt.TokensOf(ch.ended)
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
			Where: p.Target.String(), Region: p.Target.Region, Version: string(p.Version), Replaced: string(p.Replaced), Stages: present.Texts(p.Stages),
		})
	}
	err = r.put(ctx, record)
	if f, ok := present.AsFault(err); ok && ch.err != nil {
		// The command ends with the change's error, which says nothing of the receipt.
		_, _ = fmt.Fprintf(r.app.err, "note: %s: %s\n", f.What, f.Why)
	}
	return errors.Join(ch.err, err)
}

// files records what respond has written down about a credential.
func (r *recorder) files(ctx context.Context, c credential.Credential, files []receipt.File) error {
	if r == nil {
		return nil
	}
	record, err := r.begin(receipt.Record, c)
	if err != nil {
		return err
	}
	record.Files = files
	return r.put(ctx, record)
}

// put signs a receipt and writes it.
func (r *recorder) put(ctx context.Context, record receipt.Receipt) error {
	line, err := r.to.Write(ctx, record)
	switch {
	case line == nil:
	case r.app.output.JSON:
		r.made = append(r.made, line)
	default:
		_, _ = fmt.Fprintf(r.app.out, "%s\n", line)
	}
	return err
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
envelope in a line of JSON, and holds nothing secret. In a file, those of a credential are
numbered, and each names the one before by its hash.`,
		Example: `  purser receipt verify receipts.jsonl --signers allowed_signers`,
		Args:    arguments.None,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.receiptVerifyCommand())
	return cmd
}

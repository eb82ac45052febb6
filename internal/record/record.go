// Package record writes the receipts of a command's changes.
package record

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/receipt"
	"purser/internal/wire/receipts"
)

// Recorder writes the receipts of one command. A nil one writes none.
type Recorder struct {
	To     *receipts.Recorder
	Who    []string // this run's identities on the machine and at AWS
	Now    func() time.Time
	Random io.Reader
	JSON   bool      // receipts for standard output go into the command's report
	Out    io.Writer // where else they go
	Err    io.Writer
	made   []json.RawMessage // those for the report
}

// Follow records the AWS identity that a flow reports.
func (r *Recorder) Follow(e lifecycle.Event) {
	if r != nil && e.Who && !slices.Contains(r.Who, e.Text) {
		r.Who = append(r.Who, e.Text)
	}
}

// Following returns an event handler that also notifies the recorder.
func (r *Recorder) Following(also func(lifecycle.Event)) func(lifecycle.Event) {
	if r == nil {
		return also
	}
	return func(e lifecycle.Event) {
		r.Follow(e)
		if also != nil {
			also(e)
		}
	}
}

// Change is one thing that was done or tried.
type Change struct {
	Command receipt.Command
	Of      credential.Credential
	Store   lifecycle.StoreResult
	Ended   []credential.ManagedToken
	Err     error
}

func (c Change) happened() bool {
	stored := func(p lifecycle.PlaceResult) bool { return p.Outcome == lifecycle.OutcomeStored }
	return slices.ContainsFunc(c.Store.Places, stored) || len(c.Ended) > 0 || c.Store.Made.ID != ""
}

func (r *Recorder) begin(command receipt.Command, c credential.Credential) (receipt.Receipt, error) {
	id, err := credential.NewVersionID(r.Now(), r.Random, "")
	return receipt.Receipt{
		ID: strings.TrimPrefix(string(id), "purser-"), Time: r.Now().UTC(), Command: command, Outcome: receipt.Done, Who: r.Who,
		Credential: string(c.Name), Registry: string(c.Registry), Account: c.Username,
	}, err
}

// Write records a change. It joins its error to the change's.
func (r *Recorder) Write(ctx context.Context, ch Change) error {
	if r == nil || !ch.happened() {
		return ch.Err
	}
	record, err := r.begin(ch.Command, ch.Of)
	if err != nil {
		return errors.Join(ch.Err, err)
	}
	record.Account, record.Kind, record.Ended = cmp.Or(record.Account, ch.Store.Proof.Owner), string(ch.Store.Kind), receipt.TokensOf(ch.Ended)
	if ch.Err != nil {
		record.Outcome, record.Reason = receipt.Failed, cmp.Or(string(credential.ReasonOf(ch.Err)), "failed")
	}
	if t := ch.Store.Made; t.ID != "" {
		record.Token = &receipt.Token{ID: t.ID, Label: t.Label}
	} else if name := ch.Store.Proof.TokenID; name != "" {
		record.Token = &receipt.Token{ID: name}
	}
	if ch.Store.Proof.Verdict != credential.Unknown || ch.Store.Proof.Fault != nil {
		record.Proofs = append(record.Proofs, receipt.ProofOf("before it was stored", ch.Store.Proof))
	}
	for _, p := range ch.Store.Places {
		record.Places = append(record.Places, receipt.Place{
			Where: p.Target.String(), Region: p.Target.Region, Version: string(p.Version), Replaced: string(p.Replaced), Stages: present.Texts(p.Stages),
		})
	}
	err = r.put(ctx, record)
	if f, ok := present.AsFault(err); ok && ch.Err != nil {
		// The command ends with the change's error, which does not mention the receipt.
		_, _ = fmt.Fprintf(r.Err, "note: %s: %s\n", f.What, f.Why)
	}
	return errors.Join(ch.Err, err)
}

// Files records what respond wrote down about a credential.
func (r *Recorder) Files(ctx context.Context, c credential.Credential, files []receipt.File) error {
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

func (r *Recorder) put(ctx context.Context, record receipt.Receipt) error {
	line, err := r.To.Write(ctx, record)
	switch {
	case line == nil:
	case r.JSON:
		r.made = append(r.made, line)
	default:
		_, _ = fmt.Fprintf(r.Out, "%s\n", line)
	}
	return err
}

// Lines returns the receipts for the report.
func (r *Recorder) Lines() []json.RawMessage {
	if r == nil {
		return nil
	}
	return r.made
}

// Rotation records a renewal and the end of tokens as two changes: days may lie between
// them.
func (r *Recorder) Rotation(ctx context.Context, c credential.Credential, res lifecycle.RotateResult, err error) error {
	if len(res.Caught.Places) > 0 {
		if failed := r.Write(ctx, Change{Command: receipt.Store, Of: c, Store: res.Caught}); err == nil {
			err = failed
		}
	}
	err = r.Write(ctx, Change{Command: receipt.Rotate, Of: c, Store: res.Store, Err: err})
	if len(res.Ended) == 0 {
		return err
	}
	return r.Write(ctx, Change{Command: receipt.Retire, Of: c, Ended: res.Ended, Err: err})
}

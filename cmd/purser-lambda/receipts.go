package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/receipt"
)

func noPassphrase() ([]byte, error) { return nil, errors.New("a function cannot ask for a passphrase") }

// record writes the receipt of a rotation or retirement. Unusable keys were reported before any change.
func (j *job) record(ctx context.Context, command receipt.Command, res lifecycle.StoreResult, ended []credential.ManagedToken) error {
	if j.recorder == nil {
		return nil
	}
	id, err := credential.NewVersionID(j.now(), j.random, "")
	if err != nil {
		return err
	}
	record := receipt.Receipt{
		ID: strings.TrimPrefix(string(id), "purser-"), Time: j.now().UTC(), Command: command, Outcome: receipt.Done, Who: []string{"purser-lambda for " + j.secret},
		Credential: string(j.credential.Name), Registry: string(j.credential.Registry), Account: j.credential.Username, Ended: receipt.TokensOf(ended),
	}
	for _, p := range res.Places {
		place := receipt.Place{Where: p.Target.String(), Region: p.Target.Region, Version: string(p.Version), Replaced: string(p.Replaced)}
		for _, s := range p.Stages {
			place.Stages = append(place.Stages, string(s))
		}
		record.Places = append(record.Places, place)
	}
	if len(res.Places) > 0 {
		record.Kind = string(res.Proof.Kind)
		record.Proofs = append(record.Proofs, receipt.ProofOf("as it was staged", res.Proof))
		if name := res.Proof.TokenID; name != "" {
			record.Token = &receipt.Token{ID: name}
		}
	}
	line, err := j.recorder.Write(ctx, record)
	if line != nil {
		_, _ = fmt.Fprintf(j.out, "%s\n", line)
	}
	return err
}

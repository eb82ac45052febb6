package main

import (
	"context"

	"github.com/spf13/cobra"

	"purser/internal/lifecycle"
	"purser/internal/present"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [NAME…]",
		Short: "List all credentials, without reading a value",
		Long: `status shows where each credential is stored, its current version and age, when
the token expires or is due, and what lags or is missing. It describes secrets
and never reads them, so it works without the right to read values. It asks no
registry: to know whether a token works, use purser check.

At a terminal the table fits the width; --wide shows all columns.`,
		Example: `  purser status
  purser status --wide
  purser status dockerhub --output json`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.status(cmd.Context(), args) },
	}
}

func (a *app) status(ctx context.Context, names []string) error {
	file, err := a.project(true)
	if err != nil {
		return err
	}
	credentials, err := file.Chosen(names)
	if err != nil {
		return err
	}
	w := a.wire()
	work, err := a.work(ctx, w, credentials)
	if err != nil {
		return err
	}
	r := &lifecycle.Runner{Prover: w, Now: a.now, Random: a.random}
	ctx, row := a.told(a.out).Follow(ctx, a.now, "described", present.Places(credentials))
	rows := r.Status(ctx, work, row.Done)
	row.End()
	codes := make([]int, 0, len(rows))
	for _, row := range rows {
		if a.placed(row.Fault); row.Fault != nil {
			codes = append(codes, present.ExitCode(row.Fault))
		}
	}
	code := present.Worst(codes...)
	if a.output.JSON {
		a.writeJSON(present.Exited(code).With("credentials", present.StatusReport(rows, a.given)))
	} else {
		a.told(a.out).Status(rows, a.told(a.err), a.now())
	}
	if code != present.ExitOK {
		return &present.Reported{Code: code}
	}
	return nil
}

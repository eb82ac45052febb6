package main

import (
	"context"

	"github.com/spf13/cobra"

	"purser/internal/lifecycle"
	"purser/internal/present"
)

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [NAME…]",
		Short: "Read what is stored as a consumer would, and prove it",
		Long: `check reads each credential from where its consumers read it and asks the registry
whether it still grants what is needed. It changes nothing. Without names it checks
every credential of purser.yaml.

A token goes to the registry that it was stored for, whatever purser.yaml says. Of one
that was stored by hand you are asked once, at a terminal, whether it belongs there.

Exit codes for schedules: 0 all good; 3 one is bad; 4 not signed in or not allowed at
AWS; 5 a secret is missing; 6 could not tell (no answer, rate limit, outage).`,
		Example: `  purser check
  purser check dockerhub
  purser check --wide
  purser check --output json`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.check(cmd.Context(), args) },
	}
}

func (a *app) check(ctx context.Context, names []string) error {
	file, err := a.load(true)
	if err != nil {
		return err
	}
	credentials, err := file.Chosen(names)
	if err != nil {
		return err
	}
	w := a.wire()
	w.Trusted = file.Trusted
	work, err := a.work(ctx, w, credentials)
	if err != nil {
		return err
	}
	ctx, told := a.told(a.out).Checks(ctx, a.now, present.Names(credentials), a.output.JSON)
	var codes []int
	results := a.runner(w, nil).Check(ctx, work, func(i int, res lifecycle.CheckResult) {
		for _, p := range res.Places {
			if a.placed(p.Fault); p.Fault != nil {
				codes = append(codes, present.ExitCode(p.Fault))
			}
		}
		told.Done(i, res)
	})
	told.End(a.told(a.err))
	code := present.Worst(codes...)
	if a.output.JSON {
		a.writeJSON(present.Exited(code).With("credentials", present.CheckReport(results)))
	}
	if code != present.ExitOK {
		return &present.Reported{Code: code}
	}
	return nil
}

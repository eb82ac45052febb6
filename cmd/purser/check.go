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
		Short: "Check stored tokens with the registry, as your CI reads them",
		Long: `check reads each credential from where your CI reads it, and asks the registry
whether the token still has the rights that it needs. It changes nothing.
Without names it checks every credential of purser.yaml.

purser sends a token only to the registry that it was stored for, whatever
purser.yaml says. If somebody stored a token by hand, purser asks you once, at
a terminal, whether it belongs to this registry.

Exit codes for schedules: 0 all good; 3 a token is bad; 4 not signed in to AWS,
or not allowed; 5 a secret is missing; 6 unknown (no answer, rate limit,
outage).`,
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

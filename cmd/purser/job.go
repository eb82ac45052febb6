package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/consumer"
	"purser/internal/credential"
	"purser/internal/present"
)

func (a *app) jobCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "job",
		Short: "Prepare a CI job for pushing, and clean up after it",
		Long: `job does for the steps of a CI job what exec does for one command. start makes
a private docker configuration with purser's helper and no login, has the
Buildkite agent remove the token from the job's log, and prints what to export.
end removes the configuration. The Buildkite plugin runs both.`,
		Example: `  eval "$(purser job start dockerhub --dir /tmp/job-1)"
  purser job end --dir /tmp/job-1`,
		Args: arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var dir string
	var plain bool
	start := &cobra.Command{
		Use:   "start [NAME…]",
		Short: "Make a private docker configuration, and print what to export",
		Long: `start creates the folder --dir, which must not exist yet, and prints the
variables that point docker's clients to it, as shell commands. If start fails,
what it prints ends the script with the same exit code, even without set -e.

start reads its configuration as the credential helper does: from
/etc/purser/purser.yaml, PURSER_CONFIG or PURSER_SECRET_ID, never from the
working directory.`,
		Example: `  eval "$(purser job start dockerhub --dir /tmp/job-1)"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.startJob(cmd.Context(), args, dir, plain)
		},
	}
	start.Flags().BoolVar(&plain, "no-redact", false, "do not tell the Buildkite agent what to remove from the log")
	end := &cobra.Command{
		Use:     "end",
		Short:   "Remove what start made",
		Example: `  purser job end --dir /tmp/job-1`,
		Args:    arguments.None,
		RunE:    func(*cobra.Command, []string) error { return consumer.EndJob(dir) },
	}
	for _, c := range []*cobra.Command{start, end} {
		c.Flags().StringVar(&dir, "dir", "", "the private `FOLDER`")
		cmd.AddCommand(c)
	}
	return cmd
}

func (a *app) startJob(ctx context.Context, names []string, dir string, plain bool) error {
	if err := consumer.CheckJobFolder(dir); err != nil {
		return err
	}
	c, err := a.machine().Consumer(names, true)
	if err != nil {
		return err
	}
	if a.env.Buildkite && !plain {
		logins, err := a.logins(ctx, c, a.wire())
		if err != nil {
			return err
		}
		if err := a.tellAgent(ctx, logins); err != nil {
			return err
		}
	}
	if err := c.StartJob(a.machine(), dir); err != nil {
		return err
	}
	if a.output.JSON {
		a.writeJSON(present.ReportOf(nil).With("variables", c.Vars))
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(c.Vars)) {
		if c.Vars[name] == "" {
			_, _ = fmt.Fprintf(a.out, "unset %s\n", name)
			continue
		}
		_, _ = fmt.Fprintf(a.out, "export %s=%s\n", name, credential.QuoteShell(c.Vars[name]))
	}
	return nil
}

// startsJob reports whether a command line is one of job start, valid or not.
func startsJob(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	i := slices.Index(args, "job")
	return i >= 0 && slices.Index(args[i:], "start") == 1
}

// jobFailed makes a shell that evaluates job start's output fail with purser's exit code:
// eval "$(…)" loses it, and later steps would push with another login. An interactive shell
// stays open.
func (a *app) jobFailed(code int) {
	if a.evaluated {
		_, _ = fmt.Fprintf(a.out, "case $- in *i*) (exit %d) ;; *) exit %[1]d ;; esac\n", code)
	}
}

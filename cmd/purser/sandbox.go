package main

import (
	"github.com/spf13/cobra"
)

func (a *app) sandboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Try purser against stand-ins on this machine",
		Long: `sandbox starts stand-ins on loopback: Docker Hub with its registry and token
service, and AWS Secrets Manager. Nothing of it leaves this machine, and no account
is needed.`,
		Example: `  purser sandbox try`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.tryCommand())
	return cmd
}

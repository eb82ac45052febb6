package main

import (
	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/config"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of purser.yaml",
		Long: `schema prints the JSON Schema of purser.yaml, from which editors complete and check
it. The same file is in purser's repository as purser.schema.json.`,
		Example: `  purser schema > purser.schema.json`,
		Args:    arguments.None,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(config.Schema())
			return err
		},
	}
}

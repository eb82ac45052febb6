package main

import (
	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/config"
	"purser/internal/present"
)

func (a *app) schemaCommand() *cobra.Command {
	printed := func(text func() []byte) func(*cobra.Command, []string) error {
		return func(*cobra.Command, []string) error {
			_, err := a.out.Write(text())
			return err
		}
	}
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of purser.yaml",
		Long: `schema prints the JSON Schema of purser.yaml. Editors use it to complete and
check the file. purser's repository has it as purser.schema.json.`,
		Example: `  purser schema > purser.schema.json
  purser schema output`,
		Args: arguments.None,
		RunE: printed(config.Schema),
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "output",
		Short: "Print the JSON Schema of --output json",
		Long: `output prints the JSON Schema of the document that every command prints with
--output json.`,
		Example: `  purser schema output`,
		Args:    arguments.None,
		RunE:    printed(present.OutputSchema),
	})
	return cmd
}

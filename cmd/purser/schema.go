package main

import (
	"time"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/manual"
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
		Long: `schema prints the JSON Schema of purser.yaml, from which editors complete and check
it. The same file is in purser's repository as purser.schema.json.`,
		Example: `  purser schema > purser.schema.json
  purser schema output`,
		Args: arguments.None,
		RunE: printed(config.Schema),
	}
	cmd.AddCommand(&cobra.Command{
		Use:     "output",
		Short:   "Print the JSON Schema of what --output json prints",
		Long:    `output prints the JSON Schema of the document that every command prints with --output json.`,
		Example: `  purser schema output`,
		Args:    arguments.None,
		RunE:    printed(present.OutputSchema),
	})
	return cmd
}

func (a *app) manCommand() *cobra.Command {
	var date string
	cmd := &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write purser's manual pages into a folder",
		Long: `man writes a manual page for each command into a folder, such as
~/.local/share/man/man1, where man finds them. The date in them is that of --date or of
SOURCE_DATE_EPOCH, so that a build can be repeated.`,
		Example: `  purser man ~/.local/share/man/man1
  purser man --date 2027-01-31 man1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &credential.Fault{Reason: credential.Usage, What: "man needs the FOLDER for the pages", Why: cmd.UseLine()}
			}
			return arguments.AtMost(cmd, args, 1)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := a.dateOf(date)
			if err != nil {
				return err
			}
			files, err := manual.Book{Version: purserVersion(), Date: at}.Write(args[0], cmd.Root())
			if err != nil || a.output.JSON {
				return a.printJSON(present.ReportOf(err).With("manual", files), err)
			}
			a.line(a.out, credential.Granted, "Manual", counted(len(files), "page")+" in "+args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&date, "date", "", "the `DATE` in the pages, as 2027-01-31 (default SOURCE_DATE_EPOCH, else today)")
	return cmd
}

// dateOf reads the date that manual pages get.
func (a *app) dateOf(text string) (time.Time, error) {
	if text == "" && !a.env.SourceDate.IsZero() {
		return a.env.SourceDate, nil
	}
	if text == "" {
		return a.now(), nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return at, &credential.Fault{Reason: credential.Usage, What: "--date must be a date", Why: "such as 2027-01-31"}
	}
	return at, nil
}

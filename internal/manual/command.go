package manual

import (
	"time"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/credential"
)

// Command returns purser man. It passes the files that it wrote, or its error, to tell.
func Command(version string, sourceDate time.Time, now func() time.Time, tell func(folder string, files []string, err error) error) *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write purser's manual pages into a folder",
		Long: `man writes a manual page for each command into a folder. The program man finds
pages in ~/.local/share/man/man1. The pages carry the date of --date or
SOURCE_DATE_EPOCH, so that you can reproduce a build.`,
		Example: `  purser man ~/.local/share/man/man1
  purser man --date 2027-01-31 man1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &credential.Fault{Reason: credential.Usage, What: "man needs a FOLDER for the pages", Why: cmd.UseLine()}
			}
			return arguments.AtMost(cmd, args, 1)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			date := sourceDate
			if date.IsZero() {
				date = now()
			}
			if text != "" {
				var err error
				if date, err = time.Parse(time.DateOnly, text); err != nil {
					return &credential.Fault{Reason: credential.Usage, What: "--date must be a date such as 2027-01-31"}
				}
			}
			files, err := Book{version, date}.Write(args[0], cmd.Root())
			return tell(args[0], files, err)
		},
	}
	cmd.Flags().StringVar(&text, "date", "", "put this `DATE` into the pages (default SOURCE_DATE_EPOCH, else today)")
	return cmd
}

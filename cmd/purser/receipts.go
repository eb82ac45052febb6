package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/credential"
	"purser/internal/record"
	"purser/internal/wire"
	"purser/internal/wire/receipts"
)

// recorder returns what writes receipts. It fails before anything changes.
func (a *app) recorder(ctx context.Context, w *wire.Wire, targets []credential.Target) (*record.Recorder, error) {
	file, err := a.load(false)
	if err != nil || file == nil || !file.Receipts.Wanted {
		return nil, err
	}
	var t credential.Target
	for _, one := range slices.Backward(targets) {
		if one.Traits().Cloud != "" {
			t = one
		}
	}
	to, err := receipts.New(ctx, w, file, t, func() ([]byte, error) {
		return a.tty.Secret(ctx, "Passphrase of the key that signs receipts (not shown): ")
	})
	if err != nil {
		return nil, err
	}
	return a.records(to), nil
}

// records returns a recorder of this command.
func (a *app) records(to *receipts.Recorder) *record.Recorder {
	return &record.Recorder{To: to, Who: a.whoami(), Now: a.now, Random: a.random, JSON: a.output.JSON, Out: a.out, Err: a.err}
}

// whoami names the user and the machine.
func (a *app) whoami() []string {
	host, _ := os.Hostname() // an unknown name is left out
	who := strings.Trim(a.env.User+"@"+host, "@")
	if who == "" {
		return nil
	}
	return []string{credential.Quote(who)}
}

func (a *app) receiptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "receipt",
		Short: "Verify the signed records of changes",
		Long: `A receipt records who changed what and when, and what the registry answered.
store, rotate, rollback, revoke and respond write receipts if purser.yaml has
them. A receipt is a DSSE envelope on one line of JSON, and holds nothing
secret. In a file, purser numbers the receipts of each credential, and each one
names the hash of the one before it.`,
		Example: `  purser receipt verify receipts.jsonl --signers allowed_signers`,
		Args:    arguments.None,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.receiptVerifyCommand())
	return cmd
}

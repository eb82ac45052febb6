package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/present"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print purser's version",
		Example: `  purser version
  purser --version`,
		Args: arguments.None,
		RunE: func(*cobra.Command, []string) error { return a.tellVersion() },
	}
}

func (a *app) tellVersion() error {
	if a.output.JSON {
		a.writeJSON(present.ReportOf(nil).With("version", purserVersion()))
		return nil
	}
	_, err := fmt.Fprintln(a.out, "purser", purserVersion())
	return err
}

// purserVersion is the module's, as Go has noted it.
func purserVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

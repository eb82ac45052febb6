package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print purser's version",
		Example: `  purser version`,
		Args:    arguments.None,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.out, "purser", purserVersion())
			return err
		},
	}
}

// purserVersion is the module's, as Go has noted it.
func purserVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

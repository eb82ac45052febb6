package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/buildinfo"
	"purser/internal/present"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print purser's version",
		Long: `version prints purser's version. With --output json it adds the commit and its
date, the version of Go, the platform, and whether the source differed from the
commit.`,
		Example: `  purser version
  purser --version`,
		Args: arguments.None,
		RunE: func(*cobra.Command, []string) error { return a.tellVersion() },
	}
}

func (a *app) tellVersion() error {
	build := buildinfo.This()
	if a.output.JSON {
		a.writeJSON(present.ReportOf(nil).With("version", build.Version).With("build", build))
		return nil
	}
	_, err := fmt.Fprintln(a.out, "purser", build.Version)
	return err
}

package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// complete has a shell complete what purser knows: the credentials of purser.yaml, and the
// values of flags that have few.
func (a *app) complete(cmd *cobra.Command) {
	if strings.Contains(cmd.Use, " NAME") || strings.Contains(cmd.Use, " [NAME") {
		cmd.ValidArgsFunction = a.completeNames
	}
	values := map[string][]string{"output": {"text", "json"}, "from": {"mint", "prompt", "form", "stdin", "docker"}, "access": {"push", "pull"}}
	each := func(f *pflag.Flag) {
		known, ok := values[f.Name]
		if !ok || strings.Contains(f.Usage, "`FILE`") {
			return
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(known, cobra.ShellCompDirectiveNoFileComp)) // it fails for a flag that is not there
	}
	cmd.LocalFlags().VisitAll(each)
	for _, c := range cmd.Commands() {
		a.complete(c)
	}
}

// completeNames gives the credentials that are not on the command line yet. A purser.yaml that
// cannot be read has none: its faults are told by the command, not in the middle of a line.
func (a *app) completeNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if at := cmd.ArgsLenAtDash(); at >= 0 && at < len(args) { // in exec's command; cobra sets a -- behind all
		return nil, cobra.ShellCompDirectiveDefault
	}
	file, err := a.project(false)
	if err != nil || file == nil || len(args) > 0 && !strings.Contains(cmd.Use, "…") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, c := range file.Credentials {
		if name := string(c.Name); !slices.Contains(args, name) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

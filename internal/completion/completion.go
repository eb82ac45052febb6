// Package completion completes the arguments and flags of each command in shells. It asks no
// questions, prints no errors, and uses the network only through Sources.Tokens.
package completion

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/registry"
)

// Sources return words from outside the program. One that fails offers none.
type Sources struct {
	Project  func(needed bool) (*config.File, error)
	Profiles func() ([]string, error) // of AWS's files
	// Tokens lists an account's tokens if a session exists.
	Tokens    func(ctx context.Context, host credential.Host, account string) []credential.ManagedToken
	Scenarios []string // of the sandbox
	Faults    []string
}

// patience limits the wait for a registry's list of tokens, because a person waits too.
const patience = 2 * time.Second

// words lists the values of flags and arguments with few, by name.
var words = map[string][]string{
	"output": {"text", "json"}, "from": {"mint", "prompt", "form", "stdin", "docker"}, "access": {"push", "pull"}, "client": {"docker", "podman", "helm"},
	"shape": credential.ShapeNames(), "SHELL": shells,
}

// commands completes subcommands, for help.
func commands(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	found, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return none(nil, nil, "")
	}
	var all []string
	for _, c := range found.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, cobra.CompletionWithDesc(c.Name(), c.Short))
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

type completer = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// Offer adds completion to a command and its subcommands.
func Offer(cmd *cobra.Command, from Sources) {
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = from.argument(cmd)
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		_ = cmd.RegisterFlagCompletionFunc(f.Name, from.flag(f)) // it fails only for an unknown flag
	})
	for _, c := range cmd.Commands() {
		Offer(c, from)
	}
}

// argument completes the arguments that a command's usage names.
func (s Sources) argument(cmd *cobra.Command) completer {
	_, usage, _ := strings.Cut(cmd.Use, " ")
	name := strings.Trim(strings.Fields(usage + " -")[0], "[]…")
	switch {
	case name == "NAME":
		return s.names
	case name == "ID":
		return s.tokens
	case name == "SCENARIO":
		return once(s.Scenarios)
	case name == "WHERE":
		return once(s.Faults)
	case words[name] != nil:
		return once(words[name])
	case name == "COMMAND":
		return commands
	case name == "FILE", name == "FOLDER", usage != "" && name == "--": // a command to run
		return nil
	}
	return none
}

// flag completes a flag, by the name of its value in the help.
func (s Sources) flag(f *pflag.Flag) completer {
	value, _ := pflag.UnquoteUsage(f)
	switch {
	case value == "FILE", value == "PROGRAM":
		return files
	case value == "FOLDER":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	case words[f.Name] != nil:
		return fixed(words[f.Name])
	case value == "PROFILE":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			names, _ := s.Profiles() // none if it fails
			return slices.DeleteFunc(names, unfit), cobra.ShellCompDirectiveNoFileComp
		}
	case value == "REGION":
		return s.regions
	case value == "ID":
		return s.tokens
	case f.Name == "registry":
		return s.hosts
	}
	return none
}

func none(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func files(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func fixed(all []string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// once completes only the first argument.
func once(all []string) completer {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// unfit reports whether a text from outside must not go on a command line.
func unfit(text string) bool {
	odd := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	return text == "" || strings.ContainsFunc(text, odd) || strings.ContainsAny(text, "'\"`$\\;&|<>(){}*?!#~[]") || credential.HoldsToken(text)
}

// names completes credentials that the command line does not have yet, and none if purser
// cannot read purser.yaml: the command reports why, not the completion.
func (s Sources) names(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if at := cmd.ArgsLenAtDash(); at >= 0 && at < len(args) { // in exec's command; cobra appends a --
		return nil, cobra.ShellCompDirectiveDefault
	}
	if len(args) > 0 && !strings.Contains(cmd.Use, "…") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, c := range s.credentials() {
		if name := string(c.Name); !slices.Contains(args, name) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (s Sources) credentials() []credential.Credential {
	file, err := s.Project(false)
	if err != nil || file == nil {
		return nil
	}
	return file.Credentials
}

// regions completes purser.yaml's regions, then AWS's.
func (s Sources) regions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var all []string
	for _, c := range s.credentials() {
		for _, t := range c.Targets {
			all = append(all, t.Region)
		}
	}
	return distinct(append(all, regions...)), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// hosts completes purser.yaml's registries, then the ones that purser knows.
func (s Sources) hosts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var all []string
	for _, c := range s.credentials() {
		all = append(all, string(c.Registry))
	}
	return distinct(append(all, registry.Hosts()...)), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func distinct(all []string) (each []string) {
	for _, text := range all {
		if text != "" && !slices.Contains(each, text) {
			each = append(each, text)
		}
	}
	return each
}

// tokens completes the ids of an account's tokens, with their labels. Flags or the credential
// name the account.
func (s Sources) tokens(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	host, account := credential.Default(), flagText(cmd, "account")
	if text := flagText(cmd, "registry"); text != "" {
		var err error
		if host, err = credential.ParseHost(text); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
	if cmd.Flag("account") == nil && len(args) > 0 {
		for _, c := range s.credentials() {
			if string(c.Name) == args[0] {
				host, account = c.Registry, c.Username
			}
		}
	}
	ctx, stop := context.WithTimeout(cmd.Context(), patience)
	defer stop()
	var all []string
	for _, t := range s.Tokens(ctx, host, account) {
		if unfit(t.ID) || slices.Contains(args, t.ID) {
			continue
		}
		all = append(all, cobra.CompletionWithDesc(t.ID, credential.Quote(t.Label)))
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

func flagText(cmd *cobra.Command, name string) string {
	if f := cmd.Flag(name); f != nil {
		return f.Value.String()
	}
	return ""
}

// Package completion says how a command line may go on, for shells: what they offer for the
// arguments and flags of each command. It asks nobody, prints no error, and reaches the
// network only through Sources.Tokens.
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

// Sources are where words come from that are not the program's own. Each is quiet: without an
// answer there are no words.
type Sources struct {
	Project  func(needed bool) (*config.File, error)
	Profiles func() ([]string, error) // of AWS's files
	// Tokens lists those of an account at a registry, where a session is at hand.
	Tokens    func(ctx context.Context, host credential.Host, account string) []credential.ManagedToken
	Scenarios []string // of the sandbox
	Faults    []string
}

// patience is how long a registry may take to list tokens: a person waits for the shell.
const patience = 2 * time.Second

// words are those of flags and arguments that take few, by the flag's name or the argument's.
var words = map[string][]string{
	"output": {"text", "json"}, "from": {"mint", "prompt", "form", "stdin", "docker"}, "access": {"push", "pull"}, "client": {"docker", "podman", "helm"},
	"shape": credential.ShapeNames(), "SHELL": shells,
}

// commands completes the words of a command below the root, for its help.
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

// Offer has shells complete a command and all below it.
func Offer(cmd *cobra.Command, from Sources) {
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = from.argument(cmd)
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		_ = cmd.RegisterFlagCompletionFunc(f.Name, from.flag(f)) // it fails for a flag that is not there
	})
	for _, c := range cmd.Commands() {
		Offer(c, from)
	}
}

// argument completes what a command's usage names.
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

// flag completes what the flag's help calls its value.
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
			names, _ := s.Profiles() // without them there is nothing to offer
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

// once is for the first argument alone.
func once(all []string) completer {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// unfit reports whether a text that others wrote is none to put on a command line.
func unfit(text string) bool {
	odd := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	return text == "" || strings.ContainsFunc(text, odd) || strings.ContainsAny(text, "'\"`$\\;&|<>(){}*?!#~[]") || credential.HoldsToken(text)
}

// names gives the credentials that are not on the command line yet. A purser.yaml that
// cannot be read has none: the command reports its mistakes, not the completion.
func (s Sources) names(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if at := cmd.ArgsLenAtDash(); at >= 0 && at < len(args) { // in exec's command; cobra sets a -- behind all
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

// regions are first those in purser.yaml, then AWS's.
func (s Sources) regions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var all []string
	for _, c := range s.credentials() {
		for _, t := range c.Targets {
			all = append(all, t.Region)
		}
	}
	return distinct(append(all, regions...)), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// hosts are first those in purser.yaml, then the ones that purser knows.
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

// tokens are the ids of an account's tokens with their labels: the account that the flags
// name, or that of the credential.
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

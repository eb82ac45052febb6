// Package arguments has the rules for every command line: it must contain no token, and errors
// repeat nothing that may be one. It also has the flags of all commands.
package arguments

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purser/internal/config"
	"purser/internal/credential"
)

// RefuseTokens searches every argument before anything else reads them, so that no message
// contains a token. It also searches arguments after --, which the process list shows too.
func RefuseTokens(args []string) error {
	for _, arg := range args {
		if credential.HoldsToken(arg) || credential.HoldsToken(behindShorthand(arg)) {
			return &credential.Fault{
				Reason: credential.TokenInArguments, What: "you gave a token as an argument",
				Why: "it is now in your shell's history and, while a command runs, in the process list",
			}
		}
	}
	return nil
}

// RefuseEscapes keeps terminal escapes out of messages. It ignores the arguments of a command
// that purser runs.
func RefuseEscapes(args []string) error {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	invisible := func(r rune) bool { return !unicode.IsGraphic(r) }
	if slices.ContainsFunc(args, func(arg string) bool { return strings.ContainsFunc(arg, invisible) }) {
		return &credential.Fault{Reason: credential.Usage, What: "an argument contains a control character or an invisible one", Why: "names, addresses and paths have none; type it again"}
	}
	return nil
}

// behindShorthand returns the value in -xVALUE, where the letter would hide a token's prefix.
func behindShorthand(arg string) string {
	const flag = len("-x")
	if len(arg) <= flag || arg[0] != '-' || arg[1] == '-' {
		return ""
	}
	return arg[flag:]
}

// FlagFault says what is wrong with a flag. It does not repeat what was typed: that may be a
// token in the wrong place.
func FlagFault(cmd *cobra.Command, err error) error {
	f := &credential.Fault{Reason: credential.Usage, What: "purser does not understand a flag", Why: "it does not repeat what you typed"}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		f.What, f.Why = "--"+e.GetFlag().Name+" must be "+wanted(e), ""
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		f.What, f.Why = "--"+e.GetFlag().Name+" needs a value", strings.ReplaceAll(e.GetFlag().Usage, "`", "")
	}
	if _, ok := errors.AsType[*pflag.NotExistError](err); ok {
		f.What = "unknown flag"
	}
	return withHelp(cmd, f)
}

// Guide makes mistakes in the arguments of a command and its subcommands point to its help.
func Guide(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return withHelp(cmd, check(cmd, args)) }
	}
	for _, c := range cmd.Commands() {
		Guide(c)
	}
}

// GuideFlags does the same for mistakes in flags that a command finds itself. Help explains no
// other mistakes.
func GuideFlags(cmd *cobra.Command, err error) error {
	if f, ok := errors.AsType[*credential.Fault](err); ok && namesFlag(cmd, f.What) {
		return withHelp(cmd, err)
	}
	return err
}

func withHelp(cmd *cobra.Command, err error) error {
	if f, ok := errors.AsType[*credential.Fault](err); ok && f.Reason == credential.Usage {
		for cmd.Hidden { // purser runs it for the one above
			cmd = cmd.Parent()
		}
		root := cmd.Root().Name()
		f.Help = root + " help" + strings.TrimPrefix(cmd.CommandPath(), root)
	}
	return err
}

// namesFlag reports whether a text names one of a command's flags.
func namesFlag(cmd *cobra.Command, text string) bool {
	for word := range strings.FieldsSeq(text) {
		if name, ok := strings.CutPrefix(strings.TrimRight(word, ",.:;"), "--"); ok && cmd.Flag(name) != nil {
			return true
		}
	}
	return false
}

// FitHelp wraps the flags in the help of a command and of those below it.
func FitHelp(cmd *cobra.Command) {
	cmd.SetUsageTemplate(strings.ReplaceAll(cmd.UsageTemplate(), ".FlagUsages ", ".FlagUsagesWrapped 80 "))
}

// HelpCommand replaces cobra's, which shows the root's help for an unknown command.
func HelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show a command's help",
		Example: `  purser help store
  purser help sandbox fault`,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return cmp.Or(None(found, rest), err)
			}
			found.InitDefaultHelpFlag() // so that help lists it
			return found.Help()
		},
	}
}

// wanted says what the value of a flag must be.
func wanted(e *pflag.InvalidValueError) string {
	switch e.GetFlag().Value.Type() {
	case "bool":
		return "true or false"
	case "int":
		return "a number"
	}
	return e.Unwrap().Error() // our own, which repeats nothing
}

// None refuses all arguments, without repeating them.
func None(cmd *cobra.Command, args []string) error { return AtMost(cmd, args, 0) }

// AtMost refuses more than n arguments, without repeating them.
func AtMost(cmd *cobra.Command, args []string, n int) error {
	if len(args) <= n {
		return nil
	}
	if cmd.HasSubCommands() {
		f := &credential.Fault{Reason: credential.Usage, What: "unknown command", Why: "the commands are " + commandNames(cmd)}
		if near := nearest(cmd, args[0]); near != "" {
			f.Why = "did you mean " + near + "?"
		}
		return f
	}
	return &credential.Fault{
		Reason: credential.Usage, What: "too many arguments: " + cmd.UseLine(),
		Why: "purser does not repeat what you typed; if it was a token, it is now in your shell's history, and you must revoke it",
	}
}

// nearest returns the commands that a mistyped word may mean.
func nearest(cmd *cobra.Command, typed string) string {
	cmd.SuggestionsMinimumDistance = 2 // different letters, as in git and cobra
	var paths []string
	for _, name := range cmd.SuggestionsFor(typed) {
		paths = append(paths, cmd.CommandPath()+" "+name)
	}
	return strings.Join(paths, " or ")
}

func commandNames(cmd *cobra.Command) string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return strings.Join(names, ", ")
}

// OneName requires a credential's name.
func OneName(command string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return &credential.Fault{Reason: credential.Usage, What: command + " needs the NAME of a credential", Why: cmd.UseLine()}
		}
		return AtMost(cmd, args, 1)
	}
}

// AskForJSON reports whether a command line has --output json, for failures before flags are
// parsed.
func AskForJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "--":
			return false
		case "-o", "--output":
			if i+1 < len(args) && args[i+1] == "json" {
				return true
			}
		case "-ojson", "-o=json", "--output=json":
			return true
		}
	}
	return false
}

// Output is --output.
type Output struct{ JSON bool }

// String returns the value.
func (o *Output) String() string {
	if o.JSON {
		return "json"
	}
	return "text"
}

// Set takes text or json.
func (o *Output) Set(text string) error {
	switch text {
	case "text", "json":
		o.JSON = text == "json"
		return nil
	}
	return errors.New("text or json")
}

// Type names the value in the help.
func (*Output) Type() string { return "FORM" }

// Limit is --timeout, a duration as in purser.yaml.
type Limit time.Duration

// String returns the value.
func (l *Limit) String() string {
	if *l == 0 {
		return ""
	}
	return time.Duration(*l).String()
}

// Set takes a duration.
func (l *Limit) Set(text string) error {
	d, err := config.ParseDuration(text)
	if err != nil {
		return errors.New("a time such as 30s or 5m")
	}
	*l = Limit(d)
	return nil
}

// Type names the value in the help.
func (*Limit) Type() string { return "TIME" }

// Given returns a command line for proposed commands.
func Given(cmd *cobra.Command, config string) credential.Given {
	g := credential.Given{Command: strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")}
	if config != "" {
		g.Flags = append(g.Flags, credential.GivenFlag{Name: "config", Value: config})
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			if f.Name != "config" {
				g.Flags = append(g.Flags, credential.GivenFlag{Name: f.Name, Value: v})
			}
		}
	})
	return g
}

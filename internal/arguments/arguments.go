// Package arguments is what every command line of purser's obeys: no token among its words, no
// word repeated that may be one, and the flags that all commands have.
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

// RefuseTokens searches every argument before anything else does, so that no token comes
// into a message. What follows -- is searched as well: the process list shows it too.
func RefuseTokens(args []string) error {
	for _, arg := range args {
		if credential.HoldsToken(arg) || credential.HoldsToken(behindShorthand(arg)) {
			return &credential.Fault{
				Reason: credential.TokenInArguments, What: "a token was given as an argument",
				Why: "it is now in your shell's history and, while a command runs, in the process list",
			}
		}
	}
	return nil
}

// RefuseEscapes keeps what a terminal would take for a command out of messages. The
// arguments of a command that purser runs are that command's own.
func RefuseEscapes(args []string) error {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	invisible := func(r rune) bool { return !unicode.IsGraphic(r) }
	if slices.ContainsFunc(args, func(arg string) bool { return strings.ContainsFunc(arg, invisible) }) {
		return &credential.Fault{Reason: credential.Usage, What: "an argument has a control or invisible character in it", Why: "names, addresses and paths have none"}
	}
	return nil
}

// behindShorthand is the value of -xVALUE, whose letter would hide a token's beginning.
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
		if inner, ok := errors.AsType[*credential.Fault](e.Unwrap()); ok {
			f.Why = inner.Why
		}
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		f.What, f.Why = "--"+e.GetFlag().Name+" needs a value", strings.ReplaceAll(e.GetFlag().Usage, "`", "")
	}
	if _, ok := errors.AsType[*pflag.NotExistError](err); ok {
		f.What = "there is no such flag"
	}
	return withHelp(cmd, f)
}

// Guide has a mistake in the arguments of a command, or of one below it, lead to that
// command's help.
func Guide(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return withHelp(cmd, check(cmd, args)) }
	}
	for _, c := range cmd.Commands() {
		Guide(c)
	}
}

// GuideFlags does the same for what a command found wrong with its flags. What is wrong
// elsewhere, in a file or at a registry, no help explains.
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
			found.InitDefaultHelpFlag() // which its help is to name
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
	case "TIME":
		return "a time such as 30s or 5m"
	}
	return e.Unwrap().Error() // our own, which repeats nothing
}

// None refuses arguments without repeating them.
func None(cmd *cobra.Command, args []string) error { return AtMost(cmd, args, 0) }

// AtMost refuses more than n arguments, without repeating them.
func AtMost(cmd *cobra.Command, args []string, n int) error {
	if len(args) <= n {
		return nil
	}
	if cmd.HasSubCommands() {
		f := &credential.Fault{Reason: credential.Usage, What: "there is no such command", Why: "the commands are " + commandNames(cmd)}
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

// nearest are the commands, or none, that a mistyped word may have meant.
func nearest(cmd *cobra.Command, typed string) string {
	cmd.SuggestionsMinimumDistance = 2 // letters that differ, as git and cobra take it
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

// OneName wants the name of one credential.
func OneName(command string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return &credential.Fault{Reason: credential.Usage, What: command + " needs the NAME of a credential", Why: cmd.UseLine()}
		}
		return AtMost(cmd, args, 1)
	}
}

// AskForJSON reports whether a command line has --output json, for failures that come before
// its flags are understood.
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

// String is the flag's value.
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

// Type names the value in help.
func (*Output) Type() string { return "FORM" }

// Limit is --timeout, written as durations in purser.yaml are.
type Limit time.Duration

// String is the flag's value.
func (l *Limit) String() string {
	if *l == 0 {
		return ""
	}
	return time.Duration(*l).String()
}

// Set takes a duration.
func (l *Limit) Set(text string) error {
	d, err := config.ParseDuration(text)
	*l = Limit(d)
	return err
}

// Type names the value in help.
func (*Limit) Type() string { return "TIME" }

// Given is a command line, for the commands that are proposed after it.
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

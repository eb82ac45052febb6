package completion

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"purser/internal/credential"
)

var shells = []string{"bash", "zsh", "fish", "powershell"}

// Command is purser completion; it replaces cobra's, which says less.
func Command(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the script with which your shell completes purser",
		Long: `completion prints a script for bash, zsh, fish or PowerShell. With it, the tab
key completes commands, flags and their values: the credentials of purser.yaml,
AWS profiles and regions, registries, the sandbox's scenarios and faults, and
the ids of tokens if docker has a session. The shell asks purser each time, so
you never have to update the script.

bash needs the package bash-completion. zsh needs compinit; if it is off, add
"autoload -U compinit; compinit" to ~/.zshrc.`,
		Example: `  # bash: for this shell, or for good.
  source <(purser completion bash)
  purser completion bash > ~/.local/share/bash-completion/completions/purser

  # zsh: for this shell, or for good, in a folder of your fpath.
  source <(purser completion zsh)
  purser completion zsh > "${fpath[1]}/_purser"

  # fish.
  purser completion fish > ~/.config/fish/completions/purser.fish

  # PowerShell: add this line to your profile.
  purser completion powershell | Out-String | Invoke-Expression`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && write(nil, args[0], nil) != nil {
				return nil
			}
			return &credential.Fault{Reason: credential.Usage, What: "completion needs the name of a shell", Why: "the shells are " + strings.Join(shells, ", ")}
		},
		RunE: func(cmd *cobra.Command, args []string) error { return write(cmd.Root(), args[0], out)() },
	}
}

// write returns the function that writes a shell's script; nil for an unknown shell.
func write(root *cobra.Command, shell string, out io.Writer) func() error {
	switch shell {
	case "bash":
		return func() error { return root.GenBashCompletionV2(out, true) }
	case "zsh":
		return func() error { return root.GenZshCompletion(out) }
	case "fish":
		return func() error { return root.GenFishCompletion(out, true) }
	case "powershell":
		return func() error { return root.GenPowerShellCompletionWithDesc(out) }
	}
	return nil
}

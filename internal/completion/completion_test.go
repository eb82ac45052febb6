package completion

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/config"
	"purser/internal/credential"
)

// TestCompletionDropsUnsafeText has files and a registry offer text that a shell would interpret
// or a terminal obey.
func TestCompletionDropsUnsafeText(t *testing.T) {
	bad := []string{"", "a b", "$(evil)", "`evil`", "a;b", "a|b", "a>b", "a\nb", "a\x1b[31m", "a\u202eb", "'a'", "~", "*"}
	var listed []credential.ManagedToken
	for _, id := range append(bad, "01a2b3c4") {
		listed = append(listed, credential.ManagedToken{ID: id, Label: "a\tb\nc"})
	}
	s := Sources{
		Project:  func(bool) (*config.File, error) { return nil, errors.New("not to be shown") },
		Profiles: func() ([]string, error) { return append(slices.Clone(bad), "work"), nil },
		Tokens: func(ctx context.Context, _ credential.Host, _ string) []credential.ManagedToken {
			if end, ok := ctx.Deadline(); !ok || time.Until(end) > patience {
				t.Error("the registry may take for ever")
			}
			return listed
		},
	}
	for typed, want := range map[string]string{"login --profile": "work\n", "end": "01a2b3c4\t"} {
		root := &cobra.Command{Use: "purser"}
		login := &cobra.Command{Use: "login", Run: func(*cobra.Command, []string) {}}
		login.Flags().String("profile", "", "the `PROFILE`")
		root.AddCommand(login, &cobra.Command{Use: "end ID…", Run: func(*cobra.Command, []string) {}})
		Offer(root, s)
		var out, errs strings.Builder
		root.SetOut(&out)
		root.SetErr(&errs)
		root.SetArgs(append(append([]string{"__complete"}, strings.Fields(typed)...), ""))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(out.String(), "\n"); !strings.HasPrefix(out.String(), want) || lines != 2 {
			t.Errorf("%s is completed by %q", typed, out.String())
		}
	}
}

func TestTheHelpNamesEveryShellWithAScript(t *testing.T) {
	cmd := Command(nil)
	for _, shell := range shells {
		if write(nil, shell, nil) == nil || !strings.Contains(cmd.Example, "purser completion "+shell) {
			t.Errorf("%s has no script or no example", shell)
		}
	}
}

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purser/internal/present"
)

// leadNowhere are flags that say what to do, not where or to whom. Proposals do not repeat
// them: some would do more than the person asked for.
var leadNowhere = strings.Fields(`help version output debug timeout config
	from mint token-stdin yes dry-run expires create new-repository rebind despite-terraform allow-password
	password no-browser again fix due all force now wait wait-limit undo previous token since head
	rotate-every overlap reader replace inline write role kms-key remove env no-redact wide date only-live here report logs-token logs-secret prove respond scan export fingerprints staged install-hook`)

// TestEveryFlagIsRepeatedOrLeadsNowhere makes you think about each new flag: proposals must
// repeat one that says where something goes.
func TestEveryFlagIsRepeatedOrLeadsNowhere(t *testing.T) {
	var visit func(*cobra.Command)
	seen := 0
	visit = func(cmd *cobra.Command) {
		path := strings.TrimPrefix(cmd.CommandPath(), "purser ")
		if path == "sandbox" {
			return // stand-ins get no real token
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			seen++
			if !slices.Contains(present.Leads(path), f.Name) && !slices.Contains(leadNowhere, f.Name) {
				t.Errorf("purser %s --%s is neither repeated by present.Typed nor on the list of those that lead nowhere", path, f.Name)
			}
		})
		for _, name := range present.Leads(path) {
			if cmd.Flags().Lookup(name) == nil {
				t.Errorf("purser %s has no --%s", path, name)
			}
		}
		for _, c := range cmd.Commands() {
			visit(c)
		}
	}
	visit((&app{}).root())
	if seen < 50 {
		t.Errorf("%d flags were looked at", seen)
	}
}

package present

import (
	"slices"
	"strings"

	"purser/internal/credential"
)

// leads lists the flags of each command that choose places and accounts. A proposed command
// repeats them: without --region it would write to another region.
var leads = map[string][]string{
	"store":             {"registry", "username", "repository", "access", "secret-id", "file", "shape", "profile", "region", "ca"},
	"init":              {"from-terraform", "from-script", "name", "registry", "username", "repository", "access", "secret-id", "file", "shape", "profile", "region"},
	"login aws":         {"profile", "start-url", "sso-region", "account", "role", "region"},
	"logout aws":        {"profile"},
	"tokens list":       {"registry", "account"},
	"tokens revoke":     {"registry", "account"},
	"tokens activate":   {"registry", "account"},
	"tokens deactivate": {"registry", "account"},
	"terraform":         {"source"},
	"configure-docker":  {"client", "registry"},
	"job start":         {"dir"},
	"job end":           {"dir"},
	"respond":           {"record"},
	"receipt verify":    {"kms-key", "public-key", "record", "signers"},
}

// shared lists the flags that mean the same in every command. Only the same command repeats
// the others: --account is AWS's in one and a registry's in another.
var shared = []string{"config", "registry", "profile"}

// Typed returns a purser command to type next, with the given flags that choose the same place.
func Typed(given credential.Given, command string, words ...string) string {
	line := append([]string{"purser", command}, words...)
	for _, f := range given.Flags {
		same := command == given.Command || strings.HasPrefix(command, "tokens ") && strings.HasPrefix(given.Command, "tokens ")
		if !same && !slices.Contains(shared, f.Name) || f.Name != "config" && !slices.Contains(leads[command], f.Name) || slices.Contains(words, "--"+f.Name) {
			continue
		}
		line = append(line, "--"+f.Name, credential.ShellWord(f.Value))
	}
	return strings.Join(line, " ")
}

// typed is Typed for a fault.
func typed(f *credential.Fault, command string, words ...string) string {
	return Typed(f.Given, command, words...)
}

// Leads returns the flags of a command that proposals repeat, besides --config.
func Leads(command string) []string { return leads[command] }

package present

import (
	"slices"
	"strings"

	"purser/internal/credential"
)

// leads are the flags of each command that decide where something goes, or whose it is. A
// command that is proposed repeats those that were given: without --region it would go to
// another region.
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

// shared are the flags that mean the same in every command that has them. The others are
// repeated by their own command alone: an --account is AWS's here and a registry's there.
var shared = []string{"config", "registry", "profile"}

// Typed is a command of purser's to type next: its words, what it is about, and the flags
// that were given and lead it to the same place.
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

// typed is Typed for what has failed.
func typed(f *credential.Fault, command string, words ...string) string {
	return Typed(f.Given, command, words...)
}

// Leads are the flags of a command that its proposals repeat, besides --config.
func Leads(command string) []string { return leads[command] }

package present

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/registry"
)

// The exit codes, the same for every command.
const (
	ExitOK      = 0
	ExitFailed  = 1 // something else went wrong
	ExitUsage   = 2 // wrong usage or configuration
	ExitBad     = 3 // the credential is bad: rejected, expired, not allowed to push
	ExitAWS     = 4 // not signed in or not allowed at AWS
	ExitMissing = 5 // something is missing that Terraform should have made
	ExitUnknown = 6 // unknown: no answer, 429, 5xx, a signal, --timeout
)

// ExitMeaning explains an exit code.
type ExitMeaning struct {
	Code    int
	Meaning string
}

// ExitCodes explains the exit codes of every command, except those that pass on a program's code.
func ExitCodes() []ExitMeaning {
	return []ExitMeaning{
		{ExitOK, "The command succeeded."},
		{ExitFailed, "The command failed, or a person must act."},
		{ExitUsage, "The command line or the configuration is wrong."},
		{ExitBad, "The credential is bad: the registry rejects it, or consumers cannot use the stored value."},
		{ExitAWS, "You are not signed in to AWS, or AWS denied access."},
		{ExitMissing, "Something that Terraform creates is missing."},
		{ExitUnknown, "The result is unknown: no answer, a rate limit, an outage, a signal, or --timeout ran out. Try again later."},
	}
}

// advice follows what happened and why.
type advice struct {
	Meaning string   // what it may mean, in a sentence; may be empty
	Next    []string // what to do, with commands where possible
}

type row struct {
	exit   int
	advise func(*credential.Fault) advice // nil: no advice
}

// rows gives every reason its exit code and its advice. A test finds missing reasons.
var rows = map[credential.Reason]row{
	credential.Usage: {ExitUsage, func(f *credential.Fault) advice {
		if f.Help == "" { // the mistake is not on the command line
			return advice{}
		}
		return advice{Next: []string{f.Help}}
	}},
	credential.NoConfiguration: {ExitUsage, func(f *credential.Fault) advice { return advice{Next: []string{"create one: " + typed(f, "init")}} }},
	credential.TokenInArguments: {ExitUsage, func(f *credential.Fault) advice {
		return advice{"Treat it as leaked: anyone who can read it there can push with it.", []string{
			"revoke that token: " + TokenPage(f.Registry),
			"make a new one, and paste it at the prompt: " + toStore(f),
			"or pipe it in: " + toStore(f) + " --token-stdin",
		}}
	}},
	credential.BadToken: {ExitUsage, next("copy only the token, all of it, and run the same command again")},
	credential.KindNotStored: {ExitUsage, func(f *credential.Fault) advice {
		if registry.KindOf(maker(f)).Accounts == nil {
			return advice{Next: makeToken(f)}
		}
		return advice{Next: []string{"let purser sign in and make a token for CI: " + toStore(f) + " --mint", "or " + byHand(f)}}
	}},
	credential.NoToken: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{"paste it at the prompt: " + toStore(f), "or pipe it in: " + toStore(f) + " --token-stdin"}}
	}},
	credential.SourceUnclear: {ExitUsage, func(f *credential.Fault) advice {
		return advice{Next: []string{
			"if it is the token: " + toStore(f) + " --token-stdin",
			"if not, paste the token at the terminal: " + toStore(f) + " --from prompt",
			"or in your browser: " + toStore(f) + " --from form",
		}}
	}},
	credential.NoTerminal: {ExitUsage, func(f *credential.Fault) advice {
		return advice{Next: []string{"pipe the token in: " + toStore(f) + " --token-stdin", "or paste it in your browser: " + toStore(f) + " --from form"}}
	}},
	credential.ConsentNeeded: {ExitUsage, meaning("Only a person can agree to this, at a terminal or through purser mcp.", "have a person run the same command at a terminal")},
	credential.Declined: {ExitFailed, func(f *credential.Fault) advice {
		if f.Unchanged {
			return advice{Meaning: "Nothing was changed."}
		}
		return advice{}
	}},
	credential.Interrupted: {ExitUnknown, meaning(saysNothing, "run the same command again: it finishes what this one started")},
	credential.TimedOut:    {ExitUnknown, meaning(saysNothing, "run the same command again: it finishes what this one started; --timeout gives it more time")},
	credential.OutputLost: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"The command may have changed something before its output was lost.", []string{"see what is stored: " + typed(f, "status"), "then free disk space, or read all of the output"}}
	}},

	credential.LiveFound: {ExitBad, func(f *credential.Fault) advice {
		a := advice{"Whoever can read these places can push with it. To remove it there does not help before the registry refuses it.", []string{"end it and replace it: " + typed(f, "respond", string(f.Credential))}}
		if f.Credential == "" {
			a.Next = []string{"end them where they were made"}
		}
		a.Next = append(a.Next, "then take them out of the places above")
		return a
	}},
	credential.TokenFound:   {ExitFailed, meaning("Tokens that purser replaced may still work until they are revoked; of other tokens it knows only the form. --prove asks the registries.", "take them out of the places above")},
	credential.NotLookedFor: {ExitUnknown, next("correct what it says, or leave the place out, and scan again")},

	credential.TokenRefused: {ExitBad, func(f *credential.Fault) advice {
		return advice{"The token of " + account(f) + " is expired, revoked or mistyped; the registry does not say which.", makeToken(f)}
	}},
	credential.TokenExpired: {ExitBad, remade("")},
	credential.NeedsToken:   {ExitBad, remade("")},
	credential.LevelTooLow:  {ExitBad, remade("You cannot raise a token's level; make a new token.")},
	credential.NotPermitted: {ExitBad, func(f *credential.Fault) advice {
		return advice{"A new token of the same account would not help.", []string{
			"give " + account(f) + " write access to " + repository(f) + ", or correct username or repositories in purser.yaml",
			"then check again: " + proveAgain(f),
		}}
	}},
	credential.WrongOwner: {ExitBad, func(f *credential.Fault) advice {
		return advice{Next: append([]string{"if the token is the right one, correct username in purser.yaml"}, makeToken(f)...)}
	}},
	credential.BelongsElsewhere: {ExitUsage, func(f *credential.Fault) advice {
		return advice{"purser sends a token only to the registry that it was stored for, whatever purser.yaml says.", []string{
			"correct registry or store in purser.yaml",
			"or move this secret to the new registry, at a terminal: " + toStore(f) + " --rebind",
		}}
	}},
	credential.RepositoryMissing: {ExitBad, func(f *credential.Fault) advice {
		return advice{Next: []string{
			"create the repository on the registry's page, or correct its name in purser.yaml",
			"or let the first push create it: " + toStore(f) + " --new-repository",
		}}
	}},

	credential.SessionNeeded: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"Tokens cannot make or revoke tokens; a person who signs in can.", []string{"sign in at a terminal: " + login(f), "or " + byHand(f), "or in your browser: " + toStore(f) + " --from form"}}
	}},
	credential.SessionEnded: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{"sign in again: " + login(f), "or " + byHand(f)}}
	}},
	credential.SignInRefused: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"More attempts may lock the account for 15 minutes.", []string{"check the name and the password, take a fresh code, and sign in again: " + login(f), "or " + byHand(f)}}
	}},
	credential.SignInImpossible: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"The account uses single sign-on, or its rules forbid passwords.", []string{byHand(f), "or, for an organization, have an owner make one: " + toStore(f) + " --mint"}}
	}},
	credential.MintRefused: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{"fix what " + maker(f).Vendor() + " says above", "or " + byHand(f)}}
	}},
	credential.MaybeMinted: {ExitUnknown, func(f *credential.Fault) advice {
		return advice{"purser searched for it by its label and revoked what it found.", []string{"run the same command again: it revokes any that is left", "list the tokens: " + listTokens(f)}}
	}},
	credential.TokenLimit: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"Inactive and expired tokens count too.", []string{"find unused tokens: " + listTokens(f), "revoke one: " + typed(f, "tokens revoke", "ID")}}
	}},
	credential.PlanLacks: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{"use a personal token: set username in purser.yaml to a person's account, then run " + toStore(f) + " --mint"}}
	}},
	credential.NotDead: {ExitUnknown, func(f *credential.Fault) advice {
		return advice{"The current token is unaffected.", []string{"try again in a few minutes: " + typed(f, "rotate", name(f)), "list the tokens: " + listTokens(f)}}
	}},
	credential.NotStopped: {ExitFailed, func(f *credential.Fault) advice {
		again := typed(f, "respond", name(f))
		if registry.KindOf(maker(f)).Accounts == nil {
			return advice{Next: []string{"revoke it now: " + TokenPage(f.Registry), "then replace it, at a terminal: " + again}}
		}
		return advice{Next: []string{"sign in and replace it, at a terminal: " + again, "or revoke it now on " + maker(f).Vendor() + "'s page: " + TokenPage(f.Registry)}}
	}},
	credential.NoSuchToken: {ExitFailed, func(f *credential.Fault) advice { return advice{Next: []string{listTokens(f)}} }},

	credential.RateLimited: {ExitUnknown, func(f *credential.Fault) advice {
		wait := "a few minutes"
		if f.Wait > 0 {
			wait = roundUp(f.Wait)
		}
		return advice{saysNothing + " If you try again immediately, you wait longer.", []string{"wait " + wait + ", " + tryAgain(f)}}
	}},
	credential.RegistryUnreachable: {ExitUnknown, func(f *credential.Fault) advice {
		return advice{saysNothing + throughProxy(f), []string{"check that it answers: " + ask(f), tryAgain(f)}}
	}},
	credential.RegistryStrange: {ExitUnknown, func(f *credential.Fault) advice {
		return advice{saysNothing + " A proxy, a network's sign-in page or an outage answers like this." + throughProxy(f), []string{"see what answers: " + ask(f), tryAgain(f)}}
	}},
	credential.RegistryUnsafe: {ExitUnknown, func(f *credential.Fault) advice {
		if f.Host != "" { // it redirects
			return advice{strings.TrimSpace(throughProxy(f)), []string{"see where it redirects: " + ask(f), "sign in to the network if it asks you to, or correct HTTPS_PROXY, " + tryAgain(f)}}
		}
		return advice{Next: []string{"check the registry's name in purser.yaml; if you trust the other host, add it to auth-hosts"}}
	}},
	credential.ProofEmpty: {ExitUnknown, next("set repositories to one that only this account may use")},

	credential.ProfileMissing: {ExitAWS, func(f *credential.Fault) advice {
		return advice{Next: []string{
			"list your profiles: grep '^\\[' ~/.aws/config",
			"or create this one: " + makeProfile(f),
		}}
	}},
	credential.NotSignedIn:   {ExitAWS, adviseSignIn},
	credential.RegionMissing: {ExitAWS, next("set aws.region in purser.yaml, or give --region")},
	credential.AccessDenied: {ExitAWS, func(f *credential.Fault) advice {
		if f.SignIn == credential.NotAssigned {
			return advice{Next: []string{"set the profile " + profile(f) + " in ~/.aws/config to an account and a role that you are assigned, or ask an administrator to assign this one"}}
		}
		return advice{
			"AWS gives the same answer for a secret that does not exist: either your identity lacks the permission, or " + f.Target.String() + " is not in this account and region.",
			[]string{"see who you are signed in as: aws sts get-caller-identity --profile " + profile(f), "check the secret's name and region in the Terraform that creates it"},
		}
	}},
	credential.KeyDenied: {ExitAWS, func(f *credential.Fault) advice {
		return advice{Next: []string{"allow this identity to use the key that encrypts " + f.Target.String()}}
	}},
	credential.ClockSkew: {ExitAWS, meaning("AWS accepts signed requests within five minutes of its own clock.", "set this machine's clock: timedatectl set-ntp true", "compare the clocks: date -u; curl -sI https://sts.amazonaws.com | grep -i ^date")},

	credential.SecretMissing: {ExitMissing, func(f *credential.Fault) advice {
		return advice{Next: []string{"let purser create it: " + toStore(f) + " --create"}}
	}},
	credential.SecretDeleted: {ExitMissing, func(f *credential.Fault) advice {
		return advice{Next: []string{"restore " + f.Target.String() + " in its store"}}
	}},
	credential.SecretEmpty:  {ExitBad, func(f *credential.Fault) advice { return advice{Next: []string{toStore(f)}} }},
	credential.ValueStrange: {ExitBad, meaning("purser does not overwrite a value that it does not understand.", "set shape in purser.yaml to the stored keys, or give this credential its own secret")},
	credential.MidRotation:  {ExitFailed, next("let the other rotation finish, then run the same command again")},
	credential.Overtaken:    {ExitUnknown, meaning("Simultaneous runs do no harm: one of them does the work.", "run the same command again")},
	credential.StoreUnreachable: {ExitUnknown, func(f *credential.Fault) advice {
		steps := []string{"try again; a second run does no harm"}
		if f.Host != "" {
			steps = []string{"check that it answers: " + ask(f), "then try again; a second run does no harm"}
		}
		return advice{saysNothing + throughProxy(f), steps}
	}},
	credential.StoreRefused: {ExitFailed, nil},
	credential.StoreFile:    {ExitFailed, nil},
	credential.KeyUnfit:     {ExitMissing, next("store it elsewhere, with a key that its consumers can use")},
	credential.DockerPlaintext: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{"remove it: " + typed(f, "doctor") + " --fix", "and revoke it if others could read the file"}}
	}},
	credential.AgentRedactor: {ExitFailed, next("update the Buildkite agent to v3.67 or later, which has a redactor", "or, if nothing prints the token, go without it: --no-redact")},
	credential.HelperMissing: {ExitFailed, next("install it, or remove its name from credsStore and credHelpers in docker's config.json")},
	credential.TerraformOverwrites: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{
			"remove the resource, or make it ignore the value:\n\n" + Indent(cmp.Or(f.Change, "lifecycle { ignore_changes = [secret_string] }"), "      ") + "\n",
			"or store anyway: " + toStore(f) + " --despite-terraform",
		}}
	}},
	credential.TerraformHolds: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"Treat that token as leaked if others can read the file or a copy of it.", []string{
			"remove the resource with the value from the configuration, then: terraform state rm ADDRESS", "revoke that token and store a new one: " + toStore(f),
		}}
	}},
	credential.ReplicaBehind: {ExitFailed, meaning("Its readers still get the old token, which keeps working for the overlap.", "run the same command again: it waits for the replica")},
	credential.RotationOverdue: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{typed(f, "rotate", name(f))}}
	}},
	credential.ReceiptFailed: {ExitFailed, next("check receipts in purser.yaml; `key: none` writes them without a signature")},
	credential.ReceiptFile: {ExitUsage, next("name a new file, or an existing file of receipts, in the folder of purser.yaml and not behind a link",
		"for a file elsewhere, use a configuration that no checkout can change: /etc/purser/purser.yaml, or a file outside that PURSER_CONFIG names")},
	credential.ReceiptBad:      {ExitFailed, meaning("Do not trust these receipts as a record of what happened.", "compare the signers that you expect, and another copy of the receipts: purser receipt verify --help")},
	credential.ReadBackDiffers: {ExitFailed, next("run the same command again; if it fails again, look for another program that writes this secret")},
}

const saysNothing = "This says nothing about the token."

// next and meaning make advice that does not depend on the fault.
func next(steps ...string) func(*credential.Fault) advice { return meaning("", steps...) }

func meaning(text string, steps ...string) func(*credential.Fault) advice {
	return func(*credential.Fault) advice { return advice{text, steps} }
}

// remade advises to make a new token.
func remade(text string) func(*credential.Fault) advice {
	return func(f *credential.Fault) advice { return advice{text, makeToken(f)} }
}

// Reasons returns every reason that has a row.
func Reasons() []credential.Reason { return slices.Sorted(maps.Keys(rows)) }

// Advise returns what to do about a failure, from its target's kind of store or else from its row.
func Advise(f *credential.Fault) advice {
	if own := f.Target.Traits().Advise; own != nil {
		if meaning, steps := own(f, toStore(f)); len(steps) > 0 {
			return advice{meaning, steps}
		}
	}
	if r := rows[f.Reason]; r.advise != nil {
		return r.advise(f)
	}
	return advice{}
}

// ExitCode returns the exit code for an error.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if f, ok := AsFault(err); ok && rows[f.Reason].exit != ExitOK {
		return rows[f.Reason].exit
	}
	return ExitFailed
}

// Worst returns the exit code for several outcomes: a bad credential is worse than an unknown one.
func Worst(codes ...int) int {
	for _, code := range []int{ExitBad, ExitMissing, ExitAWS, ExitUnknown, ExitUsage, ExitFailed} {
		if slices.Contains(codes, code) {
			return code
		}
	}
	return ExitOK
}

// WorstOf returns the exit code for several failures.
func WorstOf(errs []error) int {
	var codes []int
	for _, err := range errs {
		codes = append(codes, ExitCode(err))
	}
	return Worst(codes...)
}

// ask returns the command that asks the host that failed.
func ask(f *credential.Fault) string {
	address := "https://" + f.Host + "/"
	if f.Host == "" || f.Host == f.Registry.API() {
		address = "https://" + f.Registry.API() + "/v2/"
	}
	return "curl -sSI " + credential.ShellWord(address)
}

// throughProxy names the proxy that requests pass through.
func throughProxy(f *credential.Fault) string {
	if f.Proxy == "" {
		return ""
	}
	return " Requests go through the proxy " + f.Proxy + " (HTTPS_PROXY)."
}

func tryAgain(f *credential.Fault) string {
	if f.Unchanged {
		return "then try again; nothing was changed"
	}
	return "then try again"
}

// maker returns the registry of the fault's tokens.
func maker(f *credential.Fault) credential.Host { return cmp.Or(f.Registry, credential.Default()) }

func login(f *credential.Fault) string { return typed(f, "login "+registry.KindOf(maker(f)).Name) }

func listTokens(f *credential.Fault) string { return typed(f, "tokens list") }

// proveAgain returns the command that repeats the proof, also for a credential that only flags describe.
func proveAgain(f *credential.Fault) string {
	if f.Given.Command == "store" && len(f.Given.Flags) > 0 {
		return toStore(f)
	}
	return typed(f, "check", name(f))
}

// loginAWS returns the command that signs in with the profile that failed.
func loginAWS(f *credential.Fault, more ...string) string {
	if f.Target.Profile != "" || !f.Given.Has("profile") {
		more = append([]string{"--profile", profile(f)}, more...)
	}
	return typed(f, "login aws", more...)
}

// makeProfile returns loginAWS with the flags that a new profile needs.
func makeProfile(f *credential.Fault) string {
	var missing []string
	for _, p := range []struct{ flag, value string }{{"start-url", "URL"}, {"sso-region", "REGION"}, {"account", "ACCOUNT"}, {"role", "ROLE"}} {
		if f.Given.Command != "login aws" || !f.Given.Has(p.flag) {
			missing = append(missing, "--"+p.flag, p.value)
		}
	}
	return loginAWS(f, missing...)
}

func byHand(f *credential.Fault) string {
	return "make the token on " + maker(f).Vendor() + "'s page, with a guide: " + toStore(f) + " --from prompt"
}

// adviseSignIn depends on how purser got its AWS credentials.
func adviseSignIn(f *credential.Fault) advice {
	again := "then run the same command again"
	switch f.SignIn {
	case "static":
		return advice{Next: []string{"put new keys for " + profile(f) + " into ~/.aws/credentials, or use IAM Identity Center instead: purser login aws --help"}}
	case "environment":
		return advice{Next: []string{"set a new key, or unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to use a profile", again}}
	case "credential_process":
		return advice{Next: []string{"run the program in credential_process yourself and see what it prints", again}}
	case "web-identity":
		return advice{Next: []string{"check that the token file exists and that the role trusts its issuer", again}}
	case "container":
		return advice{Next: []string{"check that the ECS task has a task role, or the pod an EKS Pod Identity association", again}}
	case "login_session":
		return advice{Next: []string{"aws login --profile " + profile(f), again}}
	case "role":
		return advice{Next: []string{"sign in to the profile that assumes the role, and check that the role trusts it", again}}
	case "machine":
		return advice{Next: []string{
			"on a laptop, choose a profile with --profile or in purser.yaml, and sign in: " + loginAWS(f),
			"on EC2, give the instance a role; in a container there: aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2 --instance-id ID",
		}}
	default:
		return advice{Next: []string{loginAWS(f), again}}
	}
}

// makeToken advises to make a token and to store it.
func makeToken(f *credential.Fault) []string {
	return []string{"make a new token for " + account(f) + ": " + TokenPage(f.Registry) + tokenLevel(f), toStore(f)}
}

// PageOf returns the web page where a person makes and revokes tokens.
func PageOf(host credential.Host, access credential.Access) registry.Page {
	if page := registry.KindOf(cmp.Or(host, credential.Default())).Page; page != nil {
		return page(access)
	}
	return registry.Page{}
}

// TokenPage returns that page for a sentence.
func TokenPage(host credential.Host) string {
	switch page := PageOf(host, credential.Push); {
	case page.URL == "":
		return "on the pages of " + string(host)
	case page.Note != "":
		return page.URL + " (" + page.Note + ")"
	default:
		return page.URL
	}
}

func tokenLevel(f *credential.Fault) string {
	if permission := PageOf(f.Registry, f.Access).Permission; permission != "" {
		return " (permission: " + permission + ")"
	}
	return ""
}

func toStore(f *credential.Fault) string { return typed(f, "store", name(f)) }

func name(f *credential.Fault) string { return cmp.Or(string(f.Credential), "NAME") }

func account(f *credential.Fault) string { return cmp.Or(f.Account, "the account") }

func repository(f *credential.Fault) string { return cmp.Or(string(f.Repository), "the repository") }

func profile(f *credential.Fault) string {
	return credential.ShellWord(cmp.Or(f.Target.Profile, "PROFILE"))
}

// roundUp writes a waiting time in seconds or minutes.
func roundUp(d time.Duration) string {
	if d < 90*time.Second {
		return fmt.Sprintf("%d seconds", int(d.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%d minutes", int((d+time.Minute-1)/time.Minute))
}

// Indent puts a prefix in front of every line.
func Indent(text, with string) string {
	return with + strings.ReplaceAll(text, "\n", "\n"+with)
}

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
	ExitUnknown = 6 // could not tell: no answer, 429, 5xx, a signal, --timeout
)

// ExitMeaning is an exit code with what it says.
type ExitMeaning struct {
	Code    int
	Meaning string
}

// ExitCodes are all with which a command of purser's ends, but for those that pass on the code
// of a program.
func ExitCodes() []ExitMeaning {
	return []ExitMeaning{
		{ExitOK, "It is done."},
		{ExitFailed, "It failed, or a person is needed."},
		{ExitUsage, "The usage or the configuration is wrong."},
		{ExitBad, "The credential is bad: the registry rejects it, or consumers cannot use what is stored."},
		{ExitAWS, "You are not signed in at AWS, or AWS does not allow it."},
		{ExitMissing, "Something is missing that Terraform makes."},
		{ExitUnknown, "It is unknown: no answer, a rate limit, an outage, a signal, or --timeout ran out. Try again later."},
	}
}

// advice is what a person is told after what happened and why.
type advice struct {
	Meaning string   // what it may mean, a sentence; may be empty
	Next    []string // what to do next, commands where there is one
}

// row is what a reason comes to: the code with which purser ends, and what to do next.
type row struct {
	exit   int
	advise func(*credential.Fault) advice // nil: there is nothing to say
}

// rows is the only place where a failure is turned into an exit code and into what to do
// about it. It is complete: a test holds every reason against it.
var rows = map[credential.Reason]row{
	credential.Usage: {ExitUsage, func(f *credential.Fault) advice {
		if f.Help == "" { // the mistake is not on the command line
			return advice{}
		}
		return advice{Next: []string{f.Help}}
	}},
	credential.NoConfiguration: {ExitUsage, func(f *credential.Fault) advice { return advice{Next: []string{"write one: " + typed(f, "init")}} }},
	credential.TokenInArguments: {ExitUsage, func(f *credential.Fault) advice {
		return advice{"Treat it as leaked: whoever can read the history or the process list can push with it.", []string{
			"revoke that token: " + TokenPage(f.Registry),
			"make a new one and give it at the prompt: " + toStore(f),
			"or pipe it in: " + toStore(f) + " --token-stdin",
		}}
	}},
	credential.BadToken: {ExitUsage, next("copy the token alone, in one piece, and run the same command again")},
	credential.KindNotStored: {ExitUsage, func(f *credential.Fault) advice {
		if registry.KindOf(maker(f)).Accounts == nil {
			return advice{Next: makeToken(f)}
		}
		return advice{Next: []string{"let purser make a token for CI with your sign-in: " + toStore(f) + " --mint", "or " + byHand(f)}}
	}},
	credential.NoToken: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{"give it at the prompt: " + toStore(f), "or pipe it in: " + toStore(f) + " --token-stdin"}}
	}},
	credential.SourceUnclear: {ExitUsage, func(f *credential.Fault) advice {
		return advice{Next: []string{
			"if it is the token: " + toStore(f) + " --token-stdin",
			"if not, ask at the terminal, " + toStore(f) + " --from prompt, or in the browser, " + toStore(f) + " --from form",
		}}
	}},
	credential.NoTerminal: {ExitUsage, func(f *credential.Fault) advice {
		return advice{Next: []string{"pipe the token in: " + toStore(f) + " --token-stdin", "or give it in your browser: " + toStore(f) + " --from form"}}
	}},
	credential.ConsentNeeded: {ExitUsage, meaning("Only a person can agree to this: at a terminal, or where purser mcp can ask them.", "ask a person to run the same command at a terminal")},
	credential.Declined: {ExitFailed, func(f *credential.Fault) advice {
		if f.Unchanged {
			return advice{Meaning: "Nothing was changed."}
		}
		return advice{}
	}},
	credential.Interrupted: {ExitUnknown, meaning(saysNothing, "run the same command again: it finishes what this one has begun")},
	credential.TimedOut:    {ExitUnknown, meaning(saysNothing, "run the same command again: it finishes what this one has begun; --timeout allows it more time")},
	credential.OutputLost: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"What the command has changed is changed all the same.", []string{"make room for its output, or read all of it; see what is stored: " + typed(f, "status")}}
	}},

	credential.TokenRefused: {ExitBad, func(f *credential.Fault) advice {
		return advice{"The token of " + account(f) + " is expired, revoked or mistyped; the registry does not say which.", makeToken(f)}
	}},
	credential.TokenExpired: {ExitBad, remade("")},
	credential.NeedsToken:   {ExitBad, remade("")},
	credential.LevelTooLow:  {ExitBad, remade("A token's level cannot be raised; it takes a new one.")},
	credential.NotPermitted: {ExitBad, func(f *credential.Fault) advice {
		return advice{"A new token of the same account would not help.", []string{
			"give " + account(f) + " write access to " + repository(f) + ", or correct username or repositories in purser.yaml",
			"then: " + proveAgain(f),
		}}
	}},
	credential.WrongOwner: {ExitBad, func(f *credential.Fault) advice {
		return advice{Next: append([]string{"correct username in purser.yaml if the token is the right one"}, makeToken(f)...)}
	}},
	credential.BelongsElsewhere: {ExitUsage, func(f *credential.Fault) advice {
		return advice{"purser sends a token to the registry that it was stored for, whatever purser.yaml says.", []string{
			"correct registry or store in purser.yaml",
			"if this secret is to change its registry, at a terminal: " + toStore(f) + " --rebind",
		}}
	}},
	credential.RepositoryMissing: {ExitBad, func(f *credential.Fault) advice {
		return advice{Next: []string{
			"create the repository on the registry's page, or correct its name in purser.yaml",
			"if the first push is to make it: " + toStore(f) + " --new-repository",
		}}
	}},

	credential.SessionNeeded: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"A token cannot make or end tokens; a person's sign-in can.", []string{"sign in at a terminal: " + login(f), "or " + byHand(f), "or in your browser: " + toStore(f) + " --from form"}}
	}},
	credential.SessionEnded: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{"sign in again: " + login(f), "or " + byHand(f)}}
	}},
	credential.SignInRefused: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"Trying on locks the account for a quarter of an hour.", []string{"look at name, password and the code's age, then: " + login(f), "or " + byHand(f)}}
	}},
	credential.SignInImpossible: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"A company's single sign-on, or a rule of the account, keeps passwords out.", []string{byHand(f), "or for an organization, let an owner make one: " + toStore(f) + " --mint"}}
	}},
	credential.MintRefused: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{"see what " + maker(f).Vendor() + " says above", "or " + byHand(f)}}
	}},
	credential.MaybeMinted: {ExitUnknown, func(f *credential.Fault) advice {
		return advice{"purser has looked for it by its label and ended what it found.", []string{"run the same command again: it ends whatever is left of it", "see the tokens: " + listTokens(f)}}
	}},
	credential.TokenLimit: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"Tokens that are switched off or have run out count as well.", []string{"find what nobody uses: " + listTokens(f), "end it: " + typed(f, "tokens revoke", "ID")}}
	}},
	credential.PlanLacks: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{"use a personal token: set username in purser.yaml to a person's account, then " + toStore(f) + " --mint"}}
	}},
	credential.NotDead: {ExitUnknown, func(f *credential.Fault) advice {
		return advice{"What is current is not touched by it.", []string{"look again in some minutes: " + typed(f, "rotate", name(f)), "see the tokens: " + listTokens(f)}}
	}},
	credential.NotStopped: {ExitFailed, func(f *credential.Fault) advice {
		again := typed(f, "respond", name(f))
		if registry.KindOf(maker(f)).Accounts == nil {
			return advice{Next: []string{"switch it off now: " + TokenPage(f.Registry), "then replace it, at a terminal: " + again}}
		}
		return advice{Next: []string{"at a terminal, where you can sign in: " + again, "or switch it off now, on " + maker(f).Vendor() + "'s page: " + TokenPage(f.Registry)}}
	}},
	credential.NoSuchToken: {ExitFailed, func(f *credential.Fault) advice { return advice{Next: []string{listTokens(f)}} }},

	credential.RateLimited: {ExitUnknown, func(f *credential.Fault) advice {
		wait := "some minutes"
		if f.Wait > 0 {
			wait = roundUp(f.Wait)
		}
		return advice{saysNothing + " Trying again at once makes the wait longer.", []string{"wait " + wait + ", " + tryAgain(f)}}
	}},
	credential.RegistryUnreachable: {ExitUnknown, func(f *credential.Fault) advice {
		return advice{saysNothing + throughProxy(f), []string{"look whether it answers at all: " + ask(f), tryAgain(f)}}
	}},
	credential.RegistryStrange: {ExitUnknown, func(f *credential.Fault) advice {
		return advice{saysNothing + " A proxy, a sign-in page of the network or an outage answers so." + throughProxy(f), []string{"look at what answers: " + ask(f), tryAgain(f)}}
	}},
	credential.RegistryUnsafe: {ExitUnknown, func(f *credential.Fault) advice {
		if f.Host != "" { // it redirects
			return advice{strings.TrimSpace(throughProxy(f)), []string{"look at where it leads: " + ask(f), "sign in to the network where it asks for that, or correct HTTPS_PROXY, " + tryAgain(f)}}
		}
		return advice{Next: []string{"check the registry's name in purser.yaml; where the other host is right, name it under auth-hosts"}}
	}},
	credential.ProofEmpty: {ExitUnknown, next("name a repository that only this account may use")},

	credential.ProfileMissing: {ExitAWS, func(f *credential.Fault) advice {
		return advice{Next: []string{
			"see the profiles that there are: grep '^\\[' ~/.aws/config",
			"or make it: " + makeProfile(f),
		}}
	}},
	credential.NotSignedIn:   {ExitAWS, adviseSignIn},
	credential.RegionMissing: {ExitAWS, next("set aws.region in purser.yaml, or give --region")},
	credential.AccessDenied: {ExitAWS, func(f *credential.Fault) advice {
		if f.SignIn == credential.NotAssigned {
			return advice{Next: []string{"put an assigned account and role into the profile " + profile(f) + " in ~/.aws/config, or ask for the assignment"}}
		}
		return advice{
			"AWS gives the same answer for a secret that does not exist: either this identity may not do it, or " + f.Target.String() + " is not in this account and region.",
			[]string{"see as whom you are signed in: aws sts get-caller-identity --profile " + profile(f), "see the secret's region and name in the Terraform that makes it"},
		}
	}},
	credential.KeyDenied: {ExitAWS, func(f *credential.Fault) advice {
		return advice{Next: []string{"let this identity use the key that encrypts " + f.Target.String()}}
	}},
	credential.ClockSkew: {ExitAWS, meaning("AWS takes signed requests within five minutes of its own clock.", "set this machine's clock: timedatectl set-ntp true", "see the difference: date -u; curl -sI https://sts.amazonaws.com | grep -i ^date")},

	credential.SecretMissing: {ExitMissing, func(f *credential.Fault) advice {
		return advice{Next: []string{"let purser make it: " + toStore(f) + " --create"}}
	}},
	credential.SecretDeleted: {ExitMissing, func(f *credential.Fault) advice {
		return advice{Next: []string{"bring " + f.Target.String() + " back where it is kept"}}
	}},
	credential.SecretEmpty:  {ExitBad, func(f *credential.Fault) advice { return advice{Next: []string{toStore(f)}} }},
	credential.ValueStrange: {ExitBad, meaning("purser does not write over what it does not understand.", "set shape in purser.yaml to what is stored, or store this credential in a secret of its own")},
	credential.MidRotation:  {ExitFailed, next("let the other one finish, then run the same command again")},
	credential.Overtaken:    {ExitUnknown, meaning("Runs at the same time do no harm. One of them does the work.", "run the same command again")},
	credential.StoreUnreachable: {ExitUnknown, func(f *credential.Fault) advice {
		steps := []string{"try again; running it twice does no harm"}
		if f.Host != "" {
			steps = []string{"look whether it answers at all: " + ask(f), "then try again; running it twice does no harm"}
		}
		return advice{saysNothing + throughProxy(f), steps}
	}},
	credential.StoreRefused: {ExitFailed, nil},
	credential.StoreFile:    {ExitFailed, nil},
	credential.KeyUnfit:     {ExitMissing, next("store it in a place of its own, with a key that its consumers can use")},
	credential.DockerPlaintext: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{"take it out: " + typed(f, "doctor") + " --fix", "and revoke it, when others could read the file"}}
	}},
	credential.AgentRedactor: {ExitFailed, next("update the agent: its redactor came with v3.67", "or do without, where nothing prints the token: --no-redact")},
	credential.HelperMissing: {ExitFailed, next("install it, or take its name out of credsStore and credHelpers in docker's config.json")},
	credential.TerraformOverwrites: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{
			"take the resource out, or have it leave the value alone:\n\n" + Indent(cmp.Or(f.Change, "lifecycle { ignore_changes = [secret_string] }"), "      ") + "\n",
			"or store all the same: " + toStore(f) + " --despite-terraform",
		}}
	}},
	credential.TerraformHolds: {ExitFailed, func(f *credential.Fault) advice {
		return advice{"Treat that token as leaked where others can read the file or its copies.", []string{
			"take what holds the value out of the configuration, then: terraform state rm ADDRESS", "revoke that token and store a new one: " + toStore(f),
		}}
	}},
	credential.ReplicaBehind: {ExitFailed, meaning("Its readers still get the token before, which goes on working for the overlap.", "run the same command again, which waits for it")},
	credential.RotationOverdue: {ExitFailed, func(f *credential.Fault) advice {
		return advice{Next: []string{typed(f, "rotate", name(f))}}
	}},
	credential.ReceiptFailed: {ExitFailed, next("see receipts in purser.yaml; `none` as its key writes them without a signature")},
	credential.ReceiptFile: {ExitUsage, next("name a new file, or one of receipts, in the folder of purser.yaml, without links",
		"a file elsewhere is named by a configuration that no checkout can write: PURSER_CONFIG outside of it, or /etc/purser/purser.yaml")},
	credential.ReceiptBad:      {ExitFailed, meaning("The receipts may not say what happened.", "compare with who was to sign, and with another copy of the receipts: purser receipt verify --help")},
	credential.ReadBackDiffers: {ExitFailed, next("run the same command again; if it stays so, look for something else that writes this secret")},
}

const saysNothing = "This says nothing about the token."

// next is advice that is the same for every fault.
func next(steps ...string) func(*credential.Fault) advice { return meaning("", steps...) }

func meaning(text string, steps ...string) func(*credential.Fault) advice {
	return func(*credential.Fault) advice { return advice{text, steps} }
}

// remade is to make a new token.
func remade(text string) func(*credential.Fault) advice {
	return func(f *credential.Fault) advice { return advice{text, makeToken(f)} }
}

// Reasons are all that have a row.
func Reasons() []credential.Reason { return slices.Sorted(maps.Keys(rows)) }

// Advise says what to do about a failure: what the store of its target says, else its row.
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

// ExitCode is what the process ends with for an error.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if f, ok := AsFault(err); ok && rows[f.Reason].exit != ExitOK {
		return rows[f.Reason].exit
	}
	return ExitFailed
}

// Worst is the code to end with when several things went differently: a bad
// credential is worse than one that could not be looked at.
func Worst(codes ...int) int {
	for _, code := range []int{ExitBad, ExitMissing, ExitAWS, ExitUnknown, ExitUsage, ExitFailed} {
		if slices.Contains(codes, code) {
			return code
		}
	}
	return ExitOK
}

// ask is how a person asks the host that did not answer as it should.
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

// maker is the registry that makes the tokens that a fault is about.
func maker(f *credential.Fault) credential.Host { return cmp.Or(f.Registry, credential.Default()) }

func login(f *credential.Fault) string { return typed(f, "login "+registry.KindOf(maker(f)).Name) }

func listTokens(f *credential.Fault) string { return typed(f, "tokens list") }

// proveAgain proves what was proved in vain, which flags may have named.
func proveAgain(f *credential.Fault) string {
	if f.Given.Command == "store" && len(f.Given.Flags) > 0 {
		return toStore(f)
	}
	return typed(f, "check", name(f))
}

// loginAWS signs in with the profile of what has failed.
func loginAWS(f *credential.Fault, more ...string) string {
	if f.Target.Profile != "" || !f.Given.Has("profile") {
		more = append([]string{"--profile", profile(f)}, more...)
	}
	return typed(f, "login aws", more...)
}

// makeProfile is loginAWS with all that a new profile needs.
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
	return "make the token on " + maker(f).Vendor() + "'s page, step by step: " + toStore(f) + " --from prompt"
}

// adviseSignIn: each way of coming to credentials has its own way back.
func adviseSignIn(f *credential.Fault) advice {
	again := "then run the same command again"
	switch f.SignIn {
	case "static":
		return advice{Next: []string{"put new keys of " + profile(f) + " into ~/.aws/credentials, or sign in with IAM Identity Center instead: purser login aws --help"}}
	case "environment":
		return advice{Next: []string{"take a new key, or unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to use a profile", again}}
	case "credential_process":
		return advice{Next: []string{"run the program of credential_process by hand and see what it says", again}}
	case "web-identity":
		return advice{Next: []string{"see that the token file is there and that the role trusts its issuer", again}}
	case "container":
		return advice{Next: []string{"see that the task has a task role, or the pod an identity association", again}}
	case "login_session":
		return advice{Next: []string{"aws login --profile " + profile(f), again}}
	case "role":
		return advice{Next: []string{"sign in to the profile that it assumes the role with, and see that the role trusts it", again}}
	case "machine":
		return advice{Next: []string{
			"on a laptop: name a profile with --profile or in purser.yaml, and sign in: " + loginAWS(f),
			"on EC2: give the instance a role; in a container there: aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2 --instance-id ID",
		}}
	default:
		return advice{Next: []string{loginAWS(f), again}}
	}
}

// makeToken says where a token is made and how it comes to purser.
func makeToken(f *credential.Fault) []string {
	return []string{"make a new token for " + account(f) + ": " + TokenPage(f.Registry) + tokenLevel(f), toStore(f)}
}

// PageOf is where a person makes and revokes tokens, in a browser.
func PageOf(host credential.Host, access credential.Access) registry.Page {
	if page := registry.KindOf(cmp.Or(host, credential.Default())).Page; page != nil {
		return page(access)
	}
	return registry.Page{}
}

// TokenPage is that page in a sentence.
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

// roundUp is a waiting time in the words of a person who waits.
func roundUp(d time.Duration) string {
	if d < 90*time.Second {
		return fmt.Sprintf("%d seconds", int(d.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%d minutes", int((d+time.Minute-1)/time.Minute))
}

// Indent puts a text in front of every line.
func Indent(text, with string) string {
	return with + strings.ReplaceAll(text, "\n", "\n"+with)
}

package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/registry"
)

// advice is what a person is told after what happened and why.
type advice struct {
	Meaning string   // what it may mean, a sentence; may be empty
	Next    []string // what to do next, commands where there is one
}

// advise is the only place where a failure is turned into what to do about it.
func advise(f *credential.Fault) advice {
	if own := f.Target.Traits().Advise; own != nil {
		if meaning, next := own(f, toStore(f)); len(next) > 0 {
			return advice{meaning, next}
		}
	}
	switch f.Reason {
	case credential.TokenInArguments, credential.BadToken, credential.KindNotStored, credential.NoToken,
		credential.NoTerminal, credential.SourceUnclear, credential.Declined, credential.Interrupted, credential.TimedOut, credential.OutputLost, credential.Usage, credential.CannotWatch, credential.NoConfiguration, credential.ConsentNeeded, credential.BelongsElsewhere:
		return adviseInput(f)
	case credential.TokenRefused, credential.TokenExpired, credential.NeedsToken, credential.LevelTooLow,
		credential.NotPermitted, credential.WrongOwner, credential.RepositoryMissing:
		return adviseCredential(f)
	case credential.SessionNeeded, credential.SessionEnded, credential.SignInRefused, credential.SignInImpossible,
		credential.MintRefused, credential.MaybeMinted, credential.TokenLimit, credential.PlanLacks, credential.NoSuchToken, credential.NotDead:
		return adviseMinting(f)
	case credential.RateLimited, credential.RegistryUnreachable, credential.RegistryStrange,
		credential.RegistryUnsafe, credential.ProofEmpty:
		return adviseRegistry(f)
	case credential.ProfileMissing, credential.NotSignedIn, credential.RegionMissing, credential.AccessDenied,
		credential.KeyDenied, credential.ClockSkew:
		return adviseAWS(f)
	default:
		return adviseStore(f)
	}
}

func adviseInput(f *credential.Fault) advice {
	switch f.Reason {
	case credential.TokenInArguments:
		return advice{
			Meaning: "Treat it as leaked: whoever can read the history or the process list can push with it.",
			Next: []string{
				"revoke that token: " + tokenPage(f.Registry),
				"make a new one and give it at the prompt: " + toStore(f),
				"or pipe it in: " + toStore(f) + " --token-stdin",
			},
		}
	case credential.BadToken:
		return advice{Next: []string{"copy the token alone, in one piece, and run the same command again"}}
	case credential.KindNotStored:
		return advice{Next: makeToken(f)}
	case credential.NoToken:
		return advice{Next: []string{
			"give it at the prompt: " + toStore(f),
			"or pipe it in: " + toStore(f) + " --token-stdin",
		}}
	case credential.NoTerminal:
		return advice{Next: []string{
			"pipe the token in: " + toStore(f) + " --token-stdin",
			"or give it in your browser: " + toStore(f) + " --from form",
		}}
	case credential.SourceUnclear:
		return advice{Next: []string{
			"if it is the token: " + toStore(f) + " --token-stdin",
			"if not, ask at the terminal, " + toStore(f) + " --from prompt, or in the browser, " + toStore(f) + " --from form",
		}}
	case credential.Declined:
		if f.Unchanged {
			return advice{Meaning: "Nothing was changed."}
		}
		return advice{}
	case credential.Interrupted:
		return advice{Meaning: "This says nothing about the token.", Next: []string{"run the same command again: it finishes what this one has begun"}}
	case credential.TimedOut:
		return advice{Meaning: "This says nothing about the token.", Next: []string{"run the same command again: it finishes what this one has begun; --timeout allows it more time"}}
	case credential.OutputLost:
		return advice{
			Meaning: "What the command has changed is changed all the same.",
			Next:    []string{"make room for its output, or read all of it; see what is stored: purser status"},
		}
	case credential.Usage:
		return advice{Next: []string{"purser help"}}
	case credential.BelongsElsewhere:
		return advice{
			Meaning: "purser sends a token to the registry that it was stored for, whatever purser.yaml says.",
			Next: []string{
				"correct registry or store in purser.yaml",
				"if this secret is to change its registry, at a terminal: " + toStore(f) + " --rebind",
			},
		}
	case credential.ConsentNeeded:
		return advice{
			Meaning: "Only a person can agree to this: at a terminal, or where purser mcp can ask them.",
			Next:    []string{"ask a person to run the same command at a terminal"},
		}
	case credential.NoConfiguration:
		return advice{Next: []string{"write one: purser init"}}
	case credential.CannotWatch:
		return advice{Next: []string{"on Linux, with strace installed: sudo purser selftest exposure"}}
	default:
		return advice{}
	}
}

func adviseCredential(f *credential.Fault) advice {
	switch f.Reason {
	case credential.TokenRefused:
		return advice{
			Meaning: "The token of " + account(f) + " is expired, revoked or mistyped; the registry does not say which.",
			Next:    makeToken(f),
		}
	case credential.TokenExpired, credential.NeedsToken:
		return advice{Next: makeToken(f)}
	case credential.LevelTooLow:
		return advice{Meaning: "A token's level cannot be raised; it takes a new one.", Next: makeToken(f)}
	case credential.NotPermitted:
		return advice{
			Meaning: "A new token of the same account would not help.",
			Next: []string{
				"give " + account(f) + " write access to " + repository(f) + ", or correct username or repositories in purser.yaml",
				"then: " + check(f),
			},
		}
	case credential.WrongOwner:
		return advice{Next: append([]string{"correct username in purser.yaml if the token is the right one"}, makeToken(f)...)}
	default: // RepositoryMissing
		return advice{Next: []string{
			"create the repository on the registry's page, or correct its name in purser.yaml",
			"if the first push is to make it: " + toStore(f) + " --new-repository",
		}}
	}
}

// adviseMinting is about managing tokens at a registry.
func adviseMinting(f *credential.Fault) advice {
	maker := cmp.Or(f.Registry, credential.Default())
	login, page := "purser login "+registry.KindOf(maker).Name, "on "+maker.Vendor()+"'s page"
	guided := "or make the token " + page + ", step by step: " + toStore(f) + " --from prompt"
	switch f.Reason {
	case credential.SessionNeeded:
		return advice{
			Meaning: "A token cannot make or end tokens; a person's sign-in can.",
			Next:    []string{"sign in at a terminal: " + login, guided, "or in your browser: " + toStore(f) + " --from form"},
		}
	case credential.SessionEnded:
		return advice{Next: []string{"sign in again: " + login, guided}}
	case credential.SignInRefused:
		return advice{
			Meaning: "Trying on locks the account for a quarter of an hour.",
			Next:    []string{"look at name, password and the code's age, then: " + login, guided},
		}
	case credential.SignInImpossible:
		return advice{
			Meaning: "A company's single sign-on, or a rule of the account, keeps passwords out.",
			Next:    []string{"make the token " + page + ", step by step: " + toStore(f) + " --from prompt", "or for an organization, let an owner make one: " + toStore(f) + " --mint"},
		}
	case credential.MaybeMinted:
		return advice{
			Meaning: "purser has looked for it by its label and ended what it found.",
			Next:    []string{"run the same command again: it ends whatever is left of it", "see the tokens: purser tokens list"},
		}
	case credential.TokenLimit:
		return advice{
			Meaning: "Tokens that are switched off or have run out count as well.",
			Next:    []string{"find what nobody uses: purser tokens list", "end it: purser tokens revoke ID"},
		}
	case credential.PlanLacks:
		return advice{Next: []string{"use a personal token: set username in purser.yaml to a person's account, then " + toStore(f) + " --mint"}}
	case credential.NotDead:
		return advice{
			Meaning: "What is current is not touched by it.",
			Next:    []string{"look again in some minutes: purser rotate " + name(f), "see the tokens: purser tokens list"},
		}
	case credential.NoSuchToken:
		return advice{Next: []string{"purser tokens list"}}
	default: // MintRefused
		return advice{Next: []string{"see what " + maker.Vendor() + " says above", guided}}
	}
}

// unchanged is said only where it is so.
func unchanged(f *credential.Fault) string {
	if f.Unchanged {
		return "; nothing was changed"
	}
	return ""
}

func adviseRegistry(f *credential.Fault) advice {
	again := "then try again" + unchanged(f)
	switch f.Reason {
	case credential.RateLimited:
		wait := "some minutes"
		if f.Wait > 0 {
			wait = roundUp(f.Wait)
		}
		return advice{
			Meaning: "This says nothing about the token. Trying again at once makes the wait longer.",
			Next:    []string{"wait " + wait + ", " + again},
		}
	case credential.RegistryUnreachable:
		return advice{
			Meaning: "This says nothing about the token.",
			Next: []string{
				"look whether it answers at all: curl -sSI https://" + f.Registry.API() + "/v2/",
				again,
			},
		}
	case credential.RegistryStrange:
		return advice{
			Meaning: "This says nothing about the token. A proxy, a sign-in page of the network or an outage answers so.",
			Next:    []string{"look at what answers: curl -sSI https://" + f.Registry.API() + "/v2/", again},
		}
	case credential.RegistryUnsafe:
		return advice{Next: []string{"check the registry's name in purser.yaml; where the other host is right, name it under auth-hosts"}}
	default: // ProofEmpty
		return advice{Next: []string{"name a repository that only this account may use"}}
	}
}

func adviseAWS(f *credential.Fault) advice {
	switch f.Reason {
	case credential.ProfileMissing:
		return advice{Next: []string{
			"see the profiles that there are: grep '^\\[' ~/.aws/config",
			"or make it: purser login aws --profile " + profile(f) + " --start-url URL --sso-region REGION --account ACCOUNT --role ROLE",
		}}
	case credential.NotSignedIn:
		return adviseSignIn(f)
	case credential.RegionMissing:
		return advice{Next: []string{"set aws.region in purser.yaml, or give --region"}}
	case credential.AccessDenied:
		if f.SignIn == credential.NotAssigned {
			return advice{Next: []string{"put an assigned account and role into the profile " + profile(f) + " in ~/.aws/config, or ask for the assignment"}}
		}
		return advice{
			Meaning: "AWS gives the same answer for a secret that does not exist: either this identity may not do it, or " +
				f.Target.String() + " is not in this account and region.",
			Next: []string{
				"see as whom you are signed in: aws sts get-caller-identity --profile " + profile(f),
				"see the secret's region and name in the Terraform that makes it",
			},
		}
	case credential.KeyDenied:
		return advice{Next: []string{"let this identity use the key that encrypts " + f.Target.String()}}
	default: // ClockSkew
		return advice{
			Meaning: "AWS takes signed requests within five minutes of its own clock.",
			Next:    []string{"set this machine's clock: timedatectl set-ntp true", "see the difference: date -u; curl -sI https://sts.amazonaws.com | grep -i ^date"},
		}
	}
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
			"on a laptop: name a profile with --profile or in purser.yaml, and sign in: purser login aws --profile " + profile(f),
			"on EC2: give the instance a role; in a container there: aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2 --instance-id ID",
		}}
	default:
		return advice{Next: []string{"purser login aws --profile " + profile(f), again}}
	}
}

func adviseStore(f *credential.Fault) advice {
	switch f.Reason {
	case credential.SecretMissing:
		return advice{Next: []string{"let purser make it: " + toStore(f) + " --create"}}
	case credential.SecretDeleted:
		return advice{Next: []string{"bring " + f.Target.String() + " back where it is kept"}}
	case credential.SecretEmpty:
		return advice{Next: []string{toStore(f)}}
	case credential.ValueStrange:
		return advice{
			Meaning: "purser does not write over what it does not understand.",
			Next:    []string{"set shape in purser.yaml to what is stored, or store this credential in a secret of its own"},
		}
	case credential.MidRotation:
		return advice{Next: []string{"let the other one finish, then run the same command again"}}
	case credential.Overtaken:
		return advice{Meaning: "Runs at the same time do no harm. One of them does the work.", Next: []string{"run the same command again"}}
	case credential.ReceiptFailed:
		return advice{Next: []string{"see receipts in purser.yaml; `none` as its key writes them without a signature"}}
	case credential.ReceiptFile:
		return advice{Next: []string{
			"name a new file, or one of receipts, in the folder of purser.yaml, without links",
			"a file elsewhere is named by a configuration that no checkout can write: PURSER_CONFIG outside of it, or /etc/purser/purser.yaml",
		}}
	case credential.ReceiptBad:
		return advice{Meaning: "The receipts may not say what happened.", Next: []string{
			"compare with who was to sign, and with another copy of the receipts: purser receipt verify --help",
		}}
	case credential.RotationOverdue:
		return advice{Next: []string{"purser rotate " + or(string(f.Credential), "NAME")}}
	case credential.ReplicaBehind:
		return advice{
			Meaning: "Its readers still get the token before, which goes on working for the overlap.",
			Next:    []string{"run the same command again, which waits for it"},
		}
	case credential.StoreUnreachable:
		return advice{Meaning: "This says nothing about the token.", Next: []string{"try again; running it twice does no harm"}}
	case credential.ReadBackDiffers:
		return advice{Next: []string{"run the same command again; if it stays so, look for something else that writes this secret"}}
	case credential.TerraformOverwrites:
		return advice{Next: []string{
			"take the resource out, or have it leave the value alone:\n\n" + indent(or(f.Change, "lifecycle { ignore_changes = [secret_string] }"), "      ") + "\n",
			"or store all the same: " + toStore(f) + " --despite-terraform",
		}}
	case credential.TerraformHolds:
		return advice{
			Meaning: "Treat that token as leaked where others can read the file or its copies.",
			Next: []string{
				"take what holds the value out of the configuration, then: terraform state rm ADDRESS",
				"revoke that token and store a new one: " + toStore(f),
			},
		}
	case credential.KeyUnfit:
		return advice{Next: []string{"store it in a place of its own, with a key that its consumers can use"}}
	case credential.DockerPlaintext:
		return advice{Next: []string{"take it out: purser doctor --fix", "and revoke it, when others could read the file"}}
	case credential.AgentRedactor:
		return advice{Next: []string{
			"update the agent: its redactor came with v3.67",
			"or do without, where nothing prints the token: --no-redact",
		}}
	case credential.HelperMissing:
		return advice{Next: []string{"install it, or take its name out of credsStore and credHelpers in docker's config.json"}}
	default: // StoreRefused, StoreFile
		return advice{}
	}
}

// makeToken says where a token is made and how it comes to purser.
func makeToken(f *credential.Fault) []string {
	return []string{"make a new token for " + account(f) + ": " + tokenPage(f.Registry) + tokenLevel(f), toStore(f)}
}

// pageOf is where a person makes and revokes tokens, in a browser.
func pageOf(host credential.Host, access credential.Access) registry.Page {
	if page := registry.KindOf(cmp.Or(host, credential.Default())).Page; page != nil {
		return page(access)
	}
	return registry.Page{}
}

// tokenPage is that page in a sentence.
func tokenPage(host credential.Host) string {
	switch page := pageOf(host, credential.Push); {
	case page.URL == "":
		return "on the pages of " + string(host)
	case page.Note != "":
		return page.URL + " (" + page.Note + ")"
	default:
		return page.URL
	}
}

func tokenLevel(f *credential.Fault) string {
	if permission := pageOf(f.Registry, f.Access).Permission; permission != "" {
		return " (permission: " + permission + ")"
	}
	return ""
}

func toStore(f *credential.Fault) string { return "purser store " + name(f) }
func check(f *credential.Fault) string   { return "purser check " + name(f) }

func name(f *credential.Fault) string { return or(string(f.Credential), "NAME") }

func account(f *credential.Fault) string { return or(f.Account, "the account") }

func repository(f *credential.Fault) string { return or(string(f.Repository), "the repository") }

func profile(f *credential.Fault) string { return or(f.Target.Profile, "PROFILE") }

func region(f *credential.Fault) string { return or(f.Target.Region, "REGION") }

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// roundUp is a waiting time in the words of a person who waits.
func roundUp(d time.Duration) string {
	if d < 90*time.Second {
		return fmt.Sprintf("%d seconds", int(d.Round(time.Second)/time.Second))
	}
	return fmt.Sprintf("%d minutes", int((d+time.Minute-1)/time.Minute))
}

func indent(text, with string) string {
	return with + strings.ReplaceAll(text, "\n", "\n"+with)
}

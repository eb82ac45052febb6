package main

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/exposure"
	"purser/internal/present"
	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
)

func allFlows() []flow {
	return slices.Concat(storeFlows(), storeSourceFlows(), misplacedFlows(), misledFlows(), hostileFlows(), endedFlows(), readingFlows(), scanFlows(), signInFlows(), consumerFlows(), hubFlows(), plainFlows())
}

var storeArgs = []string{"store", "dockerhub", "--token-stdin", "--create"}

func storeFlows() []flow {
	refused := func(name string, token func(*sandbox.Sandbox) credential.Secret, code int) flow {
		return flow{name: "store: " + name, args: storeArgs, want: code, set: input(token)}
	}
	return []flow{
		{name: "store: all well", args: storeArgs, set: input(pushToken)},
		{name: "store: over another token", args: storeArgs, set: all(stored(secondToken, "dockerhub"), input(pushToken))},
		{name: "store: there already", args: storeArgs, set: all(stored(pushToken, "dockerhub"), input(pushToken))},
		{name: "store: --dry-run", args: []string{"store", "dockerhub", "-", "--dry-run", "--create"}, set: input(pushToken)},
		{name: "store: --output json", args: append([]string{"--output", "json"}, storeArgs...), set: input(pushToken)},
		{name: "store: --debug", args: append([]string{"--debug"}, storeArgs...), set: input(pushToken)},
		{name: "store: encrypted file", args: []string{"store", "laptop", "-"}, set: input(pushToken)},
		{name: "store: no such secret", args: []string{"store", "dockerhub", "-"}, want: present.ExitMissing, set: input(pushToken)},
		refused("revoked token", func(b *sandbox.Sandbox) credential.Secret { return b.RevokedToken }, present.ExitBad),
		refused("read-only token", func(b *sandbox.Sandbox) credential.Secret { return b.ReadOnlyToken }, present.ExitBad),
		refused("token of another account", func(b *sandbox.Sandbox) credential.Secret { return b.OtherToken }, present.ExitBad),
		refused("password", func(b *sandbox.Sandbox) credential.Secret { return b.Password }, present.ExitUsage),
		refused("session", func(*sandbox.Sandbox) credential.Secret { return sessionCanary }, present.ExitUsage),
		refused("two lines", func(b *sandbox.Sandbox) credential.Secret {
			return credential.NewSecret(b.PushToken.Reveal() + "\n" + b.SecondPushToken.Reveal() + "\n")
		}, present.ExitUsage),
		refused("quotation marks around the token", around(`"%s"`), present.ExitUsage),
		refused("a header in front of the token", around("Authorization: Bearer %s"), present.ExitUsage),
		refused("an assignment in front of the token", around("export TOKEN=%s"), present.ExitUsage),
		refused("a user name in front of the token", around("mockserver:%s"), present.ExitUsage),
		refused("escapes in the token", func(b *sandbox.Sandbox) credential.Secret {
			return credential.NewSecret("\x1b[31m" + b.PushToken.Reveal() + "\x00")
		}, present.ExitUsage),
	}
}

// around embeds the token in text that people copy along with it.
func around(format string) func(*sandbox.Sandbox) credential.Secret {
	return func(b *sandbox.Sandbox) credential.Secret {
		return credential.NewSecret(fmt.Sprintf(format, b.PushToken.Reveal()))
	}
}

func storeSourceFlows() []flow {
	prompt := func(after string, token func(*sandbox.Sandbox) credential.Secret) func(*scene) []exposure.Answer {
		return func(s *scene) []exposure.Answer { return []exposure.Answer{{After: after, Type: token(s.box)}} }
	}
	locked := func(s *scene) []exposure.Answer {
		return []exposure.Answer{
			{After: "oken", Type: s.box.PushToken}, {After: "Passphrase", Type: passphraseCanary}, {After: "Repeat", Type: passphraseCanary},
		}
	}
	fromDocker := []string{"store", "dockerhub", "--create", "--from", "docker", "--yes"}
	const good, echo, escapes = `{"ServerURL":"https://index.docker.io/v1/","Username":"mockserver","Secret":"%s"}`,
		`error: the store would not hand out %s`, "\x1b]0;%s\x07 is not JSON"
	return []flow{
		{name: "store: typed at the prompt", args: []string{"store", "dockerhub", "--create"}, set: typed(prompt("oken", pushToken))},
		{name: "store: a revoked token at the prompt", args: []string{"store", "dockerhub", "--create"}, want: present.ExitBad, set: typed(prompt("oken", func(b *sandbox.Sandbox) credential.Secret { return b.RevokedToken }))},
		{name: "store: quotation marks at the prompt", args: []string{"store", "dockerhub", "--create"}, set: typed(func(s *scene) []exposure.Answer {
			return []exposure.Answer{{After: "oken", Type: around(`"%s"`)(s.box)}, {After: "copy the token alone", Type: s.box.PushToken}}
		})},
		{name: "store: file with a passphrase", args: []string{"store", "locked"}, set: typed(locked)},
		{name: "store: docker's file", args: fromDocker, set: all(dockerLogin(pushToken, ""), marked)},
		{name: "store: docker's helper", args: fromDocker, set: all(dockerLogin(pushToken, good), marked)},
		{name: "store: a helper that repeats the token", args: fromDocker, want: present.ExitFailed, set: all(dockerLogin(pushToken, echo), marked)},
		{name: "store: a helper with a header", args: fromDocker, want: present.ExitUsage, set: dockerLogin(pushToken, `{"ServerURL":"https://index.docker.io/v1/","Username":"mockserver","Secret":"Bearer %s"}`)},
		{name: "store: a helper with escapes", args: fromDocker, want: present.ExitFailed, set: all(dockerLogin(pushToken, escapes), marked)},
	}
}

// marked makes the secret like Terraform does, with the registry in its tag.
func marked(s *scene) error {
	return s.box.SecretsManager.AddEmpty("mockserver-build/dockerhub", "eu-west-2", "", credential.Mark{Registry: "docker.io", Name: "dockerhub"}.String())
}

// misplacedFlows put a token where it does not belong.
func misplacedFlows() []flow {
	put := func(name, format string, args ...string) flow {
		return flow{name: "misplaced: " + name, args: args, want: present.ExitUsage, set: argument(format)}
	}
	inFile := func(name, before, after string) flow {
		return flow{name: "misplaced: " + name, args: []string{"check"}, want: present.ExitUsage, set: configured(before, after)}
	}
	return []flow{
		put("an argument", "%s", "store", "dockerhub"),
		put("the name", "%s", "store"),
		put("the command", "%s"),
		put("a flag's value", "--username=%s", "store", "dockerhub"),
		put("an unknown flag", "--%s", "check"),
		put("an unknown flag's value", "--token=%s", "store", "dockerhub"),
		put("the output form", "%s", "check", "--output"),
		put("the time limit", "%s", "check", "--timeout"),
		put("the configuration's name", "%s", "check", "--config"),
		put("a part of the shape", "--shape=user,%s", "store", "dockerhub"),
		put("behind a profile", "--profile=x:%s", "store", "dockerhub"),
		put("a file's path", "--file=/tmp/%s", "store", "dockerhub"),
		put("behind a role", "--role=x/%s", "terraform", "dockerhub", "--inline"),
		put("a variable for a command", "--env=A,%s", "exec", "dockerhub"),
		put("a command's arguments", "Authorization: Bearer %s", "exec", "dockerhub", "--", "curl", "-H"),
		{name: "misplaced: a variable", args: []string{"check"}, want: present.ExitUsage, set: func(s *scene) error {
			s.run.Env = append(s.run.Env, "AWS_PROFILE=x:"+s.box.PushToken.Reveal())
			return nil
		}},
		{name: "misplaced: AWS's configuration", args: []string{"login", "aws"}, want: present.ExitUsage, set: func(s *scene) error {
			s.run.Env = append(s.run.Env, "AWS_CONFIG_FILE="+filepath.Join(s.run.Dir, "aws"))
			return s.file("aws", "[default]\nsso_start_url = https://"+s.box.PushToken.Reveal()+".example/start\n", false)
		}},
		{name: "misplaced: a helper's name", args: []string{"doctor", "dockerhub"}, want: present.ExitFailed, set: all(stored(pushToken, "dockerhub"), func(s *scene) error {
			return s.file(".docker/config.json", `{"credsStore":"`+s.box.PushToken.Reveal()+`"}`, false)
		})},
		put("a new configuration", "--username=%s", "init", "--registry", "docker.io", "--repository", "a/b", "--yes"),
		{name: "misplaced: a script", args: []string{"init", "--from-script", "s.sh", "--yes"}, want: present.ExitUsage, set: func(s *scene) error {
			return s.file("s.sh", "aws secretsmanager get-secret-value --secret-id "+s.box.PushToken.Reveal()+"\n", false)
		}},
		{name: "misplaced: a comment in the configuration", args: []string{"init", "--registry", "ghcr.io", "--repository", "a/b", "--secret-id", "x/y", "--yes"}, want: present.ExitUsage, set: func(s *scene) error {
			return s.file(config.FileName, configuration+"# "+s.box.PushToken.Reveal()+"\n", false)
		}},
		{name: "misplaced: Terraform", args: []string{"init", "--from-terraform", "tf", "--repository", "a/b", "--dry-run"}, want: present.ExitUsage, set: func(s *scene) error {
			return s.file("tf/main.tf", "resource \"aws_secretsmanager_secret\" \"docker\" {\n  name = \"docker/"+s.box.PushToken.Reveal()+"\"\n}\n", false)
		}},
		inFile("a user name in the configuration", "username: mockserver", "username: %s"),
		inFile("a key in the configuration", "    access: push", "    %s: push"),
		inFile("a name in the configuration", "  dockerhub:", "  %s:"),
		inFile("a host in the configuration", "registry: docker.io\n    username", "registry: %s\n    username"),
		inFile("broken YAML", "access: push", "access: [%s"),
		inFile("an alias in YAML", "access: push", "access: *%s"),
	}
}

// misledFlows have a purser.yaml that names another registry for a stored token.
func misledFlows() []flow {
	misled := all(stored(pushToken, "dockerhub"), func(s *scene) error {
		return s.file(config.FileName, strings.ReplaceAll(configuration, "registry: docker.io", "registry: evil.example"), false)
	})
	return []flow{
		{name: "misled: check", args: []string{"check", "dockerhub"}, want: present.ExitUsage, set: misled},
		{name: "misled: exec", args: []string{"exec", "dockerhub", "--", "true"}, want: present.ExitUsage, set: misled},
		{name: "misled: store over it", args: []string{"store", "dockerhub", "--token-stdin"}, want: present.ExitUsage, set: all(misled, input(secondToken))},
	}
}

// hostileFlows have registries and AWS misbehave in every call.
func hostileFlows() []flow {
	var flows []flow
	check := []string{"check", "dockerhub"}
	add := func(kind, how string, fault sandbox.Fault, limit string) {
		for _, command := range [][]string{storeArgs, check} {
			f := flow{name: command[0] + ": registry, " + kind + ", " + how, args: command, want: present.ExitUnknown}
			before := stored(pushToken, "dockerhub")
			if command[0] == "store" {
				before = all(stored(secondToken, "dockerhub"), input(pushToken))
			}
			f.set = all(before, registryFault(kind, fault))
			if limit != "" {
				f.args = append([]string{"--timeout", limit}, f.args...)
			}
			if fault.Echo {
				f.args = append([]string{"--debug"}, f.args...)
			}
			flows = append(flows, f)
		}
	}
	for _, kind := range []string{"ping", "token", "tags", "upload", "exchange"} {
		add(kind, "500 with the token", sandbox.Fault{Echo: true, Times: -1}, "")
		add(kind, "no answer", sandbox.Fault{Hang: true, Times: -1}, "1s")
	}
	for _, kind := range []string{"ping", "token", "upload"} {
		add(kind, "a page", sandbox.Fault{HTML: true, Times: -1}, "")
		add(kind, "elsewhere", redirected, "")
		add(kind, "an endless answer", sandbox.Fault{Flood: true, Times: -1}, "")
		add(kind, "cut", sandbox.Fault{Times: -1}, "")
	}
	add("token", "429", sandbox.Fault{Status: http.StatusTooManyRequests, Times: -1}, "")
	return append(flows, hostileAWSFlows()...)
}

func hostileAWSFlows() []flow {
	var flows []flow
	for _, operation := range []string{"GetCallerIdentity", "DescribeSecret", "PutSecretValue", "GetSecretValue", "UpdateSecretVersionStage"} {
		for _, way := range []struct {
			name  string
			fault sandboxaws.Fault
			code  int
			limit string
		}{
			{"400 with the value", sandboxaws.Fault{Echo: true, Times: -1}, present.ExitFailed, ""},
			{"access denied", sandboxaws.Fault{Echo: true, Code: "AccessDeniedException", Times: -1}, present.ExitAWS, ""},
			{"500 with the value", sandboxaws.Fault{Echo: true, Status: http.StatusInternalServerError, Code: "InternalFailure", Times: -1}, present.ExitUnknown, "1s"},
			{"not JSON", sandboxaws.Fault{Body: `{"SecretString": 7, `, Times: -1}, present.ExitUnknown, "1s"},
			{"no answer", sandboxaws.Fault{Hang: true, Times: -1}, present.ExitUnknown, "1s"},
		} {
			if operation == "GetCallerIdentity" && (way.code == present.ExitAWS || way.name == "not JSON") {
				way.code, way.limit = present.ExitOK, "" // the caller's identity is optional, and the rest takes the time it takes
			}
			args := slices.Concat([]string{"--debug"}, storeArgs)
			if way.limit != "" {
				args = slices.Concat([]string{"--timeout", way.limit}, args)
			}
			flows = append(flows, flow{
				name: "store: AWS, " + operation + ", " + way.name, args: args, want: way.code,
				set: all(stored(secondToken, "dockerhub"), input(pushToken), awsFault(operation, way.fault)),
			})
		}
	}
	return append(flows, flow{
		name: "store: AWS, PutSecretValue, a lost answer", args: storeArgs,
		set: all(stored(secondToken, "dockerhub"), input(pushToken), awsFault("PutSecretValue", sandboxaws.Fault{After: true})),
	})
}

// endedFlows kill the process while it has the token.
func endedFlows() []flow {
	const bySignal = 128
	hanging := map[string]func(*scene) error{
		"registry, upload":    registryFault("upload", sandbox.Fault{Hang: true, Times: -1}),
		"AWS, PutSecretValue": awsFault("PutSecretValue", sandboxaws.Fault{Hang: true, Times: -1}),
	}
	var flows []flow
	for _, where := range []string{"registry, upload", "AWS, PutSecretValue"} {
		for _, end := range []struct {
			name string
			sig  syscall.Signal
			code int
		}{
			{"interrupted", syscall.SIGINT, present.ExitUnknown}, {"terminated", syscall.SIGTERM, present.ExitUnknown},
			{"SIGQUIT", syscall.SIGQUIT, bySignal + 3}, {"SIGABRT", syscall.SIGABRT, bySignal + 6},
			{"SIGSEGV", syscall.SIGSEGV, bySignal + 11}, {"killed", syscall.SIGKILL, -9},
		} {
			flows = append(flows, flow{
				name: "store: " + where + ", " + end.name, args: storeArgs, want: end.code,
				set: all(stored(secondToken, "dockerhub"), input(pushToken), hanging[where], signalled(end.sig)),
			})
		}
	}
	return append(flows,
		flow{
			name: "check: registry, token, SIGQUIT", args: []string{"check"}, want: bySignal + 3,
			set: all(stored(pushToken, "dockerhub"), registryFault("token", sandbox.Fault{Hang: true, Times: -1}), signalled(syscall.SIGQUIT)),
		},
	)
}

// readingFlows run the commands that read stored tokens.
func readingFlows() []flow {
	both := all(stored(pushToken, "dockerhub"), stored(pushToken, "laptop"))
	return []flow{
		{name: "check: all well", args: []string{"check", "dockerhub", "laptop"}, set: both},
		{name: "check: --output json", args: []string{"check", "dockerhub", "--output", "json"}, set: both},
		{name: "check: --debug", args: []string{"check", "dockerhub", "--debug"}, set: both},
		{name: "check: revoked since", args: []string{"check", "dockerhub"}, want: present.ExitBad, set: all(both, revoke)},
		{name: "check: nothing stored", args: []string{"check", "dockerhub"}, want: present.ExitMissing},
		{name: "doctor: all well", args: []string{"doctor", "dockerhub"}, set: both},
		{name: "doctor: a login in docker's file", args: []string{"doctor", "dockerhub", "--output", "json"}, want: present.ExitFailed, set: all(both, dockerLogin(pushToken, ""))},
		{name: "doctor: a helper that repeats the token", args: []string{"doctor", "dockerhub"}, set: all(both, dockerLogin(pushToken, "error: %s"))},
		{name: "doctor: AWS repeats what it got", args: []string{"doctor", "dockerhub"}, want: present.ExitFailed, set: all(both, awsFault("DescribeSecret", sandboxaws.Fault{Echo: true, Times: -1}))},
		{name: "doctor: registry repeats what it got", args: []string{"doctor", "dockerhub"}, want: present.ExitUnknown, set: all(both, registryFault("ping", sandbox.Fault{Echo: true, Times: -1}))},
		{name: "status: all well", args: []string{"status", "dockerhub", "laptop"}, set: both},
		{name: "status: --output json", args: []string{"status", "dockerhub", "--output", "json"}, set: both},
		{name: "status: AWS repeats what it got", args: []string{"status", "dockerhub"}, want: present.ExitFailed, set: all(both, awsFault("DescribeSecret", sandboxaws.Fault{Echo: true, Times: -1}))},
	}
}

// scanFlows find the token in places where a scan looks, which it must not copy from there.
func scanFlows() []flow {
	leaked := func(name, format string) func(*scene) error {
		return func(s *scene) error {
			return s.file(name, fmt.Sprintf(format, s.box.PushToken.Reveal()), false)
		}
	}
	here := []exposure.Channel{exposure.Files} // where the token was before
	there := all(stored(pushToken, "dockerhub"), leaked("leak/.env", "TOKEN=%s\n"))
	run := func(name string, want int, set func(*scene) error, args ...string) flow {
		return flow{name: "scan: " + name, args: append([]string{"scan"}, args...), want: want, set: set, allow: here}
	}
	return []flow{
		run("found", present.ExitBad, there, "dockerhub", "leak"),
		run("--output json and a report", present.ExitBad, there, "leak", "--output", "json", "--report", "r.sarif"),
		run("--debug and --prove", present.ExitBad, there, "leak", "--prove", "--debug"),
		run("a pipe", present.ExitBad, all(stored(pushToken, "dockerhub"), input(pushToken)), "-"),
		run("the name of a file", present.ExitBad, all(stored(pushToken, "dockerhub"), func(s *scene) error {
			return s.file("leak/"+s.box.PushToken.Reveal(), "", false)
		}), "leak"),
		run("this machine", present.ExitBad, all(stored(pushToken, "dockerhub"), dockerLogin(pushToken, ""), leaked(".bash_history", "docker login -p %s\n")), "--here"),
		run("fingerprints", present.ExitOK, stored(pushToken, "dockerhub"), "dockerhub", "--export", "prints.json"),
		run("git's history", present.ExitBad, all(there, committed), "."),
		run("another token", present.ExitFailed, all(stored(secondToken, "dockerhub"), leaked("leak/x", "%s")), "leak"),
		run("AWS repeats what it got", present.ExitFailed, all(there, awsFault("GetSecretValue", sandboxaws.Fault{Echo: true, Times: -1})), "leak"),
	}
}

// committed puts the scene's leak into a git history, and removes it from the checkout.
func committed(s *scene) error {
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "leak"}, {"-c", "user.name=Ann", "-c", "user.email=ann@example.com", "commit", "-q", "-m", "add"}, {"rm", "-q", "-r", "leak"},
	} {
		git := exec.CommandContext(s.ctx, "git", args...) //nolint:gosec // constant
		git.Dir, git.Env = s.run.Dir, append(git.Environ(), "HOME="+s.run.Dir, "GIT_CONFIG_NOSYSTEM=1")
		if said, err := git.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, said)
		}
	}
	return nil
}

// signInFlows sign in to AWS. The session's tokens belong in the cache file of AWS's tools and nowhere
// else.
func signInFlows() []flow {
	profile := func(s *scene) error {
		s.box.IdentityCenter.Agreed = true
		s.run.Env = append(s.run.Env, "AWS_CONFIG_FILE="+filepath.Join(s.run.Dir, "aws-config"))
		return s.file("aws-config", "[profile p]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = AdministratorAccess\n"+
			"[sso-session s]\nsso_start_url = https://mockserver.awsapps.example/start\nsso_region = eu-west-2\n", false)
	}
	answer := func(code string) func(*scene) error {
		return func(s *scene) error { s.box.IdentityCenter.Answer(code); return nil }
	}
	args := []string{"login", "aws", "--profile", "p", "--no-browser"}
	cache := []exposure.Channel{exposure.Files}
	return []flow{
		{name: "login: by code", args: args, set: profile, allow: cache},
		{name: "login: --debug", args: append([]string{"--debug", "--output", "json"}, args...), set: profile, allow: cache},
		{name: "login: refused", args: args, want: present.ExitAWS, set: all(profile, answer("access_denied"))},
		{name: "login: no such profile", args: []string{"login", "aws", "--profile", "q"}, want: present.ExitAWS, set: profile},
		{name: "login: nobody at the browser", args: append([]string{"--timeout", "1s"}, args[:4]...), want: present.ExitUnknown, set: all(profile, answer("authorization_pending"))},
		{name: "logout: not signed in", args: []string{"logout", "aws", "--profile", "p"}, set: profile},
	}
}

// plainFlows have no secrets now. They guard against future ones.
func plainFlows() []flow {
	return []flow{
		{name: "help", args: nil},
		{name: "terraform", args: []string{"terraform", "dockerhub", "--inline"}},
		{name: "init", args: []string{"init", "--registry", "ghcr.io", "--repository", "a/b", "--secret-id", "x/y", "--yes"}},
		{name: "configure-docker", args: []string{"configure-docker", "dockerhub"}, set: dockerLogin(pushToken, ""), allow: []exposure.Channel{exposure.Files}}, // docker's login stays there
		{name: "configure-docker: --dry-run", args: []string{"configure-docker", "--dry-run"}, set: all(dockerLogin(pushToken, ""), marked)},
		{name: "schema", args: []string{"schema"}},
		{name: "version", args: []string{"version"}},
		{name: "schema output", args: []string{"schema", "output"}},
		{name: "man", args: []string{"man", "man1"}},
		{name: "completion of a line", args: []string{"__complete", "check", ""}},
		{name: "completion", args: []string{"completion", "bash"}},
		{name: "sandbox", args: []string{"sandbox"}},
		{name: "sandbox try", args: []string{"sandbox", "try"}, set: ownPeers},
		// The password of the stand-ins' accounts is the same in all sandboxes. It is in a file, and shown.
		{name: "sandbox run", args: []string{"sandbox", "run", "--", "true"}, set: ownPeers, allow: []exposure.Channel{exposure.Files}},
		{name: "sandbox shell", args: []string{"sandbox", "shell"}, set: ownPeers, allow: []exposure.Channel{exposure.Files, exposure.Errors}},
		{name: "sandbox up: no room", args: []string{"sandbox", "up"}, want: present.ExitFailed, set: func(s *scene) error {
			s.run.Env = append(s.run.Env, "TMPDIR=/nonexistent")
			return nil
		}},
		{name: "sandbox serve: no room", args: []string{"sandbox", "serve", "--folder", "/dev/null/nowhere"}, want: present.ExitFailed},
		{name: "sandbox inside: no namespaces", args: []string{"sandbox", "inside", "--probe"}, want: present.ExitFailed},
		{name: "rehearse", args: []string{"rehearse", "dockerhub"}, set: ownPeers},
		{name: "sandbox fault: none", args: []string{"sandbox", "fault", "hub:mint"}, want: present.ExitUsage},
		{name: "sandbox down: none", args: []string{"sandbox", "down"}, want: present.ExitUsage},
		{name: "login", args: []string{"login"}},
	}
}

// ownPeers lets a command connect to the stand-ins that it starts.
func ownPeers(s *scene) error {
	s.run.Peers = nil
	return nil
}

func revoke(s *scene) error {
	s.box.Accounts.Revoke(s.box.PushToken)
	return nil
}

// panicFlows panic while purser has the token. They need the build that leaks.
func panicFlows() []flow {
	const uncaught = -6 // SIGABRT, because of GOTRACEBACK=crash
	return []flow{
		{name: "store: a panic with the token in it", args: storeArgs, want: present.ExitFailed, leaking: true, set: all(input(pushToken), leaksBy("panic"))},
		{name: "store: a panic in a goroutine", args: storeArgs, want: uncaught, leaking: true, set: all(input(pushToken), leaksBy("panic elsewhere"))},
	}
}

// helperFlows run the credential helper, which may print the token on standard output.
func helperFlows() []flow {
	const bySignal = 128
	asked := func(name string) func(*scene) error {
		return func(s *scene) error {
			s.run.Input = credential.NewSecret(name) // not a secret, but Input's type
			s.run.Env = append(s.run.Env, "PURSER_SECRET_ID=mockserver-build/dockerhub", "AWS_REGION=eu-west-2", "PURSER_HELPER_TIMEOUT=1s", "PURSER_HELPER_CACHE=off")
			return nil
		}
	}
	mine := all(stored(pushToken, "dockerhub"), asked("https://index.docker.io/v1/"))
	get := []string{"get"}
	hang := awsFault("GetSecretValue", sandboxaws.Fault{Hang: true, Times: -1})
	return []flow{
		{
			name: "helper: get, kept by the kernel", args: get, helper: isHelper, allow: []exposure.Channel{exposure.Output, exposure.Keyring},
			set: all(mine, func(s *scene) error { s.run.Env = append(s.run.Env, "PURSER_HELPER_CACHE=1s"); return nil }),
		},
		{name: "helper: erase", args: []string{"erase"}, set: input(pushToken), helper: isHelper},
		{name: "helper: get", args: get, set: mine, helper: isHelper, allow: []exposure.Channel{exposure.Output}},
		{name: "helper: get, another registry", args: get, want: present.ExitFailed, set: all(stored(pushToken, "dockerhub"), asked("evil.example")), helper: isHelper},
		{name: "helper: get, AWS repeats what it got", args: get, want: present.ExitFailed, set: all(mine, awsFault("GetSecretValue", sandboxaws.Fault{Echo: true, Times: -1})), helper: isHelper},
		{name: "helper: get, no answer", args: get, want: present.ExitFailed, set: all(mine, hang), helper: isHelper},
		{name: "helper: get, SIGQUIT", args: get, want: bySignal + 3, set: all(mine, hang, signalled(syscall.SIGQUIT)), helper: isHelper},
		{name: "helper: get, killed", args: get, want: -9, set: all(mine, hang, signalled(syscall.SIGKILL)), helper: isHelper},
		{name: "helper: store", args: []string{"store"}, set: input(pushToken), helper: isHelper},
		{name: "helper: list", args: []string{"list"}, set: mine, helper: isHelper},
	}
}

// controls run a shell that leaks its input in every way that a shell can.
func controls() []flow {
	leak := func(channel exposure.Channel, script string) flow {
		return flow{
			name: "a shell leaked into " + string(channel), shell: true, args: []string{"read -r token;", script},
			set: input(pushToken), leaks: channel,
		}
	}
	onTerminal := flow{
		name: "a terminal echoed what was typed", shell: true, args: []string{"printf 'token: '; read -r token"}, leaks: exposure.Terminal,
		set: typed(func(s *scene) []exposure.Answer {
			return []exposure.Answer{{After: "token", Type: s.box.PushToken}}
		}),
	}
	return []flow{
		leak(exposure.Output, `printf '%s' "$token" | cut -c 12-20`),
		leak(exposure.Errors, `printf '%s' "$token" >&2`),
		leak(exposure.Arguments, `/bin/echo "$token" >/dev/null`),
		leak(exposure.Environment, `export token; /bin/true`),
		leak(exposure.Files, `printf '%s' "$token" | base64 >gone; rm gone`),
		onTerminal,
	}
}

// leakControls are the deliberate leaks of a build with the tag leak: every channel and every encoding.
func leakControls() []flow {
	ways := []struct {
		name    string
		channel exposure.Channel
	}{
		{"output", exposure.Output}, {"errors", exposure.Errors}, {"terminal", exposure.Terminal},
		{"arguments", exposure.Arguments}, {"environment", exposure.Environment}, {"files", exposure.Files},
		{"file names", exposure.Files}, {"sockets", exposure.Sockets}, {"network", exposure.Network}, {"tls", exposure.Network},
		{"keyring", exposure.Keyring}, {"cores", exposure.Cores}, {"two writes", exposure.Output}, {"six", exposure.Output},
		{"base64", exposure.Output}, {"hex", exposure.Output}, {"hex words", exposure.Output}, {"reversed", exposure.Output},
		{"URL", exposure.Output}, {"JSON", exposure.Output}, {"shell", exposure.Output}, {"query", exposure.Output}, {"numbers", exposure.Output},
	}
	var flows []flow
	for _, way := range ways {
		if way.channel == exposure.Cores && !exposure.CoresPossible() {
			continue // no program can dump core here
		}
		f := flow{name: "purser leaked by " + way.name, args: storeArgs, leaking: true, leaks: way.channel, set: all(input(pushToken), leaksBy(way.name))}
		if way.name == "terminal" {
			f.args = []string{"store", "dockerhub", "--create"}
			f.set = all(typed(func(s *scene) []exposure.Answer {
				return []exposure.Answer{{After: "oken", Type: s.box.PushToken}}
			}), leaksBy(way.name))
		}
		flows = append(flows, f)
	}
	return flows
}

func leaksBy(way string) func(*scene) error {
	return func(s *scene) error { s.run.Env = append(s.run.Env, "PURSER_LEAK="+way); return nil }
}

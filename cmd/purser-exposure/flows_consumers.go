package main

import (
	"syscall"

	"purser/internal/credential"
	"purser/internal/exposure"
	"purser/internal/present"
	sandboxaws "purser/internal/sandbox/aws"
)

// consumerFlows run commands that get the token from the helper. Their output goes through a pipe or
// terminal of purser's, and the search covers what comes out of purser.
func consumerFlows() []flow {
	const bySignal = 128
	ask := "echo docker.io | docker-credential-purser get"
	run := func(script string, flags ...string) []string {
		return append(append([]string{"exec"}, flags...), "dockerhub", "--", "sh", "-c", script)
	}
	there := all(stored(pushToken, "dockerhub"), func(s *scene) error {
		s.run.Env = append(s.run.Env, "AWS_REGION=eu-west-2", "PURSER_HELPER_CACHE=off")
		return nil
	})
	inCI := all(there, func(s *scene) error {
		s.run.Env = append(s.run.Env, "PURSER_SECRET_ID=mockserver-build/dockerhub", "CI=true", "TMPDIR=/tmp")
		return nil
	})
	agent := func(s *scene) error {
		s.run.Env = append(s.run.Env, "BUILDKITE=true")
		return s.file("buildkite-agent", "#!/bin/sh\ncat >/dev/null\n", true)
	}
	failing := func(s *scene) error {
		s.run.Env = append(s.run.Env, "BUILDKITE=true")
		return s.file("buildkite-agent", "#!/bin/sh\ncat\nexit 1\n", true)
	}
	// The command calls AWS when it runs; the stand-in then sends the signal.
	hang := awsFault("GetSecretValue", sandboxaws.Fault{Hang: true, Times: -1})
	onTerminal := typed(func(*scene) []exposure.Answer {
		return []exposure.Answer{{After: "go on?", Type: credential.NewSecret("yes")}}
	})
	job := []string{"job", "start", "--dir", "/proc/self/cwd/job"}
	return []flow{
		{name: "exec: a quiet command", args: run("true"), set: there, helper: needsHelper},
		{name: "exec: the command prints the token", args: run(ask + "; " + ask + " >&2"), set: there, helper: needsHelper},
		{name: "exec: it prints it in base64 and hex", args: run(ask + "| base64; " + ask + "| od -An -tx1 | tr -d ' \n' >&2"), set: there, helper: needsHelper},
		{name: "exec: it wraps it", args: run(ask + "| fold -w 7; " + ask + "| base64 -w 9 | sed 's/^/> /' >&2"), set: there, helper: needsHelper},
		{name: "exec: it dumps it", args: run(ask + "| od -An -tu1; " + ask + "| od -c >&2"), set: there, helper: needsHelper},
		{name: "exec: it wraps it on a terminal", args: run("printf 'go on?'; read -r x; " + ask + "| fold -w 7"), set: all(there, onTerminal), helper: needsHelper},
		{name: "exec: on a terminal", args: run(ask + "; printf 'go on?'; read -r x; " + ask), set: all(there, onTerminal), helper: needsHelper},
		{name: "exec: no answer from AWS", args: run("true", "--timeout", "1s"), want: present.ExitUnknown, set: all(there, hang), helper: needsHelper},
		{name: "exec: killed while it asks", args: run("true"), want: -9, set: all(there, hang, signalled(syscall.SIGKILL)), helper: needsHelper},
		{name: "exec: SIGQUIT while it asks", args: run("true"), want: bySignal + 3, set: all(there, hang, signalled(syscall.SIGQUIT)), helper: needsHelper},
		{
			name: "exec: --env hands it over", args: run("printenv REGISTRY_TOKEN", "--env", "REGISTRY_USER,REGISTRY_TOKEN"), set: there, helper: needsHelper,
			allow: []exposure.Channel{exposure.Environment},
		},
		{name: "exec: in CI, with an agent", args: []string{"exec", "--", "sh", "-c", ask}, set: all(inCI, agent), helper: needsHelper},
		{name: "exec: an agent that repeats its input", args: []string{"exec", "--", "sh", "-c", ask}, want: present.ExitFailed, set: all(inCI, failing), helper: needsHelper},
		{name: "job start: with an agent", args: job, set: all(inCI, agent), helper: needsHelper},
		{name: "job start: an agent that repeats its input", args: job, want: present.ExitFailed, set: all(inCI, failing), helper: needsHelper},
		{name: "job end", args: []string{"job", "end", "--dir", "/tmp/purser-none"}, set: inCI},
		{name: "job", args: []string{"job"}},
		{name: "remove-after", args: []string{"remove-after", "/tmp/purser-0"}},
		{name: "logout", args: []string{"logout"}},
	}
}

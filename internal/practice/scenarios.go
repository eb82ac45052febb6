package practice

import (
	"context"
	"time"

	"purser/internal/credential"
	"purser/internal/present"
	sandboxaws "purser/internal/sandbox/aws"
)

const tourDay = 24 * time.Hour

func (t *tour) storing(ctx context.Context) error {
	good, readOnly := t.sandbox.PushToken, t.sandbox.ReadOnlyToken
	err := t.stops(ctx, []stop{
		{`This is the main job. You made a token on Docker's page and pipe it in. purser
asks the registry what the token can do, stores it, reads it back, checks it again
and makes it current:`, []string{"store", "dockerhub", "--token-stdin", "--create"}, good, present.ExitOK},
		{`Run it again. The token is already stored, so purser writes nothing:`, []string{"store", "dockerhub", "--token-stdin"}, good, present.ExitOK},
		{`This token is read-only. docker login would say "Login Succeeded". purser does not
store it, and tells you what to do:`, []string{"store", "dockerhub", "--token-stdin"}, readOnly, present.ExitBad},
		{`The secret still holds the good token. check reads it as a build agent does, and
tests it:`, []string{"check"}, credential.Secret{}, present.ExitOK},
		{`status shows all credentials without reading a value:`, []string{"status"}, credential.Secret{}, present.ExitOK},
	}...)
	if err == nil {
		t.say("Next, write your own purser.yaml, then type purser store NAME.")
	}
	return err
}

// begin lets purser make the first token.
func (t *tour) begin(ctx context.Context, more ...string) error {
	if err := t.management(); err != nil {
		return err
	}
	return t.visit(ctx, stop{
		say:  "purser makes the first token at Docker Hub. A second secret holds the account\nthat may do so:",
		args: append([]string{"store", "dockerhub", "--mint", "--create"}, more...),
	})
}

func (t *tour) rotation(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	if err := t.visit(ctx, stop{say: "A schedule runs this every day. Nothing is due yet:", args: []string{"rotate", "--due"}}); err != nil {
		return err
	}
	t.later(91*tourDay, "… 91 days later …")
	if err := t.visit(ctx, stop{say: "The same command runs again. purser makes a new token, checks it, stores it,\nchecks the stored copy, and only then makes it current. The previous token keeps\nworking, because running jobs still use it:", args: []string{"rotate", "--due"}}); err != nil {
		return err
	}
	t.later(25*time.Hour, "… the next day …")
	if err := t.visit(ctx, stop{say: "Nobody has used the previous token for hours. purser switches it off, revokes it,\nand checks that it is dead:", args: []string{"rotate", "--due"}}); err != nil {
		return err
	}
	return t.claim(ctx)
}

func (t *tour) killed(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	t.later(91*tourDay, "… 91 days later …")
	interrupted, kill := context.WithCancel(ctx)
	defer kill()
	t.sandbox.SecretsManager.Fault("UpdateSecretVersionStage", sandboxaws.Fault{Struck: kill})
	if err := t.visit(interrupted, stop{say: "A rotation starts. Something kills it just before the new token becomes current:", args: []string{"rotate", "--due"}, want: present.ExitUnknown}); err != nil {
		return err
	}
	t.sandbox.SecretsManager.ClearFaults()
	return t.finish(ctx, "purser keeps no journal, and you have nothing to repair. The secret itself shows a\ntoken that waits to become current:")
}

// finish inspects the state, runs once more, and retires the old token.
func (t *tour) finish(ctx context.Context, told string) error {
	if err := t.stops(ctx,
		stop{say: "Builds did not notice, because the previous token is still current:", args: []string{"check"}},
		stop{say: told, args: []string{"status"}},
		stop{say: "An ordinary run finishes the work:", args: []string{"rotate", "--due"}},
	); err != nil {
		return err
	}
	t.later(25*time.Hour, "… the next day …")
	if err := t.visit(ctx, stop{say: "purser retires the previous token:", args: []string{"rotate", "--due"}}); err != nil {
		return err
	}
	return t.claim(ctx)
}

func (t *tour) leak(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	t.later(3*tourDay, "… three days later, somebody finds the token in a build log.")
	t.sandbox.SecretsManager.Record(sandboxaws.TrailEvent{
		Name: "GetSecretValue", At: t.Now(), Caller: "arn:aws:sts::123456789012:assumed-role/buildkite-agents/i-0123456789abcdef0", Source: "10.0.0.7", SecretID: "mockserver-build/dockerhub", Stage: "AWSCURRENT",
	})
	if err := t.visit(ctx, stop{say: "purser first stops the harm: it switches the token off before anything else.", args: []string{"respond", "dockerhub", "--yes", "--since", "7d"}}); err != nil {
		return err
	}
	return t.claim(ctx)
}

func (t *tour) outage(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	t.later(91*tourDay, "… 91 days later, AWS has a bad day.")
	t.sandbox.SecretsManager.Fault("UpdateSecretVersionStage", sandboxaws.Fault{Code: "InternalServiceError", Message: "try again later", Status: 500, Times: -1})
	if err := t.visit(ctx, stop{say: "purser makes and stores the new token. When it makes the token current,\nAWS answers only 500:", args: []string{"rotate", "--due"}, want: present.ExitUnknown}); err != nil {
		return err
	}
	t.sandbox.SecretsManager.ClearFaults()
	return t.finish(ctx, "The outage is over. status shows what is left to do:")
}

func (t *tour) expired(ctx context.Context) error {
	if err := t.begin(ctx, "--expires", "30d"); err != nil {
		return err
	}
	t.later(31*tourDay, "… 31 days later, it is release day, and nobody runs purser rotate on a schedule.")
	if err := t.stops(ctx,
		stop{say: "The push fails. check tells you why at once:", args: []string{"check"}, want: present.ExitBad},
		stop{say: "status knows it, too, without reading the token:", args: []string{"status"}},
		stop{say: "purser makes and stores a new token:", args: []string{"store", "dockerhub", "--mint"}},
	); err != nil {
		return err
	}
	t.say("On a schedule, purser rotate --due would have renewed the token three days before\nit expired.")
	return t.claim(ctx)
}

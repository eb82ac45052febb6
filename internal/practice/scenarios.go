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
		{`The main job. Someone made a token on Docker's page and pipes it in. purser asks the
registry what it may do, stores it, reads it back, proves that, and makes it current:`, []string{"store", "dockerhub", "--token-stdin", "--create"}, good, present.ExitOK},
		{`The same again: the token is already stored, so purser writes nothing.`, []string{"store", "dockerhub", "--token-stdin"}, good, present.ExitOK},
		{`Someone brings a read-only token. docker login would say "Login Succeeded". purser does
not store it, and says what to do:`, []string{"store", "dockerhub", "--token-stdin"}, readOnly, present.ExitBad},
		{`What is stored is still the good one. check reads it as a build agent would, and proves it:`, []string{"check"}, credential.Secret{}, present.ExitOK},
		{`status describes all credentials without reading a value:`, []string{"status"}, credential.Secret{}, present.ExitOK},
	}...)
	if err == nil {
		t.say("Next: write your own purser.yaml, then run purser store NAME.")
	}
	return err
}

// begin makes purser mint the first token.
func (t *tour) begin(ctx context.Context, more ...string) error {
	if err := t.management(); err != nil {
		return err
	}
	return t.visit(ctx, stop{
		say:  "Docker Hub makes the first token, with an account that a second secret holds:",
		args: append([]string{"store", "dockerhub", "--mint", "--create"}, more...),
	})
}

func (t *tour) rotation(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	if err := t.visit(ctx, stop{say: "The schedule runs every day. Nothing is due yet:", args: []string{"rotate", "--due"}}); err != nil {
		return err
	}
	t.later(91*tourDay, "… 91 days later.")
	if err := t.visit(ctx, stop{say: "The same command. purser makes another token, checks it, stores it, checks what it stored,\nand only then makes it current. The old token keeps working, because running jobs have it.", args: []string{"rotate", "--due"}}); err != nil {
		return err
	}
	t.later(25*time.Hour, "… the day after.")
	if err := t.visit(ctx, stop{say: "Nobody has used the old token for hours. purser switches it off, revokes it, and tries it once more:", args: []string{"rotate", "--due"}}); err != nil {
		return err
	}
	return t.claim(ctx)
}

func (t *tour) killed(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	t.later(91*tourDay, "… 91 days later.")
	interrupted, kill := context.WithCancel(ctx)
	defer kill()
	t.sandbox.SecretsManager.Fault("UpdateSecretVersionStage", sandboxaws.Fault{Struck: kill})
	if err := t.visit(interrupted, stop{say: "A rotation begins. Just before the new token becomes current, somebody stops the run:", args: []string{"rotate", "--due"}, want: present.ExitUnknown}); err != nil {
		return err
	}
	t.sandbox.SecretsManager.ClearFaults()
	return t.finish(ctx, "purser needs no journal and no repair. The store says that a token waits to become current:")
}

// finish inspects the state, runs once more, and retires the old token.
func (t *tour) finish(ctx context.Context, told string) error {
	if err := t.stops(ctx,
		stop{say: "Builds did not notice: the old token is still current.", args: []string{"check"}},
		stop{say: told, args: []string{"status"}},
		stop{say: "A plain run finishes:", args: []string{"rotate", "--due"}},
	); err != nil {
		return err
	}
	t.later(25*time.Hour, "… the day after.")
	if err := t.visit(ctx, stop{say: "purser retires the old token:", args: []string{"rotate", "--due"}}); err != nil {
		return err
	}
	return t.claim(ctx)
}

func (t *tour) leak(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	t.later(3*tourDay, "… three days later somebody finds the token in a build log.")
	t.sandbox.SecretsManager.Record(sandboxaws.TrailEvent{
		Name: "GetSecretValue", At: t.Now(), Caller: "arn:aws:sts::123456789012:assumed-role/buildkite-agents/i-0123456789abcdef0", Source: "10.0.0.7", SecretID: "mockserver-build/dockerhub", Stage: "AWSCURRENT",
	})
	if err := t.visit(ctx, stop{say: "purser stops the harm first: it switches the token off before anything else.", args: []string{"respond", "dockerhub", "--yes", "--since", "7d"}}); err != nil {
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
	if err := t.visit(ctx, stop{say: "purser makes the new token and stores it. When it makes the token current, AWS answers 500:", args: []string{"rotate", "--due"}, want: present.ExitUnknown}); err != nil {
		return err
	}
	t.sandbox.SecretsManager.ClearFaults()
	return t.finish(ctx, "The outage is over.")
}

func (t *tour) expired(ctx context.Context) error {
	if err := t.begin(ctx, "--expires", "30d"); err != nil {
		return err
	}
	t.later(31*tourDay, "… 31 days later. It is release day, and nobody runs purser rotate on a schedule.")
	if err := t.stops(ctx,
		stop{say: "The push fails. check says why, in a moment:", args: []string{"check"}, want: present.ExitBad},
		stop{say: "status knew it without reading the token:", args: []string{"status"}},
		stop{say: "purser makes and stores another one:", args: []string{"store", "dockerhub", "--mint"}},
	); err != nil {
		return err
	}
	t.say("A schedule with purser rotate --due would have renewed it three days before its end.")
	return t.claim(ctx)
}

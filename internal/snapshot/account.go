package snapshot

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// readAccount reads users, groups, roles and the policies that they use: all pages of one call.
func (t *taking) readAccount() {
	read := 0
	err := t.pages(func(page string) (string, error) {
		in := &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1000)}
		if page != "" {
			in.Marker = &page
		}
		out, err := t.IAM.GetAccountAuthorizationDetails(t.ctx, in)
		if err != nil {
			return "", err
		}
		t.keep(out)
		read += len(out.UserDetailList) + len(out.GroupDetailList) + len(out.RoleDetailList) + len(out.Policies)
		t.progress("IAM entities", read, 0)
		if !out.IsTruncated {
			return "", nil
		}
		return aws.ToString(out.Marker), nil
	})
	if err != nil {
		t.miss("users, groups, roles and their policies", "iam:GetAccountAuthorizationDetails", "", err)
		return
	}
	t.readBoundaries()
}

func (t *taking) keep(out *iam.GetAccountAuthorizationDetailsOutput) {
	var users []User
	for _, u := range out.UserDetailList {
		users = append(users, User{
			ARN: aws.ToString(u.Arn), ID: aws.ToString(u.UserId), Created: utc(u.CreateDate), Tags: t.iamTags(u.Tags), Groups: slices.Sorted(slices.Values(u.GroupList)),
			Inline: t.inline(u.UserPolicyList), Attached: attached(u.AttachedManagedPolicies), Boundary: boundary(u.PermissionsBoundary),
		})
	}
	var groups []Group
	for _, g := range out.GroupDetailList {
		groups = append(groups, Group{aws.ToString(g.Arn), aws.ToString(g.GroupId), aws.ToString(g.GroupName), t.inline(g.GroupPolicyList), attached(g.AttachedManagedPolicies)})
	}
	var roles []Role
	for _, r := range out.RoleDetailList {
		role := Role{
			ARN: aws.ToString(r.Arn), ID: aws.ToString(r.RoleId), Created: utc(r.CreateDate), Tags: t.iamTags(r.Tags), Trust: t.document(r.AssumeRolePolicyDocument),
			Inline: t.inline(r.RolePolicyList), Attached: attached(r.AttachedManagedPolicies), Boundary: boundary(r.PermissionsBoundary),
		}
		if r.RoleLastUsed != nil {
			role.Used = utc(r.RoleLastUsed.LastUsedDate)
		}
		for _, p := range r.InstanceProfileList {
			role.Profiles = append(role.Profiles, aws.ToString(p.Arn))
		}
		slices.Sort(role.Profiles)
		roles = append(roles, role)
	}
	var policies []Policy
	for _, p := range out.Policies {
		policy := Policy{ARN: aws.ToString(p.Arn), Default: aws.ToString(p.DefaultVersionId)}
		for _, v := range p.PolicyVersionList {
			policy.Versions = append(policy.Versions, Version{aws.ToString(v.VersionId), utc(v.CreateDate), t.document(v.Document)})
		}
		policies = append(policies, policy)
	}
	t.add(func(s *Snapshot) {
		s.Users, s.Groups, s.Roles, s.Policies = append(s.Users, users...), append(s.Groups, groups...), append(s.Roles, roles...), append(s.Policies, policies...)
	})
}

// readBoundaries reads managed policies that are only a boundary. GetAccountAuthorizationDetails
// leaves them out.
func (t *taking) readBoundaries() {
	known, missing := map[string]bool{"": true}, []string(nil)
	for _, p := range t.out.Policies {
		known[p.ARN] = true
	}
	note := func(arn string) {
		if !known[arn] {
			known[arn] = true
			missing = append(missing, arn)
		}
	}
	for _, u := range t.out.Users {
		note(u.Boundary)
	}
	for _, r := range t.out.Roles {
		note(r.Boundary)
	}
	t.each(len(missing), func(i int) { t.readBoundary(missing[i]) })
}

func (t *taking) readBoundary(arn string) {
	const what = "a permissions boundary"
	about, err := t.IAM.GetPolicy(t.ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if err == nil && about.Policy == nil {
		err = errEmpty
	}
	if err != nil {
		t.miss(what, "iam:GetPolicy", arn, err)
		return
	}
	version, err := t.IAM.GetPolicyVersion(t.ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: about.Policy.DefaultVersionId})
	if err == nil && version.PolicyVersion == nil {
		err = errEmpty
	}
	if err != nil {
		t.miss(what, "iam:GetPolicyVersion", arn, err)
		return
	}
	v := version.PolicyVersion
	policy := Policy{arn, aws.ToString(v.VersionId), []Version{{aws.ToString(v.VersionId), utc(v.CreateDate), t.document(v.Document)}}}
	t.add(func(s *Snapshot) { s.Policies = append(s.Policies, policy) })
}

func (t *taking) hasProfiles() bool {
	return slices.ContainsFunc(t.out.Roles, func(r Role) bool { return len(r.Profiles) > 0 })
}

// document decodes a document of IAM: percent-encoded by RFC 3986, where a plus is a plus. Other
// servers send it as it is.
func (t *taking) document(text *string) Document {
	s := aws.ToString(text)
	if !strings.HasPrefix(strings.TrimSpace(s), "{") {
		if decoded, err := url.PathUnescape(s); err == nil {
			s = decoded
		}
	}
	return Document(t.text(s))
}

func (t *taking) inline(all []types.PolicyDetail) (kept []Inline) {
	for _, p := range all {
		kept = append(kept, Inline{aws.ToString(p.PolicyName), t.document(p.PolicyDocument)})
	}
	sortBy(kept, func(i Inline) string { return i.Name })
	return kept
}

func attached(all []types.AttachedPolicy) (arns []string) {
	for _, p := range all {
		arns = append(arns, aws.ToString(p.PolicyArn))
	}
	slices.Sort(arns)
	return arns
}

func boundary(b *types.AttachedPermissionsBoundary) string {
	if b == nil {
		return ""
	}
	return aws.ToString(b.PermissionsBoundaryArn)
}

func (t *taking) iamTags(all []types.Tag) map[string]string {
	return tagsOf(t, all, func(g types.Tag) (*string, *string) { return g.Key, g.Value })
}

func tagsOf[T any](t *taking, all []T, of func(T) (key, value *string)) map[string]string {
	if len(all) == 0 {
		return nil
	}
	tags := make(map[string]string, len(all))
	for _, one := range all {
		key, value := of(one)
		tags[t.text(aws.ToString(key))] = t.text(aws.ToString(value))
	}
	return tags
}

func utc(at *time.Time) time.Time { return aws.ToTime(at).UTC().Truncate(time.Second) }

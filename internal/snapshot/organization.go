package snapshot

import (
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
)

// deepest is above Organizations' limit of five levels of units, with root and account.
const deepest = 10

// readOrganization reads the control policies that bind the account. Only the management account
// and delegated administrators may list them.
func (t *taking) readOrganization() {
	out, err := t.Organizations.DescribeOrganization(t.ctx, &organizations.DescribeOrganizationInput{})
	if _, none := errors.AsType[*types.AWSOrganizationsNotInUseException](err); none {
		t.add(func(s *Snapshot) { s.Organization = Organization{Known: true} })
		return
	}
	if err == nil && out.Organization == nil {
		err = errEmpty
	}
	if err != nil {
		t.miss("the organization", "organizations:DescribeOrganization", "", err)
		return
	}
	org := Organization{Known: true, Member: true, ID: aws.ToString(out.Organization.Id), Manager: aws.ToString(out.Organization.MasterAccountId)}
	defer func() { t.add(func(s *Snapshot) { s.Organization = org }) }()
	path, err := t.levels()
	if err != nil {
		t.miss("service and resource control policies", "organizations:ListParents", "", err)
		return
	}
	read := map[string]Control{}
	levels := make([]Level, len(path))
	for i, target := range path {
		levels[i].ID = target
		for _, list := range []struct {
			filter types.PolicyType
			into   *[]Control
		}{{types.PolicyTypeServiceControlPolicy, &levels[i].SCPs}, {types.PolicyTypeResourceControlPolicy, &levels[i].RCPs}} {
			action, err := t.controls(target, list.filter, read, list.into)
			if err != nil {
				t.miss("service and resource control policies", action, target, err)
				return // a part of them would look like all
			}
		}
	}
	org.Levels = levels
}

// levels lists the account and what it is in, the root first.
func (t *taking) levels() ([]string, error) {
	path := []string{t.out.About.Account}
	for range deepest {
		out, err := t.Organizations.ListParents(t.ctx, &organizations.ListParentsInput{ChildId: aws.String(path[0])})
		if err != nil {
			return nil, err
		}
		if len(out.Parents) == 0 {
			return nil, errEmpty
		}
		path = slices.Insert(path, 0, aws.ToString(out.Parents[0].Id))
		if out.Parents[0].Type == types.ParentTypeRoot {
			return path, nil
		}
	}
	return nil, fmt.Errorf("the account lies more than %d levels deep", deepest)
}

func (t *taking) controls(target string, kind types.PolicyType, read map[string]Control, into *[]Control) (action string, err error) {
	var ids []string
	action = "organizations:ListPoliciesForTarget"
	err = t.pages(func(page string) (string, error) {
		in := &organizations.ListPoliciesForTargetInput{TargetId: &target, Filter: kind}
		if page != "" {
			in.NextToken = &page
		}
		out, err := t.Organizations.ListPoliciesForTarget(t.ctx, in)
		if err != nil {
			return "", err
		}
		for _, p := range out.Policies {
			ids = append(ids, aws.ToString(p.Id))
		}
		return aws.ToString(out.NextToken), nil
	})
	if _, off := errors.AsType[*types.PolicyTypeNotEnabledException](err); err != nil && !off {
		return action, err
	}
	slices.Sort(ids)
	for _, id := range ids {
		if c, known := read[id]; known {
			*into = append(*into, c)
			continue
		}
		out, err := t.Organizations.DescribePolicy(t.ctx, &organizations.DescribePolicyInput{PolicyId: &id})
		if err == nil && (out.Policy == nil || out.Policy.PolicySummary == nil) {
			err = errEmpty
		}
		if err != nil {
			return "organizations:DescribePolicy", err
		}
		read[id] = Control{id, aws.ToString(out.Policy.PolicySummary.Name), t.document(out.Policy.Content)}
		*into = append(*into, read[id])
	}
	return action, nil
}

package aws

import (
	"slices"
	"sync"
)

// Organization is the account's organization.
type Organization struct {
	ID, Manager string
	// Path leads from the root to the account: "r-root", "ou-…", "123456789012".
	Path     []string
	Policies []OrganizationPolicy
	// Visible lets the account list policies, as the management account and delegated
	// administrators may.
	Visible bool
}

// OrganizationPolicy is a control policy with what it is attached to.
type OrganizationPolicy struct {
	ID, Name, Type, Content string // Type: SERVICE_CONTROL_POLICY or RESOURCE_CONTROL_POLICY
	Targets                 []string
}

// organization is the account's place; nil: it has none.
type organization struct {
	mu sync.Mutex
	at *Organization
}

// SetOrganization puts the account into an organization; nil: into none.
func (s *SecretsManager) SetOrganization(o *Organization) {
	s.org.mu.Lock()
	defer s.org.mu.Unlock()
	s.org.at = o
}

func (s smRegion) performOrganizations(operation string, body []byte) (any, error) {
	in, err := smDecode[struct {
		ChildId, TargetId, Filter, PolicyId, NextToken string
		MaxResults                                     int
	}](body)
	if err != nil {
		return nil, err
	}
	s.org.mu.Lock()
	defer s.org.mu.Unlock()
	o := s.org.at
	if o == nil {
		return nil, smError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
	}
	if operation == "DescribeOrganization" {
		return map[string]any{"Organization": map[string]any{"Id": o.ID, "MasterAccountId": o.Manager, "FeatureSet": "ALL"}}, nil
	}
	if !o.Visible {
		return nil, smError("AccessDeniedException", "You don't have permissions to access this resource.")
	}
	summary := func(p OrganizationPolicy) map[string]any {
		return map[string]any{"Id": p.ID, "Name": p.Name, "Type": p.Type, "AwsManaged": false, "Arn": "arn:aws:organizations::" + o.Manager + ":policy/" + o.ID + "/" + p.ID}
	}
	switch operation {
	case "ListParents":
		i := slices.Index(o.Path, in.ChildId)
		if i < 1 {
			return nil, smError("ChildNotFoundException", "You specified a child that doesn't exist.")
		}
		kind := "ORGANIZATIONAL_UNIT"
		if i == 1 {
			kind = "ROOT"
		}
		return map[string]any{"Parents": []any{map[string]any{"Id": o.Path[i-1], "Type": kind}}}, nil
	case "ListPoliciesForTarget":
		var all []any
		for _, p := range o.Policies {
			if p.Type == in.Filter && slices.Contains(p.Targets, in.TargetId) {
				all = append(all, summary(p))
			}
		}
		part, next, err := page(all, in.NextToken, in.MaxResults, s.cfg.PageSize)
		if err != nil {
			return nil, err
		}
		out := map[string]any{"Policies": part}
		if next != "" {
			out["NextToken"] = next
		}
		return out, nil
	case "DescribePolicy":
		p := find(o.Policies, func(p OrganizationPolicy) bool { return p.ID == in.PolicyId })
		if p == nil {
			return nil, smError("PolicyNotFoundException", "We can't find a policy with the PolicyId that you specified.")
		}
		return map[string]any{"Policy": map[string]any{"PolicySummary": summary(*p), "Content": p.Content}}, nil
	}
	return nil, smError("UnknownOperationException", "the stand-in has no operation %s", operation)
}

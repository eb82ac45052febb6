package conformance

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"
)

const (
	notFoundPolicy = "404 NoSuchEntity"
	anyTrust       = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	anyPolicy      = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/x":"a +b"}}}]}`
)

func auditArea() area[string] {
	return area[string]{
		name: "IAM, KMS and Organizations, as an audit reads them",
		about: "The suite asks in raw HTTP: IAM's query protocol, and AWS JSON 1.1 for the others. NAME stands for a user, role,\n" +
			"group or policy.",
		parts:     []part[string]{{sandboxPart, standInForAWS}, {"moto", moto}},
		questions: awsQuestions(auditedIAM(), auditedKMS(), auditedOrganizations()),
	}
}

// details are the parts of GetAccountAuthorizationDetails' answer that the questions are about.
type details struct {
	Truncated bool   `xml:"GetAccountAuthorizationDetailsResult>IsTruncated"`
	Marker    string `xml:"GetAccountAuthorizationDetailsResult>Marker"`
	Users     []struct {
		Name   string   `xml:"UserName"`
		Groups []string `xml:"GroupList>member"`
	} `xml:"GetAccountAuthorizationDetailsResult>UserDetailList>member"`
	Roles    []roleDetails `xml:"GetAccountAuthorizationDetailsResult>RoleDetailList>member"`
	Policies []struct {
		ARN      string   `xml:"Arn"`
		Default  string   `xml:"DefaultVersionId"`
		Versions []string `xml:"PolicyVersionList>member>VersionId"`
	} `xml:"GetAccountAuthorizationDetailsResult>Policies>member"`
}

type roleDetails struct {
	Name     string   `xml:"RoleName"`
	Trust    string   `xml:"AssumeRolePolicyDocument"`
	Profiles []string `xml:"InstanceProfileList>member>InstanceProfileName"`
	Inline   []string `xml:"RolePolicyList>member>PolicyDocument"`
	Attached []string `xml:"AttachedManagedPolicies>member>PolicyArn"`
	Boundary string   `xml:"PermissionsBoundary>PermissionsBoundaryArn"`
}

// iam calls an action of IAM with parameters in turn.
func (c *awsCaller) iam(action string, pairs ...string) awsReply {
	c.t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	c.service = "iam"
	return c.send(map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, form.Encode())
}

// id is the name of the case without a slash, for IAM.
func (c *awsCaller) id() string { return strings.TrimPrefix(c.name, "conformance/") }

func (c *awsCaller) details(pairs ...string) (d details) {
	c.t.Helper()
	reply := c.iam("GetAccountAuthorizationDetails", pairs...)
	if err := xml.Unmarshal([]byte(reply.raw), &d); err != nil {
		c.t.Fatalf("%d %s: %v", reply.status, reply.raw, err)
	}
	return d
}

func (c *awsCaller) role(pairs ...string) {
	c.t.Helper()
	c.iam("CreateRole", append([]string{"RoleName", c.id(), "AssumeRolePolicyDocument", anyTrust}, pairs...)...)
}

func (c *awsCaller) shown() roleDetails {
	c.t.Helper()
	for _, r := range c.details().Roles {
		if r.Name == c.id() {
			return r
		}
	}
	return roleDetails{}
}

func auditedIAM() []awsCase {
	const encoded = "AWS's documentation: documents are URL-encoded by RFC 3986"
	inline := func(c *awsCaller) {
		c.role()
		c.iam("PutRolePolicy", "RoleName", c.id(), "PolicyName", "one", "PolicyDocument", anyPolicy)
	}
	policy := func(c *awsCaller) string {
		c.iam("CreatePolicy", "PolicyName", c.id(), "PolicyDocument", anyPolicy)
		return "arn:aws:iam::123456789012:policy/" + c.id()
	}
	return []awsCase{
		{
			row{"iam-inline", "the document of an inline policy", "%20 for a space, %2B for a plus", encoded, ""},
			func(c *awsCaller) string { inline(c); return escapes(strings.Join(c.shown().Inline, "")) },
		},
		{
			row{"iam-inline-again", "the document, decoded", anyPolicy, encoded, ""},
			func(c *awsCaller) string {
				inline(c)
				text, _ := url.PathUnescape(strings.Join(c.shown().Inline, ""))
				return text
			},
		},
		{
			row{"iam-trust", "the document of a trust policy", "percent-encoded", encoded, ""},
			func(c *awsCaller) string {
				c.role()
				if strings.HasPrefix(c.shown().Trust, "%7B") {
					return "percent-encoded"
				}
				return "plain"
			},
		},
		{
			row{"iam-attached", "a policy that a role holds", "attached; version v1 of v1", model, ""},
			func(c *awsCaller) string {
				arn := policy(c)
				c.role()
				c.iam("AttachRolePolicy", "RoleName", c.id(), "PolicyArn", arn)
				for _, p := range c.details().Policies {
					if p.ARN == arn && strings.Join(c.shown().Attached, "") == arn {
						return "attached; version " + p.Default + " of " + strings.Join(p.Versions, "+")
					}
				}
				return "missing"
			},
		},
		{
			row{"iam-boundary", "a role with a boundary", "the boundary's ARN", model, ""},
			func(c *awsCaller) string {
				arn := policy(c)
				c.role("PermissionsBoundary", arn)
				if c.shown().Boundary == arn {
					return "the boundary's ARN"
				}
				return "none"
			},
		},
		{
			row{"iam-boundary-alone", "a policy that is only a boundary", "missing", "AWS's behaviour on record (nccgroup/PMapper#121)", ""},
			func(c *awsCaller) string {
				arn := policy(c)
				c.role("PermissionsBoundary", arn)
				for _, p := range c.details().Policies {
					if p.ARN == arn {
						return "listed"
					}
				}
				return "missing"
			},
		},
		{
			row{"iam-group", "a user in a group", "NAME in NAME", model, ""},
			func(c *awsCaller) string {
				c.iam("CreateGroup", "GroupName", c.id())
				c.iam("CreateUser", "UserName", c.id())
				c.iam("AddUserToGroup", "GroupName", c.id(), "UserName", c.id())
				for _, u := range c.details().Users {
					if u.Name == c.id() {
						return strings.ReplaceAll(u.Name+" in "+strings.Join(u.Groups, "+"), c.id(), "NAME")
					}
				}
				return "missing"
			},
		},
		{
			row{"iam-profile", "an instance profile with a role", "NAME", model, ""},
			func(c *awsCaller) string {
				c.role()
				c.iam("CreateInstanceProfile", "InstanceProfileName", c.id())
				c.iam("AddRoleToInstanceProfile", "InstanceProfileName", c.id(), "RoleName", c.id())
				return strings.ReplaceAll(strings.Join(c.shown().Profiles, "+"), c.id(), "NAME")
			},
		},
		{
			row{"iam-page", "the first of more pages", "truncated, with a marker", model, ""},
			func(c *awsCaller) string {
				c.iam("CreateUser", "UserName", c.id()+"1")
				c.iam("CreateUser", "UserName", c.id()+"2")
				d := c.details("MaxItems", "1")
				if d.Truncated && d.Marker != "" && len(d.Users)+len(d.Roles)+len(d.Policies) <= 1 {
					return "truncated, with a marker"
				}
				return "everything at once"
			},
		},
		{
			row{"iam-no-policy", "a policy that does not exist", notFoundPolicy, model + noText, ""},
			func(c *awsCaller) string {
				return c.iamError(c.iam("GetPolicy", "PolicyArn", "arn:aws:iam::123456789012:policy/none"))
			},
		},
		{
			row{"iam-no-version", "a version that does not exist", notFoundPolicy, model + noText, ""},
			func(c *awsCaller) string {
				return c.iamError(c.iam("GetPolicyVersion", "PolicyArn", policy(c), "VersionId", "v9"))
			},
		},
	}
}

func escapes(text string) string {
	switch {
	case strings.Contains(text, "a%20%2Bb"):
		return "%20 for a space, %2B for a plus"
	case strings.Contains(text, "a+%2Bb"):
		return "+ for a space, %2B for a plus"
	}
	return "plain"
}

func (c *awsCaller) iamError(r awsReply) string {
	c.t.Helper()
	var said struct {
		Code string `xml:"Error>Code"`
	}
	if err := xml.Unmarshal([]byte(r.raw), &said); err != nil {
		return fmt.Sprintf("%d, not XML", r.status)
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", r.status, said.Code))
}

// json calls an operation of a service that speaks AWS JSON 1.1.
func (c *awsCaller) json(service, target string, in members) awsReply {
	c.t.Helper()
	if in == nil {
		in = members{}
	}
	body, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	c.service = service
	return c.send(map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}, string(body))
}

func (c *awsCaller) kms(operation string, in members) awsReply {
	c.t.Helper()
	return c.json("kms", "TrentService."+operation, in)
}

// key makes a key and returns its id.
func (c *awsCaller) key() string {
	c.t.Helper()
	about, _ := c.kms("CreateKey", nil).body["KeyMetadata"].(map[string]any)
	return fmt.Sprint(about["KeyId"])
}

func auditedKMS() []awsCase {
	const root = "arn:aws:iam::123456789012:root"
	return []awsCase{
		{
			row{"kms-describe", "a key of the customer", "CUSTOMER Enabled", model, ""},
			func(c *awsCaller) string {
				about, _ := c.kms("DescribeKey", members{"KeyId": c.key()}).body["KeyMetadata"].(map[string]any)
				return fmt.Sprint(about["KeyManager"], " ", about["KeyState"])
			},
		},
		{
			row{"kms-alias", "a key by its alias", "the key", model, ""},
			func(c *awsCaller) string {
				id := c.key()
				c.kms("CreateAlias", members{"AliasName": "alias/" + c.id(), "TargetKeyId": id})
				about, _ := c.kms("DescribeKey", members{"KeyId": "alias/" + c.id()}).body["KeyMetadata"].(map[string]any)
				if about["KeyId"] == id {
					return "the key"
				}
				return "another"
			},
		},
		{
			row{"kms-policy", "whom the policy of a new key trusts", root, guide, ""},
			func(c *awsCaller) string {
				var p struct {
					Statement []struct{ Principal struct{ AWS string } }
				}
				text := c.kms("GetKeyPolicy", members{"KeyId": c.key(), "PolicyName": "default"}).text("Policy")
				if err := json.Unmarshal([]byte(text), &p); err != nil || len(p.Statement) == 0 {
					return "nobody"
				}
				return p.Statement[0].Principal.AWS
			},
		},
		{
			row{"kms-rotation", "whether a new key rotates", "false", model, ""},
			func(c *awsCaller) string {
				return fmt.Sprint(c.kms("GetKeyRotationStatus", members{"KeyId": c.key()}).body["KeyRotationEnabled"])
			},
		},
		{
			row{"kms-grants", "a key's grants", root + " Decrypt, not truncated", model, ""},
			func(c *awsCaller) string {
				id := c.key()
				c.kms("CreateGrant", members{"KeyId": id, "GranteePrincipal": root, "Operations": []string{"Decrypt"}})
				r := c.kms("ListGrants", members{"KeyId": id})
				var all []string
				for _, g := range r.each("Grants") {
					all = append(all, g.text("GranteePrincipal")+" "+joined(g.body["Operations"]))
				}
				if more, _ := r.body["Truncated"].(bool); more {
					return strings.Join(all, ", ") + ", truncated"
				}
				return strings.Join(all, ", ") + ", not truncated"
			},
		},
		{
			row{"kms-page", "the first of a key's two grants", "1, truncated, with a marker", model, ""},
			func(c *awsCaller) string {
				id := c.key()
				for range 2 {
					c.kms("CreateGrant", members{"KeyId": id, "GranteePrincipal": root, "Operations": []string{"Decrypt"}})
				}
				r := c.kms("ListGrants", members{"KeyId": id, "Limit": 1})
				if more, _ := r.body["Truncated"].(bool); more && r.text("NextMarker") != "" {
					return fmt.Sprint(len(r.each("Grants")), ", truncated, with a marker")
				}
				return fmt.Sprint(len(r.each("Grants")), ", not truncated")
			},
		},
		{
			row{"kms-none", "a key that does not exist", "400 NotFoundException", model + noText, ""},
			func(c *awsCaller) string {
				return codeOf(c.short(c.kms("DescribeKey", members{"KeyId": "00000000-0000-4000-8000-00000000dead"})))
			},
		},
	}
}

func auditedOrganizations() []awsCase {
	return []awsCase{{
		row{"organization-none", "the organization of an account that has none", "400 AWSOrganizationsNotInUseException", model + noText, ""},
		func(c *awsCaller) string {
			return cmp.Or(codeOf(c.short(c.json("organizations", "AWSOrganizationsV20161128.DescribeOrganization", nil))), "nothing")
		},
	}}
}

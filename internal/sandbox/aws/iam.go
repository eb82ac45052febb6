package aws

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const iamNamespace = "https://iam.amazonaws.com/doc/2010-05-08/"

// Identities are IAM's users, groups, roles and managed policies. A test may set them with SetIAM, or
// make them with IAM's own calls.
type Identities struct {
	Users    []IAMUser
	Groups   []IAMGroup
	Roles    []IAMRole
	Policies []IAMPolicy
}

// IAMDocument is a policy document, which IAM answers percent-encoded (RFC 3986).
type IAMDocument string

// MarshalText encodes the document.
func (d IAMDocument) MarshalText() ([]byte, error) {
	return []byte(strings.ReplaceAll(url.QueryEscape(string(d)), "+", "%20")), nil
}

// UnmarshalText decodes it.
func (d *IAMDocument) UnmarshalText(text []byte) error {
	decoded, err := url.PathUnescape(string(text))
	*d = IAMDocument(decoded)
	return err
}

// IAMUser is a user.
type IAMUser struct {
	Path       string
	UserName   string
	UserID     string `xml:"UserId"`
	ARN        string `xml:"Arn"`
	CreateDate time.Time
	Inline     []IAMInline   `xml:"UserPolicyList>member"`
	Groups     []string      `xml:"GroupList>member"`
	Attached   []IAMAttached `xml:"AttachedManagedPolicies>member"`
	Boundary   *IAMBoundary  `xml:"PermissionsBoundary,omitempty"`
	Tags       []smTag       `xml:"Tags>member"`
}

// IAMGroup is a group.
type IAMGroup struct {
	Path       string
	GroupName  string
	GroupID    string `xml:"GroupId"`
	ARN        string `xml:"Arn"`
	CreateDate time.Time
	Inline     []IAMInline   `xml:"GroupPolicyList>member"`
	Attached   []IAMAttached `xml:"AttachedManagedPolicies>member"`
}

// IAMRole is a role.
type IAMRole struct {
	Path       string
	RoleName   string
	RoleID     string `xml:"RoleId"`
	ARN        string `xml:"Arn"`
	CreateDate time.Time
	Trust      IAMDocument   `xml:"AssumeRolePolicyDocument"`
	Profiles   []IAMProfile  `xml:"InstanceProfileList>member"`
	Inline     []IAMInline   `xml:"RolePolicyList>member"`
	Attached   []IAMAttached `xml:"AttachedManagedPolicies>member"`
	Boundary   *IAMBoundary  `xml:"PermissionsBoundary,omitempty"`
	Tags       []smTag       `xml:"Tags>member"`
}

// IAMInline is an inline policy.
type IAMInline struct {
	PolicyName     string
	PolicyDocument IAMDocument
}

// IAMAttached names a managed policy.
type IAMAttached struct {
	PolicyName string
	PolicyARN  string `xml:"PolicyArn"`
}

// IAMBoundary names a managed policy that limits.
type IAMBoundary struct {
	Type string `xml:"PermissionsBoundaryType"`
	ARN  string `xml:"PermissionsBoundaryArn"`
}

// IAMProfile is an instance profile.
type IAMProfile struct {
	InstanceProfileName string
	ARN                 string `xml:"Arn"`
}

// IAMPolicy is a managed policy.
type IAMPolicy struct {
	PolicyName string
	ARN        string       `xml:"Arn"`
	Default    string       `xml:"DefaultVersionId"`
	Versions   []IAMVersion `xml:"PolicyVersionList>member"`
}

// IAMVersion is a version of a managed policy.
type IAMVersion struct {
	Document         IAMDocument
	VersionID        string `xml:"VersionId"`
	IsDefaultVersion bool
	CreateDate       time.Time
}

// identities guards Identities.
type identities struct {
	mu sync.Mutex
	Identities
}

// SetIAM replaces IAM's entities.
func (s *SecretsManager) SetIAM(all Identities) {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	s.iam.Identities = all
}

// IAM returns IAM's entities. It shares their memory with later changes.
func (s *SecretsManager) IAM() Identities {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	return s.iam.Identities
}

type iamDetails struct {
	XMLName   xml.Name    `xml:"GetAccountAuthorizationDetailsResponse"`
	Namespace string      `xml:"xmlns,attr"`
	Users     []IAMUser   `xml:"GetAccountAuthorizationDetailsResult>UserDetailList>member"`
	Groups    []IAMGroup  `xml:"GetAccountAuthorizationDetailsResult>GroupDetailList>member"`
	Roles     []IAMRole   `xml:"GetAccountAuthorizationDetailsResult>RoleDetailList>member"`
	Policies  []IAMPolicy `xml:"GetAccountAuthorizationDetailsResult>Policies>member"`
	Truncated bool        `xml:"GetAccountAuthorizationDetailsResult>IsTruncated"`
	Marker    string      `xml:"GetAccountAuthorizationDetailsResult>Marker,omitempty"`
	RequestID string      `xml:"ResponseMetadata>RequestId"`
}

type iamPolicy struct {
	XMLName   xml.Name  `xml:"GetPolicyResponse"`
	Namespace string    `xml:"xmlns,attr"`
	Policy    IAMPolicy `xml:"GetPolicyResult>Policy"`
	RequestID string    `xml:"ResponseMetadata>RequestId"`
}

type iamPolicyVersion struct {
	XMLName   xml.Name   `xml:"GetPolicyVersionResponse"`
	Namespace string     `xml:"xmlns,attr"`
	Version   IAMVersion `xml:"GetPolicyVersionResult>PolicyVersion"`
	RequestID string     `xml:"ResponseMetadata>RequestId"`
}

func (s smRegion) iamPerform(call awsCall, form url.Values) (any, error) {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	switch call.operation {
	case "GetAccountAuthorizationDetails":
		return s.iamDetails(form)
	case "GetPolicy", "GetPolicyVersion":
		p := find(s.iam.Policies, func(p IAMPolicy) bool { return p.ARN == form.Get("PolicyArn") })
		if p == nil {
			return nil, iamMissing("Policy " + form.Get("PolicyArn") + " does not exist or is not attachable.")
		}
		if call.operation == "GetPolicy" {
			about := *p
			about.Versions = nil
			return &iamPolicy{Namespace: iamNamespace, Policy: about, RequestID: s.requestID()}, nil
		}
		v := find(p.Versions, func(v IAMVersion) bool { return v.VersionID == form.Get("VersionId") })
		if v == nil {
			return nil, iamMissing("Policy " + p.ARN + " version " + form.Get("VersionId") + " does not exist or is not attachable.")
		}
		return &iamPolicyVersion{Namespace: iamNamespace, Version: *v, RequestID: s.requestID()}, nil
	}
	return s.iamChange(call.operation, form)
}

// iamDetails answers users, groups, roles and policies in this order, in pages. It leaves out managed
// policies that are only a boundary, as IAM does.
func (s smRegion) iamDetails(form url.Values) (any, error) {
	all := s.iam.Identities
	attached, limits := map[string]bool{}, map[string]bool{}
	note := func(policies []IAMAttached, b *IAMBoundary) {
		for _, p := range policies {
			attached[p.PolicyARN] = true
		}
		if b != nil {
			limits[b.ARN] = true
		}
	}
	out := &iamDetails{Namespace: iamNamespace, RequestID: s.requestID()}
	var add []func()
	for _, u := range all.Users {
		note(u.Attached, u.Boundary)
		add = append(add, func() { out.Users = append(out.Users, u) })
	}
	for _, g := range all.Groups {
		note(g.Attached, nil)
		add = append(add, func() { out.Groups = append(out.Groups, g) })
	}
	for _, r := range all.Roles {
		note(r.Attached, r.Boundary)
		add = append(add, func() { out.Roles = append(out.Roles, r) })
	}
	for _, p := range all.Policies {
		if attached[p.ARN] || !limits[p.ARN] {
			add = append(add, func() { out.Policies = append(out.Policies, p) })
		}
	}
	size := 100
	if text := form.Get("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return nil, &awsError{"ValidationError", "MaxItems must be from 1 to 1000", http.StatusBadRequest}
		}
		size = n
	}
	part, next, err := page(add, form.Get("Marker"), size, s.cfg.PageSize)
	if err != nil {
		return nil, err
	}
	for _, one := range part {
		one()
	}
	out.Truncated, out.Marker = next != "", next
	return out, nil
}

func find[T any](all []T, is func(T) bool) *T {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return &all[i]
	}
	return nil
}

func iamMissing(message string) error {
	return &awsError{"NoSuchEntity", message, http.StatusNotFound}
}

// iamDone is the answer of a call that changes something, with what it made.
type iamDone struct {
	XMLName   xml.Name
	Namespace string      `xml:"xmlns,attr"`
	User      *IAMUser    `xml:"CreateUserResult>User"`
	Group     *IAMGroup   `xml:"CreateGroupResult>Group"`
	Role      *IAMRole    `xml:"CreateRoleResult>Role"`
	Policy    *IAMPolicy  `xml:"CreatePolicyResult>Policy"`
	Profile   *IAMProfile `xml:"CreateInstanceProfileResult>InstanceProfile"`
	RequestID string      `xml:"ResponseMetadata>RequestId"`
}

// iamChange performs the calls with which people make entities. It checks that what they name exists.
func (s smRegion) iamChange(operation string, form url.Values) (any, error) {
	change, known := iamChanges()[operation]
	if !known {
		return nil, smError("InvalidAction", "the stand-in has no IAM action %s", operation)
	}
	out := &iamDone{XMLName: xml.Name{Local: operation + "Response"}, Namespace: iamNamespace, RequestID: s.requestID()}
	if err := change(s, form, out); err != nil {
		return nil, err
	}
	return out, nil
}

// iamChanger performs a call, and sets what it made.
type iamChanger func(s smRegion, form url.Values, made *iamDone) error

func iamChanges() map[string]iamChanger {
	return map[string]iamChanger{
		"CreateUser": func(s smRegion, form url.Values, made *iamDone) error {
			name := form.Get("UserName")
			if find(s.iam.Users, func(u IAMUser) bool { return u.UserName == name }) != nil {
				return iamExists("User with name " + name + " already exists.")
			}
			made.User = &IAMUser{Path: "/", UserName: name, ARN: s.iamARN("user/" + name), UserID: stsUserID(s.iamARN("user/" + name)), CreateDate: s.now(), Tags: formTags(form)}
			s.iam.Users = append(s.iam.Users, *made.User)
			return nil
		},
		"CreateGroup": func(s smRegion, form url.Values, made *iamDone) error {
			name := form.Get("GroupName")
			made.Group = &IAMGroup{Path: "/", GroupName: name, ARN: s.iamARN("group/" + name), GroupID: "AGPA" + stsUserID(name)[4:], CreateDate: s.now()}
			s.iam.Groups = append(s.iam.Groups, *made.Group)
			return nil
		},
		"CreateRole": func(s smRegion, form url.Values, made *iamDone) error {
			name := form.Get("RoleName")
			if find(s.iam.Roles, func(r IAMRole) bool { return r.RoleName == name }) != nil {
				return iamExists("Role with name " + name + " already exists.")
			}
			made.Role = &IAMRole{
				Path: "/", RoleName: name, ARN: s.iamARN("role/" + name), RoleID: "AROA" + stsUserID(name)[4:], CreateDate: s.now(),
				Trust: IAMDocument(form.Get("AssumeRolePolicyDocument")), Tags: formTags(form),
			}
			if limit := form.Get("PermissionsBoundary"); limit != "" {
				made.Role.Boundary = &IAMBoundary{"Policy", limit}
			}
			s.iam.Roles = append(s.iam.Roles, *made.Role)
			return nil
		},
		"CreatePolicy": func(s smRegion, form url.Values, made *iamDone) error {
			name := form.Get("PolicyName")
			made.Policy = &IAMPolicy{
				PolicyName: name, ARN: s.iamARN("policy/" + name), Default: "v1", Versions: []IAMVersion{{IAMDocument(form.Get("PolicyDocument")), "v1", true, s.now()}},
			}
			s.iam.Policies = append(s.iam.Policies, *made.Policy)
			return nil
		},
		"AddUserToGroup": onUser(func(u *IAMUser, form url.Values) { u.Groups = append(u.Groups, form.Get("GroupName")) }),
		"PutUserPolicy":  onUser(func(u *IAMUser, form url.Values) { u.Inline = putInline(u.Inline, form) }),
		"PutRolePolicy":  onRole(func(_ smRegion, r *IAMRole, form url.Values) { r.Inline = putInline(r.Inline, form) }),
		"AttachUserPolicy": onUser(func(u *IAMUser, form url.Values) {
			u.Attached = append(u.Attached, attachedBy(form))
		}),
		"AttachRolePolicy": onRole(func(_ smRegion, r *IAMRole, form url.Values) { r.Attached = append(r.Attached, attachedBy(form)) }),
		"DetachRolePolicy": onRole(func(_ smRegion, r *IAMRole, form url.Values) {
			r.Attached = slices.DeleteFunc(r.Attached, func(a IAMAttached) bool { return a.PolicyARN == form.Get("PolicyArn") })
		}),
		"AttachGroupPolicy": onGroup(func(g *IAMGroup, form url.Values) { g.Attached = append(g.Attached, attachedBy(form)) }),
		"PutGroupPolicy":    onGroup(func(g *IAMGroup, form url.Values) { g.Inline = putInline(g.Inline, form) }),
		"CreateInstanceProfile": func(s smRegion, form url.Values, made *iamDone) error {
			name := form.Get("InstanceProfileName")
			made.Profile = &IAMProfile{name, s.iamARN("instance-profile/" + name)}
			return nil // IAM shows it with the role that it holds
		},
		"AddRoleToInstanceProfile": onRole(func(s smRegion, r *IAMRole, form url.Values) {
			name := form.Get("InstanceProfileName")
			r.Profiles = append(r.Profiles, IAMProfile{name, s.iamARN("instance-profile/" + name)})
		}),
	}
}

func iamExists(message string) error {
	return &awsError{"EntityAlreadyExists", message, http.StatusConflict}
}

func (s smRegion) iamARN(rest string) string { return "arn:aws:iam::" + s.cfg.Account + ":" + rest }

func (s smRegion) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Second) }

func onUser(change func(*IAMUser, url.Values)) iamChanger {
	return func(s smRegion, form url.Values, _ *iamDone) error {
		u := find(s.iam.Users, func(u IAMUser) bool { return u.UserName == form.Get("UserName") })
		if u == nil {
			return iamMissing("The user with name " + form.Get("UserName") + " cannot be found.")
		}
		change(u, form)
		return nil
	}
}

func onGroup(change func(*IAMGroup, url.Values)) iamChanger {
	return func(s smRegion, form url.Values, _ *iamDone) error {
		g := find(s.iam.Groups, func(g IAMGroup) bool { return g.GroupName == form.Get("GroupName") })
		if g == nil {
			return iamMissing("The group with name " + form.Get("GroupName") + " cannot be found.")
		}
		change(g, form)
		return nil
	}
}

func onRole(change func(smRegion, *IAMRole, url.Values)) iamChanger {
	return func(s smRegion, form url.Values, _ *iamDone) error {
		r := find(s.iam.Roles, func(r IAMRole) bool { return r.RoleName == form.Get("RoleName") })
		if r == nil {
			return iamMissing("The role with name " + form.Get("RoleName") + " cannot be found.")
		}
		change(s, r, form)
		return nil
	}
}

func putInline(all []IAMInline, form url.Values) []IAMInline {
	name := form.Get("PolicyName")
	all = slices.DeleteFunc(slices.Clone(all), func(i IAMInline) bool { return i.PolicyName == name })
	return append(all, IAMInline{name, IAMDocument(form.Get("PolicyDocument"))})
}

func attachedBy(form url.Values) IAMAttached {
	arn := form.Get("PolicyArn")
	return IAMAttached{arn[strings.LastIndexByte(arn, '/')+1:], arn}
}

func formTags(form url.Values) (tags []smTag) {
	for n := 1; ; n++ {
		at := "Tags.member." + strconv.Itoa(n) + "."
		if form.Get(at+"Key") == "" {
			return tags
		}
		tags = append(tags, smTag{Key: form.Get(at + "Key"), Value: form.Get(at + "Value")})
	}
}

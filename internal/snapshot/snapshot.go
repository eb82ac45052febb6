// Package snapshot reads everything that an audit of an AWS account needs, once, and keeps it as
// files (save.go, load.go). It evaluates nothing and reads no secret's value. What it may not
// read, it names.
//
// Names, tags and documents are as people wrote them, apart from texts that hold a token: quote them
// before you show them.
package snapshot

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"purser/internal/audit"
)

// Schema is the version of the files. Load refuses any other.
const Schema = 1

// Snapshot is what one identity could read of one account.
type Snapshot struct {
	About        About
	Users        []User
	Groups       []Group
	Roles        []Role
	Policies     []Policy // managed policies that something in the account uses
	Secrets      []Secret
	Keys         []Key
	Instances    []Instance
	Organization Organization
	History      *audit.History // who read and changed the secrets; nil: nobody asked CloudTrail
}

// About says where and when a snapshot was taken, and what it lacks.
type About struct {
	Schema       int
	Account      string
	Partition    string // "aws"
	Caller       string // the ARN of the identity that read
	Taken        time.Time
	Regions      []string
	NotLookedAt  []NotLookedAt `json:",omitempty"`
	TokensHidden int           `json:",omitempty"` // texts withheld because they held a token
}

// NotLookedAt is something that could not be read.
type NotLookedAt struct {
	What   string // "key grants"
	Action string // the right that it takes: "kms:ListGrants"
	Of     string `json:",omitempty"` // the ARN or name of what it is about; "": the account
	Why    string // quoted
	Denied bool   `json:",omitempty"` // AWS refused; otherwise it may work another time
}

// Document is the text of a policy as AWS returned it, percent-decoded. In files it is a list of
// its lines, so that a person can read it and a line number of a statement holds there.
type Document string

// MarshalJSON writes one line as a string, and several as a list.
func (d Document) MarshalJSON() ([]byte, error) {
	if !strings.Contains(string(d), "\n") {
		return plainJSON(string(d))
	}
	return plainJSON(strings.Split(string(d), "\n"))
}

// UnmarshalJSON reads both forms.
func (d *Document) UnmarshalJSON(raw []byte) error {
	var lines []string
	if len(raw) > 0 && raw[0] == '[' {
		err := json.Unmarshal(raw, &lines)
		*d = Document(strings.Join(lines, "\n"))
		return err
	}
	return json.Unmarshal(raw, (*string)(d))
}

// User is an IAM user.
type User struct {
	ARN, ID  string
	Created  time.Time         `json:",omitzero"`
	Tags     map[string]string `json:",omitempty"`
	Groups   []string          `json:",omitempty"` // names
	Inline   []Inline          `json:",omitempty"`
	Attached []string          `json:",omitempty"` // ARNs of managed policies
	Boundary string            `json:",omitempty"` // the ARN of a managed policy
}

// Group is an IAM group.
type Group struct {
	ARN, ID, Name string
	Inline        []Inline `json:",omitempty"`
	Attached      []string `json:",omitempty"`
}

// Role is an IAM role.
type Role struct {
	ARN, ID  string
	Created  time.Time         `json:",omitzero"`
	Used     time.Time         `json:",omitzero"` // IAM keeps 400 days
	Tags     map[string]string `json:",omitempty"`
	Trust    Document          // who may assume it
	Profiles []string          `json:",omitempty"` // ARNs of instance profiles that hold it
	Inline   []Inline          `json:",omitempty"`
	Attached []string          `json:",omitempty"`
	Boundary string            `json:",omitempty"`
}

// Inline is a policy inside a user, group or role.
type Inline struct {
	Name     string
	Document Document
}

// Policy is a managed policy.
type Policy struct {
	ARN      string
	Default  string // the id of the version in effect
	Versions []Version
}

// Version is a version of a managed policy. Whoever may call iam:SetDefaultPolicyVersion can put it
// into effect.
type Version struct {
	ID       string
	Created  time.Time `json:",omitzero"`
	Document Document
}

// Document returns the version in effect.
func (p Policy) Document() (Document, bool) {
	i := slices.IndexFunc(p.Versions, func(v Version) bool { return v.ID == p.Default })
	if i < 0 {
		return "", false
	}
	return p.Versions[i].Document, true
}

// Secret is a secret's settings in one region. A replica is a Secret of its own, since it has its
// own policy and key.
type Secret struct {
	Asked       string // the name or ARN that it was looked up by
	Region      string
	Missing     bool   `json:",omitempty"` // AWS knows none of that name; only Asked and Region are set
	ARN, Name   string `json:",omitempty"`
	ReplicaOf   string `json:",omitempty"` // the ARN of the primary
	Description string `json:",omitempty"`
	Key         string `json:",omitempty"` // as the secret names it; "": aws/secretsmanager
	Owner       string `json:",omitempty"` // the AWS service that manages it
	Kind        string `json:",omitempty"` // of a managed external secret

	Created, Changed, Accessed, Deleted time.Time `json:",omitzero"` // Accessed is a day

	Tags     map[string]string   `json:",omitempty"`
	Stages   map[string][]string `json:",omitempty"` // by version
	Rotation Rotation            `json:",omitzero"`
	Replicas []Replica           `json:",omitempty"`
	Policy   Document            `json:",omitempty"` // "": none, unless it was not looked at
}

// Rotation is a secret's rotation by AWS.
type Rotation struct {
	Enabled                    bool
	Function, Schedule, Window string    `json:",omitempty"`
	Days                       int64     `json:",omitempty"`
	Last, Next                 time.Time `json:",omitzero"`
}

// Replica is a copy in another region, as the primary reports it.
type Replica struct{ Region, Key, Status, Message string }

// Key is a key of KMS that encrypts secrets.
type Key struct {
	ARN, Region string
	Names       []string // as secrets name it
	Account     string
	Manager     string // CUSTOMER or AWS
	State       string
	MultiRegion bool      `json:",omitempty"`
	Deletion    time.Time `json:",omitzero"`
	Rotates     bool      `json:",omitempty"`
	RotatesDays int32     `json:",omitempty"`
	Policy      Document  `json:",omitempty"`
	Grants      []Grant   `json:",omitempty"`
}

// Grant lets somebody use a key without its policy.
type Grant struct {
	ID, Name   string
	Grantee    string // an ARN, or a service
	Retiring   string `json:",omitempty"`
	Issuer     string `json:",omitempty"`
	Operations []string
	Created    time.Time         `json:",omitzero"`
	Equals     map[string]string `json:",omitempty"` // the encryption context has to be this
	Subset     map[string]string `json:",omitempty"` // or to contain this
}

// Instance is an EC2 instance with an instance profile: what runs there has the profile's role.
type Instance struct {
	ID, Region, Profile, State string
	Tokens                     string            // "required": metadata needs a session (IMDSv2)
	Hops                       int32             // how many hops an answer of the metadata service travels
	Metadata                   string            // "disabled": the instance has no metadata service
	Tags                       map[string]string `json:",omitempty"` // the few that say what it is for
}

// Organization is the account's place in AWS Organizations.
type Organization struct {
	Known   bool // false: it was not looked at
	Member  bool `json:",omitempty"`
	ID      string
	Manager string // the management account, which control policies do not bind
	// Levels lead from the root to the account. Without them, the control policies are unknown.
	Levels []Level `json:",omitempty"`
}

// Level is a root, an organizational unit, or the account. While the organization uses a kind of
// policy, each level has at least one. None at any level means that the kind is not in use.
type Level struct {
	ID         string
	SCPs, RCPs []Control
}

// Control is a service or resource control policy.
type Control struct {
	ID, Name string
	Document Document
}

// Lacks returns what the snapshot lacks of something: for an action, or for any if action is "".
func (s *Snapshot) Lacks(action, of string) []NotLookedAt {
	var all []NotLookedAt
	for _, n := range s.About.NotLookedAt {
		if (action == "" || n.Action == action) && (n.Of == "" || n.Of == of) {
			all = append(all, n)
		}
	}
	return all
}

// Policy finds a managed policy by its ARN.
func (s *Snapshot) Policy(arn string) (Policy, bool) {
	i, ok := slices.BinarySearchFunc(s.Policies, arn, func(p Policy, arn string) int { return strings.Compare(p.ARN, arn) })
	if !ok {
		return Policy{}, false
	}
	return s.Policies[i], true
}

// KeyOf finds a secret's own key. It is false for aws/secretsmanager, and for a key that purser
// could not describe; Secret.Key tells which.
func (s *Snapshot) KeyOf(secret Secret) (Key, bool) {
	i := slices.IndexFunc(s.Keys, func(k Key) bool {
		return k.Region == secret.Region && (k.ARN == secret.Key || slices.Contains(k.Names, secret.Key))
	})
	if secret.Key == "" || i < 0 {
		return Key{}, false
	}
	return s.Keys[i], true
}

// sort puts everything in one order, whatever the order in which AWS answered.
func (s *Snapshot) sort() {
	by := func(keys ...string) string { return strings.Join(keys, "\x00") }
	sortBy(s.Users, func(u User) string { return u.ARN })
	sortBy(s.Groups, func(g Group) string { return g.ARN })
	sortBy(s.Roles, func(r Role) string { return r.ARN })
	sortBy(s.Policies, func(p Policy) string { return p.ARN })
	sortBy(s.Secrets, func(x Secret) string { return by(x.Region, x.ARN, x.Asked) })
	sortBy(s.Keys, func(k Key) string { return by(k.Region, k.ARN) })
	sortBy(s.Instances, func(i Instance) string { return by(i.Region, i.ID) })
	sortBy(s.About.NotLookedAt, func(n NotLookedAt) string { return by(n.Action, n.Of, n.What) })
}

func sortBy[T any](all []T, key func(T) string) {
	slices.SortStableFunc(all, func(a, b T) int { return strings.Compare(key(a), key(b)) })
}

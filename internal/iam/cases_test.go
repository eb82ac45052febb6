package iam

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A caseFile has decisions that are known from elsewhere, written anew in our format.
type caseFile struct {
	Origin  string     // where the decisions come from
	Licence string     // of that place
	Base    testCase   // the fields that a case may omit
	Cases   []testCase // see testCase
}

// A testCase is one request and its decision. A policy is a document, or the list of statements
// of one of Version 2012-10-17.
type testCase struct {
	Name, Origin, Licence string // origin and licence only where they differ from the file's

	Principal, ID, Session, Service, Federated string
	Anonymous, Unseen                          bool
	Tags                                       map[string]string
	Trust, Boundary, SessionPolicy             json.RawMessage
	Identity                                   json.RawMessage
	Condition                                  json.RawMessage // of one statement that allows everything
	Effect                                     string          // of that statement
	SCPs, RCPs                                 []json.RawMessage

	Action, Resource, Account string
	ResourceTags              map[string]string
	TagsUnread                bool
	Policy                    json.RawMessage // the resource's
	Grants                    []Grant

	Context map[string]any // text or list: its value; null: absent; true: present

	Want    string
	By      []string // Sids of the statements that decided; grants by their id
	On      []string // keys that the decision depends on; "?": something else
	Missing []string
}

func (c *testCase) policy(t testing.TB, name string, doc json.RawMessage) *Policy {
	t.Helper()
	if doc = bytes.TrimSpace(doc); len(doc) > 0 && doc[0] == '[' {
		doc = slices.Concat([]byte(`{"Version":"2012-10-17","Statement":`), doc, []byte("}"))
	}
	p, err := Parse(name, doc)
	if err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
	return p
}

func (c *testCase) request(t testing.TB) (*Account, Request) {
	t.Helper()
	p := &Principal{ARN: c.Principal, ID: c.ID, Session: c.Session, Tags: c.Tags, Unseen: c.Unseen}
	switch {
	case c.Service != "":
		p.Kind, p.ARN = ServicePrincipal, c.Service
	case c.Federated != "":
		p.Kind, p.ARN = Federated, c.Federated
	case c.Anonymous:
		p.Kind, p.ARN = Anonymous, ""
	case strings.HasSuffix(c.Principal, ":root"):
		p.Kind = Root
	case strings.Contains(c.Principal, ":role/"):
		p.Kind = Role
	}
	if s := strings.Split(p.ARN, ":"); len(s) == 6 && p.Kind != Federated {
		p.Account = s[4]
	}
	one := func(name string, doc json.RawMessage) []*Policy {
		if doc == nil {
			return nil
		}
		return []*Policy{c.policy(t, name, doc)}
	}
	p.Policies = one("identity", c.Identity)
	if c.Condition != nil {
		if c.Effect == "" {
			c.Effect = "Allow"
		}
		p.Policies = append(p.Policies, c.policy(t, "condition", []byte(`[{"Sid":"Conditional","Effect":"`+c.Effect+`","Action":"*","Resource":"*","Condition":`+string(c.Condition)+`}]`)))
	}
	p.SessionPolicies = one("session", c.SessionPolicy)
	if c.Trust != nil {
		p.Trust = c.policy(t, "trust", c.Trust)
	}
	if c.Boundary != nil {
		p.Boundary = c.policy(t, "boundary", c.Boundary)
	}
	r := &Resource{ARN: c.Resource, Account: c.Account, Tags: c.ResourceTags, TagsUnread: c.TagsUnread, Grants: c.Grants}
	if c.Policy != nil {
		r.Policy = c.policy(t, "resource", c.Policy)
	}
	r.prepare()
	a := &Account{ID: p.Account, Principals: []*Principal{p}}
	if p.Account == "" {
		a.ID = r.Account
	}
	for _, level := range c.SCPs {
		a.SCPs = append(a.SCPs, one("scp", level))
	}
	// Account holds both here, whichever account each belongs to.
	if len(c.RCPs) > 0 && a.ID != r.Account {
		t.Fatalf("%s: write control policies for resources of the principal's account", c.Name)
	}
	for _, level := range c.RCPs {
		a.RCPs = append(a.RCPs, one("rcp", level))
	}
	known := Context{}
	for k, v := range c.Context {
		switch v := v.(type) {
		case nil:
			known[strings.ToLower(k)] = absent
		case bool:
			known[strings.ToLower(k)] = present
		case string:
			known[strings.ToLower(k)] = Is(v)
		case []any:
			var all []string
			for _, x := range v {
				all = append(all, x.(string))
			}
			known[strings.ToLower(k)] = Is(all...)
		}
	}
	return a, Request{p, c.Action, r, known}
}

func readCases(t testing.TB) map[string]caseFile {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases:", err)
	}
	all := map[string]caseFile{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var raw struct {
			Origin, Licence string
			Base            json.RawMessage
			Cases           []json.RawMessage
		}
		strictly(t, name, text, &raw)
		file := caseFile{Origin: raw.Origin, Licence: raw.Licence}
		for _, one := range raw.Cases {
			var c testCase
			if raw.Base != nil {
				strictly(t, name, raw.Base, &c)
			}
			strictly(t, name, one, &c)
			file.Cases = append(file.Cases, c)
		}
		all[strings.TrimSuffix(filepath.Base(name), ".json")] = file
	}
	return all
}

func strictly(t testing.TB, name string, text []byte, to any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		t.Fatalf("%s: %v in %.300s", name, err, text)
	}
}

func evidence(d Decision) (by, on []string) {
	for _, r := range slices.Concat(d.Allows, d.Denies) {
		if r.Statement == nil {
			by = append(by, r.Policy)
		} else {
			by = append(by, r.Statement.Sid)
		}
	}
	for _, u := range d.Unknown {
		if u.Key == "" {
			u.Key = "?"
		}
		on = append(on, u.Key)
	}
	slices.Sort(by)
	slices.Sort(on)
	return slices.Compact(by), slices.Compact(on)
}

func TestDecisionsThatAreKnownFromElsewhere(t *testing.T) {
	total := 0
	for name, file := range readCases(t) {
		if file.Origin == "" || file.Licence == "" {
			t.Errorf("%s has no origin or no licence", name)
		}
		seen := map[string]bool{}
		for _, c := range file.Cases {
			total++
			if c.Name == "" || seen[c.Name] {
				t.Errorf("%s: a case has no name of its own: %q", name, c.Name)
			}
			seen[c.Name] = true
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				a, r := c.request(t)
				d := a.Decide(r)
				by, on := evidence(d)
				if d.Verdict.String() != c.Want {
					t.Fatalf("%v, want %s; by %q on %q, missing %v", d.Verdict, c.Want, by, d.Unknown, d.Missing)
				}
				slices.Sort(c.By)
				slices.Sort(c.On)
				if c.By != nil && !slices.Equal(by, c.By) {
					t.Errorf("by %q, want %q", by, c.By)
				}
				if c.On != nil && !slices.Equal(on, c.On) || d.Verdict == Depends && len(on) == 0 {
					t.Errorf("on %q, want %q", on, c.On)
				}
				var missing []string
				for _, kind := range d.Missing {
					missing = append(missing, kind.String())
				}
				if c.Missing != nil && !slices.Equal(missing, c.Missing) || d.Verdict == No && len(d.Denies) == 0 && len(d.Missing) == 0 {
					t.Errorf("missing %q, want %q", missing, c.Missing)
				}
				agreesWithWho(t, a, r, d)
			})
		}
	}
	if total < 120 {
		t.Errorf("only %d cases", total)
	}
}

// agreesWithWho checks that the index finds whoever Decide finds, and nobody else.
func agreesWithWho(t *testing.T, a *Account, r Request, want Decision) {
	t.Helper()
	got := No
	for _, access := range a.Who([]string{r.Action}, r.Resource, r.Context) {
		if access.Principal == r.Principal {
			got = access.Decisions[0].Verdict
		}
	}
	if r.Principal.Kind <= Root && got != want.Verdict {
		t.Errorf("Who says %v, Decide %v", got, want.Verdict)
	}
}

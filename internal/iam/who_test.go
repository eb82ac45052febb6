package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const inHome = "arn:aws:iam::111122223333:"

func policy(t testing.TB, name, statements string) *Policy {
	t.Helper()
	p, err := Parse(name, []byte(`{"Version":"2012-10-17","Statement":[`+statements+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func trusting(t testing.TB, who string) *Policy {
	t.Helper()
	return policy(t, "trust", `{"Effect":"Allow","Principal":`+who+`,"Action":["sts:AssumeRole","sts:AssumeRoleWithSAML","sts:AssumeRoleWithWebIdentity"]}`)
}

func tell(all []Access) string {
	var lines []string
	for _, a := range all {
		line := fmt.Sprintf("%d %s", a.Principal.Kind, a.Principal.ARN[strings.LastIndexByte(a.Principal.ARN, ':')+1:])
		for _, d := range a.Decisions {
			line += " " + d.Verdict.String()
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestWhoNamesEverybodyInsideAndOutside(t *testing.T) {
	read := policy(t, "read", `{"Sid":"Read","Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:eu-west-2:111122223333:secret:app/db-??????"}`)
	office := policy(t, "office", `{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}`)
	a := &Account{ID: "111122223333", Principals: []*Principal{
		{Kind: User, ARN: inHome + "user/ada", Account: "111122223333", Policies: []*Policy{read}},
		{Kind: User, ARN: inHome + "user/bob", Account: "111122223333", Policies: []*Policy{office}},
		{Kind: User, ARN: inHome + "user/eve", Account: "111122223333", Policies: []*Policy{read, policy(t, "no", `{"Effect":"Deny","Action":"*","Resource":"*"}`)}},
		{Kind: User, ARN: inHome + "user/mal", Account: "111122223333", Policies: []*Policy{Unread("torn", "the document is malformed")}},
		{Kind: Role, ARN: inHome + "role/x/agent", Account: "111122223333"},
		{Kind: Role, ARN: inHome + "role/other", Account: "111122223333"},
	}}
	r := &Resource{ARN: "arn:aws:secretsmanager:eu-west-2:111122223333:secret:app/db-AbCdEf", Policy: policy(t, "resource", `
		{"Effect":"Allow","Principal":{"AWS":["arn:aws:sts::111122223333:assumed-role/agent/i-0abc","444455556666","arn:aws:iam::777788889999:role/y","arn:aws:sts::777788889999:assumed-role/z/one","arn:aws:sts::777788889999:assumed-role/z/two","AROAEXAMPLE1234567890"],"Service":"ecs.amazonaws.com"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)}
	got := tell(a.Who([]string{"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"}, r, nil))
	want := `0 user/ada yes no
0 user/bob depends depends
0 user/mal depends depends
1 role/x/agent depends no
6 root depends no
1 role/y depends no
1 role/z depends no
1 role/z depends no
4 ecs.amazonaws.com yes no`
	want = strings.Replace(strings.Replace(want, "6 root", fmt.Sprint(OtherAccount)+" root", 1), "4 ecs", fmt.Sprint(ServicePrincipal)+" ecs", 1)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	lone := &Principal{ARN: inHome + "user/ada", Policies: []*Policy{read}} // the account is in the ARN
	if d := a.Decide(Request{lone, "secretsmanager:GetSecretValue", r, nil}); d.Verdict != Yes {
		t.Errorf("without an account: %+v", d)
	}
	everybody := a.Who([]string{"secretsmanager:GetSecretValue"}, &Resource{ARN: r.ARN, Policy: policy(t, "public", `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`)}, nil)
	if len(everybody) != 6 || everybody[5].Principal.Kind != Anonymous { // eve's Deny wins
		t.Errorf("everybody:\n%s", tell(everybody))
	}
}

func TestEvidenceIsQuoted(t *testing.T) {
	p := policy(t, "x\x1b[2J", `{"Sid":"dckr_pat_FAKEFAKEFAKEFAKEFAKEFAKEFAK","Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a\u001b[2J:b":"c"}}}`)
	a := &Account{ID: "111122223333"}
	d := a.Decide(Request{&Principal{ARN: inHome + "user/ada", Account: a.ID, Policies: []*Policy{p}}, "s3:GetObject", &Resource{ARN: "arn:aws:s3:::b/k", Account: a.ID}, nil})
	if len(d.Unknown) != 1 || len(d.Allows) != 1 {
		t.Fatalf("%+v", d)
	}
	for _, text := range []string{d.Unknown[0].String(), d.Allows[0].String()} {
		if strings.Contains(text, "FAKE") || strings.ContainsRune(text, 0x1b) || !strings.Contains(text, "statement 1") || !strings.Contains(text, "line 1") {
			t.Errorf("%q", text)
		}
	}
}

func TestReachFollowsChainsToTheirStart(t *testing.T) {
	all := policy(t, "all", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}`)
	role := func(name, who string, policies ...*Policy) *Principal {
		return &Principal{Kind: Role, ARN: inHome + "role/" + name, Account: "111122223333", Trust: trusting(t, who), Policies: policies}
	}
	reader := role("reader", `{"AWS":"`+inHome+`role/middle"}`)
	middle := role("middle", `{"AWS":["`+inHome+`user/ada","`+inHome+`role/reader","`+inHome+`role/middle"],"Service":"ec2.amazonaws.com"}`) // in a circle
	mfa := role("mfa", `"*"`)
	mfa.Trust = policy(t, "trust", `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}`)
	saml := role("saml", `{"Federated":"`+inHome+`saml-provider/idp"}`)
	a := &Account{ID: "111122223333", Principals: []*Principal{
		reader, middle, mfa, saml,
		{Kind: User, ARN: inHome + "user/ada", Account: "111122223333"},
		{Kind: User, ARN: inHome + "user/bob", Account: "111122223333", Policies: []*Policy{all}},
	}}
	for _, c := range []struct {
		target *Principal
		want   []string
	}{
		{reader, []string{"yes role/middle", "yes user/ada > role/middle", "yes ec2.amazonaws.com > role/middle"}},
		{mfa, []string{"depends user/bob"}},
		{saml, []string{"yes saml-provider/idp"}},
	} {
		paths, complete := a.Reach([]*Principal{c.target}, nil, 100)
		var got []string
		for _, p := range paths {
			var names []string
			for _, s := range p.Steps {
				names = append(names, s.Principal.ARN[strings.LastIndexByte(s.Principal.ARN, ':')+1:])
			}
			got = append(got, p.Verdict.String()+" "+strings.Join(names, " > "))
			if p.Target != c.target {
				t.Error("a path to something else")
			}
		}
		if !complete || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, complete %t", c.target.ARN, got, complete)
		}
	}
}

func TestRolesThatAssumeEachOtherInCirclesEnd(t *testing.T) {
	const n = 100
	a := &Account{ID: "111122223333"}
	for i := range n { // each trusts the next one and the whole account
		a.Principals = append(a.Principals, &Principal{
			Kind: Role, ARN: fmt.Sprintf("%srole/r%d", inHome, i), Account: a.ID,
			Trust:    trusting(t, fmt.Sprintf(`{"AWS":["%srole/r%d","%[1]sroot"]}`, inHome, (i+1)%n)),
			Policies: []*Policy{policy(t, "p", fmt.Sprintf(`{"Effect":"Allow","Action":"sts:*","Resource":"%srole/r%d"}`, inHome, (i+7)%n))},
		})
	}
	paths, complete := a.Reach(a.Principals[:1], nil, 1000)
	if len(paths) != n-1 || !complete {
		t.Errorf("%d paths, complete %t", len(paths), complete)
	}
	for i, p := range paths { // shortest paths come first
		if i > 0 && len(p.Steps) < len(paths[i-1].Steps) {
			t.Error("a longer path comes first")
		}
	}
	if paths, complete = a.Reach(a.Principals[:1], nil, 5); complete || len(paths) == 0 || len(paths) > 20 {
		t.Errorf("limited: %d paths, complete %t", len(paths), complete)
	}
}

// With evidence or backtracking without bound, this would not end.
func TestHostilePoliciesAreBounded(t *testing.T) {
	stars := strings.Repeat("*a", 5_000)
	var many []string
	for range 15_000 {
		many = append(many, `{"Effect":"Allow","Action":"*","Resource":"*"}`)
	}
	for name, p := range map[string]*Policy{
		"wildcards":  policy(t, "p", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::`+stars+`b"}`),
		"statements": policy(t, "p", strings.Join(many, ",")),
		"values":     policy(t, "p", `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAllValues:StringLike":{"k:v":[`+strings.TrimSuffix(strings.Repeat(`"*a*a*a*b",`, 50_000), ",")+`]}}}`),
	} {
		a := &Account{ID: "111122223333", Principals: []*Principal{{ARN: inHome + "user/ada", Account: "111122223333", Policies: []*Policy{p}}}}
		for _, access := range a.Who([]string{"s3:GetObject"}, &Resource{ARN: "arn:aws:s3:::" + strings.Repeat("a", 1000), Account: a.ID}, Context{"k:v": Is(strings.Repeat("a", 100))}) {
			if d := access.Decisions[0]; len(d.Allows) > maxEvidence {
				t.Errorf("%s: %d statements as evidence", name, len(d.Allows))
			}
		}
	}
}

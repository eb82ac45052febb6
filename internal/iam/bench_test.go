package iam

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// A large account: the target is ten seconds and 300 MB on one core for all of its secrets.
const largeRoles, largePolicies, largeResources = 5_000, 10_000, 1_000

var largeActions = []string{
	"secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret",
	"secretsmanager:UpdateSecretVersionStage", "secretsmanager:DeleteSecret", "secretsmanager:PutResourcePolicy", "secretsmanager:DeleteResourcePolicy",
	"secretsmanager:ReplicateSecretToRegions", "secretsmanager:RotateSecret", "secretsmanager:TagResource", "secretsmanager:UntagResource",
}

// largeAccount generates roles as real accounts have them: most policies are about other
// services, some teams read secrets by prefix or tag, and five in a hundred are administrators.
func largeAccount(b testing.TB) (*Account, []*Resource) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	c := Cache{}
	parse := func(name, statements string) *Policy {
		p, err := c.Parse(name, []byte(`{"Version":"2012-10-17","Statement":[`+statements+`]}`))
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	secret := func(i int) string {
		return fmt.Sprintf("arn:aws:secretsmanager:eu-west-2:111122223333:secret:team%d/app%d", i%100, i)
	}
	services := []string{"s3", "ec2", "sqs", "sns", "dynamodb", "logs", "cloudwatch", "ecr", "lambda", "ssm"}
	policies := make([]*Policy, largePolicies)
	for i := range policies {
		name := fmt.Sprintf("arn:aws:iam::111122223333:policy/p%d", i)
		service := services[i%len(services)]
		other := fmt.Sprintf(`{"Effect":"Allow","Action":["%s:Get*","%[1]s:List*","%[1]s:Put%d"],"Resource":"arn:aws:%[1]s:*:111122223333:thing%[2]d/*"}`, service, i)
		switch i % 10 {
		case 0:
			other += fmt.Sprintf(`,{"Sid":"Read","Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:DescribeSecret"],"Resource":"%s-??????"}`, secret(i%largeResources))
		case 1:
			other += fmt.Sprintf(`,{"Sid":"Team","Effect":"Allow","Action":"secretsmanager:Get*","Resource":"arn:aws:secretsmanager:*:111122223333:secret:team%d/*","Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}}`, i%100)
		case 2:
			other += `,{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}`
		}
		policies[i] = parse(name, other)
	}
	admin := parse("arn:aws:iam::aws:policy/AdministratorAccess", `{"Effect":"Allow","Action":"*","Resource":"*"}`)
	power := parse("arn:aws:iam::aws:policy/PowerUserAccess", `{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"}`)
	boundary := parse("arn:aws:iam::111122223333:policy/boundary", `{"Effect":"Allow","Action":["s3:*","secretsmanager:Get*","logs:*"],"Resource":"*"}`)
	a := &Account{ID: "111122223333", SCPs: [][]*Policy{
		{parse("FullAWSAccess", `{"Effect":"Allow","Action":"*","Resource":"*"}`)},
		{parse("Regions", `{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","NotAction":"iam:*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-west-2","eu-west-1"]}}}`)},
	}}
	trust := parse("trust", `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root","Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`)
	for i := range largeRoles {
		p := &Principal{Kind: Role, ARN: fmt.Sprintf("arn:aws:iam::111122223333:role/r%d", i), Account: a.ID, Trust: trust, Tags: map[string]string{"team": fmt.Sprint("team", i%100)}}
		for range 4 + r.IntN(8) {
			p.Policies = append(p.Policies, policies[r.IntN(len(policies))])
		}
		switch {
		case i%40 == 0:
			p.Policies = append(p.Policies, admin)
		case i%40 == 1:
			p.Policies = append(p.Policies, power)
		case i%10 == 2:
			p.Boundary = boundary
		}
		p.Policies = append(p.Policies, parse("inline", `{"Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}`))
		a.Principals = append(a.Principals, p)
	}
	resources := make([]*Resource, largeResources)
	for i := range resources {
		resources[i] = &Resource{ARN: secret(i) + "-AbCdEf", Tags: map[string]string{"team": fmt.Sprint("team", i%100)}}
		if i%5 == 0 {
			resources[i].Policy = parse("resource policy", fmt.Sprintf(`{"Sid":"Deploy","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:role/r%d","arn:aws:iam::444455556666:role/x"]},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`, i))
		}
	}
	return a, resources
}

func BenchmarkEveryPrincipalAndSecret(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	a, resources := largeAccount(b)
	b.ReportAllocs()
	for b.Loop() {
		a.ready = false
		found, decisions := 0, [3]int{}
		for _, r := range resources {
			for _, access := range a.Who(largeActions, r, nil) {
				found++
				for _, d := range access.Decisions {
					decisions[d.Verdict]++
				}
			}
		}
		b.ReportMetric(float64(found), "accesses")
		b.ReportMetric(float64(decisions[Yes]), "yes")
		b.ReportMetric(float64(decisions[Depends]), "depends")
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/1e6, "MB-sys")
}

func BenchmarkParse(b *testing.B) {
	doc := []byte(`{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:DescribeSecret"],"Resource":"arn:aws:secretsmanager:*:111122223333:secret:team/*","Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("p", doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReach(b *testing.B) {
	a, _ := largeAccount(b)
	for b.Loop() {
		paths, complete := a.Reach(a.Principals[100:101], nil, 1000)
		b.ReportMetric(float64(len(paths)), "paths")
		if complete {
			b.Log("complete")
		}
	}
}

package iam

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

const statement = `{"Effect":"Allow","Action":"a:b","Resource":"*"}`

func TestMalformedDocumentsAreReportedWithTheirPlace(t *testing.T) {
	in := func(statement string) string { return `{"Statement":[` + statement + `]}` }
	for name, c := range map[string]struct{ doc, want string }{
		"empty":               {"", "p:1:1: the document is not valid JSON from here on"},
		"cut off":             {"{\n \"Statement\": [\n  {\"Effect\"", "p:3:12: the document is not valid JSON from here on"},
		"no JSON":             {"Statement: []", "p:1:1: the document is not valid JSON from here on"},
		"two documents":       {in(statement) + "\n{}", "p:2:1: text follows the document"},
		"a comma follows":     {in(statement) + " ,", "p:1:66: text follows the document"},
		"a list":              {"[]", "p:1:1: a policy must be a JSON object"},
		"a byte order mark":   {"\ufeff" + in(statement), "p:1:1: the document begins with a byte order mark; remove it"},
		"latin-1":             {"{\"Id\":\"\xfc\"}", "p:1:8: the document is not UTF-8"},
		"no statements":       {`{"Version":"2012-10-17"}`, "p:1:1: the policy has no Statement"},
		"version":             {`{"Version":"2012-10-18"}`, "p:1:12: Version must be 2012-10-17 or 2008-10-17"},
		"id":                  {`{"Id":{}}`, "p:1:7: Id must be a string"},
		"unknown key":         {`{"Statements":[]}`, "p:1:2: a policy has no such key; it has Version, Id and Statement"},
		"duplicate key":       {`{"Statement":[],` + "\n" + `"Statement":[]}`, "p:2:1: the key is a duplicate"},
		"duplicate in depth":  {in(`{"Condition":{"Bool":{"a:b":"true","a:b":"false"}}}`), "p:1:50: the key is a duplicate"},
		"deep":                {strings.Repeat(`{"a":`, 100), "p:1:41: the document is nested too deeply for a policy"},
		"deep lists":          {strings.Repeat(`[`, 100000), "p:1:9: the document is nested too deeply for a policy"},
		"huge":                {strings.Repeat(" ", 1<<20+1), "p:1:1: the document is longer than 1 MiB"},
		"huge and encoded":    {"%7B" + strings.Repeat(" ", 3<<20), "p:1:1: the document is longer than 1 MiB"},
		"bad encoding":        {"%7B%zz", "p:1:1: the URL encoding is malformed"},
		"statement":           {in(`7`), "p:1:15: statement 1: a statement must be a JSON object"},
		"statement key":       {in(`{"Sid":"Read","Efect":"Allow"}`), `p:1:29: statement 1 (Read): a statement has no such key`},
		"second statement":    {in(statement + ",\n" + `{"Action":"a:b","Sid":"Second"}`), "p:2:1: statement 2 (Second): the statement has no Effect"},
		"effect":              {in(`{"Effect":"allow"}`), "p:1:25: statement 1: Effect must be Allow or Deny"},
		"effect is a list":    {in(`{"Effect":["Allow"]}`), "p:1:25: statement 1: Effect must be Allow or Deny"},
		"sid":                 {in(`{"Sid":1}`), "p:1:22: statement 1: Sid must be a string"},
		"no action":           {in(`{"Effect":"Allow"}`), "p:1:15: statement 1: the statement has neither Action nor NotAction"},
		"both actions":        {in(`{"Effect":"Allow","NotAction":"*","Action":"*"}`), "p:1:45: statement 1: Action and NotAction exclude each other"},
		"both resources":      {in(`{"Effect":"Allow","Action":"*","Resource":"*","NotResource":"*"}`), "p:1:75: statement 1: Resource and NotResource exclude each other"},
		"empty actions":       {in(`{"Effect":"Allow","Action":[]}`), "p:1:42: statement 1: Action is empty"},
		"numeric resource":    {in(`{"Effect":"Allow","Action":"*","Resource":["*",7]}`), "p:1:62: statement 1: Resource must be a string or a list of strings"},
		"principal":           {in(`{"Effect":"Allow","Action":"*","Principal":"me"}`), `p:1:58: statement 1: Principal must be "*" or an object`},
		"kind of principal":   {in(`{"Effect":"Allow","Action":"*","Principal":{"aws":"*"}}`), "p:1:59: statement 1: a principal is AWS, Service, Federated or CanonicalUser"},
		"empty principals":    {in(`{"Effect":"Allow","Action":"*","Principal":{"AWS":[]}}`), "p:1:65: statement 1: Principal is empty"},
		"condition":           {in(`{"Effect":"Allow","Action":"*","Condition":[]}`), "p:1:58: statement 1: Condition must be an object"},
		"operator":            {in(`{"Effect":"Allow","Action":"*","Condition":{"Bool":"x"}}`), "p:1:66: statement 1: a condition operator must have an object of keys"},
		"null in a condition": {in(`{"Effect":"Allow","Action":"*","Condition":{"Bool":{"a:b":null}}}`), "p:1:73: statement 1: a condition's value must be a string, number or boolean, or a list of them"},
		"a column of runes":   {`{"Id":"üü","x":1}`, "p:1:12: a policy has no such key; it has Version, Id and Statement"},
		"a token as Sid":      {in(`{"Sid":"dckr_pat_FAKEFAKEFAKEFAKEFAKEFAKEFAK"}`), "p:1:15: statement 1 (a token): the statement has no Effect"},
		"an escape as Sid":    {in(`{"Sid":"\u001b[2J"}`), `p:1:15: statement 1 (\x1b[2J): the statement has no Effect`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("p", []byte(c.doc))
			var at *ParseError
			if !errors.As(err, &at) {
				t.Fatalf("%v", err)
			}
			if strings.Contains(err.Error(), "FAKE") || !strings.Contains(c.want, "a token") && err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}

func TestDocumentsAsIAMTakesThem(t *testing.T) {
	for name, doc := range map[string]string{
		"one statement":       `{"Statement":` + statement + `}`,
		"a list":              `{"Statement":[` + statement + `]}`,
		"old version":         `{"Version":"2008-10-17","Id":"x","Statement":[` + statement + `]}`,
		"white space":         "\n\t {\r\n\"Statement\" : [ " + statement + " ] } \n",
		"encoded":             url.PathEscape(`{"Statement":[` + statement + `]}`),
		"encoded, lower case": strings.ToLower("%7B") + `%22Statement%22%3A` + url.QueryEscape(statement) + `%7D`,
		"scalars":             `{"Statement":{"Effect":"Allow","Action":["a:b"],"Resource":["*"],"Condition":{"Bool":{"k:v":[true,"true"]},"NumericEquals":{"k:w":7}}}}`,
	} {
		p, err := Parse("p", []byte(doc))
		if err != nil || len(p.Statements) != 1 || p.Statements[0].Index != 1 || !p.Statements[0].Allow {
			t.Errorf("%s: %v", name, err)
		}
	}
	plus, err := Parse("p", []byte(`%7B%22Statement%22%3A%7B%22Sid%22%3A%22a+b%22%2C%22Effect%22%3A%22Deny%22%2C%22Action%22%3A%22*%22%7D%7D`))
	if err != nil || plus.Statements[0].Sid != "a+b" { // RFC 3986, not a form
		t.Error("a + in a URL-encoded document must stay one:", err)
	}
	empty, err := Parse("p", []byte(`{"Statement":[]}`))
	if err != nil || len(empty.Statements) != 0 {
		t.Error("no statements:", err)
	}
}

func TestEqualDocumentsAreShared(t *testing.T) {
	c := Cache{}
	a, err1 := c.Parse("a", []byte(`{"Statement":[`+statement+`]}`))
	b, err2 := c.Parse("b", []byte(`{"Statement":[`+statement+`]}`))
	if err1 != nil || err2 != nil || a.Document != b.Document || a.Name == b.Name {
		t.Error("equal documents are not shared under their own names:", err1, err2)
	}
	if _, err := c.Parse("c", []byte(`{`)); err == nil || len(c) != 1 {
		t.Error("a malformed document is kept")
	}
}

func TestOdditiesAreRemarkedOn(t *testing.T) {
	for doc, want := range map[string]string{
		`{"Effect":"Allow","Action":"*","Principal":{"AWS":"AROAEXAMPLE1234567890"}}`:                             "deleted",
		`{"Effect":"Allow","Action":"*","Principal":{"AWS":"arn:aws:iam::111122223333:role/аgent"}}`:              "a principal has characters outside of ASCII", // Cyrillic а
		`{"Effect":"Allow","Action":"s3:Gеt","Resource":"*"}`:                                                     "an action has",
		`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::bücket"}`:                                        "a resource has",
		`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"аws:SourceVpc":"vpc"}}}`:     "a condition has",
		`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b","Principal":{"AWS":"arn:aws:iam::1:user/a"}}`: "",
	} {
		p, err := Parse("p", []byte(`{"Statement":`+doc+`}`))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case want == "" && len(p.Remarks) > 0:
			t.Errorf("%s: %v", doc, p.Remarks)
		case want != "" && (len(p.Remarks) != 1 || !strings.Contains(p.Remarks[0].Text, want) || p.Remarks[0].Statement != p.Statements[0]):
			t.Errorf("%s: %v, want %s", doc, p.Remarks, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"Statement":[` + statement + `]}`, `%7B%22Statement%22%3A[]%7D`, `{"Version":"2012-10-17","Statement":{"Sid":"x","Effect":"Deny","NotAction":["a:*"],"NotResource":"arn:aws:s3:::${aws:username}/*","NotPrincipal":{"AWS":"111122223333"},"Condition":{"ForAllValues:StringNotLikeIfExists":{"k:v":["a*",7,true]}}}}`,
		"\ufeff{}", `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"${a, 'b'}${*}${"}]}`,
	} {
		f.Add([]byte(seed))
	}
	role := &Principal{Kind: Role, ARN: "arn:aws:iam::111122223333:role/r", Account: "111122223333"}
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := Parse("p", doc)
		if err != nil {
			var at *ParseError
			if !errors.As(err, &at) || at.Line < 1 || at.Column < 1 {
				t.Fatalf("%v has no place", err)
			}
			return
		}
		if again, err := Parse("p", []byte(url.PathEscape(string(doc)))); doc[0] == '{' && len(doc) < 1<<18 && (err != nil || len(again.Statements) != len(p.Statements)) {
			t.Fatalf("encoded, it is another document: %v", err)
		}
		for _, s := range p.Statements {
			if s.Line < 1 || s.Index < 1 {
				t.Fatal("a statement has no place")
			}
			_ = Ref{IdentityPolicy, p.Name, s}.String()
		}
		// Whatever it says, the answer has evidence, and Who agrees.
		role.Policies, role.Boundary, role.Trust = []*Policy{p}, p, p
		a := &Account{ID: role.Account, Principals: []*Principal{role}}
		r := Request{Principal: role, Action: "s3:GetObject", Resource: &Resource{ARN: "arn:aws:s3:::bucket/key", Account: "111122223333", Policy: p}}
		d := a.Decide(r)
		if d.Verdict == Depends && len(d.Unknown) == 0 || d.Verdict == Yes && len(d.Allows) == 0 || d.Verdict == No && len(d.Denies)+len(d.Missing) == 0 {
			t.Fatalf("no evidence: %+v", d)
		}
		agreesWithWho(t, a, r, d)
		a.Reach([]*Principal{role}, nil, 10)
	})
}

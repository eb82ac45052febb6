package conformance

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

const noFunction = "arn:aws:lambda:" + awsRegion + ":123456789012:function:none"

// awsRotations are about RotateSecret.
func awsRotations() []awsCase {
	rotate := func(more members) members {
		in := members{"ClientRequestToken": versionID(2)}
		for k, v := range more {
			in[k] = v
		}
		return in
	}
	return []awsCase{
		{
			row{"rotate", "RotateSecret where no function was ever named", badCall + ": No Lambda rotation function ARN is associated with this secret.", recorded, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("RotateSecret", rotate(nil)))
			},
		},
		{
			row{"rotate-labels", "the labels after that", "v1 AWSCURRENT", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.on("RotateSecret", rotate(nil))
				return c.labels()
			},
		},
		{
			row{
				"rotate-no-function", "RotateSecret with a function that does not exist", "400 AccessDeniedException: Secrets Manager cannot invoke the specified " +
					"Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.", recorded,
				"the stand-in's owner gives it the rotation function, so it takes any ARN",
			},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("RotateSecret", rotate(members{"RotationLambdaARN": noFunction})))
			},
		},
		{
			row{"rotate-pending", "RotateSecret while another version is pending", badCall, model + "; its words are UNCONFIRMED", ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(3, "three", "AWSPENDING"))
				return c.short(c.on("RotateSecret", rotate(members{"RotationLambdaARN": noFunction})))
			},
		},
		{
			row{"rotate-1001", "a rotation every 1,001 days", "400", model + noCode, ""},
			func(c *awsCaller) string {
				c.create("one")
				return codeOf(c.short(c.on("RotateSecret", rotate(members{"RotationRules": members{"AutomaticallyAfterDays": 1001}}))))
			},
		},
		{
			row{"rotate-both", "a rotation by days and by an expression", badMember, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("RotateSecret", rotate(members{
					"RotationLambdaARN": noFunction, "RotationRules": members{"AutomaticallyAfterDays": 10, "ScheduleExpression": "rate(10 days)"},
				})))
			},
		},
	}
}

// awsProtocol has malformed requests, and STS.
func awsProtocol() []awsCase {
	list := func(c *awsCaller) string {
		return c.short(c.call("ListSecrets", members{"Filters": filters("name", c.name)}))
	}
	return []awsCase{
		{
			row{"unknown-operation", "an operation that does not exist", "400 UnknownOperationException", guide + unsure, ""},
			func(c *awsCaller) string { return c.short(c.call("MakeCoffee", nil)) },
		},
		{
			row{"garbage", "a body that is no JSON", "400 SerializationException", guide + unsure, ""},
			func(c *awsCaller) string { return c.short(c.send(target("ListSecrets"), "{not JSON")) },
		},
		{
			row{"wrong-type", "a number where a text belongs", "400 SerializationException", guide + unsure, ""},
			func(c *awsCaller) string {
				return c.short(c.call("DescribeSecret", members{"SecretId": 5}))
			},
		},
		{
			row{"empty-body", "no body where a secret has to be named", "400", model + noCode, ""},
			func(c *awsCaller) string { return codeOf(c.short(c.send(target("DescribeSecret"), ""))) },
		},
		{
			row{"error-form", "the form of an error", "application/x-amz-json-1.1, Message and __type", model, ""},
			func(c *awsCaller) string {
				r := c.on("DescribeSecret", nil)
				return r.contentType + ", " + strings.ReplaceAll(memberNames(r), " ", " and ")
			},
		},
		{
			row{"unsigned", "no signature", "400 MissingAuthenticationTokenException", guide + unsure, ""},
			func(c *awsCaller) string {
				c.unsigned = true
				return list(c)
			},
		},
		{
			row{"signed-old", "a signature of ten minutes ago", "400 InvalidSignatureException", guide + noText, ""},
			func(c *awsCaller) string {
				c.age = 10 * time.Minute
				return codeOf(list(c))
			},
		},
		{
			row{"signed-other", "a signature for another service", "400 InvalidSignatureException", guide + noText, ""},
			func(c *awsCaller) string {
				c.service = "sqs"
				return list(c)
			},
		},
		{
			row{"sts", "GetCallerIdentity", "200 Account Arn UserId", model, ""},
			func(c *awsCaller) string { return c.sts("GetCallerIdentity") },
		},
		{
			row{"sts-unsigned", "GetCallerIdentity without a signature", "403 MissingAuthenticationToken", guide + unsure, ""},
			func(c *awsCaller) string {
				c.unsigned = true
				return c.sts("GetCallerIdentity")
			},
		},
		{
			row{"sts-old", "GetCallerIdentity with a signature of twenty minutes ago", "403 SignatureDoesNotMatch", guide + unsure, ""},
			func(c *awsCaller) string {
				c.age = 20 * time.Minute
				return c.sts("GetCallerIdentity")
			},
		},
		{
			row{"sts-unknown", "an STS action that does not exist", "400 InvalidAction", guide + unsure, ""},
			func(c *awsCaller) string { return c.sts("MakeCoffee") },
		},
	}
}

var (
	xmlCode   = regexp.MustCompile(`<Code>([^<]*)</Code>`)
	xmlMember = regexp.MustCompile(`<(Arn|UserId|Account)>[^<]+<`)
)

// sts asks in the query protocol: the answer is the status with the error's code, or the
// names of the members that were answered.
func (c *awsCaller) sts(action string) string {
	c.t.Helper()
	c.service = "sts"
	r := c.send(map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, "Action="+action+"&Version=2011-06-15")
	answer := c.short(awsReply{status: r.status, body: members{}})
	if code := xmlCode.FindStringSubmatch(r.raw); code != nil {
		return answer + " " + code[1]
	}
	var names []string
	for _, member := range xmlMember.FindAllStringSubmatch(r.raw, -1) {
		names = append(names, member[1])
	}
	slices.Sort(names)
	return strings.TrimSpace(answer + " " + strings.Join(names, " "))
}

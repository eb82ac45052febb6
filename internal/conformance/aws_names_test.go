package conformance

import (
	"strings"
)

const notFound = "400 ResourceNotFoundException: Secrets Manager can't find the specified secret."

// awsNames covers names and ARNs.
func awsNames() []awsCase {
	return []awsCase{
		{
			row{"name-characters", "a name with a space", "400 ValidationException: Invalid name. Must be a valid name containing " +
				"alphanumeric characters, or any of the following: -/_+=.@!", recorded, ""},
			func(c *awsCaller) string {
				return c.short(c.call("CreateSecret", members{"Name": c.name + " x", "ClientRequestToken": versionID(1), "SecretString": "one"}))
			},
		},
		{
			row{"name-long", "a name of 513 characters", "400 ValidationException", model + noText, ""},
			func(c *awsCaller) string {
				name := c.name + strings.Repeat("x", 513-len(c.name))
				return codeOf(c.short(c.call("CreateSecret", members{"Name": name, "ClientRequestToken": versionID(1)})))
			},
		},
		{
			row{"name-longest", "a name of 512 characters", "200", model, ""},
			func(c *awsCaller) string {
				name := c.name + strings.Repeat("x", 512-len(c.name))
				return c.short(c.call("CreateSecret", members{"Name": name, "ClientRequestToken": versionID(1)}))
			},
		},
		{row{"arn", "the ARN of a new secret", "ARN", guide, ""}, func(c *awsCaller) string { return c.plain(c.create("one")) }},
		{row{"by-arn", "a secret by its ARN", "v1 one", model, ""}, func(c *awsCaller) string { return c.value(members{"SecretId": c.create("one")}) }},
		{row{"by-partial-arn", "a secret by its ARN without the suffix", "v1 one", model, ""},
			func(c *awsCaller) string { c.create("one"); return c.value(members{"SecretId": arnStart + c.name}) }},
		{
			row{"by-name-and-suffix", "a secret by its name with the suffix", notFound, model, ""},
			func(c *awsCaller) string {
				return c.value(members{"SecretId": strings.TrimPrefix(c.create("one"), arnStart)})
			},
		},
		{
			row{"by-other-suffix", "a secret by its ARN with another suffix", notFound, model, ""},
			func(c *awsCaller) string {
				arn := c.create("one")
				return c.value(members{"SecretId": arn[:len(arn)-6] + "zzzzzz"})
			},
		},
		{
			row{"name-like-arn", "a name that ends in a hyphen and six characters, by its ARN without the suffix", notFound, recorded, ""},
			func(c *awsCaller) string {
				c.createAs(c.name+"-abcdef", members{"SecretString": "one"})
				return c.value(members{"SecretId": arnStart + c.name + "-abcdef"})
			},
		},
		{
			row{"name-like-arn-by-name", "a name that ends in a hyphen and six characters, by its name", "v1 one", model, ""},
			func(c *awsCaller) string {
				c.createAs(c.name+"-abcdef", members{"SecretString": "one"})
				return c.value(members{"SecretId": c.name + "-abcdef"})
			},
		},
		{
			row{"suffix-anew", "a name reused after a forced deletion", "another suffix", guide, ""},
			func(c *awsCaller) string {
				first := c.create("one")
				c.must("DeleteSecret", members{"ForceDeleteWithoutRecovery": true})
				if c.create("two") == first {
					return "the same suffix"
				}
				return "another suffix"
			},
		},
		{row{"missing", "a secret that does not exist", notFound, recorded, ""}, func(c *awsCaller) string { return c.value(nil) }},
		{row{"describe-missing", "DescribeSecret of a secret that does not exist", notFound, recorded, ""}, func(c *awsCaller) string { return c.labels() }},
	}
}

// codeOf drops an error's message, for messages that quote a long name or list.
func codeOf(answer string) string {
	code, _, _ := strings.Cut(answer, ":")
	return code
}

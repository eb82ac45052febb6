package conformance

const (
	exists    = "400 ResourceExistsException"
	noToken   = "You must provide a ClientRequestToken value. We recommend a UUID-type value."
	badMember = "400 InvalidParameterException"
	badCall   = "400 InvalidRequestException"
)

// awsTokens covers ClientRequestToken, which makes calls idempotent.
func awsTokens() []awsCase {
	return []awsCase{
		{
			row{"create-again", "CreateSecret repeated with the same token and value", "200, v1 AWSCURRENT", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				again := c.short(c.call("CreateSecret", members{"Name": c.name, "ClientRequestToken": versionID(1), "SecretString": "one"}))
				return again + ", " + c.labels()
			},
		},
		{
			row{"create-other-value", "CreateSecret repeated with the same token and another value", exists, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.call("CreateSecret", members{"Name": c.name, "ClientRequestToken": versionID(1), "SecretString": "two"}))
			},
		},
		{
			row{"create-taken", "CreateSecret with a taken name", exists + ": The operation failed because the secret NAME already exists.", recorded, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.call("CreateSecret", members{"Name": c.name, "ClientRequestToken": versionID(2), "SecretString": "two"}))
			},
		},
		{
			row{"create-no-token", "CreateSecret without a token", badCall + ": " + noToken, recorded, ""},
			func(c *awsCaller) string {
				return c.short(c.call("CreateSecret", members{"Name": c.name, "SecretString": "one"}))
			},
		},
		{
			row{"token-short", "a token of 31 characters", badMember, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("PutSecretValue", members{"ClientRequestToken": versionID(2)[1:], "SecretString": "two"}))
			},
		},
		{
			row{"token-long", "a token of 65 characters", badMember, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("PutSecretValue", members{"ClientRequestToken": versionID(2) + versionID(3) + "x", "SecretString": "two"}))
			},
		},
		{
			row{"put-again", "PutSecretValue repeated with the same token and value", "200, v1 AWSPREVIOUS, v2 AWSCURRENT", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two"))
				return c.short(c.on("PutSecretValue", put(2, "two"))) + ", " + c.labels()
			},
		},
		{
			row{"put-again-after-others", "PutSecretValue repeated when a later version is current", "200, v2 AWSPREVIOUS, v3 AWSCURRENT", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two"))
				c.must("PutSecretValue", put(3, "three"))
				return c.short(c.on("PutSecretValue", put(2, "two"))) + ", " + c.labels()
			},
		},
		{
			row{"put-other-value", "a token reused with another value", exists, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two"))
				return c.short(c.on("PutSecretValue", put(2, "other")))
			},
		},
		{
			row{"put-other-value-kept", "the value after a token was reused with another value", "v2 two", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two"))
				c.on("PutSecretValue", put(2, "other"))
				return c.value(members{"VersionStage": "AWSCURRENT"})
			},
		},
		{
			row{"put-other-value-pending", "a token reused with another value while its version is pending", exists, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two", "AWSPENDING"))
				return c.short(c.on("PutSecretValue", put(2, "other", "AWSPENDING")))
			},
		},
		{
			row{"put-no-token", "PutSecretValue without a token", badCall + ": " + noToken, recorded, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("PutSecretValue", members{"SecretString": "two"}))
			},
		},
		{row{"update-again", "UpdateSecret with a version's token and its value", exists, model + noCode, ""},
			func(c *awsCaller) string { c.create("one"); return c.short(c.on("UpdateSecret", put(1, "one"))) }},
		{row{"update-other-value", "UpdateSecret with a version's token and another value", exists, model + noCode, ""},
			func(c *awsCaller) string { c.create("one"); return c.short(c.on("UpdateSecret", put(1, "two"))) }},
		{row{"update", "UpdateSecret with a new token and a value", "v1 AWSPREVIOUS, v2 AWSCURRENT", model, ""},
			func(c *awsCaller) string { c.create("one"); return c.after("UpdateSecret", put(2, "two")) }},
		{
			row{"update-description", "UpdateSecret of only the description", "no version, v1 AWSCURRENT", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.or(c.on("UpdateSecret", members{"Description": "about it", "ClientRequestToken": versionID(2)}), func(r awsReply) string {
					if r.text("VersionId") != "" {
						return "a version, " + c.labels()
					}
					return "no version, " + c.labels()
				})
			},
		},
		{row{"rotate-no-token", "RotateSecret without a token", badMember + ": " + noToken, recorded, ""},
			func(c *awsCaller) string { c.create("one"); return c.short(c.on("RotateSecret", nil)) }},
		{
			row{"token-is-version", "the version that a token makes", "v2", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.or(c.on("PutSecretValue", put(2, "two")), func(r awsReply) string { return r.text("VersionId") })
			},
		},
	}
}

package conformance

import (
	"cmp"
	"fmt"
	"strings"
)

const (
	policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},` +
		`"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	publicPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",` +
		`"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
)

// awsSettings covers limits of values, tags, policies and replicas.
func awsSettings() []awsCase {
	sized := func(id, title string, size int, documented, source string) awsCase {
		return awsCase{row{id, title, documented, source, ""}, func(c *awsCaller) string {
			c.create("one")
			return codeOf(c.short(c.on("PutSecretValue", put(2, strings.Repeat("x", size)))))
		}}
	}
	return append([]awsCase{
		sized("value-65536", "a value of 65,536 bytes", 65536, "200", model),
		sized("value-65537", "a value of 65,537 bytes", 65537, "400", model+noCode),
		sized("value-empty", "an empty value", 0, "400", model+noCode),
		{
			row{"value-both", "a text and a binary value", badMember, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("PutSecretValue", members{"ClientRequestToken": versionID(2), "SecretString": "two", "SecretBinary": "AAH/"}))
			},
		},
		{
			row{"value-none", "PutSecretValue without a value", "400", model + noCode, ""},
			func(c *awsCaller) string {
				c.create("one")
				return codeOf(c.short(c.on("PutSecretValue", members{"ClientRequestToken": versionID(2)})))
			},
		},
		{
			row{"password", "the length of a random password", "32 characters", model + unsure, ""},
			func(c *awsCaller) string {
				return c.or(c.call("GetRandomPassword", nil), func(r awsReply) string {
					return fmt.Sprintf("%d characters", len(r.text("RandomPassword")))
				})
			},
		},
		{
			row{"password-4097", "a random password of 4,097 characters", "400", model + noCode, ""},
			func(c *awsCaller) string {
				return codeOf(c.short(c.call("GetRandomPassword", members{"PasswordLength": 4097})))
			},
		},
	}, append(awsTags(), append(awsPolicies(), awsCopies()...)...)...)
}

func tags(keysAndValues ...string) members {
	var all []members
	for i := 0; i < len(keysAndValues); i += 2 {
		all = append(all, members{"Key": keysAndValues[i], "Value": keysAndValues[i+1]})
	}
	return members{"Tags": all}
}

// tagged returns the secret's tags.
func (c *awsCaller) tagged() string {
	c.t.Helper()
	return c.or(c.on("DescribeSecret", nil), func(r awsReply) string {
		var all []string
		for _, tag := range r.each("Tags") {
			all = append(all, tag.text("Key")+"="+tag.text("Value"))
		}
		return cmp.Or(strings.Join(all, " "), "none")
	})
}

func awsTags() []awsCase {
	return []awsCase{
		{
			row{"tag", "a tag that is set twice", "a=2 b=1", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("TagResource", tags("a", "1", "b", "1"))
				c.must("TagResource", tags("a", "2"))
				return c.tagged()
			},
		},
		{
			row{"untag", "a removed tag", "b=1", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("TagResource", tags("a", "1", "b", "1"))
				c.must("UntagResource", members{"TagKeys": []string{"a"}})
				return c.tagged()
			},
		},
		{
			row{"tag-aws", "a tag whose key starts with aws:", "400", guide + noCode, ""},
			func(c *awsCaller) string {
				c.create("one")
				return codeOf(c.short(c.on("TagResource", tags("aws:a", "1"))))
			},
		},
		{
			row{"tag-51", "51 tags", "400", guide + noCode, ""},
			func(c *awsCaller) string {
				c.create("one")
				var all []string
				for _, key := range labelNames(51) {
					all = append(all, key, "1")
				}
				return codeOf(c.short(c.on("TagResource", tags(all...))))
			},
		},
	}
}

// policyOf returns what GetResourcePolicy answers.
func (c *awsCaller) policyOf() string {
	c.t.Helper()
	return c.or(c.on("GetResourcePolicy", nil), func(r awsReply) string {
		switch r.text("ResourcePolicy") {
		case policy:
			return "the policy"
		case "":
			return "none"
		}
		return "another policy"
	})
}

func awsPolicies() []awsCase {
	return []awsCase{
		{row{"policy-none", "GetResourcePolicy without a policy", "none", model, ""}, func(c *awsCaller) string { c.create("one"); return c.policyOf() }},
		{
			row{"policy", "a stored policy", "the policy", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutResourcePolicy", members{"ResourcePolicy": policy})
				return c.policyOf()
			},
		},
		{
			row{"policy-deleted", "a deleted policy", "none", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutResourcePolicy", members{"ResourcePolicy": policy})
				c.must("DeleteResourcePolicy", nil)
				return c.policyOf()
			},
		},
		{
			row{"policy-syntax", "a policy that is not JSON", "400 MalformedPolicyDocumentException", model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("PutResourcePolicy", members{"ResourcePolicy": "{"}))
			},
		},
		{
			row{"policy-no-statement", "a policy without a statement", "400 MalformedPolicyDocumentException", model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("PutResourcePolicy", members{"ResourcePolicy": `{"Version":"2012-10-17"}`}))
			},
		},
		{
			row{"policy-long", "a policy of 20,481 characters", "400", model + noCode, ""},
			func(c *awsCaller) string {
				c.create("one")
				long := policy + strings.Repeat(" ", 20481-len(policy))
				return codeOf(c.short(c.on("PutResourcePolicy", members{"ResourcePolicy": long})))
			},
		},
		{
			row{"policy-public", "a public policy with BlockPublicPolicy", "400 PublicPolicyException", model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("PutResourcePolicy", members{"ResourcePolicy": publicPolicy, "BlockPublicPolicy": true}))
			},
		},
		{
			row{"policy-validate", "ValidateResourcePolicy", "200", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				return codeOf(c.short(c.on("ValidateResourcePolicy", members{"ResourcePolicy": policy})))
			},
		},
	}
}

// copies lists the regions of a secret's replicas.
func copies(r awsReply) string {
	var all []string
	for _, one := range r.each("ReplicationStatus") {
		all = append(all, one.text("Region"))
	}
	return cmp.Or(strings.Join(all, " "), "none")
}

func awsCopies() []awsCase {
	add := members{"AddReplicaRegions": []members{{"Region": "us-east-1"}}}
	return []awsCase{
		{
			row{"copy", "ReplicateSecretToRegions", "us-east-1", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.or(c.on("ReplicateSecretToRegions", add), copies)
			},
		},
		{
			row{"copy-arn", "the ARN in the answer of ReplicateSecretToRegions", "ARN", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.or(c.on("ReplicateSecretToRegions", add), func(r awsReply) string { return r.text("ARN") })
			},
		},
		{
			row{"copy-removed", "RemoveRegionsFromReplication", "none", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("ReplicateSecretToRegions", add)
				return c.or(c.on("RemoveRegionsFromReplication", members{"RemoveReplicaRegions": []string{"us-east-1"}}), copies)
			},
		},
		{
			row{"copy-here", "ReplicateSecretToRegions to the secret's own region", "400", model + noCode, ""},
			func(c *awsCaller) string {
				c.create("one")
				return codeOf(c.short(c.on("ReplicateSecretToRegions", members{"AddReplicaRegions": []members{{"Region": awsRegion}}})))
			},
		},
		{
			row{"copy-create", "CreateSecret with a replica region", "us-east-1", model, ""},
			func(c *awsCaller) string {
				return c.or(c.call("CreateSecret", members{
					"Name": c.name, "ClientRequestToken": versionID(1), "SecretString": "one", "AddReplicaRegions": add["AddReplicaRegions"],
				}), copies)
			},
		},
		{
			row{"copy-stop", "StopReplicationToReplica of a secret that is not a replica", badCall, model + noCode, ""},
			func(c *awsCaller) string {
				c.create("one")
				return codeOf(c.short(c.on("StopReplicationToReplica", nil)))
			},
		},
	}
}

package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const noValue = "400 ResourceNotFoundException: Secrets Manager can't find the specified secret value for "

// awsReads covers GetSecretValue, DescribeSecret and ListSecretVersionIds.
func awsReads() []awsCase {
	return []awsCase{
		{row{"get-stage", "a version by its label", "v1 one", model, ""}, func(c *awsCaller) string { c.two(); return c.value(members{"VersionStage": "AWSPREVIOUS"}) }},
		{row{"get-id", "a version by its id", "v1 one", model, ""}, func(c *awsCaller) string { c.two(); return c.value(members{"VersionId": versionID(1)}) }},
		{
			row{"get-both", "a version by matching id and label", "v1 one", model, ""},
			func(c *awsCaller) string {
				c.two()
				return c.value(members{"VersionId": versionID(1), "VersionStage": "AWSPREVIOUS"})
			},
		},
		{
			row{"get-both-disagree", "a version by conflicting id and label", badCall +
				": You provided a VersionStage that is not associated to the provided VersionId.", recorded, ""},
			func(c *awsCaller) string {
				c.two()
				return c.value(members{"VersionId": versionID(1), "VersionStage": "AWSCURRENT"})
			},
		},
		{row{"get-no-stage", "a label that no version has", noValue + "staging label: AWSPENDING", recorded, ""},
			func(c *awsCaller) string { c.create("one"); return c.value(members{"VersionStage": "AWSPENDING"}) }},
		{row{"get-no-id", "a version that does not exist", noValue + "VersionId: v9", recorded, ""},
			func(c *awsCaller) string { c.create("one"); return c.value(members{"VersionId": versionID(9)}) }},
		{row{"get-empty", "the value of an empty secret", noValue + "staging label: AWSCURRENT", recorded, ""},
			func(c *awsCaller) string { c.createAs(c.name, nil); return c.value(nil) }},
		{
			row{"get-after-move", "GetSecretValue without a label after AWSCURRENT was moved", "v2 two", model, ""},
			func(c *awsCaller) string {
				c.pending()
				c.must("UpdateSecretVersionStage", move("AWSCURRENT", 1, 2))
				return c.value(nil)
			},
		},
		{
			row{"get-stage-after-move", "GetSecretValue of AWSCURRENT after it was moved", "v2 two", model, ""},
			func(c *awsCaller) string {
				c.pending()
				c.must("UpdateSecretVersionStage", move("AWSCURRENT", 1, 2))
				return c.value(members{"VersionStage": "AWSCURRENT"})
			},
		},
		{
			row{"get-binary", "a binary value", "v2 binary AAH/", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", members{"ClientRequestToken": versionID(2), "SecretBinary": "AAH/"})
				return c.value(nil)
			},
		},
		{row{"get-members", "the members of an answer", "ARN CreatedDate Name SecretString VersionId VersionStages", model, ""},
			func(c *awsCaller) string { c.create("one"); return c.or(c.on("GetSecretValue", nil), memberNames) }},
		{row{"describe-members", "the members of DescribeSecret with AWS's key", "ARN CreatedDate LastChangedDate Name VersionIdsToStages", recorded, ""},
			func(c *awsCaller) string { c.create("one"); return c.or(c.on("DescribeSecret", nil), memberNames) }},
		{
			row{"describe-accessed", "the date of the last access", "midnight", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("GetSecretValue", nil)
				return c.or(c.on("DescribeSecret", nil), func(r awsReply) string {
					switch at, known := r.body["LastAccessedDate"].(float64); {
					case !known:
						return "none"
					case int64(at)%86400 == 0:
						return "midnight"
					}
					return "a time of day"
				})
			},
		},
		{row{"versions-hidden", "ListSecretVersionIds with one unlabelled version", "v2 AWSPREVIOUS, v3 AWSCURRENT", model, ""},
			func(c *awsCaller) string { return c.versions(nil) }},
		{row{"versions-deprecated", "ListSecretVersionIds with IncludeDeprecated", "v1, v2 AWSPREVIOUS, v3 AWSCURRENT", recorded, ""},
			func(c *awsCaller) string { return c.versions(members{"IncludeDeprecated": true}) }},
		{
			row{"versions-without", "the member VersionStages of an unlabelled version", "no VersionStages", recorded, ""},
			func(c *awsCaller) string {
				c.two()
				c.must("PutSecretValue", put(3, "three"))
				return c.or(c.on("ListSecretVersionIds", members{"IncludeDeprecated": true}), func(r awsReply) string {
					for _, v := range r.each("Versions") {
						if stages, there := v.body["VersionStages"]; v.text("VersionId") == versionID(1) && there {
							return fmt.Sprintf("VersionStages %v", stages)
						}
					}
					return "no VersionStages"
				})
			},
		},
		{
			row{"versions-keys", "the key of a version in ListSecretVersionIds", "DefaultEncryptionKey", recorded, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.or(c.on("ListSecretVersionIds", nil), func(r awsReply) string {
					return joined(r.each("Versions")[0].body["KmsKeyIds"])
				})
			},
		},
		{
			row{"versions-arn", "the ARN in ListSecretVersionIds", "ARN", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.or(c.on("ListSecretVersionIds", nil), func(r awsReply) string { return r.text("ARN") })
			},
		},
		{
			row{"versions-paged", "ListSecretVersionIds in pages of one", "1, 1, and no more", model, ""},
			func(c *awsCaller) string {
				c.two()
				return c.pages("ListSecretVersionIds", "Versions", members{"SecretId": c.name, "MaxResults": 1})
			},
		},
	}
}

// versions returns the answer of ListSecretVersionIds for a secret with three versions.
func (c *awsCaller) versions(in members) string {
	c.t.Helper()
	c.two()
	c.must("PutSecretValue", put(3, "three"))
	return c.or(c.on("ListSecretVersionIds", in), func(r awsReply) string {
		var all []string
		for _, v := range r.each("Versions") {
			all = append(all, strings.TrimSpace(v.text("VersionId")+" "+joined(v.body["VersionStages"])))
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	})
}

// pages returns the sizes of up to five pages of a list.
func (c *awsCaller) pages(operation, list string, in members) string {
	c.t.Helper()
	var sizes []string
	for range 5 {
		r := c.call(operation, in)
		if r.status != 200 {
			return c.short(r)
		}
		sizes = append(sizes, fmt.Sprint(len(r.each(list))))
		in = maps.Clone(in)
		if in["NextToken"] = r.text("NextToken"); in["NextToken"] == "" {
			return strings.Join(append(sizes, "and no more"), ", ")
		}
	}
	return strings.Join(append(sizes, "and so on"), ", ")
}

// memberNames lists an answer's members. SDKs treat null as missing.
func memberNames(r awsReply) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(r.body)) {
		if text, err := json.Marshal(r.body[name]); err == nil && string(text) != "null" {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

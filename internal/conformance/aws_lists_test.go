package conformance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// awsBatches covers BatchGetSecretValue.
func awsBatches() []awsCase {
	return []awsCase{
		{
			row{"batch", "two secrets at once", "NAME/a=one NAME/b=two", model, ""},
			func(c *awsCaller) string {
				c.createAs(c.name+"/a", members{"SecretString": "one"})
				c.createAs(c.name+"/b", members{"SecretString": "two"})
				return c.batch(members{"SecretIdList": []string{c.name + "/a", c.name + "/b"}})
			},
		},
		{
			row{"batch-missing", "two secrets, one of which does not exist", "NAME=one error NAME/no ResourceNotFoundException: " +
				"Secrets Manager can't find the specified secret.", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.batch(members{"SecretIdList": []string{c.name, c.name + "/no"}})
			},
		},
		{
			row{"batch-empty", "two secrets, one of them empty", "NAME=one error NAME/empty ResourceNotFoundException", model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.createAs(c.name+"/empty", nil)
				return c.batch(members{"SecretIdList": []string{c.name, c.name + "/empty"}})
			},
		},
		{
			row{"batch-deleted", "two secrets, one of them pending deletion", "NAME/b=two error NAME InvalidRequestException", model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.createAs(c.name+"/b", members{"SecretString": "two"})
				c.must("DeleteSecret", nil)
				return c.batch(members{"SecretIdList": []string{c.name, c.name + "/b"}})
			},
		},
		{
			row{"batch-21", "21 secrets at once", "400", model + noCode, ""},
			func(c *awsCaller) string {
				ids := labelNames(21)
				return codeOf(c.batch(members{"SecretIdList": ids}))
			},
		},
		{
			row{"batch-both", "ids and filters together", badMember, model + noText, ""},
			func(c *awsCaller) string {
				return c.batch(members{"SecretIdList": []string{c.name}, "Filters": filters("name", c.name)})
			},
		},
		{row{"batch-neither", "neither ids nor filters", badMember, model + noText, ""}, func(c *awsCaller) string { return c.batch(nil) }},
		{
			row{"batch-max", "ids with MaxResults", badMember, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.batch(members{"SecretIdList": []string{c.name}, "MaxResults": 5})
			},
		},
		{
			row{"batch-filter", "secrets by a filter", "NAME/a=one NAME/b=two", model, ""},
			func(c *awsCaller) string {
				c.createAs(c.name+"/a", members{"SecretString": "one"})
				c.createAs(c.name+"/b", members{"SecretString": "two"})
				return c.batch(members{"Filters": filters("name", c.name)})
			},
		},
	}
}

// batch returns the answer of BatchGetSecretValue: values, then errors.
func (c *awsCaller) batch(in members) string {
	c.t.Helper()
	return c.or(c.call("BatchGetSecretValue", in), func(r awsReply) string {
		var all []string
		for _, v := range r.each("SecretValues") {
			all = append(all, v.text("Name")+"="+v.text("SecretString"))
		}
		slices.Sort(all)
		for _, e := range r.each("Errors") {
			all = append(all, "error "+e.text("SecretId")+" "+e.text("ErrorCode")+": "+e.text("Message"))
		}
		return strings.Join(all, " ")
	})
}

func filters(key string, values ...string) []members {
	return []members{{"Key": key, "Values": values}}
}

// list returns the names that ListSecrets answers.
func (c *awsCaller) list(in members) string {
	c.t.Helper()
	return c.or(c.call("ListSecrets", in), func(r awsReply) string {
		var names []string
		for _, s := range r.each("SecretList") {
			names = append(names, s.text("Name"))
		}
		return cmp.Or(strings.Join(names, " "), "none")
	})
}

// three makes secrets for filters to distinguish.
func (c *awsCaller) three() {
	c.t.Helper()
	for _, name := range []string{"b", "a", "c"} {
		c.createAs(c.name+"/"+name, members{
			"SecretString": name, "Description": "about " + c.name + "/" + name,
			"Tags": []members{{"Key": "key " + c.name + "/" + name, "Value": "value " + c.name + "/" + name}},
		})
	}
}

// awsLists covers ListSecrets.
func awsLists() []awsCase {
	sorted := members{"SortBy": "name", "SortOrder": "asc"}
	by := func(key, start string) func(*awsCaller) string {
		return func(c *awsCaller) string {
			c.three()
			return c.list(members{"Filters": filters(key, start+c.name+"/a"), "SortBy": sorted["SortBy"], "SortOrder": "asc"})
		}
	}
	return []awsCase{
		{
			row{"list-name", "secrets whose name starts with NAME, sorted by name", "NAME/a NAME/b NAME/c", model, ""},
			func(c *awsCaller) string {
				c.three()
				return c.list(members{"Filters": filters("name", c.name), "SortBy": "name", "SortOrder": "asc"})
			},
		},
		{
			row{"list-descending", "secrets whose name starts with NAME, in descending order", "NAME/c NAME/b NAME/a", model, ""},
			func(c *awsCaller) string {
				c.three()
				return c.list(members{"Filters": filters("name", c.name), "SortBy": "name", "SortOrder": "desc"})
			},
		},
		{
			row{"list-not", "secrets whose name starts with NAME but not with NAME/a", "NAME/b NAME/c", model, ""},
			func(c *awsCaller) string {
				c.three()
				return c.list(members{
					"Filters": append(filters("name", c.name), filters("name", "!"+c.name+"/a")...), "SortBy": "name", "SortOrder": "asc",
				})
			},
		},
		{row{"list-description", "secrets by the beginning of the description", "NAME/a", model, ""}, by("description", "about ")},
		{row{"list-tag-key", "secrets by the beginning of a tag's key", "NAME/a", model, ""}, by("tag-key", "key ")},
		{row{"list-tag-value", "secrets by the beginning of a tag's value", "NAME/a", model, ""}, by("tag-value", "value ")},
		{row{"list-middle", "secrets by the middle of a description", "none", model, ""}, by("description", "bout ")},
		{row{"list-all", "secrets by words anywhere", "NAME/a", model, ""}, by("all", "")},
		{
			row{"list-unknown-filter", "a filter that does not exist", "400", model + noCode, ""},
			func(c *awsCaller) string {
				return codeOf(c.short(c.call("ListSecrets", members{"Filters": filters("colour", "red")})))
			},
		},
		{
			row{"list-11-filters", "eleven filters", "400", model + noCode, ""},
			func(c *awsCaller) string {
				var all []members
				for _, value := range labelNames(11) {
					all = append(all, filters("name", value)...)
				}
				return codeOf(c.short(c.call("ListSecrets", members{"Filters": all})))
			},
		},
		{row{"list-101", "pages of 101", "400", model + noCode, ""},
			func(c *awsCaller) string { return codeOf(c.short(c.call("ListSecrets", members{"MaxResults": 101}))) }},
		{
			row{"list-paged", "three secrets in pages of two", "2, 1, and no more", model, ""},
			func(c *awsCaller) string {
				c.three()
				return c.pages("ListSecrets", "SecretList", members{"MaxResults": 2, "Filters": filters("name", c.name)})
			},
		},
		{row{"list-bad-token", "a NextToken that was never issued", "400 InvalidNextTokenException", model + noText, ""},
			func(c *awsCaller) string { return c.short(c.call("ListSecrets", members{"NextToken": "never given"})) }},
		{
			row{"list-deleted", "two secrets, one of them pending deletion", "NAME/b", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.createAs(c.name+"/b", nil)
				c.must("DeleteSecret", nil)
				return c.list(members{"Filters": filters("name", c.name)})
			},
		},
		{
			row{"list-planned", "two secrets, one of them pending deletion, with IncludePlannedDeletion", "NAME NAME/b", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.createAs(c.name+"/b", nil)
				c.must("DeleteSecret", nil)
				return c.list(members{"Filters": filters("name", c.name), "IncludePlannedDeletion": true, "SortBy": "name", "SortOrder": "asc"})
			},
		},
		{
			row{"list-labels", "the labels in ListSecrets", "SecretVersionsToStages v1 AWSCURRENT", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.or(c.call("ListSecrets", members{"Filters": filters("name", c.name)}), func(r awsReply) string {
					all := r.each("SecretList")
					if len(all) != 1 {
						return fmt.Sprintf("%d secrets", len(all))
					}
					return "SecretVersionsToStages " + labelled(all[0].body["SecretVersionsToStages"])
				})
			},
		},
	}
}

package conformance

import (
	"fmt"
)

// awsPuts covers the labels that PutSecretValue moves.
func awsPuts() []awsCase {
	return []awsCase{
		{row{"first-put", "the first value of an empty secret", "v2 AWSCURRENT", model, ""},
			func(c *awsCaller) string { c.createAs(c.name, nil); return c.after("PutSecretValue", put(2, "two")) }},
		{
			row{"first-put-pending", "the first value of an empty secret, put as AWSPENDING", "v2 AWSCURRENT+AWSPENDING", model, ""},
			func(c *awsCaller) string {
				c.createAs(c.name, nil)
				return c.after("PutSecretValue", put(2, "two", "AWSPENDING"))
			},
		},
		{row{"put", "a second value", "v1 AWSPREVIOUS, v2 AWSCURRENT", recorded, ""},
			func(c *awsCaller) string { c.create("one"); return c.after("PutSecretValue", put(2, "two")) }},
		{
			row{"put-third", "a third value, in DescribeSecret", "v2 AWSPREVIOUS, v3 AWSCURRENT", recorded, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two"))
				return c.after("PutSecretValue", put(3, "three"))
			},
		},
		{
			row{"put-pending", "a value put as AWSPENDING", "v1 AWSCURRENT, v2 AWSPENDING", recorded, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.after("PutSecretValue", put(2, "two", "AWSPENDING"))
			},
		},
		{
			row{"put-pending-twice", "a second value put as AWSPENDING", "v1 AWSCURRENT, v3 AWSPENDING", recorded, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two", "AWSPENDING"))
				return c.after("PutSecretValue", put(3, "three", "AWSPENDING"))
			},
		},
		{
			row{"put-over-pending", "a value put while another is pending", "v1 AWSPREVIOUS, v2 AWSPENDING, v3 AWSCURRENT", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two", "AWSPENDING"))
				return c.after("PutSecretValue", put(3, "three"))
			},
		},
		{
			row{"put-over-current-pending", "a value put when the current version is also pending", "v1 AWSPREVIOUS, v2 AWSCURRENT", recorded, ""},
			func(c *awsCaller) string {
				c.createAs(c.name, nil)
				c.must("PutSecretValue", put(1, "one", "AWSCURRENT", "AWSPENDING"))
				return c.after("PutSecretValue", put(2, "two"))
			},
		},
		{
			row{"put-over-custom", "a value put when the current version has a custom label", "v1 AWSPREVIOUS+mine, v2 AWSCURRENT", recorded, ""},
			func(c *awsCaller) string {
				c.createAs(c.name, nil)
				c.must("PutSecretValue", put(1, "one", "AWSCURRENT", "mine"))
				return c.after("PutSecretValue", put(2, "two"))
			},
		},
		{row{"put-custom", "a value put under a custom label", "v1 AWSCURRENT, v2 mine", model, ""},
			func(c *awsCaller) string { c.create("one"); return c.after("PutSecretValue", put(2, "two", "mine")) }},
		{
			row{"put-custom-moves", "a value put under another version's label", "v1 AWSCURRENT, v3 mine", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two", "mine"))
				return c.after("PutSecretValue", put(3, "three", "mine"))
			},
		},
		{
			row{"put-21-labels", "a value put under 21 labels", "400", model + noCode, ""},
			func(c *awsCaller) string {
				c.create("one")
				return codeOf(c.short(c.on("PutSecretValue", put(2, "two", labelNames(21)...))))
			},
		},
		{
			row{"labels-over-versions", "a 21st label, with the others spread over versions", "400 LimitExceededException", guide + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two", labelNames(19)...))
				return c.short(c.on("PutSecretValue", put(3, "three", "mine")))
			},
		},
		{
			row{"versions-101", "a 101st version within a day", "400 LimitExceededException", guide + "; the exact number is UNCONFIRMED", ""},
			func(c *awsCaller) string {
				c.create("1")
				for n := 2; n <= 100; n++ {
					c.must("PutSecretValue", put(n, fmt.Sprint(n)))
				}
				return c.short(c.on("PutSecretValue", put(101, "101")))
			},
		},
	}
}

func labelNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("label-%02d", i)
	}
	return names
}

// two makes a secret with two versions, the second one current.
func (c *awsCaller) two() {
	c.t.Helper()
	c.create("one")
	c.must("PutSecretValue", put(2, "two"))
}

// pending makes a secret with a current and a pending version.
func (c *awsCaller) pending() {
	c.t.Helper()
	c.create("one")
	c.must("PutSecretValue", put(2, "two", "AWSPENDING"))
}

// awsMoves covers UpdateSecretVersionStage.
func awsMoves() []awsCase {
	const explicit = ", so you must explicitly reference that version in RemoveFromVersionId."
	return []awsCase{
		{
			row{"stage-add", "an unused label put on a version", "v1 AWSCURRENT+mine", model, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.after("UpdateSecretVersionStage", move("mine", 0, 1))
			},
		},
		{
			row{"stage-no-from", "AWSCURRENT moved without naming its version", badMember + ": The parameter RemoveFromVersionId can't be empty. " +
				"Staging label AWSCURRENT is currently attached to version v1" + explicit, recorded, ""},
			func(c *awsCaller) string {
				c.pending()
				return c.short(c.on("UpdateSecretVersionStage", move("AWSCURRENT", 0, 2)))
			},
		},
		{
			row{"stage-custom-no-from", "a custom label moved without naming its version", badMember +
				": The parameter RemoveFromVersionId can't be empty. Staging label mine is currently attached to version v1" + explicit, recorded, ""},
			func(c *awsCaller) string {
				c.pending()
				c.must("UpdateSecretVersionStage", move("mine", 0, 1))
				return c.short(c.on("UpdateSecretVersionStage", move("mine", 0, 2)))
			},
		},
		{
			row{"stage-one-version", "the labels after a custom label was moved without naming its version", "v1 AWSCURRENT+mine, v2 AWSPENDING", model, ""},
			func(c *awsCaller) string {
				c.pending()
				c.must("UpdateSecretVersionStage", move("mine", 0, 1))
				c.on("UpdateSecretVersionStage", move("mine", 0, 2))
				return c.labels()
			},
		},
		{
			row{"stage-wrong-from", "AWSCURRENT moved from a version that does not have it", badMember, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("PutSecretValue", put(2, "two", "AWSPENDING"))
				c.must("PutSecretValue", put(3, "three", "mine"))
				return c.short(c.on("UpdateSecretVersionStage", move("AWSCURRENT", 3, 2)))
			},
		},
		{
			row{"stage-custom-wrong-from", "a custom label moved from a version that does not have it", badMember, model + noText, ""},
			func(c *awsCaller) string {
				c.pending()
				c.must("UpdateSecretVersionStage", move("mine", 0, 1))
				return c.short(c.on("UpdateSecretVersionStage", move("mine", 2, 2)))
			},
		},
		{
			row{"stage-promote", "AWSCURRENT moved from its version to the pending one", "v1 AWSPREVIOUS, v2 AWSCURRENT+AWSPENDING", recorded, ""},
			func(c *awsCaller) string {
				c.pending()
				return c.after("UpdateSecretVersionStage", move("AWSCURRENT", 1, 2))
			},
		},
		{
			row{"stage-back", "AWSCURRENT moved back to AWSPREVIOUS", "v1 AWSCURRENT, v2 AWSPREVIOUS", recorded, ""},
			func(c *awsCaller) string {
				c.two()
				return c.after("UpdateSecretVersionStage", move("AWSCURRENT", 2, 1))
			},
		},
		{
			row{"stage-again", "AWSCURRENT moved to the version that has it", "v1 AWSCURRENT", model + unsure, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.after("UpdateSecretVersionStage", move("AWSCURRENT", 0, 1))
			},
		},
		{
			row{"stage-custom-moves", "a custom label moved from its version", "v1 AWSCURRENT, v2 AWSPENDING+mine", model, ""},
			func(c *awsCaller) string {
				c.pending()
				c.must("UpdateSecretVersionStage", move("mine", 0, 1))
				return c.after("UpdateSecretVersionStage", move("mine", 1, 2))
			},
		},
		{
			row{"stage-remove-current", "AWSCURRENT removed altogether", badMember, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("UpdateSecretVersionStage", move("AWSCURRENT", 1, 0)))
			},
		},
		{
			row{"stage-remove-last", "a version's last label removed, in DescribeSecret", "v1 AWSCURRENT", model, ""},
			func(c *awsCaller) string {
				c.pending()
				return c.after("UpdateSecretVersionStage", move("AWSPENDING", 2, 0))
			},
		},
		{
			row{"stage-no-version", "a label moved without naming any version", badMember, model + noCode, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("UpdateSecretVersionStage", move("mine", 0, 0)))
			},
		},
		{
			row{"stage-unknown-version", "a label moved to a version that does not exist", "400 ResourceNotFoundException", model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.short(c.on("UpdateSecretVersionStage", move("mine", 0, 9)))
			},
		},
		{row{"stage-missing", "a label of a secret that does not exist", notFound, recorded, ""},
			func(c *awsCaller) string { return c.short(c.on("UpdateSecretVersionStage", move("mine", 0, 1))) }},
	}
}

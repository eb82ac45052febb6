package conformance

import (
	"fmt"
	"math"
	"time"
)

const marked = badCall + ": You can't perform this operation on the secret because it was marked for deletion."

// awsDeletions covers DeleteSecret, RestoreSecret, and the time in between.
func awsDeletions() []awsCase {
	all := []awsCase{
		{row{"delete", "DeleteSecret without a window", "in 30 days", model, ""}, func(c *awsCaller) string { c.create("one"); return c.deletion(nil) }},
		{row{"delete-7", "DeleteSecret with a window of 7 days", "in 7 days", model, ""},
			func(c *awsCaller) string { c.create("one"); return c.deletion(members{"RecoveryWindowInDays": 7}) }},
		{row{"delete-6", "DeleteSecret with a window of 6 days", badMember, model + noText, ""},
			func(c *awsCaller) string { c.create("one"); return c.deletion(members{"RecoveryWindowInDays": 6}) }},
		{row{"delete-31", "DeleteSecret with a window of 31 days", badMember, model + noText, ""},
			func(c *awsCaller) string { c.create("one"); return c.deletion(members{"RecoveryWindowInDays": 31}) }},
		{
			row{"delete-both", "DeleteSecret, forced and with a window", badMember, model + noText, ""},
			func(c *awsCaller) string {
				c.create("one")
				return c.deletion(members{"RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": true})
			},
		},
		{
			row{"delete-forced", "a secret after its forced deletion", notFound, model, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("DeleteSecret", members{"ForceDeleteWithoutRecovery": true})
				return c.value(nil)
			},
		},
		{row{"delete-forced-missing", "the forced deletion of a secret that does not exist", "in 0 days", model, ""},
			func(c *awsCaller) string { return c.deletion(members{"ForceDeleteWithoutRecovery": true}) }},
		{row{"delete-missing", "the deletion of a secret that does not exist", notFound, recorded, ""}, func(c *awsCaller) string { return c.deletion(nil) }},
		{
			row{"delete-replicated", "the deletion of a secret with a replica", "400", model + noCode, ""},
			func(c *awsCaller) string {
				c.create("one")
				c.must("ReplicateSecretToRegions", members{"AddReplicaRegions": []members{{"Region": "us-east-1"}}})
				return codeOf(c.deletion(nil))
			},
		},
		{
			row{"deleted-create", "CreateSecret with the name of a pending deletion", badCall +
				": You can't create this secret because a secret with this name is already scheduled for deletion.", recorded, ""},
			func(c *awsCaller) string {
				c.deleted()
				return c.short(c.call("CreateSecret", members{"Name": c.name, "ClientRequestToken": versionID(2), "SecretString": "two"}))
			},
		},
		{
			row{"deleted-describe", "DescribeSecret of a pending deletion", "DeletedDate, v1 AWSCURRENT", recorded, ""},
			func(c *awsCaller) string {
				c.deleted()
				return c.or(c.on("DescribeSecret", nil), func(r awsReply) string {
					if _, dated := r.body["DeletedDate"].(float64); !dated {
						return "no DeletedDate, " + c.labels()
					}
					return "DeletedDate, " + c.labels()
				})
			},
		},
		{row{"restore", "a restored secret", "v1 one", model, ""}, func(c *awsCaller) string { c.deleted(); c.must("RestoreSecret", nil); return c.value(nil) }},
		{row{"restore-live", "RestoreSecret of a secret that is not deleted", "200", model + unsure, ""},
			func(c *awsCaller) string { c.create("one"); return c.short(c.on("RestoreSecret", nil)) }},
	}
	return append(all, awsWhileDeleted()...)
}

// awsWhileDeleted covers the operations that a pending deletion refuses. The message is on record for
// TagResource and UntagResource.
func awsWhileDeleted() []awsCase {
	refused := func(operation string, in members, documented, source string) awsCase {
		return awsCase{
			row{"deleted-" + operation, operation + " of a pending deletion", documented, source, ""},
			func(c *awsCaller) string {
				c.deleted()
				return c.short(c.on(operation, in))
			},
		}
	}
	return []awsCase{
		refused("GetSecretValue", nil, badCall, model+noText),
		refused("PutSecretValue", put(2, "two"), badCall, model+noText),
		refused("UpdateSecret", put(2, "two"), badCall, model+noText),
		refused("UpdateSecretVersionStage", move("mine", 0, 1), badCall, model+noText),
		refused("TagResource", members{"Tags": []members{{"Key": "k", "Value": "v"}}}, marked, recorded),
		refused("UntagResource", members{"TagKeys": []string{"k"}}, marked, recorded),
		refused("GetResourcePolicy", nil, badCall, model+noText),
		refused("PutResourcePolicy", members{"ResourcePolicy": policy}, badCall, model+noText),
		refused("DeleteSecret", nil, badCall, model+noText),
		refused("RotateSecret", members{"ClientRequestToken": versionID(2)}, badCall, model+noText),
	}
}

func (c *awsCaller) deleted() {
	c.t.Helper()
	c.create("one")
	c.must("DeleteSecret", nil)
}

// deletion is the time until DeletionDate.
func (c *awsCaller) deletion(in members) string {
	c.t.Helper()
	return c.or(c.on("DeleteSecret", in), func(r awsReply) string {
		at, dated := r.body["DeletionDate"].(float64)
		if !dated {
			return "200 without DeletionDate"
		}
		away := time.Until(time.Unix(int64(at), 0))
		return fmt.Sprintf("in %d days", int(math.Abs(math.Round(away.Hours()/24))))
	})
}

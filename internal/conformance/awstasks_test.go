package conformance

import (
	"maps"
	"slices"
	"strings"
)

// failure is what AWS's clients print of an error.
func failure(code, operation, words string) string {
	return "An error occurred (" + code + ") when calling the " + operation + " operation: " + words
}

const cannotFind = "Secrets Manager can't find the specified secret."

// awsTasks are what the clients are asked to do.
func awsTasks() []awsTask {
	named := func(more members) func(string) members {
		return func(name string) members {
			in := members{"SecretId": name}
			maps.Copy(in, more)
			return in
		}
	}
	one := func(c *awsCaller) { c.create("one") }
	labels := func(c *awsCaller, _ awsReply) string { return c.labels() }
	tasks := []awsTask{
		{
			id: "create", title: "create a secret", documented: "v1 AWSCURRENT", operation: "CreateSecret",
			input: func(name string) members {
				return members{"Name": name, "ClientRequestToken": versionID(1), "SecretString": "one"}
			},
			says: labels,
		},
		{
			id: "create-taken", title: "create a secret that already exists", prepare: one, operation: "CreateSecret",
			documented: failure("ResourceExistsException", "CreateSecret", "The operation failed because the secret NAME already exists."),
			input: func(name string) members {
				return members{"Name": name, "ClientRequestToken": versionID(2), "SecretString": "two"}
			},
			says: labels,
		},
		{
			id: "put", title: "put a value", documented: "v1 AWSPREVIOUS, v2 AWSCURRENT", prepare: one, operation: "PutSecretValue",
			input: named(put(2, "two")), says: labels,
		},
		{
			id: "put-own-token", title: "put a value, the token being the client's own", documented: "AWSCURRENT", prepare: one, operation: "PutSecretValue",
			input: named(members{"SecretString": "two"}),
			says:  func(_ *awsCaller, r awsReply) string { return joined(r.body["VersionStages"]) },
		},
		{
			id: "get", title: "get a value", documented: "v1 one", prepare: one, operation: "GetSecretValue", input: named(nil),
			says: func(_ *awsCaller, r awsReply) string { return r.text("VersionId") + " " + r.text("SecretString") },
		},
		{
			id: "get-missing", title: "get a value of a secret that does not exist", operation: "GetSecretValue", input: named(nil),
			documented: failure("ResourceNotFoundException", "GetSecretValue", cannotFind), says: labels,
		},
		{
			id: "get-no-stage", title: "get a value under a label that no version has", prepare: one, operation: "GetSecretValue",
			input: named(members{"VersionStage": "AWSPENDING"}), says: labels,
			documented: failure("ResourceNotFoundException", "GetSecretValue",
				"Secrets Manager can't find the specified secret value for staging label: AWSPENDING"),
		},
		{
			id: "describe", title: "describe a secret", documented: "v1 AWSPREVIOUS, v2 AWSCURRENT", prepare: (*awsCaller).two,
			operation: "DescribeSecret", input: named(nil),
			says: func(_ *awsCaller, r awsReply) string { return labelled(r.body["VersionIdsToStages"]) },
		},
		{
			id: "list", title: "list secrets by a filter", documented: "NAME", prepare: one, operation: "ListSecrets",
			input: func(name string) members { return members{"Filters": filters("name", name)} }, says: listedNames("SecretList"),
		},
		{
			id: "batch", title: "get values of several secrets", documented: "NAME", prepare: one, operation: "BatchGetSecretValue",
			input: func(name string) members { return members{"SecretIdList": []string{name, name + "/no"}} }, says: listedNames("SecretValues"),
		},
	}
	tasks = append(tasks, awsChangingTasks(named)...)
	for i := range tasks {
		if tasks[i].service == "" {
			tasks[i].service = "secretsmanager"
		}
	}
	return tasks
}

// awsChangingTasks are about labels and ends, and who the caller is.
func awsChangingTasks(named func(members) func(string) members) []awsTask {
	one := func(c *awsCaller) { c.create("one") }
	return []awsTask{
		{
			id: "stage", title: "move AWSCURRENT", documented: "v1 AWSPREVIOUS, v2 AWSCURRENT+AWSPENDING", prepare: (*awsCaller).pending,
			operation: "UpdateSecretVersionStage", input: named(move("AWSCURRENT", 1, 2)),
			says: func(c *awsCaller, _ awsReply) string { return c.labels() },
		},
		{
			id: "stage-refused", title: "move AWSCURRENT without naming its version", prepare: (*awsCaller).pending,
			operation: "UpdateSecretVersionStage", input: named(move("AWSCURRENT", 0, 2)),
			documented: failure("InvalidParameterException", "UpdateSecretVersionStage", "The parameter RemoveFromVersionId can't be empty. "+
				"Staging label AWSCURRENT is currently attached to version v1, so you must explicitly reference that version in RemoveFromVersionId."),
			says: func(c *awsCaller, _ awsReply) string { return c.labels() },
		},
		{
			id: "delete", title: "delete a secret", documented: "ARN DeletionDate Name", prepare: one, operation: "DeleteSecret", input: named(nil),
			says: func(_ *awsCaller, r awsReply) string { return memberNames(r) },
		},
		{
			id: "delete-missing", title: "delete a secret that does not exist", operation: "DeleteSecret", input: named(nil),
			documented: failure("ResourceNotFoundException", "DeleteSecret", cannotFind),
			says:       func(_ *awsCaller, r awsReply) string { return memberNames(r) },
		},
		{
			id: "tag-deleted", title: "tag a secret that waits for deletion", prepare: (*awsCaller).deleted, operation: "TagResource", input: named(tags("a", "1")),
			documented: failure("InvalidRequestException", "TagResource",
				"You can't perform this operation on the secret because it was marked for deletion."),
			says: func(c *awsCaller, _ awsReply) string { return c.tagged() },
		},
		{
			id: "identity", title: "who the caller is", documented: "Account Arn UserId", service: "sts", operation: "GetCallerIdentity",
			input: func(string) members { return members{} },
			says:  func(_ *awsCaller, r awsReply) string { return memberNames(r) },
		},
	}
}

func listedNames(list string) func(*awsCaller, awsReply) string {
	return func(_ *awsCaller, r awsReply) string {
		var names []string
		for _, one := range r.each(list) {
			names = append(names, one.text("Name"))
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
}

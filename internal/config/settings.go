package config

import (
	"slices"

	"purser/internal/credential"
)

// The settings' patterns, for Go's regexp and for editors.
const (
	// freePattern matches text without control characters and without space at its ends.
	freePattern   = `^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$`
	freeRule      = "this must not begin or end with white space"
	wordPattern   = `^[^\s\x00-\x1f\x7f]+$`
	userPattern   = `^[^:\s\x00-\x1f\x7f]{1,255}$`
	regionPattern = `^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`
	keyPattern    = `^[A-Za-z][A-Za-z0-9_.-]{0,63}$`
	hostPattern   = `^[A-Za-z0-9._:/\[\]-]+$`
	namePattern   = `^[a-z0-9][a-z0-9._-]{0,62}$`

	profileRule = "this must be a profile's name from ~/.aws/config, without white space at its ends"
	regionRule  = "this must be a region such as eu-west-2"
)

func fileTable() table[fileDraft] {
	aws, entry, receipts := awsTable(), credentialTable(), receiptsTable()
	return declare(object{
		name: FileName, title: FileName, place: "the top level",
		doc: "The registry credentials of a project: what each is for, where it is kept and who may read it. The file holds no secret and belongs in version control.",
	},
		field[fileDraft]{setting{
			name: "aws", form: anObject, object: aws.object,
			doc:     "The AWS profile and region of every target that does not name its own.",
			without: "the environment's profile and region",
			example: map[string]any{"profile": "mockserver-build", "region": "eu-west-2"},
		}, func(d *decoder, f *fileDraft, v value) { f.aws = decode(d, aws, v) }},
		field[fileDraft]{setting{
			name: "receipts", form: anObject, object: receipts.object,
			doc:     "Where purser writes a signed record of each change. A record holds no secret value.",
			without: "no records",
			example: map[string]any{"key": "~/.ssh/id_ed25519", "file": "receipts.jsonl"},
		}, func(d *decoder, f *fileDraft, v value) { f.receipts = decode(d, receipts, v) }},
		field[fileDraft]{setting{
			name: "credentials", form: objects, object: entry.object, required: true,
			pattern: namePattern, rule: "a name has only lower-case letters, digits, '.', '_' and '-', and at most 63 characters",
			doc:     "The credentials by name. A name has only lower-case letters, digits, '.', '_' and '-', and at most 63 characters.",
			example: map[string]any{"dockerhub": map[string]any{"registry": "docker.io", "repositories": []any{"mockserver/mockserver"}}},
		}, func(d *decoder, f *fileDraft, v value) {
			for _, p := range v.pairs {
				c := decode(d, entry, v.child(p.key, showName(p.key.text), p.value))
				c.name = credential.Name(p.key.text)
				f.credentials = append(f.credentials, c)
			}
		}},
	)
}

func awsTable() table[AWS] {
	return declare(object{
		name: "aws", title: "AWS", place: "aws",
		doc: "The AWS profile and region that the targets share.",
	},
		field[AWS]{setting{
			name: "profile", pattern: freePattern, rule: profileRule, example: "mockserver-build",
			doc:     "The AWS profile to sign in with. purser ignores it if the environment has its own credentials, as in CI.",
			without: "AWS_PROFILE, or AWS's default profile",
		}, func(_ *decoder, a *AWS, v value) { a.Profile = v.text }},
		field[AWS]{setting{
			name: "region", pattern: regionPattern, rule: regionRule, example: "eu-west-2",
			doc:     "The AWS region of the secrets.",
			without: "AWS_REGION, or the profile's region",
		}, func(_ *decoder, a *AWS, v value) { a.Region = v.text }},
	)
}

func receiptsTable() table[receiptsDraft] {
	return declare(object{
		name: "receipts", title: "Receipts", place: "receipts",
		doc: "Records of changes: who changed what, when, and with which proofs. Each record is a DSSE envelope on one line of JSON.",
	},
		field[receiptsDraft]{setting{
			name: "key", required: true, pattern: freePattern, rule: freeRule,
			doc:     "What signs the records: the file of an SSH key, or a KMS key for ECDSA_SHA_256, by ARN or as alias/NAME. For a public key (`.pub`), purser uses the SSH agent. `none` leaves the records unsigned.",
			example: "~/.ssh/id_ed25519",
		}, func(_ *decoder, r *receiptsDraft, v value) { r.key = v }},
		field[receiptsDraft]{setting{
			name: "file", pattern: freePattern, rule: freeRule,
			doc:     "The file to which purser appends them, in the folder of purser.yaml and reached without links. Only configuration that no checkout can write may name a file elsewhere. `-` means standard output, which goes to CloudWatch from a rotation function.",
			without: "no file", example: "receipts.jsonl",
		}, func(_ *decoder, r *receiptsDraft, v value) { r.file = v }},
		field[receiptsDraft]{setting{
			name: "event-bus", pattern: `^[A-Za-z0-9._/:-]+$`, rule: "this must be a bus's name or ARN",
			doc:     "The EventBridge bus to which purser sends them as events of the kind `Receipt`, by name or ARN.",
			without: "no events", example: "default",
		}, func(_ *decoder, r *receiptsDraft, v value) { r.EventBus = v.text }},
	)
}

func credentialTable() table[credentialDraft] {
	target, rotate := targetTable(), rotateTable()
	return declare(object{
		name: "credential", title: "Credential", place: "credentials.NAME",
		doc: "One credential: a registry, an account, what its consumers do there, and where they find its token.",
	}, slices.Concat(accountFields(), []field[credentialDraft]{
		{setting{
			name: "store", form: oneOrMany, object: target.object,
			doc:     "Where purser keeps the token: one target, or a list of targets that all hold the same token.",
			without: "a file encrypted with age in your data directory",
			example: map[string]any{"secret": "mockserver-build/dockerhub"},
		}, func(d *decoder, c *credentialDraft, v value) {
			for _, one := range v.each() {
				t := decode(d, target, one)
				t.at = one
				c.targets = append(c.targets, t)
			}
		}},
		{setting{
			name: "rotate", form: anObject, object: rotate.object,
			doc:     "How often purser renews the token.",
			without: "no schedule",
			example: map[string]any{"every": "90d", "overlap": "24h"},
		}, func(d *decoder, c *credentialDraft, v value) {
			c.rotate, c.rotateAt = decode(d, rotate, v), v
		}},
		{setting{
			name: "readers", form: texts, pattern: wordPattern, rule: "this must be an ARN, or a kind and a name such as policy/NAME or role/NAME",
			doc:     "The AWS principals and policies that may read the secret, each as an ARN or as a kind and a name. Audits compare them with the actual ones.",
			without: "not compared",
			example: []any{"policy/buildkite-read-dockerhub-secret"},
		}, func(_ *decoder, c *credentialDraft, v value) { c.readers = v.texts() }},
	}, trustFields())...)
}

const hostRule = "this must be a host name such as auth.example.net, without scheme, port and path"

func accountFields() []field[credentialDraft] {
	return []field[credentialDraft]{
		{setting{
			name: "registry", required: true, pattern: hostPattern, rule: "this must be a registry's host name, such as docker.io or ghcr.io",
			doc:     "The registry's host, with a port if it needs one. Every name that docker has for one registry means the same registry.",
			example: "docker.io",
		}, func(_ *decoder, c *credentialDraft, v value) { c.registry = v }},
		{setting{
			name: "username", pattern: userPattern, rule: "this must be an account's name, without white space and colons",
			doc:     "The account at the registry. purser refuses a token of another account.",
			without: "the account that the token belongs to",
			example: "mockserver",
		}, func(_ *decoder, c *credentialDraft, v value) { c.username = v.text }},
		{setting{
			name: "repositories", form: texts, required: true,
			pattern: `^[A-Za-z0-9._:/-]+$`, rule: "this must be a repository such as mockserver/mockserver, without a tag",
			doc:     "The repositories that the consumers use. purser proves the token on each of them. A single word means library/WORD wherever it does in docker.",
			example: []any{"mockserver/mockserver"},
		}, func(_ *decoder, c *credentialDraft, v value) { c.repositories = v.good() }},
		{setting{
			name: "access", enum: []string{string(credential.Push), string(credential.Pull)},
			doc:     "What the consumers do with the repositories. Push includes pull.",
			without: "push", fallback: "push", example: "push",
		}, func(_ *decoder, c *credentialDraft, v value) { c.access = credential.Access(v.text) }},
	}
}

func trustFields() []field[credentialDraft] {
	return []field[credentialDraft]{
		{setting{
			name: "ca", pattern: freePattern, rule: freeRule,
			doc:     "A file of PEM certificates to trust for this registry, relative to purser.yaml. If others could write purser.yaml, purser asks a person to agree.",
			without: "the system's certificates",
			example: "registry-ca.pem",
		}, func(_ *decoder, c *credentialDraft, v value) { c.ca = v }},
		{setting{
			name: "auth-hosts", form: texts, pattern: hostPattern, rule: hostRule,
			doc:     "Hosts outside the registry's own domain that may ask for the token, because some registries delegate sign-in to another host. If others could write purser.yaml, purser asks a person to agree.",
			without: "the registry's own domain only",
			example: []any{"auth.example.net"},
		}, func(_ *decoder, c *credentialDraft, v value) { c.authHosts = v.good() }},
	}
}

func rotateTable() table[rotateDraft] {
	return declare(object{
		name: "rotate", title: "Rotation", place: "credentials.NAME.rotate",
		doc: "How often purser renews a token. Write a duration as numbers followed by w, d, h, m or s, in this order: 90d, 1d12h.",
	},
		field[rotateDraft]{setting{
			name: "every", required: true, pattern: durationPattern, rule: durationRule,
			doc:     "How old a token may become. It must be longer than the overlap.",
			example: "90d",
		}, func(d *decoder, r *rotateDraft, v value) {
			var ok bool
			if r.Every, ok = d.duration(v); ok && r.Every == 0 {
				d.refuse(v, "this must be longer than zero")
			}
		}},
		field[rotateDraft]{setting{
			name: "overlap", pattern: durationPattern, rule: durationRule,
			doc:     "How long the old token keeps working beside the new one. Make it longer than any job that may have read the old token. It must be at least 5m, because a credential helper may keep a token that long. `rotate --now` ends the old token immediately.",
			without: "24h", fallback: "24h", example: "24h",
		}, func(d *decoder, r *rotateDraft, v value) {
			r.Overlap, r.overlapSet = d.duration(v)
		}},
	)
}

package config

import "purser/internal/credential"

func targetTable() table[targetDraft] {
	return declare(object{
		name: "target", title: "Target", place: "credentials.NAME.store",
		doc:   "One place where a token is kept: a secret in AWS Secrets Manager, or an encrypted file.",
		oneOf: []string{"secret", "file"},
	}, append(secretFields(), fileFields()...)...)
}

func secretFields() []field[targetDraft] {
	return []field[targetDraft]{
		{setting{
			name: "secret", pattern: secretPattern, rule: "a secret's name has only ASCII letters, digits and / _ + = . @ -",
			doc:     "The name or ARN of a secret in AWS Secrets Manager.",
			without: "a file is named",
			example: "mockserver-build/dockerhub",
		}, func(_ *decoder, t *targetDraft, v value) { t.secret = v }},
		{setting{
			name: "region", with: "secret", pattern: regionPattern, rule: regionRule,
			doc:     "The secret's AWS region.",
			without: "the region under aws, or the ARN's",
			example: "eu-west-2",
		}, func(_ *decoder, t *targetDraft, v value) { t.Region, t.regionAt = v.text, v }},
		{setting{
			name: "profile", with: "secret", pattern: freePattern, rule: profileRule,
			doc:     "The AWS profile to sign in with for this secret.",
			without: "the profile under aws",
			example: "mockserver-build",
		}, func(_ *decoder, t *targetDraft, v value) { t.Profile = v.text }},
		{setting{
			name: "kms-key", with: "secret", pattern: kmsPattern, rule: "a KMS key is a key's id or ARN, or an alias as alias/NAME",
			doc:     "The KMS key that encrypts the secret, by id, ARN or alias. It matters when the secret is created.",
			without: "AWS's own key, aws/secretsmanager",
			example: "alias/build-secrets",
		}, func(_ *decoder, t *targetDraft, v value) { t.KMSKey = v.text }},
	}
}

func fileFields() []field[targetDraft] {
	shape := shapeTable()
	return []field[targetDraft]{
		{setting{
			name: "file", pattern: freePattern, rule: freeRule,
			doc:     "The path of a file encrypted with age, relative to purser.yaml; ~/ is your home directory.",
			without: "a secret is named",
			example: "dockerhub.age.json",
		}, func(_ *decoder, t *targetDraft, v value) { t.file = v }},
		{setting{
			name: "passphrase", form: aFlag, with: "file",
			doc:     "Whether the file opens with a passphrase that is asked for, instead of with your age identity.",
			without: "false", fallback: false, example: true,
		}, func(_ *decoder, t *targetDraft, v value) { t.Passphrase = v.isTrue() }},
		{setting{
			name: "shape", form: nameOrObject, enum: credential.ShapeNames(), object: shape.object,
			doc:     "Which JSON keys the consumers expect: the name of a shape, or the two keys.",
			without: "token", fallback: "token", example: "ecr-pull-through-cache",
		}, func(d *decoder, t *targetDraft, v value) {
			if v.kind == word {
				t.Shape, _ = credential.ParseShape(v.text) // one of the names, as the form says
				return
			}
			t.Shape = d.shape(decode(d, shape, v), v)
		}},
	}
}

func shapeTable() table[credential.Shape] {
	const rule = "a key is letters, digits, '_', '.' and '-', the first a letter"
	return declare(object{
		name: "shape", title: "Shape", place: "credentials.NAME.store.shape",
		doc: "The two JSON keys that hold the account's name and the token.",
	},
		field[credential.Shape]{setting{
			name: "username", required: true, pattern: keyPattern, rule: rule,
			doc: "The key that holds the account's name.", example: "user",
		}, func(_ *decoder, s *credential.Shape, v value) { s.UsernameKey = v.text }},
		field[credential.Shape]{setting{
			name: "token", required: true, pattern: keyPattern, rule: rule,
			doc: "The key that holds the token.", example: "apiKey",
		}, func(_ *decoder, s *credential.Shape, v value) { s.TokenKey = v.text }},
	)
}

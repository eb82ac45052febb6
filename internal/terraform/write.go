package terraform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"purser/internal/credential"
)

// Options configure what Module and Inline write.
type Options struct {
	Source string   // module source
	Roles  []string // names of IAM roles that read the secrets
	KMSKey string   // ARN of a customer managed key; "": AWS's key
}

// kept is a secret with its regions.
type kept struct {
	name, hcl string
	mark      credential.Mark // registry and credential
	secret    string
	regions   []string // the first is the primary
	shape     credential.Shape
	key       string // ARN of the KMS key; "": AWS's
	about     string
	every     int // days between rotations; 0: none
	policy    string
	roles     []string
	notes     []string
}

const secretKind = "secret" // the kind of store in Secrets Manager

// keptOf groups a credential's targets by secret. Terraform manages neither files nor ARNs.
func keptOf(c credential.Credential, o Options) []kept {
	var all []kept
	for _, t := range c.Targets {
		if t.Kind != secretKind || strings.HasPrefix(t.Name, "arn:") {
			continue
		}
		i := slices.IndexFunc(all, func(k kept) bool { return k.secret == t.Name })
		if i >= 0 {
			if t.Region != "" && !slices.Contains(all[i].regions, t.Region) {
				all[i].regions = append(all[i].regions, t.Region)
			} else {
				all[i].notes = append(all[i].notes, "purser.yaml stores this secret in another account too: apply the same there.")
			}
			continue
		}
		k := kept{name: string(c.Name), mark: credential.Mark{Registry: c.Registry, Name: c.Name}, secret: t.Name, shape: t.Shape, about: "Token for " + string(c.Registry) + "; its value is kept by purser", roles: o.Roles}
		k.hcl = identifier(k.name)
		if k.key = o.KMSKey; strings.HasPrefix(t.Options.Get("kms-key"), "arn:") {
			k.key = t.Options.Get("kms-key")
		}
		if t.Shape == credential.ShapeECRCache {
			k.key = ""
		}
		if len(all) > 0 {
			k.hcl = fmt.Sprintf("%s_%d", k.hcl, len(all)+1)
		}
		if t.Region != "" {
			k.regions = []string{t.Region}
		}
		k.every = int(c.Rotate.Every.Hours() / 24)
		k.readers(c.Readers, len(all))
		all = append(all, k)
	}
	return all
}

// readers takes the policy name and the roles from a credential's readers.
func (k *kept) readers(readers []string, nth int) {
	k.policy = "read-" + strings.ReplaceAll(k.secret, "/", "-")
	named := false
	for _, r := range readers {
		if i := strings.LastIndex(r, ":policy/"); i >= 0 {
			r = r[i+1:]
		}
		if i := strings.LastIndex(r, ":role/"); i >= 0 {
			r = r[i+1:]
		}
		if name, ok := strings.CutPrefix(r, "policy/"); ok && !named && nth == 0 {
			k.policy, named = name[strings.LastIndex(name, "/")+1:], true
		}
		if name, ok := strings.CutPrefix(r, "role/"); ok {
			k.roles = append(slices.Clone(k.roles), name[strings.LastIndex(name, "/")+1:])
		}
	}
}

// identifier makes a valid HCL name.
func identifier(text string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(text))
	if out == "" || out[0] >= '0' && out[0] <= '9' {
		out = "_" + out
	}
	return out
}

// quoted returns an HCL string without template sequences.
func quoted(text string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(text)).Bytes())
}

func quotedList(texts []string) string {
	var all []string
	for _, t := range texts {
		all = append(all, quoted(t))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// Module writes a call of the module in deploy/terraform for each secret. It contains no values.
func Module(credentials []credential.Credential, o Options) string {
	var b strings.Builder
	for _, c := range credentials {
		for _, k := range keptOf(c, o) {
			k.comment(&b)
			fmt.Fprintf(&b, "module %s {\nsource = %s\n\nname = %s\ndescription = %s\n", quoted("purser_"+k.hcl), quoted(o.Source), quoted(k.secret), quoted(k.about))
			fmt.Fprintf(&b, "belongs_to = %s\n", quoted(k.mark.String()))
			if k.key != "" {
				fmt.Fprintf(&b, "kms_key_arn = %s\n", quoted(k.key))
			}
			fmt.Fprintf(&b, "read_policy_name = %s\n", quoted(k.policy))
			if len(k.roles) > 0 {
				fmt.Fprintf(&b, "reader_roles = %s\n", quotedList(k.roles))
			}
			if len(k.regions) > 1 {
				fmt.Fprintf(&b, "replica_regions = %s\n", quotedList(k.regions[1:]))
			}
			b.WriteString("}\n\n")
		}
	}
	return format(b.String())
}

// Inline writes plain resources instead: the secret, a policy that reads it, and its attachments.
func Inline(credentials []credential.Credential, o Options) string {
	var b strings.Builder
	for _, c := range credentials {
		for _, k := range keptOf(c, o) {
			k.comment(&b)
			k.inlineSecret(&b)
			k.inlinePolicy(&b)
			for i, role := range k.roles {
				fmt.Fprintf(&b, "resource \"aws_iam_role_policy_attachment\" %s {\nrole = %s\npolicy_arn = aws_iam_policy.read_%s.arn\n}\n\n",
					quoted(fmt.Sprintf("read_%s_%d", k.hcl, i+1)), quoted(role), k.hcl)
			}
		}
	}
	return format(b.String())
}

func (k kept) comment(b *strings.Builder) {
	fmt.Fprintf(b, "# %s: Terraform creates the secret empty, and purser writes its value. That keeps the\n# value out of Terraform's state.\n", k.name)
	if k.shape == credential.ShapeECRCache {
		b.WriteString("# ECR's pull-through cache can only read secrets encrypted with AWS's own key.\n")
	}
	for _, n := range k.notes {
		fmt.Fprintf(b, "# %s\n", n)
	}
}

func (k kept) inlineSecret(b *strings.Builder) {
	fmt.Fprintf(b, "resource \"aws_secretsmanager_secret\" %s {\nname = %s\ndescription = %s\n", quoted(k.hcl), quoted(k.secret), quoted(k.about))
	if k.key != "" {
		fmt.Fprintf(b, "kms_key_id = %s\n", quoted(k.key))
	}
	if len(k.regions) > 1 {
		for _, region := range k.regions[1:] {
			fmt.Fprintf(b, "\nreplica {\nregion = %s\n}\n", quoted(region))
		}
	}
	fmt.Fprintf(b, "\n# The registry that may receive the token. purser maintains this tag and the expiry tag.\ntags = {\n\"purser:registry\" = %s\n}\n", quoted(k.mark.String()))
	b.WriteString("\nlifecycle {\nignore_changes = [tags[\"purser:registry\"], tags_all[\"purser:registry\"], tags[\"purser:expires\"], tags_all[\"purser:expires\"]]\n}\n")
	b.WriteString("}\n\n")
}

func (k kept) inlinePolicy(b *strings.Builder) {
	fmt.Fprintf(b, `resource "aws_iam_policy" %s {
name = %s
description = %s

policy = jsonencode({
Version = "2012-10-17"
Statement = [
{
Effect = "Allow"
Action = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
Resource = aws_secretsmanager_secret.%s.arn
},
`, quoted("read_"+k.hcl), quoted(k.policy), quoted("Reads "+k.secret), k.hcl)
	if k.key != "" {
		fmt.Fprintf(b, `{
Effect = "Allow"
Action = "kms:Decrypt"
Resource = %s
Condition = { StringLike = { "kms:ViaService" = "secretsmanager.*.amazonaws.com" } }
},
`, quoted(k.key))
	}
	b.WriteString("]\n})\n}\n\n")
}

func format(text string) string {
	return strings.TrimRight(string(hclwrite.Format([]byte(text))), "\n") + "\n"
}

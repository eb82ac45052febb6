package terraform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"purser/internal/credential"
)

// Options say how configuration is written.
type Options struct {
	Source string   // of the module
	Roles  []string // names of IAM roles whose holders read the secrets
	KMSKey string   // ARN of a key of one's own; "": AWS's
}

// kept is a secret with the regions that it is kept in.
type kept struct {
	name, hcl string
	mark      credential.Mark // what the secret is for
	secret    string
	regions   []string // the first is where it is written
	shape     credential.Shape
	key       string // ARN of the KMS key; "" for AWS's
	about     string
	every     int // days between rotations; 0: none
	policy    string
	roles     []string
	notes     []string
}

// secretKind is the kind of store that is a secret of AWS.
const secretKind = "secret"

// keptOf sorts a credential's targets by secret. Files and ARNs are not
// Terraform's to make.
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
				all[i].notes = append(all[i].notes, "purser.yaml keeps this secret in another account as well: apply the same there.")
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

// readers takes the policy's name and the roles from the credential.
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

// identifier makes a name that HCL takes.
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

// quoted is a string of HCL: nothing in it is a template.
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

// Module is a root module's calls of the module in deploy/terraform, one for
// each secret. It holds no value.
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

// Inline is the same as plain resources, as a project's own files have them:
// the secret, a policy that reads it, and its attachments.
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
	fmt.Fprintf(b, "# %s: the secret is made empty, and purser writes its value. A value that Terraform\n# wrote would be in its state.\n", k.name)
	if k.shape == credential.ShapeECRCache {
		b.WriteString("# ECR's pull-through cache reads it with AWS's own key only.\n")
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
	fmt.Fprintf(b, "\n# Which registry the token may be sent to. purser keeps this, and when the token ends.\ntags = {\n\"purser:registry\" = %s\n}\n", quoted(k.mark.String()))
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

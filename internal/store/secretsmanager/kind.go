package secretsmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"purser/internal/credential"
	"purser/internal/store"
)

// The settings of a target.
const (
	Key    = "secret"
	kmsKey = "kms-key"
)

// The patterns of the settings.
const (
	secretPattern  = `^[A-Za-z0-9/_+=.@:-]{1,600}$`
	regionPattern  = `^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`
	profilePattern = `^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$`
	kmsPattern     = `^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+|alias/[A-Za-z0-9/_-]+|mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`
)

// Opener is what this kind needs from a program: a client for the account and region of a
// target.
type Opener interface {
	SecretsManager(ctx context.Context, t credential.Target) (Config, error)
}

// Kind describes AWS Secrets Manager.
func Kind() store.Kind {
	return store.Kind{
		TargetKind: credential.TargetKind{
			Key: Key, Title: "AWS Secrets Manager", Noun: "Secret", Opener: "AWS", Cloud: "AWS",
			Check: check, Place: place, Destination: destination, Advise: advise,
		},
		What: "a secret in AWS Secrets Manager",
		Settings: []store.Setting{
			{
				Name: Key, Pattern: secretPattern, Rule: "this must be a secret's name, of ASCII letters, digits and / _ + = . @ -",
				Doc:     "The name or ARN of a secret in AWS Secrets Manager.",
				Without: "a file is named", Example: "mockserver-build/dockerhub",
			},
			{
				Name: "region", Pattern: regionPattern, Rule: "this must be a region such as eu-west-2",
				Doc:     "The secret's AWS region.",
				Without: "the region under aws, or the ARN's", Example: "eu-west-2",
			},
			{
				Name: "profile", Pattern: profilePattern, Rule: "this must be a profile's name from ~/.aws/config, without white space at its ends",
				Doc:     "The AWS profile to sign in with for this secret.",
				Without: "the profile under aws", Example: "mockserver-build",
			},
			{
				Name: kmsKey, Pattern: kmsPattern, Rule: "this must be the id or ARN of a KMS key, or alias/NAME",
				Doc:     "The KMS key that encrypts the secret, by id, ARN or alias. purser uses it when it creates the secret.",
				Without: "AWS's own key, " + ownKey, Example: "alias/build-secrets",
			},
		},
		Complete: complete,
		Open: func(ctx context.Context, from any, _ credential.Credential, t credential.Target) (store.Store, error) {
			opener, ok := from.(Opener)
			if !ok {
				return nil, errors.New("this program reads no secrets of AWS")
			}
			cfg, err := opener.SecretsManager(ctx, t)
			if err != nil {
				return nil, err
			}
			return New(cfg), nil
		},
	}
}

func complete(t credential.Target) (done credential.Target, setting, problem string) {
	parts := strings.Split(t.Name, ":")
	if parts[0] != "arn" || len(parts) <= arnRegion {
		return t, "", ""
	}
	if t.Region != "" && t.Region != parts[arnRegion] {
		return t, "region", "the secret's ARN names another region"
	}
	t.Region = parts[arnRegion]
	return t, "", ""
}

const arnRegion = 3 // index of the region in an ARN

const (
	maxName = 512
	arnForm = `^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$`
	// ecrCachePrefix is how Amazon ECR requires the names of secrets for pull-through cache
	// rules to start.
	ecrCachePrefix = "ecr-pullthroughcache/"
)

var (
	nameForm     = credential.NewPattern(`^[A-Za-z0-9/_+=.@-]+$`)
	arnIsForm    = credential.NewPattern(arnForm)
	regionIsForm = credential.NewPattern(regionPattern)
)

// check reports why a target's name is neither a valid name nor a valid ARN of a secret. A
// name may end in a hyphen and six characters, as ci-docker does: AWS's warning is about
// looking such a secret up by a part of its ARN.
func check(t credential.Target) error {
	bad := func(why string) error {
		return &credential.Fault{Reason: credential.Usage, What: "the secret's name is invalid", Why: why}
	}
	name := t.Name
	switch {
	case credential.HoldsToken(name):
		return bad("it looks like a token")
	case strings.HasPrefix(name, "arn:"):
		if !arnIsForm.MatchString(name) {
			return bad("it starts like an ARN but is not a secret's: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME")
		}
		name = name[strings.LastIndex(name, ":")+1:]
	case name == "" || len(name) > maxName:
		return bad("a name has 1 to 512 characters")
	case !nameForm.MatchString(name):
		return bad("a name has only ASCII letters, digits and / _ + = . @ -")
	}
	if t.Shape == credential.ShapeECRCache && !strings.HasPrefix(name, ecrCachePrefix) {
		return &credential.Fault{
			Reason: credential.Usage, What: "the shape ecr-pull-through-cache does not fit the secret's name",
			Why: "Amazon ECR reads only secrets whose name begins with " + ecrCachePrefix,
		}
	}
	return nil
}

// place identifies the secret. An ARN does so for every profile.
func place(t credential.Target) string {
	if strings.HasPrefix(t.Name, "arn:") {
		t.Profile = ""
	}
	return t.Name + "\x00" + t.Region + "\x00" + t.Profile
}

func destination(t credential.Target) string {
	text := t.Name
	if t.Region != "" {
		text += " in " + t.Region
	}
	if t.Profile != "" {
		text += ", AWS profile " + t.Profile
	}
	return text
}

func advise(f *credential.Fault, again string) (meaning string, next []string) {
	region := f.Target.Region
	if region == "" {
		region = "REGION"
	}
	as := " --region " + region + asProfile(f)
	of := func(command string) string {
		return "aws secretsmanager " + command + " --secret-id " + f.Target.Name + as
	}
	if f.Denial != nil {
		return adviseDenied(f)
	}
	switch f.Reason {
	case credential.SecretMissing:
		if f.Declared != nil {
			return adviseDeclared(f)
		}
		return "", []string{"create it with Terraform:\n\n" + terraform(f) + "\n", "or let purser create it: " + again + " --create"}
	case credential.SecretDeleted:
		return "", []string{"restore it: " + of("restore-secret")}
	case credential.MidRotation:
		return "", []string{
			"let the other rotation finish, then run the same command again",
			"see its versions: " + of("describe-secret"),
			"if it has ended but left its version behind: " + of("update-secret-version-stage") + " --version-stage AWSPENDING --remove-from-version-id VERSION",
		}
	case credential.ReplicaBehind:
		return "Its readers still get the old token, which keeps working for the overlap.", []string{
			"run the same command again: it waits for the replica",
			"if replication failed: " + of("replicate-secret-to-regions") + " --force-overwrite-replica-secret --add-replica-regions Region=REGION",
		}
	case credential.KeyDenied:
		return "", []string{
			"allow this identity kms:Decrypt and kms:GenerateDataKey on the secret's key, through Secrets Manager",
			"check that the key is enabled: aws kms describe-key --key-id KEY" + as,
		}
	case credential.TerraformHolds:
		return "Treat that token as leaked if others can read the file or a copy of it.", []string{
			"remove the aws_secretsmanager_secret_version from the configuration, then: terraform state rm ADDRESS",
			"revoke that token and store a new one: " + again,
		}
	case credential.KeyUnfit:
		return "", []string{"remove kms_key_id from the secret in Terraform and apply, or use another secret"}
	}
	return "", nil
}

// adviseDeclared is about a missing secret that the project's Terraform creates: a second
// resource would conflict with it. It quotes the project's files, which may say anything.
func adviseDeclared(f *credential.Fault) (meaning string, next []string) {
	d := f.Declared
	meaning = credential.Quote(d.At) + " creates it"
	if d.Address != "" {
		meaning += ", as " + credential.Quote(d.Address)
	}
	elsewhere := cmp.Or(arnPart(d.Applied, arnRegion), d.Region)
	differs := elsewhere != f.Target.Region && regionIsForm.MatchString(elsewhere)
	switch {
	case d.Applied != "":
		meaning += "; its state already has it, as " + credential.Quote(d.Applied) + "."
	case differs:
		meaning += ", in " + elsewhere + "."
	default:
		meaning += ". Terraform may not have been applied, or only in another region or account."
	}
	do := func(what string) string { return "run terraform " + what + " in that file's folder" }
	if d.Dir != "" {
		do = func(what string) string { return "terraform -chdir=" + credential.ShellWord(d.Dir) + " " + what }
	}
	if d.Applied == "" {
		next = append(next, "see the plan: "+do("plan"), "create it: "+do("apply"))
	}
	here := cmp.Or(f.Target.Region, "this region")
	if f.Target.Profile != "" {
		here += " with the profile " + f.Target.Profile
	}
	correct := "correct region or profile in purser.yaml, or give them as flags"
	if differs {
		correct = "set its region to " + elsewhere + " in purser.yaml, or with --region"
	}
	if account := arnPart(d.Applied, arnAccount); account != "" && !differs {
		correct = "use a profile of account " + account
	}
	return meaning, append(next, "if it exists already, "+correct+"; it is not in "+here)
}

// arnPart returns a part of a secret's ARN; "" if it is not one.
func arnPart(arn string, part int) string {
	if !arnIsForm.MatchString(arn) {
		return ""
	}
	return strings.Split(arn, ":")[part]
}

// terraform returns the HCL of a missing secret, without a value: Terraform would keep that
// in its state.
func terraform(f *credential.Fault) string {
	name, registry := string(f.Credential), string(f.Registry)
	if name == "" {
		name = "NAME"
	}
	if registry == "" {
		registry = "the registry"
	}
	lines := []string{
		fmt.Sprintf("resource \"aws_secretsmanager_secret\" %q {", hclName(name)),
		fmt.Sprintf("  name        = %q", f.Target.Name),
		fmt.Sprintf("  description = %q", "Token for "+registry+"; its value is kept by purser"),
	}
	if f.Registry != "" && f.Credential != "" {
		lines = append(lines, fmt.Sprintf("  tags        = { %q = %q }", markTag, credential.Mark{Registry: f.Registry, Name: f.Credential}.String()))
	}
	const indent = "      "
	return indent + strings.Join(append(lines, "}"), "\n"+indent)
}

func hclName(text string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(text))
	if out[0] >= '0' && out[0] <= '9' {
		out = "_" + out
	}
	return out
}

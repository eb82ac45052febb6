// Package secretsmanager stores a credential's token in a secret of AWS Secrets Manager.
// kind.go describes the kind; fault.go interprets AWS's errors.
package secretsmanager

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"purser/internal/credential"
)

// API is the part of the AWS SDK's client that purser calls.
type API interface {
	DescribeSecret(context.Context, *sm.DescribeSecretInput, ...func(*sm.Options)) (*sm.DescribeSecretOutput, error)
	GetSecretValue(context.Context, *sm.GetSecretValueInput, ...func(*sm.Options)) (*sm.GetSecretValueOutput, error)
	PutSecretValue(context.Context, *sm.PutSecretValueInput, ...func(*sm.Options)) (*sm.PutSecretValueOutput, error)
	UpdateSecretVersionStage(context.Context, *sm.UpdateSecretVersionStageInput, ...func(*sm.Options)) (*sm.UpdateSecretVersionStageOutput, error)
	CreateSecret(context.Context, *sm.CreateSecretInput, ...func(*sm.Options)) (*sm.CreateSecretOutput, error)
	TagResource(context.Context, *sm.TagResourceInput, ...func(*sm.Options)) (*sm.TagResourceOutput, error)
}

// Caller returns the ARN and account of this process's AWS identity. Its error comes from
// the AWS SDK.
type Caller func(ctx context.Context) (arn, account string, err error)

// Config describes one secret.
type Config struct {
	API    API
	Caller Caller // nil: do not ask for the identity
	Target credential.Target
	Region string // where the API is; for messages
	// RotationToken is what AWS gives to a rotation that it began and expects back with the
	// new version; zero: none.
	RotationToken credential.Secret
	// Explain adds what is known of the caller's credentials to a fault; nil: nothing.
	Explain func(ctx context.Context, f *credential.Fault)
}

// Secret is one secret of AWS Secrets Manager. Every call names a stage: policies with a
// condition on the stage deny calls without one.
//
// It looks a secret up by its name once, and uses the full ARN from then on: in some places
// AWS takes a name that ends in a hyphen and six characters for a full ARN. AWS advises
// against such names (API reference of CreateSecret, Name), but they are common.
type Secret struct {
	cfg Config
	arn atomic.Pointer[string] // the full ARN, once known
	kms atomic.Pointer[string] // the key's id or ARN, if the secret has its own
}

// New returns a store of an existing or future secret, without calling AWS.
func New(cfg Config) *Secret {
	return &Secret{cfg: cfg}
}

// id returns the secret's ARN if known, else its name.
func (s *Secret) id() *string {
	if arn := s.arn.Load(); arn != nil {
		return arn
	}
	return &s.cfg.Target.Name
}

// known returns the id for a call that changes the secret, after looking the secret up.
func (s *Secret) known(ctx context.Context) (*string, error) {
	if s.arn.Load() == nil {
		if _, err := s.Describe(ctx); err != nil {
			return nil, err
		}
	}
	return s.id(), nil
}

// found checks that an answer is about the requested secret, and remembers its ARN.
func (s *Secret) found(name, arn *string) error {
	wanted, got := s.cfg.Target.Name, aws.ToString(name)
	if strings.HasPrefix(wanted, "arn:") {
		got = aws.ToString(arn)
		if len(got) > suffix && wanted == got[:len(got)-suffix] {
			wanted = got // the ARN lacks AWS's suffix
		}
	}
	if got != wanted || aws.ToString(arn) == "" {
		return &credential.Fault{
			Reason: credential.StoreRefused, Target: s.cfg.Target, What: "AWS found another secret than " + s.cfg.Target.Name,
			Why: "it answered for " + cmp.Or(credential.Quote(got), "one without a name") + "; use the secret's full ARN",
		}
	}
	s.arn.Store(arn)
	return nil
}

// suffix is the length of AWS's random suffix in an ARN.
const suffix = len("-AbCdEf")

// Open asks AWS who is calling, to find a missing session before anything else.
func (s *Secret) Open(ctx context.Context) (string, error) {
	where := s.cfg.Region
	if s.cfg.Target.Profile != "" {
		where = s.cfg.Target.Profile + " in " + where
	}
	if s.cfg.Caller == nil {
		return where, nil
	}
	arn, _, err := s.cfg.Caller(ctx)
	if err != nil {
		if f := s.fault(ctx, "look up your AWS identity", err); f.Reason != credential.AccessDenied || f.SignIn == credential.NotAssigned {
			return "", f
		}
		return where + " (AWS hides who you are)", nil
	}
	return where + " as " + arn[strings.LastIndex(arn, ":")+1:], nil
}

// expiryTag tags when a version's token expires: "<time> <version id>". Tags are readable
// without the right to read the value; the version id keeps the tag from applying to a
// later version.
const expiryTag = "purser:expires"

// markTag tags what the values belong to. AWS copies a secret's tags to its replicas.
const markTag = "purser:registry"

// Describe reads everything but the value.
func (s *Secret) Describe(ctx context.Context) (credential.Description, error) {
	out, err := s.cfg.API.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: s.id()})
	if err != nil {
		return credential.Description{}, s.fault(ctx, "describe the secret "+s.cfg.Target.Name, err)
	}
	if err := s.found(out.Name, out.ARN); err != nil {
		return credential.Description{}, err
	}
	s.kms.Store(out.KmsKeyId)
	d := credential.Description{
		Where: aws.ToString(out.ARN), Home: aws.ToString(out.ARN), Key: cmp.Or(aws.ToString(out.KmsKeyId), ownKey), OwnKey: out.KmsKeyId != nil,
		Changed: aws.ToTime(out.LastChangedDate), Deleted: aws.ToTime(out.DeletedDate),
		Rotating: aws.ToBool(out.RotationEnabled), NextRotation: aws.ToTime(out.NextRotationDate),
	}
	d.Unfit = s.unfit(d)
	d.Mark = credential.ParseMark(tagged(out.Tags, markTag))
	d.Foreign = s.foreign(ctx, d.Where)
	for _, c := range out.ReplicationStatus {
		d.Replicas = append(d.Replicas, credential.Replica{
			Region: aws.ToString(c.Region), InSync: c.Status == types.StatusTypeInSync, Failed: c.Status == types.StatusTypeFailed,
			Why: credential.Quote(aws.ToString(c.StatusMessage)),
		})
	}
	for id, stages := range out.VersionIdsToStages {
		if len(stages) == 0 {
			continue
		}
		v := credential.Version{ID: credential.VersionID(id)}
		for _, stage := range stages {
			v.Stages = append(v.Stages, credential.Stage(stage))
		}
		slices.Sort(v.Stages)
		d.Versions = append(d.Versions, v)
	}
	slices.SortFunc(d.Versions, func(a, b credential.Version) int { return strings.Compare(string(a.ID), string(b.ID)) })
	d.Expires = expiry(out.Tags, d.At(credential.Current))
	return d, nil
}

// ownKey names AWS's own key for secrets, which DescribeSecret omits.
const ownKey = "aws/secretsmanager"

// unfit returns a fault if the consumer needs AWS's own key and the secret has another.
func (s *Secret) unfit(d credential.Description) *credential.Fault {
	if s.cfg.Target.Shape != credential.ShapeECRCache || !d.OwnKey {
		return nil
	}
	return &credential.Fault{
		Reason: credential.KeyUnfit, Target: s.cfg.Target, What: "Amazon ECR cannot read " + s.cfg.Target.Name,
		Why: "its pull-through cache needs a secret encrypted with " + ownKey + ", and this one has a key of its own",
	}
}

// foreign returns the account of a secret that may not be the caller's own. Only an ARN can
// lead elsewhere: AWS looks names up in the caller's account.
func (s *Secret) foreign(ctx context.Context, arn string) (account string) {
	const accountField = 4
	parts := strings.Split(arn, ":")
	if !strings.HasPrefix(s.cfg.Target.Name, "arn:") || len(parts) <= accountField {
		return ""
	}
	if s.cfg.Caller != nil {
		if _, own, err := s.cfg.Caller(ctx); err == nil && own == parts[accountField] {
			return ""
		}
	}
	return parts[accountField]
}

func tagged(tags []types.Tag, key string) string {
	for _, tag := range tags {
		if aws.ToString(tag.Key) == key {
			return aws.ToString(tag.Value)
		}
	}
	return ""
}

func expiry(tags []types.Tag, current credential.VersionID) time.Time {
	at, id, _ := strings.Cut(tagged(tags, expiryTag), " ")
	if t, err := time.Parse(time.RFC3339, at); err == nil && id == string(current) {
		return t
	}
	return time.Time{}
}

// Read returns the value in a stage.
func (s *Secret) Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error) {
	out, err := s.cfg.API.GetSecretValue(ctx, &sm.GetSecretValueInput{
		SecretId: s.id(), VersionStage: aws.String(string(at)),
	})
	if err != nil {
		return "", credential.Secret{}, s.missingOrEmpty(ctx, at, s.fault(ctx, "read the secret "+s.cfg.Target.Name, err))
	}
	if err := s.found(out.Name, out.ARN); err != nil {
		return "", credential.Secret{}, err
	}
	id := credential.VersionID(aws.ToString(out.VersionId))
	if out.SecretString == nil {
		return id, credential.Secret{}, &credential.Fault{
			Reason: credential.ValueStrange, Target: s.cfg.Target,
			What: "the stored value is not what its consumers expect", Why: "it is binary (SecretBinary); consumers read JSON text",
		}
	}
	return id, credential.NewSecret(*out.SecretString), nil
}

// missingOrEmpty distinguishes a missing secret from an empty stage. AWS has one code for
// both and documents no text to tell them apart.
func (s *Secret) missingOrEmpty(ctx context.Context, at credential.Stage, f *credential.Fault) *credential.Fault {
	if f.Reason != credential.SecretMissing {
		return f
	}
	if _, err := s.Describe(ctx); err != nil {
		return f
	}
	return &credential.Fault{
		Reason: credential.SecretEmpty, Target: f.Target, Err: f.Err,
		What: "the secret " + s.cfg.Target.Name + " holds no value in " + string(at),
	}
}

// Stage puts a value as a new version beside the current one. The id is the call's
// ClientRequestToken, so a repeated call changes nothing. AWS makes the first version of an
// empty secret current at once.
func (s *Secret) Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error {
	secret, err := s.known(ctx)
	if err != nil {
		return err
	}
	text := value.Reveal()
	in := &sm.PutSecretValueInput{
		SecretId: secret, ClientRequestToken: aws.String(string(id)),
		SecretString: &text, VersionStages: []string{string(credential.Pending)},
	}
	if !s.cfg.RotationToken.IsZero() {
		in.RotationToken = aws.String(s.cfg.RotationToken.Reveal())
	}
	if _, err = s.cfg.API.PutSecretValue(ctx, in); err != nil {
		return s.fault(ctx, "put a new version into "+s.cfg.Target.Name, err, s.cfg.Target.Shape.Withheld(value)...)
	}
	return nil
}

// Promote moves AWSCURRENT to the version if it is still where the caller saw it: AWS
// compares and swaps. AWS moves AWSPREVIOUS itself.
func (s *Secret) Promote(ctx context.Context, id, from credential.VersionID) error {
	d, err := s.Describe(ctx)
	if err != nil {
		return err
	}
	if current := d.At(credential.Current); current != id {
		if current != from {
			return s.moved()
		}
		if err := s.move(ctx, credential.Current, id, from); err != nil {
			return err
		}
	}
	return s.clearPending(ctx, d, id)
}

// Unstage takes AWSPENDING off the version.
func (s *Secret) Unstage(ctx context.Context, id credential.VersionID) error {
	d, err := s.Describe(ctx)
	if err != nil {
		return err
	}
	return s.clearPending(ctx, d, id)
}

// clearPending takes AWSPENDING off the version, if it is there.
func (s *Secret) clearPending(ctx context.Context, d credential.Description, id credential.VersionID) error {
	if d.At(credential.Pending) != id {
		return nil
	}
	err := s.move(ctx, credential.Pending, "", id)
	if credential.ReasonOf(err) == credential.MidRotation {
		return nil
	}
	return err
}

func (s *Secret) move(ctx context.Context, stage credential.Stage, to, from credential.VersionID) error {
	in := &sm.UpdateSecretVersionStageInput{SecretId: s.id(), VersionStage: aws.String(string(stage))} // Describe set the id
	if to != "" {
		in.MoveToVersionId = aws.String(string(to))
	}
	if from != "" {
		in.RemoveFromVersionId = aws.String(string(from))
	}
	if _, err := s.cfg.API.UpdateSecretVersionStage(ctx, in); err != nil {
		if code(err) == "InvalidParameterException" {
			return s.moved()
		}
		return s.fault(ctx, "move "+string(stage)+" of "+s.cfg.Target.Name, err)
	}
	return nil
}

func (s *Secret) moved() *credential.Fault {
	return &credential.Fault{
		Reason: credential.MidRotation, Target: s.cfg.Target,
		What: "somebody else moved the secret's stages meanwhile", Why: "nothing more was changed",
	}
}

// Create creates the empty secret unless it exists.
func (s *Secret) Create(ctx context.Context) error {
	in := &sm.CreateSecretInput{
		Name: &s.cfg.Target.Name, Description: aws.String("Registry token, kept by purser"),
	}
	if key := s.cfg.Target.Options.Get(kmsKey); key != "" {
		in.KmsKeyId = &key
	}
	if strings.HasPrefix(s.cfg.Target.Name, "arn:") {
		return &credential.Fault{
			Reason: credential.Usage, Target: s.cfg.Target, What: "purser cannot create a secret from an ARN",
			Why: "AWS chooses the end of the ARN; use the name",
		}
	}
	out, err := s.cfg.API.CreateSecret(ctx, in)
	switch {
	case err == nil:
		return s.found(out.Name, out.ARN)
	case code(err) != "ResourceExistsException":
		return s.fault(ctx, "create the secret "+s.cfg.Target.Name, err)
	}
	return nil
}

// Bind writes the mark into a tag, which DescribeSecret shows without the right to read the
// value.
func (s *Secret) Bind(ctx context.Context, m credential.Mark) error {
	return s.tag(ctx, markTag, m.String(), "its registry")
}

// SetExpiry notes in a tag when the version's token expires.
func (s *Secret) SetExpiry(ctx context.Context, id credential.VersionID, at time.Time) error {
	return s.tag(ctx, expiryTag, at.UTC().Format(time.RFC3339)+" "+string(id), "the token's expiry")
}

func (s *Secret) tag(ctx context.Context, key, value, what string) error {
	secret, err := s.known(ctx)
	if err != nil {
		return err
	}
	_, err = s.cfg.API.TagResource(ctx, &sm.TagResourceInput{
		SecretId: secret, Tags: []types.Tag{{Key: &key, Value: &value}},
	})
	if err != nil {
		return s.fault(ctx, "tag the secret "+s.cfg.Target.Name+" with "+what, err)
	}
	return nil
}

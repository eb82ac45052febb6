package aws

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
)

// Inputs and outputs use the service's spelling, SecretId instead of SecretID, for the JSON codec.

// smNamed starts most answers.
type smNamed struct {
	ARN  string
	Name string
}

func (c *smSecret) named() smNamed { return smNamed{ARN: c.arn, Name: c.name} }

type smSecretInput struct{ SecretId string }

// smNewVersion is common to CreateSecret, PutSecretValue and UpdateSecret.
type smNewVersion struct {
	ClientRequestToken string
	SecretString       smText
	SecretBinary       smBinary
	VersionStages      []string
}

// value returns the string or binary value, if the request has one.
func (in *smNewVersion) value() (smText, error) {
	if in.SecretString.given && in.SecretBinary.given {
		return smText{}, smError("InvalidParameterException",
			"You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	v, member := in.SecretString, "secretString"
	if in.SecretBinary.given {
		v, member = in.SecretBinary.smText, "secretBinary"
	}
	switch {
	case v.given && v.size == 0:
		return smText{}, smInvalid(member, "length greater than or equal to 1")
	case v.size > smMaxValue:
		return smText{}, smInvalid(member, "length less than or equal to 65536")
	}
	return v, nil
}

// smCheckToken checks the token, which SDKs fill in. The error code for a missing one depends on the
// operation.
func smCheckToken(token, missing string) error {
	if token == "" {
		return smError(missing, "You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	}
	if len(token) < 32 || len(token) > 64 {
		return smError("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
	}
	return nil
}

// check validates everything that does not depend on the secret.
func (in *smNewVersion) check() (smText, error) {
	if err := smCheckToken(in.ClientRequestToken, "InvalidRequestException"); err != nil {
		return smText{}, err
	}
	if len(in.VersionStages) > smMaxLabels {
		return smText{}, smInvalid("versionStages", "length less than or equal to 20")
	}
	for _, stage := range in.VersionStages {
		if stage == "" || len(stage) > 256 {
			return smText{}, smInvalid("versionStages", "members with a length between 1 and 256")
		}
	}
	return in.value()
}

// holds reports whether the version has this value.
func (v *smVersion) holds(in *smNewVersion, value smText) bool {
	return !v.empty && v.binary == in.SecretBinary.given && v.value.Equal(value.value)
}

func smTokenInUse(token string, c *smSecret) error {
	return smError("ResourceExistsException",
		"You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", token, c.arn)
}

// put adds a version, or fills the empty one of a running rotation.
func (c *smSecret) put(in *smNewVersion, value smText, now time.Time) (*smVersion, error) {
	stages := in.VersionStages
	if len(stages) == 0 {
		stages = []string{smCurrent}
	}
	stages = slices.Clone(stages)
	if c.at(smCurrent) == nil {
		stages = append(stages, smCurrent) // the first version is always current
	}
	if c.labels(stages) > smMaxLabels {
		return nil, smError("LimitExceededException", "A secret can have at most %d staging labels.", smMaxLabels)
	}
	v := c.version(in.ClientRequestToken)
	if v == nil {
		c.prune(now)
		if len(c.versions) >= smMaxVersions {
			return nil, smError("LimitExceededException", "The secret has %d versions, the most that it can have.", smMaxVersions)
		}
		c.abandonRotation()
		v = &smVersion{id: in.ClientRequestToken}
		c.versions = append(slices.Clone(c.versions), v)
	}
	v.value, v.binary, v.empty = value.value, in.SecretBinary.given, false
	v.created, v.kmsKey = now, c.kmsKey
	old := c.at(smCurrent)
	for _, stage := range stages {
		c.place(stage, v, now)
	}
	if old != nil && old != c.at(smCurrent) {
		old.take(smPending) // observed: replacing the current version removes its AWSPENDING
	}
	c.changed = now
	return v, nil
}

// abandonRotation ends a running rotation and removes AWSPENDING when another version is put.
// CloudTrail calls this RotationAbandoned.
func (c *smSecret) abandonRotation() {
	if v := c.version(c.rotation.running); v != nil {
		v.take(smPending)
	}
	c.rotation.running = ""
}

type smCreateInput struct {
	Name, Description, KmsKeyId string
	Tags                        []smTag
	AddReplicaRegions           []smReplicaRegion
	ForceOverwriteReplicaSecret bool
	smNewVersion
}

type smVersionOutput struct {
	smNamed
	VersionId         string          `json:",omitempty"`
	VersionStages     []string        `json:",omitempty"`
	ReplicationStatus []smReplication `json:",omitempty"`
}

func (s smRegion) createSecret(in smCreateInput) (*smVersionOutput, error) {
	if err := smCheckName(in.Name); err != nil {
		return nil, err
	}
	in.VersionStages = nil
	value, err := in.check()
	if err != nil {
		return nil, err
	}
	tags, err := smMergeTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	if old := s.secrets[s.key(in.Name)]; old != nil && !old.gone(now) {
		return old.recreate(&in.smNewVersion, value)
	}
	if s.copies[s.key(in.Name)] != nil {
		return nil, smError("ResourceExistsException", "The operation failed because the secret %s already exists.", in.Name)
	}
	c := &smSecret{
		arn: s.newARN(in.Name), name: in.Name, description: in.Description, kmsKey: smKey(in.KmsKeyId),
		created: now, changed: now, tags: tags,
	}
	out := &smVersionOutput{smNamed: c.named()}
	if value.given {
		v, err := c.put(&in.smNewVersion, value, now)
		if err != nil {
			return nil, err
		}
		out.VersionId = v.id
	}
	if err := s.addReplicas(c, in.AddReplicaRegions, in.ForceOverwriteReplicaSecret); err != nil {
		return nil, err
	}
	out.ReplicationStatus = c.replication()
	s.secrets[c.key()] = c
	return out, nil
}

// AddEmpty adds a secret without a value, as Terraform does, unless it exists. id is a name in a
// region ("": the stand-in's own) or the full ARN of any account. mark is the value of the tag
// purser:registry; "": no tag.
func (s *SecretsManager) AddEmpty(id, region, kmsKey, mark string) error {
	name := id
	if strings.HasPrefix(id, "arn:") {
		region = arnRegion(id)
		_, name, _ = strings.Cut(smSuffixForm().ReplaceAllString(id, ""), ":secret:")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.in(region)
	if old, err := in.find(id); err == nil && old != nil {
		return nil
	}
	if err := smCheckName(name); err != nil {
		return err
	}
	now := s.cfg.Now()
	c := &smSecret{arn: in.newARN(name), name: name, kmsKey: smKey(kmsKey), created: now, changed: now}
	if name != id {
		c.arn = id
	}
	if mark != "" {
		c.tags = []smTag{{Key: "purser:registry", Value: mark}}
	}
	s.secrets[c.key()] = c
	return nil
}

// AddValue adds a secret with a value, unless it has one.
func (s *SecretsManager) AddValue(name, region string, id credential.VersionID, value credential.Secret) error {
	if err := s.AddEmpty(name, region, "", ""); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.in(region).find(name)
	if err != nil || len(c.versions) > 0 {
		return err
	}
	_, err = c.put(&smNewVersion{ClientRequestToken: string(id)}, smText{value: value, given: true}, s.cfg.Now())
	return err
}

// recreate answers CreateSecret for an existing name. The same token and value repeat the earlier
// call.
func (c *smSecret) recreate(in *smNewVersion, value smText) (*smVersionOutput, error) {
	if !c.deleted.IsZero() {
		return nil, smError("InvalidRequestException",
			"You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	v := c.version(in.ClientRequestToken)
	switch {
	case v == nil || !value.given:
		return nil, smError("ResourceExistsException", "The operation failed because the secret %s already exists.", c.name)
	case !v.holds(in, value):
		return nil, smTokenInUse(v.id, c)
	}
	return &smVersionOutput{smNamed: c.named(), VersionId: v.id}, nil
}

func smKey(id string) string {
	if id == smDefaultKey {
		return ""
	}
	return id
}

type smPutInput struct {
	SecretId string
	smNewVersion
}

func (s smRegion) putSecretValue(in smPutInput) (*smVersionOutput, error) {
	value, err := in.check()
	if err != nil {
		return nil, err
	}
	if !value.given {
		return nil, smError("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	}
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	v := c.version(in.ClientRequestToken)
	switch {
	case v == nil || v.empty:
		if v, err = c.put(&in.smNewVersion, value, s.cfg.Now()); err != nil {
			return nil, err
		}
	case !v.holds(&in.smNewVersion, value):
		return nil, smTokenInUse(v.id, c)
	}
	return &smVersionOutput{smNamed: c.named(), VersionId: v.id, VersionStages: v.stages}, nil
}

type smUpdateInput struct {
	SecretId              string
	Description, KmsKeyId *string
	smNewVersion
}

// updateSecret accepts no token twice, unlike PutSecretValue: "matches an existing version's
// VersionId … results in an error" (API reference, UpdateSecret).
func (s smRegion) updateSecret(in smUpdateInput) (*smVersionOutput, error) {
	in.VersionStages = nil
	value, err := in.check()
	if err != nil {
		return nil, err
	}
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	if value.given && c.version(in.ClientRequestToken) != nil {
		return nil, smTokenInUse(in.ClientRequestToken, c)
	}
	out, now := &smVersionOutput{smNamed: c.named()}, s.cfg.Now()
	if value.given {
		v, err := c.put(&in.smNewVersion, value, now)
		if err != nil {
			return nil, err
		}
		out.VersionId = v.id
	}
	if in.Description != nil {
		c.description = *in.Description
	}
	if in.KmsKeyId != nil {
		c.reencrypt(smKey(*in.KmsKeyId))
	}
	c.changed = now
	return out, nil
}

// reencrypt sets the key of the versions with AWS's labels (API reference, UpdateSecret, KmsKeyId).
func (c *smSecret) reencrypt(key string) {
	c.kmsKey = key
	for _, stage := range []string{smCurrent, smPending, smPrevious} {
		if v := c.at(stage); v != nil {
			v.kmsKey = key
		}
	}
}

type smStageInput struct {
	SecretId, VersionStage               string
	RemoveFromVersionId, MoveToVersionId string
}

// updateSecretVersionStage moves a label off another version only if the caller names that version.
// The messages for a wrong or needless RemoveFromVersionId are not on record; these are made up.
func (s smRegion) updateSecretVersionStage(in smStageInput) (*smNamed, error) {
	if in.VersionStage == "" || len(in.VersionStage) > 256 {
		return nil, smInvalid("versionStage", "length between 1 and 256")
	}
	if in.RemoveFromVersionId == "" && in.MoveToVersionId == "" {
		return nil, smError("InvalidParameterException", "You must provide RemoveFromVersionId, MoveToVersionId, or both.")
	}
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	holder, to := c.at(in.VersionStage), c.version(in.MoveToVersionId)
	if err := c.checkMove(in, holder, to); err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	if to != nil {
		c.place(in.VersionStage, to, now)
	} else {
		holder.take(in.VersionStage)
	}
	c.changed = now
	out := c.named()
	return &out, nil
}

func (c *smSecret) checkMove(in smStageInput, holder, to *smVersion) error {
	refuse := func(format string, a ...any) error { return smError("InvalidParameterException", format, a...) }
	switch {
	case in.MoveToVersionId != "" && to == nil:
		return smError("ResourceNotFoundException", smNoVersion+"VersionId: %s", in.MoveToVersionId)
	case in.RemoveFromVersionId != "" && (holder == nil || holder.id != in.RemoveFromVersionId):
		return refuse("The parameter RemoveFromVersionId is not valid. Staging label %s is not attached to version %s.",
			in.VersionStage, in.RemoveFromVersionId)
	case in.RemoveFromVersionId == "" && holder != nil && holder != to:
		return refuse("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s,"+
			" so you must explicitly reference that version in RemoveFromVersionId.", in.VersionStage, holder.id)
	case to == nil && in.VersionStage == smCurrent:
		return refuse("You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
	case c.labels([]string{in.VersionStage}) > smMaxLabels:
		return smError("LimitExceededException", "A secret can have at most %d staging labels.", smMaxLabels)
	}
	return nil
}

const smNoVersion = "Secrets Manager can't find the specified secret value for "

type smGetInput struct{ SecretId, VersionId, VersionStage string }

// smValueOutput is an answer of GetSecretValue and an entry of BatchGetSecretValue's. Only the
// encoder reads it.
type smValueOutput struct {
	smNamed
	VersionId     string
	SecretString  *string `json:",omitempty"`
	SecretBinary  *string `json:",omitempty"`
	VersionStages []string
	CreatedDate   smTime
}

func (s smRegion) getSecretValue(in smGetInput) (*smValueOutput, error) {
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	v, err := c.pick(in)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	c.accessed.touch(now)
	v.accessed.touch(now)
	return c.reveal(v), nil
}

// pick finds a version by ID, by label, or by both if they agree. The default is AWSCURRENT.
func (c *smSecret) pick(in smGetInput) (*smVersion, error) {
	if in.VersionId == "" {
		stage := cmp.Or(in.VersionStage, smCurrent)
		if v := c.at(stage); v != nil && !v.empty {
			return v, nil
		}
		return nil, smError("ResourceNotFoundException", smNoVersion+"staging label: %s", stage)
	}
	v := c.version(in.VersionId)
	if v != nil && in.VersionStage != "" && !slices.Contains(v.stages, in.VersionStage) {
		return nil, smError("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	}
	if v == nil || v.empty {
		return nil, smError("ResourceNotFoundException", smNoVersion+"VersionId: %s", in.VersionId)
	}
	return v, nil
}

// reveal puts a value into an answer.
func (c *smSecret) reveal(v *smVersion) *smValueOutput {
	out := &smValueOutput{smNamed: c.named(), VersionId: v.id, VersionStages: v.stages, CreatedDate: smTime{v.created}}
	text := v.value.Reveal()
	if v.binary {
		out.SecretBinary = &text
	} else {
		out.SecretString = &text
	}
	return out
}

package aws

import (
	"crypto/rand"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"time"
)

type smTagInput struct {
	SecretId string
	Tags     []smTag
	TagKeys  []string
}

// smDone is an empty answer.
type smDone struct{}

func (s smRegion) tagResource(in smTagInput) (*smDone, error) {
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	tags, err := smMergeTags(c.tags, in.Tags)
	if err != nil {
		return nil, err
	}
	c.tags, c.changed = tags, s.cfg.Now()
	return &smDone{}, nil
}

func (s smRegion) untagResource(in smTagInput) (*smDone, error) {
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	c.tags = slices.DeleteFunc(slices.Clone(c.tags), func(t smTag) bool { return slices.Contains(in.TagKeys, t.Key) })
	c.changed = s.cfg.Now()
	return &smDone{}, nil
}

// smMergeTags adds tags; an existing key gets the new value.
func smMergeTags(old, added []smTag) ([]smTag, error) {
	merged := slices.Clone(old)
	for _, tag := range added {
		switch {
		case tag.Key == "" || len(tag.Key) > 128:
			return nil, smInvalid("tags.key", "length between 1 and 128")
		case len(tag.Value) > 256:
			return nil, smInvalid("tags.value", "length less than or equal to 256")
		case strings.HasPrefix(strings.ToLower(tag.Key), "aws:"):
			return nil, smError("InvalidParameterException", "Tag keys that begin with aws: are reserved for AWS.")
		}
		if i := slices.IndexFunc(merged, func(t smTag) bool { return t.Key == tag.Key }); i >= 0 {
			merged[i] = tag
		} else {
			merged = append(merged, tag)
		}
	}
	if len(merged) > smMaxTags {
		return nil, smError("InvalidParameterException", "A secret can have at most %d tags.", smMaxTags)
	}
	return merged, nil
}

type smPolicy struct {
	smNamed
	ResourcePolicy string `json:",omitempty"`
}

func (s smRegion) getResourcePolicy(in smSecretInput) (*smPolicy, error) {
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	return &smPolicy{smNamed: c.named(), ResourcePolicy: c.policy}, nil
}

type smPolicyInput struct {
	SecretId, ResourcePolicy string
	BlockPublicPolicy        bool
}

// putResourcePolicy stores the text unchanged. It checks the syntax and, on request, for public
// access; the stand-in does not evaluate policies.
func (s smRegion) putResourcePolicy(in smPolicyInput) (*smNamed, error) {
	if in.ResourcePolicy == "" || len(in.ResourcePolicy) > smMaxPolicy {
		return nil, smInvalid("resourcePolicy", "length between 1 and 20480")
	}
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	var document map[string]json.RawMessage
	if json.Unmarshal([]byte(in.ResourcePolicy), &document) != nil || document["Statement"] == nil {
		return nil, smError("MalformedPolicyDocumentException", "This resource policy contains invalid Json")
	}
	if in.BlockPublicPolicy && smForEverybody(document["Statement"]) {
		return nil, smError("PublicPolicyException", "You can't use a resource policy that allows public access to the secret.")
	}
	c.policy, c.changed = in.ResourcePolicy, s.cfg.Now()
	out := c.named()
	return &out, nil
}

type smValidation struct {
	PolicyValidationPassed bool
	ValidationErrors       []smValidationError
}

type smValidationError struct{ CheckName, ErrorMessage string }

// validateResourcePolicy checks what putResourcePolicy checks.
func (s smRegion) validateResourcePolicy(in smPolicyInput) (*smValidation, error) {
	if in.SecretId != "" {
		if _, err := s.find(in.SecretId); err != nil {
			return nil, err
		}
	}
	out := &smValidation{ValidationErrors: []smValidationError{}}
	var document map[string]json.RawMessage
	switch err := json.Unmarshal([]byte(in.ResourcePolicy), &document); {
	case err != nil || document["Statement"] == nil:
		return nil, smError("MalformedPolicyDocumentException", "This resource policy contains invalid Json")
	case smForEverybody(document["Statement"]):
		out.ValidationErrors = append(out.ValidationErrors, smValidationError{"PUBLIC_POLICY", "The policy allows public access to the secret."})
	default:
		out.PolicyValidationPassed = true
	}
	return out, nil
}

// smForEverybody reports whether a statement, alone or in a list, allows everybody something
// without a condition.
func smForEverybody(statements json.RawMessage) bool {
	type statement struct {
		Effect    string
		Principal any
		Condition map[string]any
	}
	var all []statement
	if json.Unmarshal(statements, &all) != nil {
		all = make([]statement, 1)
		if json.Unmarshal(statements, &all[0]) != nil {
			return false
		}
	}
	return slices.ContainsFunc(all, func(one statement) bool {
		who := one.Principal
		if by, ok := who.(map[string]any); ok {
			who = by["AWS"]
		}
		list, _ := who.([]any)
		return one.Effect == "Allow" && len(one.Condition) == 0 && (who == "*" || slices.Contains(list, any("*")))
	})
}

func (s smRegion) deleteResourcePolicy(in smSecretInput) (*smNamed, error) {
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	c.policy, c.changed = "", s.cfg.Now()
	out := c.named()
	return &out, nil
}

type smRotateInput struct {
	SecretId, ClientRequestToken, RotationLambdaARN string
	RotationRules                                   *smRules
	RotateImmediately                               *bool
}

// rotateSecret stores the schedule and, like the service before it invokes the function, adds an
// empty version with AWSPENDING. Without a function the rotation waits until somebody puts that
// version and makes it current.
func (s smRegion) rotateSecret(in smRotateInput) (*smVersionOutput, error) {
	if err := smCheckToken(in.ClientRequestToken, "InvalidParameterException"); err != nil {
		return nil, err
	}
	if err := in.RotationRules.check(); err != nil {
		return nil, err
	}
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	out := &smVersionOutput{smNamed: c.named(), VersionId: in.ClientRequestToken}
	pending := c.at(smPending)
	switch {
	case in.RotationLambdaARN == "" && c.rotation.lambda == "":
		return nil, smError("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
	case pending != nil && pending.id == in.ClientRequestToken:
		return out, nil // repeats the call
	case pending != nil && pending != c.at(smCurrent):
		if pending.id == c.rotation.running {
			s.goOn(c, pending.id)
		}
		return nil, smError("InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted.")
	case c.version(in.ClientRequestToken) != nil:
		return nil, smTokenInUse(in.ClientRequestToken, c)
	}
	now := s.cfg.Now()
	c.configureRotation(in, now)
	// Otherwise the service would only test the function with a temporary version.
	if in.RotateImmediately == nil || *in.RotateImmediately {
		v := &smVersion{id: in.ClientRequestToken, empty: true, created: now, kmsKey: c.kmsKey}
		c.versions = append(slices.Clone(c.versions), v)
		c.place(smPending, v, now)
		c.rotation.running = v.id
		s.goOn(c, v.id)
	}
	return out, nil
}

// goOn runs the rotation function in the background.
func (s *SecretsManager) goOn(c *smSecret, version string) {
	if s.cfg.Invoke == nil {
		return
	}
	arn := c.arn
	s.rotations.Go(func() { s.runRotation(arn, version) })
}

func (c *smSecret) configureRotation(in smRotateInput, now time.Time) {
	if in.RotationLambdaARN != "" {
		c.rotation.lambda = in.RotationLambdaARN
	}
	if in.RotationRules != nil {
		c.rotation.rules = in.RotationRules
	}
	c.rotation.enabled = new(true)
	c.schedule(now)
	c.changed = now
}

func (r *smRules) check() error {
	if r == nil {
		return nil
	}
	days, expression := r.AutomaticallyAfterDays, r.ScheduleExpression
	if days < 0 || days > 1000 {
		return smError("InvalidParameterException", "RotationRules.AutomaticallyAfterDays must be within 1-1000.")
	}
	if days != 0 && expression != "" {
		return smError("InvalidParameterException", "You can't use both AutomaticallyAfterDays and ScheduleExpression.")
	}
	cron := strings.HasPrefix(expression, "cron(") && strings.HasSuffix(expression, ")")
	if expression != "" && !cron && !smRateForm.MatchString(expression) {
		return smError("InvalidParameterException", "ScheduleExpression must be a rate() or cron() expression.")
	}
	return nil
}

// cancelRotateSecret leaves AWSPENDING in place, as the service may: "can leave the VersionStage
// labels in an unexpected state" (API reference, CancelRotateSecret).
func (s smRegion) cancelRotateSecret(in smSecretInput) (*smVersionOutput, error) {
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	out := &smVersionOutput{smNamed: c.named(), VersionId: c.rotation.running}
	c.rotation.enabled, c.rotation.running, c.rotation.next = new(false), "", time.Time{}
	c.changed = s.cfg.Now()
	return out, nil
}

type smPasswordInput struct {
	PasswordLength                                       *int
	ExcludeCharacters                                    string
	ExcludeNumbers, ExcludePunctuation, ExcludeUppercase bool
	ExcludeLowercase, IncludeSpace                       bool
	RequireEachIncludedType                              *bool
}

// alphabets returns the requested character types without the excluded characters, using the sets
// of the API reference.
func (in smPasswordInput) alphabets() []string {
	var all []string
	for _, set := range []struct {
		characters string
		wanted     bool
	}{
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZ", !in.ExcludeUppercase},
		{"abcdefghijklmnopqrstuvwxyz", !in.ExcludeLowercase},
		{"0123456789", !in.ExcludeNumbers},
		{"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", !in.ExcludePunctuation},
		{" ", in.IncludeSpace},
	} {
		left := strings.Map(func(r rune) rune {
			if strings.ContainsRune(in.ExcludeCharacters, r) {
				return -1
			}
			return r
		}, set.characters)
		if set.wanted && left != "" {
			all = append(all, left)
		}
	}
	return all
}

func (s smRegion) getRandomPassword(in smPasswordInput) (map[string]string, error) {
	length := 32
	if in.PasswordLength != nil {
		length = *in.PasswordLength
	}
	if length < 1 || length > 4096 {
		return nil, smInvalid("passwordLength", "value between 1 and 4096")
	}
	sets := in.alphabets()
	if len(sets) == 0 {
		return nil, smError("InvalidParameterException", "No characters are left for a password.")
	}
	var password []byte
	if in.RequireEachIncludedType == nil || *in.RequireEachIncludedType {
		if length < len(sets) {
			return nil, smError("InvalidParameterException", "The password is too short to hold each included type.")
		}
		for _, set := range sets {
			password = append(password, set[smRandom(len(set))])
		}
	}
	for whole := strings.Join(sets, ""); len(password) < length; {
		password = append(password, whole[smRandom(len(whole))])
	}
	for i := len(password) - 1; i > 0; i-- { // shuffles the required characters
		j := smRandom(i + 1)
		password[i], password[j] = password[j], password[i]
	}
	return map[string]string{"RandomPassword": string(password)}, nil
}

func smRandom(below int) int {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(below)))
	if err != nil {
		panic(err) // crypto/rand never returns an error
	}
	return int(n.Int64())
}

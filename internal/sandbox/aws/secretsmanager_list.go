package aws

import (
	"cmp"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// smDescription is an answer of DescribeSecret and an entry of ListSecrets. They name the member
// with the labels differently.
type smDescription struct {
	smNamed
	Description            string              `json:",omitempty"`
	KmsKeyId               string              `json:",omitempty"`
	RotationEnabled        *bool               `json:",omitempty"`
	RotationLambdaARN      string              `json:",omitempty"`
	RotationRules          *smRules            `json:",omitempty"`
	LastRotatedDate        smTime              `json:",omitzero"`
	LastChangedDate        smTime              `json:",omitzero"`
	LastAccessedDate       smTime              `json:",omitzero"`
	DeletedDate            smTime              `json:",omitzero"`
	NextRotationDate       smTime              `json:",omitzero"`
	CreatedDate            smTime              `json:",omitzero"`
	Tags                   []smTag             `json:",omitempty"`
	VersionIdsToStages     map[string][]string `json:",omitempty"`
	SecretVersionsToStages map[string][]string `json:",omitempty"`
	PrimaryRegion          string              `json:",omitempty"`
	ReplicationStatus      []smReplication     `json:",omitempty"`
}

func (c *smSecret) describe() *smDescription {
	return &smDescription{
		smNamed: c.named(), Description: c.description, KmsKeyId: c.kmsKey,
		RotationEnabled: c.rotation.enabled, RotationLambdaARN: c.rotation.lambda, RotationRules: c.rotation.rules,
		LastRotatedDate: smTime{c.rotation.rotated}, LastChangedDate: smTime{c.changed}, LastAccessedDate: c.accessed.time(),
		DeletedDate: smTime{c.deleted}, NextRotationDate: smTime{c.rotation.next}, CreatedDate: smTime{c.created},
		Tags: c.tags, PrimaryRegion: c.primaryRegion(),
	}
}

// primaryRegion is set for replicated secrets and replicas.
func (c *smSecret) primaryRegion() string {
	if len(c.replicas) > 0 {
		return arnRegion(c.arn)
	}
	return c.primary
}

// labelled maps versions with labels to their labels.
func (c *smSecret) labelled() map[string][]string {
	found := map[string][]string{}
	for _, v := range c.versions {
		if len(v.stages) > 0 {
			found[v.id] = v.stages
		}
	}
	return found
}

func (s smRegion) describeSecret(in smSecretInput) (*smDescription, error) {
	c, err := s.find(in.SecretId)
	if err != nil {
		return nil, err
	}
	out := c.describe()
	out.VersionIdsToStages, out.ReplicationStatus = c.labelled(), c.replication()
	return out, nil
}

type smListVersionsInput struct {
	SecretId, NextToken string
	MaxResults          *int
	IncludeDeprecated   bool
}

type smListVersionsOutput struct {
	smNamed
	Versions  []smVersionEntry
	NextToken string `json:",omitempty"`
}

type smVersionEntry struct {
	VersionId        string
	VersionStages    []string `json:",omitempty"`
	CreatedDate      smTime
	LastAccessedDate smTime `json:",omitzero"`
	KmsKeyIds        []string
}

func (s smRegion) listSecretVersionIDs(in smListVersionsInput) (*smListVersionsOutput, error) {
	c, err := s.find(in.SecretId)
	if err != nil {
		return nil, err
	}
	out := &smListVersionsOutput{smNamed: c.named(), Versions: []smVersionEntry{}}
	for _, v := range c.versions {
		if len(v.stages) == 0 && !in.IncludeDeprecated {
			continue
		}
		out.Versions = append(out.Versions, smVersionEntry{
			VersionId: v.id, VersionStages: v.stages, CreatedDate: smTime{v.created}, LastAccessedDate: v.accessed.time(),
			KmsKeyIds: []string{cmp.Or(v.kmsKey, "DefaultEncryptionKey")},
		})
	}
	out.Versions, out.NextToken, err = smPage(out.Versions, in.NextToken, in.MaxResults, 100)
	return out, err
}

// smPage returns one page of a list. The token encodes the page's start.
func smPage[E any](all []E, token string, size *int, most int) (page []E, next string, err error) {
	n, from := most, 0
	if size != nil {
		n = *size
	}
	if n < 1 || n > most {
		return nil, "", smInvalid("maxResults", "value between 1 and "+strconv.Itoa(most))
	}
	if token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		text, ours := strings.CutPrefix(string(raw), "from:")
		from, _ = strconv.Atoi(text)
		if err != nil || !ours || from < 1 {
			return nil, "", smError("InvalidNextTokenException", "Invalid token.")
		}
	}
	all = all[min(from, len(all)):]
	if len(all) > n {
		next = base64.RawURLEncoding.EncodeToString([]byte("from:" + strconv.Itoa(from+n)))
	}
	return all[:min(n, len(all))], next, nil
}

type smListInput struct {
	NextToken, SortBy, SortOrder string
	MaxResults                   *int
	IncludePlannedDeletion       bool
	Filters                      []smFilter
}

type smListOutput struct {
	SecretList []*smDescription
	NextToken  string `json:",omitempty"`
}

func (s smRegion) listSecrets(in smListInput) (*smListOutput, error) {
	found, err := s.matching(in)
	if err != nil {
		return nil, err
	}
	found, next, err := smPage(found, in.NextToken, in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	out := &smListOutput{SecretList: []*smDescription{}, NextToken: next}
	for _, c := range found {
		d := c.describe()
		d.SecretVersionsToStages = c.labelled()
		out.SecretList = append(out.SecretList, d)
	}
	return out, nil
}

// matching returns the secrets that pass all filters, sorted.
func (s smRegion) matching(in smListInput) ([]*smSecret, error) {
	if len(in.Filters) > 10 {
		return nil, smInvalid("filters", "length less than or equal to 10")
	}
	for _, f := range in.Filters {
		if !slices.Contains(smFilterKeys, f.Key) {
			return nil, smInvalid("filters.key", "a value out of "+strings.Join(smFilterKeys, ", "))
		}
	}
	now := s.cfg.Now()
	found := make([]*smSecret, 0, len(s.secrets))
	for _, c := range s.present() {
		hidden := arnRegion(c.arn) != s.name || c.gone(now) || !c.deleted.IsZero() && !in.IncludePlannedDeletion
		if !hidden && !slices.ContainsFunc(in.Filters, func(f smFilter) bool { return !f.passes(c) }) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *smSecret) int {
		if in.SortOrder == "desc" {
			a, b = b, a
		}
		return cmp.Or(smCompare(in.SortBy, a, b), strings.Compare(a.name, b.name))
	})
	return found, nil
}

// present returns the region's secrets, replicas included.
func (s smRegion) present() []*smSecret {
	all := slices.Collect(maps.Values(s.secrets))
	for key, primary := range s.copies {
		if arnRegion(key) != s.name {
			continue
		}
		if one := primary.copyIn(s.name); one != nil {
			all = append(all, one)
		}
	}
	return all
}

func smCompare(by string, a, b *smSecret) int {
	switch by {
	case "name":
		return 0 // the caller compares names next
	case "last-changed-date":
		return a.changed.Compare(b.changed)
	case "last-accessed-date":
		return a.accessed.time().Compare(b.accessed.time().Time)
	default:
		return a.created.Compare(b.created)
	}
}

var smFilterKeys = []string{"description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"}

// smFilter passes a secret if one of the values matches. A value starting with "!" is negated (API
// reference, Filter).
type smFilter struct {
	Key    string
	Values []string
}

func (f smFilter) passes(c *smSecret) bool {
	for _, value := range f.Values {
		wanted, negated := strings.CutPrefix(value, "!")
		if f.matches(c, wanted) != negated {
			return true
		}
	}
	return false
}

func (f smFilter) matches(c *smSecret, wanted string) bool {
	lower := strings.ToLower(wanted)
	hasTag := func(part func(smTag) string) bool {
		return slices.ContainsFunc(c.tags, func(t smTag) bool { return strings.HasPrefix(part(t), wanted) })
	}
	switch f.Key {
	case "name":
		return strings.HasPrefix(c.name, wanted)
	case "description":
		return strings.HasPrefix(strings.ToLower(c.description), lower)
	case "tag-key":
		return hasTag(func(t smTag) string { return t.Key })
	case "tag-value":
		return hasTag(func(t smTag) string { return t.Value })
	case "all":
		text := c.name + " " + c.description
		for _, t := range c.tags {
			text += " " + t.Key + " " + t.Value
		}
		text = strings.ToLower(text)
		return slices.ContainsFunc(strings.Fields(lower), func(word string) bool { return strings.Contains(text, word) })
	default:
		return false // not supported
	}
}

type smBatchInput struct {
	SecretIdList []string
	Filters      []smFilter
	MaxResults   *int
	NextToken    string
}

type smBatchOutput struct {
	SecretValues []*smValueOutput
	Errors       []smBatchError
	NextToken    string `json:",omitempty"`
}

type smBatchError struct{ SecretId, ErrorCode, Message string }

// batchGetSecretValue reports failures in Errors, with status 200.
func (s smRegion) batchGetSecretValue(in smBatchInput) (*smBatchOutput, error) {
	ids := in.SecretIdList
	out := &smBatchOutput{SecretValues: []*smValueOutput{}, Errors: []smBatchError{}}
	switch {
	case (len(ids) > 0) == (len(in.Filters) > 0):
		return nil, smError("InvalidParameterException", "Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	case len(ids) > 20:
		return nil, smInvalid("secretIdList", "length less than or equal to 20")
	case len(ids) > 0 && in.MaxResults != nil:
		return nil, smError("InvalidParameterException",
			"'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.")
	case len(ids) == 0:
		found, err := s.matching(smListInput{Filters: in.Filters})
		if err != nil {
			return nil, err
		}
		if found, out.NextToken, err = smPage(found, in.NextToken, in.MaxResults, 20); err != nil {
			return nil, err
		}
		for _, c := range found {
			ids = append(ids, c.arn)
		}
	}
	for _, id := range ids {
		v, err := s.getSecretValue(smGetInput{SecretId: id})
		if failure, ok := errors.AsType[*awsError](err); ok {
			out.Errors = append(out.Errors, smBatchError{SecretId: id, ErrorCode: failure.code, Message: failure.message})
			continue
		}
		out.SecretValues = append(out.SecretValues, v)
	}
	return out, nil
}

type smDeleteInput struct {
	SecretId                   string
	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
}

type smDeleteOutput struct {
	smNamed
	DeletionDate smTime
}

// deleteSecret starts the recovery window, which ends at DeletionDate. With force it deletes at
// once, and a missing secret is not an error.
func (s smRegion) deleteSecret(in smDeleteInput) (*smDeleteOutput, error) {
	days := 30
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
		if in.ForceDeleteWithoutRecovery {
			return nil, smError("InvalidParameterException",
				"You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
	}
	if days < 7 || days > 30 {
		return nil, smError("InvalidParameterException", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	now := s.cfg.Now()
	if in.ForceDeleteWithoutRecovery {
		return s.deleteNow(in.SecretId, now)
	}
	c, err := s.findLive(in.SecretId)
	if err == nil {
		err = c.checkCopies()
	}
	if err != nil {
		return nil, err
	}
	c.deleted, c.purged = now, now.Add(time.Duration(days)*24*time.Hour)
	return &smDeleteOutput{smNamed: c.named(), DeletionDate: smTime{c.purged}}, nil
}

func (s smRegion) deleteNow(id string, now time.Time) (*smDeleteOutput, error) {
	c, err := s.find(id)
	if failure, ok := errors.AsType[*awsError](err); ok && failure.code != "ResourceNotFoundException" {
		return nil, err
	}
	if c == nil {
		return &smDeleteOutput{smNamed: smNamed{ARN: s.newARN(id), Name: id}, DeletionDate: smTime{now}}, nil
	}
	if err := c.checkCopies(); err != nil {
		return nil, err
	}
	delete(s.secrets, c.key())
	return &smDeleteOutput{smNamed: c.named(), DeletionDate: smTime{now}}, nil
}

func (s smRegion) restoreSecret(in smSecretInput) (*smNamed, error) {
	c, err := s.find(in.SecretId)
	if err != nil {
		return nil, err
	}
	c.deleted, c.purged = time.Time{}, time.Time{}
	out := c.named()
	return &out, nil
}

package aws

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"purser/internal/credential"
)

// The labels that Secrets Manager manages.
const (
	smCurrent  = string(credential.Current)
	smPending  = string(credential.Pending)
	smPrevious = string(credential.Previous)
)

// Quotas from the Secrets Manager user guide.
const (
	smMaxValue    = 65536
	smMaxPolicy   = 20480
	smMaxLabels   = 20  // over all versions of a secret
	smMaxVersions = 100 // unlabelled ones older than a day are dropped first
	smMaxTags     = 50
)

// smDefaultKey is the alias of the default key. Answers omit it.
const smDefaultKey = "alias/aws/secretsmanager"

// smSecret is one secret. Its slices are replaced, never changed in place, because answers that are
// being encoded share them.
type smSecret struct {
	arn, name, description, kmsKey, policy string
	primary                                string // of a replica: the primary's region

	created, changed time.Time
	deleted, purged  time.Time // start and end of the recovery window; zero: not deleted
	accessed         smDay
	tags             []smTag
	versions         []*smVersion // oldest first
	rotation         smRotation

	replicas       []*smReplica
	replicaLag     int    // looks until a replica is in sync after a change
	replicaFailure string // fails every replica after a change
}

type smVersion struct {
	id       string
	value    credential.Secret // base64 if binary
	binary   bool
	empty    bool     // created by a rotation that has not put a value yet
	stages   []string // sorted
	created  time.Time
	kmsKey   string
	accessed smDay
}

type smTag struct {
	Key   string
	Value string
}

type smRotation struct {
	enabled *bool // nil: never configured
	lambda  string
	rules   *smRules
	rotated time.Time
	next    time.Time // zero: unknown
	running string    // version of the running rotation
}

type smRules struct {
	AutomaticallyAfterDays int64  `json:",omitempty"`
	ScheduleExpression     string `json:",omitempty"`
	Duration               string `json:",omitempty"`
}

// smDay is the day of the last access; the service does not report the hour. It is atomic because
// concurrent reads set it.
type smDay struct{ unix atomic.Int64 }

func (d *smDay) touch(now time.Time) {
	day := now.UTC().Truncate(24 * time.Hour).Unix()
	if d.unix.Load() != day {
		d.unix.Store(day)
	}
}

func (d *smDay) time() smTime {
	unix := d.unix.Load()
	if unix == 0 {
		return smTime{}
	}
	return smTime{time.Unix(unix, 0)}
}

// smTime encodes a time as in AWS JSON 1.1: seconds since 1970, with a fraction.
type smTime struct{ time.Time }

// MarshalJSON writes three decimals, for milliseconds.
func (t smTime) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', 3, 64), nil
}

// smText is a value in a request. It is a Secret as soon as it is decoded.
type smText struct {
	value credential.Secret
	given bool
	size  int // in bytes; of the decoded blob if binary
}

// UnmarshalJSON decodes a JSON string.
func (v *smText) UnmarshalJSON(raw []byte) error {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return err
	}
	*v = smText{value: credential.NewSecret(*text), given: true, size: len(*text)}
	return nil
}

// smBinary is smText for a blob in base64.
type smBinary struct{ smText }

// UnmarshalJSON decodes base64 and stores the canonical form, so that equal bytes compare equal.
func (v *smBinary) UnmarshalJSON(raw []byte) error {
	var blob []byte
	if err := json.Unmarshal(raw, &blob); err != nil || blob == nil {
		return err
	}
	v.smText = smText{value: credential.NewSecret(base64.StdEncoding.EncodeToString(blob)), given: true, size: len(blob)}
	return nil
}

// smNameForm has "!", like the service's message, for secrets of other services.
var (
	smNameForm   = credential.NewPattern(`^[A-Za-z0-9/_+=.@!-]+$`)
	smSuffixForm = credential.NewPattern(`-[A-Za-z0-9]{6}$`)
)

func smCheckName(name string) error {
	switch {
	case name == "":
		return smInvalid("name", "length greater than or equal to 1")
	case len(name) > 512:
		return smInvalid("name", "length less than or equal to 512")
	case !smNameForm.MatchString(name):
		return smError("ValidationException",
			"Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	return nil
}

// smInvalid is AWS's message for a violated constraint of the service's model.
func smInvalid(member, bound string) error {
	return smError("ValidationException",
		"1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have %s", member, bound)
}

func (s smRegion) arnPrefix() string {
	return "arn:aws:secretsmanager:" + s.name + ":" + s.cfg.Account + ":secret:"
}

// key returns the map key of a name in this region.
func (s smRegion) key(name string) string { return s.arnPrefix() + name }

// key returns the secret's map key: its ARN without suffix.
func (c *smSecret) key() string { return smSuffixForm().ReplaceAllString(c.arn, "") }

// arnRegion returns an ARN's region.
func arnRegion(arn string) string {
	parts := strings.SplitN(arn, ":", 5)
	if len(parts) < 5 {
		return ""
	}
	return parts[3]
}

// newARN ends in a random suffix, as in AWS, so that a policy for a deleted secret does not apply
// to a later one with the same name.
func (s smRegion) newARN(name string) string {
	return s.arnPrefix() + name + "-" + rand.Text()[:6]
}

// find looks a secret up by name, ARN, or ARN without suffix. It finds secrets that wait for
// deletion, until their window ends.
//
// A name with a suffix does not match. An ID that ends in a hyphen and six characters counts as a
// complete ARN, so a partial ARN cannot find a secret whose name ends like that (API reference,
// GetSecretValue).
func (s smRegion) find(id string) (*smSecret, error) {
	key, complete := s.key(id), false
	if strings.HasPrefix(id, "arn:") {
		key = smSuffixForm().ReplaceAllString(id, "")
		complete = key != id
	} else if err := smCheckName(id); err != nil {
		return nil, err
	}
	found := s.secrets[key]
	if primary := s.copies[key]; found == nil && primary != nil {
		if s.writes {
			return nil, smError("InvalidRequestException", "You can't perform this operation on a replica secret. Use the primary secret in %s.", arnRegion(primary.arn))
		}
		found = primary.copyIn(arnRegion(key))
	}
	if found == nil || found.gone(s.cfg.Now()) || complete && found.arn != id || arnRegion(found.arn) != s.name {
		return nil, smError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	return found, nil
}

// findLive is find for operations that pending deletions refuse.
func (s smRegion) findLive(id string) (*smSecret, error) {
	found, err := s.find(id)
	if err == nil && !found.deleted.IsZero() {
		return nil, smError("InvalidRequestException",
			"You can't perform this operation on the secret because it was marked for deletion.")
	}
	return found, err
}

func (c *smSecret) gone(now time.Time) bool {
	return !c.purged.IsZero() && !now.Before(c.purged)
}

// at returns the version with a label, or nil.
func (c *smSecret) at(stage string) *smVersion {
	for _, v := range c.versions {
		if slices.Contains(v.stages, stage) {
			return v
		}
	}
	return nil
}

func (c *smSecret) version(id string) *smVersion {
	for _, v := range c.versions {
		if v.id == id {
			return v
		}
	}
	return nil
}

// take removes a label from a version.
func (v *smVersion) take(stage string) {
	v.stages = slices.DeleteFunc(slices.Clone(v.stages), func(s string) bool { return s == stage })
}

// place moves a label, which only one version can have. AWSPREVIOUS moves to the version that
// loses AWSCURRENT, and a rotation ends when its version becomes current (API reference,
// UpdateSecretVersionStage).
func (c *smSecret) place(stage string, to *smVersion, now time.Time) {
	from := c.at(stage)
	if from == to {
		return
	}
	if stage == smCurrent {
		c.changeReplicas()
	}
	if from != nil {
		from.take(stage)
	}
	to.stages = append(slices.Clone(to.stages), stage)
	slices.Sort(to.stages)
	if stage != smCurrent {
		return
	}
	if from != nil {
		c.place(smPrevious, from, now)
	}
	if c.rotation.running == to.id {
		c.rotation.running, c.rotation.rotated = "", now
	}
	c.schedule(now)
}

// labels counts the distinct labels after adding more.
func (c *smSecret) labels(more []string) int {
	all := slices.Clone(more)
	for _, v := range c.versions {
		all = append(all, v.stages...)
	}
	slices.Sort(all)
	return len(slices.Compact(all))
}

// prune drops the oldest unlabelled versions while there are too many, but none of the last 24
// hours (API reference, PutSecretValue).
func (c *smSecret) prune(now time.Time) {
	kept := slices.Clone(c.versions)
	for i := 0; i < len(kept) && len(kept) >= smMaxVersions; {
		if v := kept[i]; len(v.stages) == 0 && now.Sub(v.created) > 24*time.Hour {
			kept = slices.Delete(kept, i, i+1)
			continue
		}
		i++
	}
	c.versions = kept
}

// schedule sets the date of the next rotation. Any new current value counts as a rotation (API
// reference, RotateSecret, AutomaticallyAfterDays).
func (c *smSecret) schedule(now time.Time) {
	c.rotation.next = time.Time{}
	if c.rotation.enabled == nil || !*c.rotation.enabled || c.rotation.rules == nil {
		return
	}
	if every, known := c.rotation.rules.every(); known {
		c.rotation.next = now.Add(every)
	}
}

var smRateForm = credential.NewPattern(`^rate\(([1-9][0-9]{0,4}) (hour|day)s?\)$`)

// every returns the time between rotations; it is unknown for cron expressions.
func (r *smRules) every() (time.Duration, bool) {
	if r.AutomaticallyAfterDays > 0 {
		return time.Duration(r.AutomaticallyAfterDays) * 24 * time.Hour, true
	}
	m := smRateForm().FindStringSubmatch(r.ScheduleExpression)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	unit := time.Hour
	if m[2] == "day" {
		unit = 24 * time.Hour
	}
	return time.Duration(n) * unit, err == nil
}

package aws

import (
	"cmp"
	"crypto/x509"
	"slices"
	"time"

	"purser/internal/sandbox/saved"
)

// State is the saved form of the AWS stand-ins: secrets, signing key, CloudTrail's history, and what
// an audit reads.
type State struct {
	Secrets []secretState
	Key     []byte // SEC 1
	Trail   []TrailEvent

	IAM          Identities
	Keys         []KMSKey
	Organization *Organization
	Instances    []EC2Instance
}

type secretState struct {
	ARN, Name, Description, KMSKey, Policy, Primary string

	Created, Changed, Deleted, Purged time.Time

	Accessed int64 // a day, in seconds since 1970
	Tags     []smTag
	Versions []versionState
	Rotation rotationState

	Replicas       []replicaState
	ReplicaLag     int
	ReplicaFailure string
}

type versionState struct {
	ID            string
	Value         saved.Secret
	Binary, Empty bool
	Stages        []string
	Created       time.Time
	KMSKey        string
	Accessed      int64
}

type rotationState struct {
	Enabled       *bool
	Lambda        string
	Rules         *smRules
	Rotated, Next time.Time
	Running       string
}

type replicaState struct {
	Region, KMSKey string
	Lag            int
	Failure        string
	Held           *secretState
}

// State returns the saved form.
func (s *SecretsManager) State() (State, error) {
	out := State{Secrets: s.saved()}
	s.trail.mu.Lock()
	out.Trail = slices.Clone(s.trail.events)
	s.trail.mu.Unlock()
	out.IAM = s.IAM()
	s.kms.mu.Lock()
	out.Keys = slices.Clone(s.kms.all)
	s.kms.mu.Unlock()
	s.ec2.mu.Lock()
	out.Instances = slices.Clone(s.ec2.all)
	s.ec2.mu.Unlock()
	s.org.mu.Lock()
	out.Organization = s.org.at
	s.org.mu.Unlock()
	s.keys.make()
	var err error
	out.Key, err = x509.MarshalECPrivateKey(s.keys.key)
	return out, err
}

// Restore loads a saved state.
func (s *SecretsManager) Restore(from State) error {
	key, err := x509.ParseECPrivateKey(from.Key)
	if err != nil {
		return err
	}
	s.keys.once.Do(func() {}) // do not generate a key
	s.keys.key, s.trail.events = key, from.Trail
	s.SetIAM(from.IAM)
	s.SetKeys(from.Keys...)
	s.SetInstances(from.Instances...)
	s.SetOrganization(from.Organization)
	s.restore(from.Secrets)
	return nil
}

// saved copies all secrets. The copy shares no memory that changes.
func (s *SecretsManager) saved() []secretState {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]secretState, 0, len(s.secrets))
	for _, c := range s.secrets {
		all = append(all, c.state())
	}
	slices.SortFunc(all, func(a, b secretState) int { return cmp.Compare(a.ARN, b.ARN) })
	return all
}

func (s *SecretsManager) restore(all []secretState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range all {
		c := one.secret()
		s.secrets[c.key()] = c
		for _, r := range c.replicas {
			s.copies[c.keyIn(r.region)] = c
		}
	}
}

func (c *smSecret) state() secretState {
	out := secretState{
		ARN: c.arn, Name: c.name, Description: c.description, KMSKey: c.kmsKey, Policy: c.policy, Primary: c.primary,
		Created: c.created, Changed: c.changed, Deleted: c.deleted, Purged: c.purged, Accessed: c.accessed.unix.Load(), Tags: c.tags,
		Rotation:   rotationState{c.rotation.enabled, c.rotation.lambda, c.rotation.rules, c.rotation.rotated, c.rotation.next, c.rotation.running},
		ReplicaLag: c.replicaLag, ReplicaFailure: c.replicaFailure,
	}
	for _, v := range c.versions {
		out.Versions = append(out.Versions, versionState{v.id, saved.Secret{Value: v.value}, v.binary, v.empty, v.stages, v.created, v.kmsKey, v.accessed.unix.Load()})
	}
	for _, r := range c.replicas {
		out.Replicas = append(out.Replicas, replicaState{r.region, r.kmsKey, r.lag, r.failure, r.held})
	}
	return out
}

func (in secretState) secret() *smSecret {
	c := &smSecret{
		arn: in.ARN, name: in.Name, description: in.Description, kmsKey: in.KMSKey, policy: in.Policy, primary: in.Primary,
		created: in.Created, changed: in.Changed, deleted: in.Deleted, purged: in.Purged, tags: in.Tags,
		rotation:   smRotation{in.Rotation.Enabled, in.Rotation.Lambda, in.Rotation.Rules, in.Rotation.Rotated, in.Rotation.Next, in.Rotation.Running},
		replicaLag: in.ReplicaLag, replicaFailure: in.ReplicaFailure,
	}
	c.accessed.unix.Store(in.Accessed)
	for _, v := range in.Versions {
		version := &smVersion{id: v.ID, value: v.Value.Value, binary: v.Binary, empty: v.Empty, stages: v.Stages, created: v.Created, kmsKey: v.KMSKey}
		version.accessed.unix.Store(v.Accessed)
		c.versions = append(c.versions, version)
	}
	for _, r := range in.Replicas {
		c.replicas = append(c.replicas, &smReplica{r.Region, r.KMSKey, r.Lag, r.Failure, r.Held})
	}
	return c
}

// past returns a copy with the current secrets, for stale reads.
func (s *SecretsManager) past() *SecretsManager {
	past := NewSecretsManager(s.cfg)
	past.restore(s.saved())
	return past
}

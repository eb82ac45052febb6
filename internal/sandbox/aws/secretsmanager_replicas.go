package aws

import (
	"slices"
	"strings"
)

// smReplica is a copy in another region, which can be read there and not written. One that
// is in sync is the secret as it is now.
type smReplica struct {
	region, kmsKey string
	lag            int          // looks at the secret until it is in sync
	failure        string       // why it never will be; "" for none
	held           *secretState // what it has until then; nil: nothing yet
}

type smReplicaRegion struct {
	Region   string
	KmsKeyId string `json:",omitempty"`
}

type smReplication struct {
	Region        string
	KmsKeyId      string `json:",omitempty"`
	Status        string
	StatusMessage string `json:",omitempty"`
}

type smReplicateInput struct {
	SecretId                    string
	AddReplicaRegions           []smReplicaRegion
	RemoveReplicaRegions        []string
	ForceOverwriteReplicaSecret bool
}

type smReplicateOutput struct {
	ARN               string
	ReplicationStatus []smReplication
}

// LagReplicas has the copies of a secret take a number of looks after each change until
// they are in sync. With a failure, they never are.
func (s *SecretsManager) LagReplicas(name string, looks int, failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.secrets[s.in("").key(name)]; c != nil {
		c.replicaLag, c.replicaFailure = looks, failure
		c.changeReplicas()
	}
}

// changeReplicas puts the copies behind before the secret changes: they keep what is.
func (c *smSecret) changeReplicas() {
	changed := make([]*smReplica, len(c.replicas))
	for i, r := range c.replicas {
		if r.failure == nameTaken {
			changed[i] = r
			continue
		}
		changed[i] = &smReplica{r.region, r.kmsKey, c.replicaLag, c.replicaFailure, r.held}
		if r.lag == 0 && r.failure == "" && (c.replicaLag > 0 || c.replicaFailure != "") {
			now := c.state()
			changed[i].held = &now
		}
	}
	c.replicas = changed
}

// nameTaken is why a copy is refused for good.
const nameTaken = "Secret with this name already exists in this region"

// keyIn is by what a copy is found in its region.
func (c *smSecret) keyIn(region string) string { return inRegion(c.key(), region) }

// inRegion is an ARN of the same name in another region.
func inRegion(arn, region string) string {
	parts := strings.Split(arn, ":")
	parts[3] = region
	return strings.Join(parts, ":")
}

// copyIn is the secret as its copy in a region has it; nil: there is nothing yet.
func (c *smSecret) copyIn(region string) *smSecret {
	i := slices.IndexFunc(c.replicas, func(r *smReplica) bool { return r.region == region })
	if i < 0 {
		return nil
	}
	r, has := c.replicas[i], c.state()
	if r.lag > 0 || r.failure != "" {
		if r.held == nil {
			return nil
		}
		has = *r.held
	}
	has.Replicas, has.Rotation = nil, rotationState{}
	out := has.secret()
	out.arn, out.kmsKey, out.primary = inRegion(c.arn, region), r.kmsKey, arnRegion(c.arn)
	return out
}

// replication is the state of the copies; looking brings them nearer.
func (c *smSecret) replication() []smReplication {
	var all []smReplication
	for _, r := range c.replicas {
		one := smReplication{Region: r.region, KmsKeyId: r.kmsKey, Status: "InSync"}
		switch {
		case r.failure != "":
			one.Status, one.StatusMessage = "Failed", r.failure
		case r.lag > 0:
			r.lag--
			one.Status = "InProgress"
		}
		all = append(all, one)
	}
	return all
}

func (s smRegion) replicate(in smReplicateInput) (*smReplicateOutput, error) {
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	if err := s.addReplicas(c, in.AddReplicaRegions, in.ForceOverwriteReplicaSecret); err != nil {
		return nil, err
	}
	return &smReplicateOutput{c.arn, c.replication()}, nil
}

func (s smRegion) addReplicas(c *smSecret, added []smReplicaRegion, overwrite bool) error {
	if slices.ContainsFunc(added, func(add smReplicaRegion) bool { return add.Region == s.name || add.Region == "" }) {
		return smError("InvalidParameterException", "Invalid replica region.")
	}
	for _, add := range added {
		key := c.keyIn(add.Region)
		replica := &smReplica{region: add.Region, kmsKey: add.KmsKeyId, lag: c.replicaLag}
		if overwrite {
			delete(s.secrets, key)
		}
		if s.secrets[key] != nil {
			replica.failure = nameTaken
		} else {
			s.copies[key] = c
		}
		c.replicas = slices.DeleteFunc(slices.Clone(c.replicas), func(r *smReplica) bool { return r.region == add.Region })
		c.replicas = append(c.replicas, replica)
	}
	return nil
}

// checkCopies: a secret cannot be deleted before its copies are (API reference of
// DeleteSecret).
func (c *smSecret) checkCopies() error {
	if len(c.replicas) == 0 {
		return nil
	}
	regions := make([]string, len(c.replicas))
	for i, r := range c.replicas {
		regions[i] = r.region
	}
	return smError("InvalidParameterException", "You can't delete secret %s that still has replica regions [%s]", c.name, strings.Join(regions, ", "))
}

func (s smRegion) removeReplicas(in smReplicateInput) (*smReplicateOutput, error) {
	c, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	s.forgetCopies(c, in.RemoveReplicaRegions)
	return &smReplicateOutput{c.arn, c.replication()}, nil
}

func (s *SecretsManager) forgetCopies(c *smSecret, regions []string) {
	for _, region := range regions {
		if s.copies[c.keyIn(region)] == c {
			delete(s.copies, c.keyIn(region))
		}
	}
	c.replicas = slices.DeleteFunc(slices.Clone(c.replicas), func(r *smReplica) bool { return slices.Contains(regions, r.region) })
}

// stopReplication makes a copy a secret of its own; it is called where the copy is.
func (s smRegion) stopReplication(in smSecretInput) (*struct{ ARN string }, error) {
	s.writes = false // a copy is what it is about
	found, err := s.findLive(in.SecretId)
	if err != nil {
		return nil, err
	}
	primary := s.copies[found.key()]
	if primary == nil {
		return nil, smError("InvalidRequestException", "Operation not permitted: the secret is not a replica.")
	}
	s.forgetCopies(primary, []string{s.name})
	found.primary = ""
	s.secrets[found.key()] = found
	return &struct{ ARN string }{found.arn}, nil
}

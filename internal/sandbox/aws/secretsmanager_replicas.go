package aws

import (
	"slices"
	"strings"
)

// smReplica is a read-only replica in another region. In sync, it mirrors the secret.
type smReplica struct {
	region, kmsKey string
	lag            int          // DescribeSecret calls until it is in sync
	failure        string       // why it never syncs; "": it does
	held           *secretState // its content until then; nil: none
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

// LagReplicas makes replicas take this many DescribeSecret calls to sync after each change. With a
// failure, they never do.
func (s *SecretsManager) LagReplicas(name string, looks int, failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.secrets[s.in("").key(name)]; c != nil {
		c.replicaLag, c.replicaFailure = looks, failure
		c.changeReplicas()
	}
}

// changeReplicas freezes the replicas' content before the secret changes.
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

// nameTaken is why a replica fails for good.
const nameTaken = "Secret with this name already exists in this region"

// keyIn returns the map key of the replica in a region.
func (c *smSecret) keyIn(region string) string { return inRegion(c.key(), region) }

// inRegion returns the ARN with another region.
func inRegion(arn, region string) string {
	parts := strings.Split(arn, ":")
	parts[3] = region
	return strings.Join(parts, ":")
}

// copyIn returns the replica in a region; nil: it has no content yet.
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

// replication returns the replicas' status, and brings lagging ones nearer to in sync.
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

// checkCopies refuses to delete a secret that has replicas (API reference, DeleteSecret).
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

// stopReplication turns a replica into a standalone secret. It is called in the replica's region.
func (s smRegion) stopReplication(in smSecretInput) (*struct{ ARN string }, error) {
	s.writes = false // it must find the replica
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

package sandbox

import (
	"slices"
	"strings"
)

// smReplica is a copy in another region. The stand-in keeps no second region: a copy
// says how far it is, and nothing more.
type smReplica struct {
	region, kmsKey string
	lag            int    // looks at the secret until it is in sync
	failure        string // why it never will be; "" for none
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

// changeReplicas puts the copies behind: the secret has changed.
func (c *smSecret) changeReplicas() {
	changed := make([]*smReplica, len(c.replicas))
	for i, r := range c.replicas {
		changed[i] = &smReplica{r.region, r.kmsKey, c.replicaLag, c.replicaFailure}
	}
	c.replicas = changed
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
	if err := s.addReplicas(c, in.AddReplicaRegions); err != nil {
		return nil, err
	}
	return &smReplicateOutput{c.arn, c.replication()}, nil
}

func (s smRegion) addReplicas(c *smSecret, added []smReplicaRegion) error {
	for _, add := range added {
		if add.Region == s.name || add.Region == "" {
			return smError("InvalidParameterException", "Invalid replica region.")
		}
		c.replicas = slices.DeleteFunc(slices.Clone(c.replicas), func(r *smReplica) bool { return r.region == add.Region })
		c.replicas = append(c.replicas, &smReplica{add.Region, add.KmsKeyId, c.replicaLag, ""})
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
	c.replicas = slices.DeleteFunc(slices.Clone(c.replicas), func(r *smReplica) bool { return slices.Contains(in.RemoveReplicaRegions, r.region) })
	return &smReplicateOutput{c.arn, c.replication()}, nil
}

package snapshot

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

var errEmpty = errors.New("AWS gave an empty answer")

// readSecrets reads the secrets, their replicas, and the keys of all of them.
func (t *taking) readSecrets(refs []Ref) {
	read := make([]*Secret, len(refs))
	done := 0
	t.each(len(refs), func(i int) {
		read[i] = t.readSecret(Secret{Asked: refs[i].Secret, Region: refs[i].Region})
		t.mu.Lock()
		done++
		n := done
		t.mu.Unlock()
		t.progress("secrets", n, len(refs))
	})
	var copies []Secret
	for _, s := range read {
		if s == nil || s.ReplicaOf != "" {
			continue
		}
		for _, r := range s.Replicas {
			// The ARN of a replica differs from the primary's in the region alone.
			at := strings.SplitN(s.ARN, ":", 5)
			if len(at) == 5 && r.Region != "" {
				at[3] = r.Region
				copies = append(copies, Secret{Asked: strings.Join(at, ":"), Region: r.Region, ReplicaOf: s.ARN})
				t.region(r.Region)
			}
		}
	}
	t.each(len(copies), func(i int) { t.readSecret(copies[i]) })
	t.readKeys()
}

// readSecret adds a secret to the snapshot, unless nobody may describe it.
func (t *taking) readSecret(s Secret) *Secret {
	in, err := t.In(s.Region)
	if err != nil {
		t.miss("the secret", "secretsmanager:DescribeSecret", s.Asked, err)
		return nil
	}
	out, err := in.Secrets.DescribeSecret(t.ctx, &sm.DescribeSecretInput{SecretId: &s.Asked})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		s.Missing = true
		t.add(func(all *Snapshot) { all.Secrets = append(all.Secrets, s) })
		return nil
	}
	if err == nil && aws.ToString(out.ARN) == "" {
		err = errEmpty
	}
	if err != nil {
		t.miss("the secret", "secretsmanager:DescribeSecret", s.Asked, err)
		return nil
	}
	t.describe(&s, out)
	policy, err := in.Secrets.GetResourcePolicy(t.ctx, &sm.GetResourcePolicyInput{SecretId: &s.ARN})
	if err != nil {
		t.miss("the resource policy", "secretsmanager:GetResourcePolicy", s.ARN, err)
	} else {
		s.Policy = Document(t.text(aws.ToString(policy.ResourcePolicy)))
	}
	t.add(func(all *Snapshot) { all.Secrets = append(all.Secrets, s) })
	return &s
}

func (t *taking) describe(s *Secret, out *sm.DescribeSecretOutput) {
	s.ARN, s.Name, s.Description, s.Key = aws.ToString(out.ARN), aws.ToString(out.Name), t.text(aws.ToString(out.Description)), aws.ToString(out.KmsKeyId)
	s.Owner, s.Kind = aws.ToString(out.OwningService), aws.ToString(out.Type)
	s.Created, s.Changed, s.Accessed, s.Deleted = utc(out.CreatedDate), utc(out.LastChangedDate), utc(out.LastAccessedDate), utc(out.DeletedDate)
	s.Tags = tagsOf(t, out.Tags, func(g types.Tag) (*string, *string) { return g.Key, g.Value })
	s.Stages = out.VersionIdsToStages
	for _, stages := range s.Stages {
		slices.Sort(stages)
	}
	s.Rotation = Rotation{Enabled: aws.ToBool(out.RotationEnabled), Function: aws.ToString(out.RotationLambdaARN), Last: utc(out.LastRotatedDate), Next: utc(out.NextRotationDate)}
	if r := out.RotationRules; r != nil {
		s.Rotation.Schedule, s.Rotation.Window, s.Rotation.Days = aws.ToString(r.ScheduleExpression), aws.ToString(r.Duration), aws.ToInt64(r.AutomaticallyAfterDays)
	}
	for _, r := range out.ReplicationStatus {
		s.Replicas = append(s.Replicas, Replica{aws.ToString(r.Region), aws.ToString(r.KmsKeyId), string(r.Status), t.text(aws.ToString(r.StatusMessage))})
	}
	sortBy(s.Replicas, func(r Replica) string { return r.Region })
	if s.ReplicaOf == "" && aws.ToString(out.PrimaryRegion) != "" && *out.PrimaryRegion != s.Region {
		if at := strings.SplitN(s.ARN, ":", 5); len(at) == 5 {
			at[3] = *out.PrimaryRegion
			s.ReplicaOf = strings.Join(at, ":")
		}
	}
}

// defaultKey is the key that AWS makes for an account. Its policy lets everybody in the account use
// it through Secrets Manager, so there is nothing to look at.
const defaultKey = "alias/aws/secretsmanager"

func (t *taking) readKeys() {
	type use struct{ region, name string }
	var uses []use
	for _, s := range t.out.Secrets {
		u := use{s.Region, s.Key}
		if s.Key != "" && !strings.HasSuffix(s.Key, defaultKey) && !slices.Contains(uses, u) {
			uses = append(uses, u)
		}
	}
	t.each(len(uses), func(i int) { t.readKey(uses[i].region, uses[i].name) })
}

func (t *taking) readKey(region, name string) {
	in, err := t.In(region)
	if err != nil {
		t.miss("the key", "kms:DescribeKey", name, err)
		return
	}
	out, err := in.KMS.DescribeKey(t.ctx, &kms.DescribeKeyInput{KeyId: &name})
	if err == nil && (out.KeyMetadata == nil || aws.ToString(out.KeyMetadata.Arn) == "") {
		err = errEmpty
	}
	if err != nil {
		t.miss("the key", "kms:DescribeKey", name, err)
		return
	}
	m := out.KeyMetadata
	key := &Key{
		ARN: *m.Arn, Region: region, Names: []string{name}, Account: aws.ToString(m.AWSAccountId), Manager: string(m.KeyManager), State: string(m.KeyState),
		MultiRegion: aws.ToBool(m.MultiRegion), Deletion: utc(m.DeletionDate),
	}
	if !t.first(key, name) {
		return
	}
	if policy, err := in.KMS.GetKeyPolicy(t.ctx, &kms.GetKeyPolicyInput{KeyId: &key.ARN, PolicyName: aws.String("default")}); err != nil {
		t.miss("the key's policy", "kms:GetKeyPolicy", key.ARN, err)
	} else {
		key.Policy = Document(t.text(aws.ToString(policy.Policy)))
	}
	if rotation, err := in.KMS.GetKeyRotationStatus(t.ctx, &kms.GetKeyRotationStatusInput{KeyId: &key.ARN}); err != nil {
		t.miss("the key's rotation", "kms:GetKeyRotationStatus", key.ARN, err)
	} else {
		key.Rotates, key.RotatesDays = rotation.KeyRotationEnabled, aws.ToInt32(rotation.RotationPeriodInDays)
	}
	t.readGrants(in.KMS, key)
	t.add(func(s *Snapshot) {
		slices.Sort(key.Names)
		s.Keys = append(s.Keys, *key)
	})
}

// first reports whether nobody has begun to read the key, which secrets may call by several names.
func (t *taking) first(key *Key, name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := key.Region + " " + key.ARN
	if other := t.slot[at]; other != nil {
		other.Names = append(other.Names, name)
		for i := range t.out.Keys { // it has been read
			if t.out.Keys[i].ARN == key.ARN && t.out.Keys[i].Region == key.Region {
				t.out.Keys[i].Names = append(t.out.Keys[i].Names, name)
				slices.Sort(t.out.Keys[i].Names)
			}
		}
		return false
	}
	t.slot[at] = key
	return true
}

func (t *taking) readGrants(api KMS, key *Key) {
	err := t.pages(func(page string) (string, error) {
		in := &kms.ListGrantsInput{KeyId: &key.ARN}
		if page != "" {
			in.Marker = &page
		}
		out, err := api.ListGrants(t.ctx, in)
		if err != nil {
			return "", err
		}
		for _, g := range out.Grants {
			grant := Grant{
				ID: aws.ToString(g.GrantId), Name: t.text(aws.ToString(g.Name)), Issuer: aws.ToString(g.IssuingAccount), Created: utc(g.CreationDate),
				Grantee: aws.ToString(g.GranteePrincipal), Retiring: aws.ToString(g.RetiringPrincipal),
			}
			if g.GranteeServicePrincipal != nil {
				grant.Grantee = *g.GranteeServicePrincipal
			}
			if g.RetiringServicePrincipal != nil {
				grant.Retiring = *g.RetiringServicePrincipal
			}
			for _, o := range g.Operations {
				grant.Operations = append(grant.Operations, string(o))
			}
			slices.Sort(grant.Operations)
			if c := g.Constraints; c != nil {
				grant.Equals, grant.Subset = c.EncryptionContextEquals, c.EncryptionContextSubset
			}
			key.Grants = append(key.Grants, grant)
		}
		if !out.Truncated {
			return "", nil
		}
		return aws.ToString(out.NextMarker), nil
	})
	if err != nil {
		t.miss("key grants", "kms:ListGrants", key.ARN, err)
	}
	sortBy(key.Grants, func(g Grant) string { return g.ID })
}

func (t *taking) readInstances(region string) {
	in, err := t.In(region)
	if err == nil {
		err = t.pages(func(page string) (string, error) {
			all, next, err := in.EC2.Instances(t.ctx, page)
			for i := range all {
				all[i].Region = region
				for k, v := range all[i].Tags {
					all[i].Tags[k] = t.text(v)
				}
			}
			t.add(func(s *Snapshot) { s.Instances = append(s.Instances, all...) })
			return next, err
		})
	}
	if err != nil {
		t.miss("EC2 instances in "+region, "ec2:DescribeInstances", "", err)
	}
}

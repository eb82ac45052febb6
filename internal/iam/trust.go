package iam

import "slices"

// Step is one link of a path: a principal, and the decision that lets it become the next.
type Step struct {
	Principal *Principal
	Action    string
	Decision  Decision
}

// Path is how somebody becomes a principal, through roles if need be.
type Path struct {
	Verdict Verdict // the least of its steps
	Steps   []Step  // the first is that somebody's
	Target  *Principal
}

// assuming are the actions that become a role, and who calls them (id_credentials_temp_request).
var assuming = []string{"sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"}

// Reach returns everybody who can become one of the targets by assuming roles of the account,
// with a shortest path for each; certain paths win over those that depend on something. It looks
// at up to limit roles; if there are more, complete is false.
func (a *Account) Reach(targets []*Principal, c Context, limit int) (paths []Path, complete bool) {
	var queues [Yes + 1][]Path
	known := map[identity]bool{}
	for _, p := range targets {
		known[p.identity()] = true
		queues[Yes] = append(queues[Yes], Path{Yes, nil, p})
	}
	visited := map[*Principal]bool{}
	for v := Yes; v > No; v-- { // what is certain first
		for ; len(queues[v]) > 0; queues[v] = queues[v][1:] {
			path := queues[v][0]
			p := path.Target
			if len(path.Steps) > 0 {
				p = path.Steps[0].Principal
				if known[p.identity()] {
					continue
				}
				known[p.identity()] = true
				paths = append(paths, path)
			}
			if p.Kind != Role || p.Account != a.ID || p.Session != "" || visited[p] {
				continue
			}
			visited[p] = true
			if limit--; limit < 0 {
				return paths, false
			}
			for _, step := range a.assumers(p, c) {
				if known[step.Principal.identity()] {
					continue
				}
				least := min(v, step.Decision.Verdict)
				queues[least] = append(queues[least], Path{least, slices.Concat([]Step{step}, path.Steps), path.Target})
			}
		}
	}
	return paths, true
}

// assumers returns everybody who may, or might, assume a role.
func (a *Account) assumers(role *Principal, c Context) (steps []Step) {
	r := &Resource{ARN: role.ARN, Account: role.Account, Tags: role.Tags, TagsUnread: role.Unseen, Policy: role.Trust}
	if r.Policy == nil {
		r.Policy = Unread(role.ARN, "the trust policy was not read")
	}
	for _, access := range a.Who(assuming, r, c) {
		for i, d := range access.Decisions {
			byProvider := access.Principal.Kind == Federated // the others have credentials of AWS
			if d.Verdict != No && byProvider == (i > 0) {
				steps = append(steps, Step{access.Principal, assuming[i], d})
			}
		}
	}
	return steps
}

package registry

import (
	"context"
	"net/http"

	"purser/internal/credential"
)

// provePull is for credentials that only read. Where the repository is public
// the pull itself shows nothing, so something else must have told that the
// registry knows the token: what it says of whose it is, or a bearer made out to the
// account.
func (p *probe) provePull(ctx context.Context, r *credential.RepositoryProof, pull grant) error {
	r.Actions = pull.actions
	if pull.readable && !pull.allows("pull") {
		return p.notPermittedToPull()
	}
	public, err := p.anybodyMayPull(ctx, r.Repository)
	if err != nil {
		return err
	}
	if public && p.id == nil && pull.subject == "" {
		return &credential.Fault{
			Reason: credential.ProofEmpty, What: "nothing is proved: anybody may pull " + string(r.Repository),
			Why: "name a repository that is private, so that pulling from it shows that the token works",
		}
	}
	if public {
		p.note(string(r.Repository) + " is public: the token is good, and is not needed to pull it")
	}
	p.askForMore(ctx, r.Repository, pull, "pull", "push", "delete")
	return nil
}

func (p *probe) notPermittedToPull() error {
	return &credential.Fault{
		Reason: credential.NotPermitted, What: "the token is good, and its account may not pull",
		Why: "the registry granted nothing when pull was asked for",
	}
}

func (p *probe) anybodyMayPull(ctx context.Context, repo credential.Repository) (bool, error) {
	with, _, err := p.authorise(ctx, repo, []string{"pull"}, nil)
	if err != nil {
		return false, controlRefusal(err)
	}
	a, err := p.client.Do(ctx, http.MethodGet, p.tags(repo), "", with)
	switch {
	case err != nil:
		return false, err
	case a.Status == http.StatusTooManyRequests:
		return false, p.client.RateLimited(a, nil)
	case a.Status >= http.StatusInternalServerError:
		return false, Unexpected(a, nil)
	}
	return a.OK(), nil
}

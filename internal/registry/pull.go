package registry

import (
	"context"
	"net/http"

	"purser/internal/credential"
)

// provePull proves pull access. Pulling from a public repository proves nothing, so the registry must
// have identified the token otherwise: by its owner, or by a bearer issued to the account.
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
			Reason: credential.ProofEmpty, What: "the check proves nothing: anyone may pull " + string(r.Repository),
			Why: "name a private repository, where pulling needs the token",
		}
	}
	if public {
		p.note(string(r.Repository) + " is public: the token is valid, but pulling does not need it")
	}
	p.askForMore(ctx, r.Repository, pull, "pull", "push", "delete")
	return nil
}

func (p *probe) notPermittedToPull() error {
	return &credential.Fault{
		Reason: credential.NotPermitted, What: "the token is valid, but its account may not pull",
		Why: "the registry granted nothing when purser requested pull",
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

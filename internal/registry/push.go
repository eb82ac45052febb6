package registry

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"purser/internal/credential"
)

// provePush requests push and tests it without storing anything.
func (p *probe) provePush(ctx context.Context, r *credential.RepositoryProof, exists bool) error {
	with, g, err := p.authorise(ctx, r.Repository, []string{"pull", "push"}, &p.login)
	if err != nil {
		return forRepository(err)
	}
	r.Actions = g.actions
	if g.readable && !g.allows("push") {
		return &credential.Fault{
			Reason: credential.NotPermitted, What: "the token is valid, but its account may not push",
			Why: "the registry granted " + actionList(g.actions) + " when purser requested pull and push",
		}
	}
	r.Upload, err = p.upload(ctx, r.Repository, with, g.readable)
	if err != nil {
		return err
	}
	if !exists {
		p.note("the repository " + string(r.Repository) + " did not exist yet")
	}
	if err := p.controlPush(ctx, r.Repository); err != nil {
		return err
	}
	p.askForMore(ctx, r.Repository, g, "pull", "push", "delete")
	return nil
}

// forRepository reinterprets a refusal of a token that could pull a moment ago: it is about the right to
// push.
func forRepository(err error) error {
	f, ok := errors.AsType[*credential.Fault](err)
	if ok && f.Reason == credential.TokenRefused {
		f.Reason, f.What = credential.NotPermitted, "the token may pull, but not push"
	}
	return err
}

func actionList(actions []string) string {
	if len(actions) == 0 {
		return "nothing"
	}
	return strings.Join(actions, " and ") + " only"
}

// upload opens an upload session, which needs push access, and cancels it. It sends no bytes, so nothing
// is stored.
func (p *probe) upload(ctx context.Context, repo credential.Repository, with Auth, fresh bool) (credential.Upload, error) {
	a, err := p.client.Do(ctx, http.MethodPost, p.uploads(repo), "", with)
	if err != nil {
		return credential.NoUpload, err
	}
	if a.Status == http.StatusUnauthorized && fresh {
		if err := p.client.wait(ctx, freshTokenPause); err != nil {
			return credential.NoUpload, err
		}
		if a, err = p.client.Do(ctx, http.MethodPost, p.uploads(repo), "", with); err != nil {
			return credential.NoUpload, err
		}
	}
	switch a.Status {
	case http.StatusAccepted, http.StatusCreated:
		return p.cancel(ctx, a, with), nil
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed:
		return credential.NoUpload, p.notPermitted("the registry does not let it start an upload", a)
	case http.StatusNotFound:
		return credential.NoUpload, p.missingOnUpload(repo, a)
	case http.StatusTooManyRequests:
		return credential.NoUpload, p.client.RateLimited(a, &p.login)
	}
	return credential.NoUpload, Unexpected(a, &p.login)
}

func (p *probe) missingOnUpload(repo credential.Repository, a *Answer) error {
	return &credential.Fault{
		Reason: credential.RepositoryMissing, Why: Says(a, &p.login),
		What: "the repository " + string(repo) + " does not exist on " + string(p.cred.Registry) + ", and a push cannot create it",
	}
}

// cancel cancels the upload and waits for the answer. It is best effort: reference servers require the
// delete right, which the token must not need, and GHCR answers 405. An open session holds no data and
// expires.
func (p *probe) cancel(ctx context.Context, opened *Answer, with Auth) credential.Upload {
	if ctx.Err() != nil {
		return credential.UploadLeft // a signal stopped purser
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer stop()
	to, err := opened.URL.Parse(opened.Header.Get("Location"))
	if err != nil || opened.Header.Get("Location") == "" || to.Host != p.base.Host || to.Scheme != p.base.Scheme {
		return credential.UploadLeft
	}
	a, err := p.client.Do(ctx, http.MethodDelete, to, "", with)
	if err != nil || !a.OK() {
		return credential.UploadLeft
	}
	return credential.UploadCancelled
}

// controlPush repeats the upload anonymously. If that works, the proof says nothing about the token.
func (p *probe) controlPush(ctx context.Context, repo credential.Repository) error {
	with, _, err := p.authorise(ctx, repo, []string{"pull", "push"}, nil)
	if err != nil {
		return controlRefusal(err)
	}
	a, err := p.client.Do(ctx, http.MethodPost, p.uploads(repo), "", with)
	if err != nil {
		return err
	}
	switch {
	case a.OK():
		p.cancel(ctx, a, with)
		return &credential.Fault{
			Reason: credential.ProofEmpty, What: "the check proves nothing: " + string(p.cred.Registry) + " lets anyone push to " + string(repo),
			Why: "it accepted the same upload without a token",
		}
	case a.Status == http.StatusTooManyRequests:
		return p.client.RateLimited(a, nil)
	case a.Status >= http.StatusInternalServerError:
		return Unexpected(a, nil)
	}
	return nil
}

// controlRefusal accepts a token service's refusal of an anonymous request, which is what should happen.
func controlRefusal(err error) error {
	if f, ok := errors.AsType[*credential.Fault](err); ok && verdictOf(f) == credential.Refused {
		return nil
	}
	return err
}

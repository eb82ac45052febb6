package registry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
)

const (
	// freshTokenPause is waited once if a registry does not recognize a bearer that its token service just
	// issued.
	freshTokenPause = 2 * time.Second
	cancelTimeout   = 5 * time.Second
)

// Prove checks what the login may do for the credential, and answers granted, refused or unknown. It
// pushes nothing: for push access, it opens an upload on each repository and cancels it. It refuses a
// missing repository unless allowNew is set, because on some registries requesting push creates it.
//
// It sends a wrong secret only once, because registries lock accounts after repeated failures.
func (c *Client) Prove(ctx context.Context, cred credential.Credential, login credential.Login, allowNew bool) credential.Proof {
	p := &probe{client: c, cred: cred, login: login, allowNew: allowNew}
	p.proof.Kind = credential.Classify(cred.Registry, login)
	if f := p.misplaced(); f != nil {
		p.proof.Verdict, p.proof.Fault = credential.Refused, f
		return p.proof
	}
	if err := p.run(ctx); err != nil {
		p.proof.Fault = p.fault(err)
		p.proof.Verdict = verdictOf(p.proof.Fault)
		return p.proof
	}
	verdicts := make([]credential.Verdict, 0, len(p.proof.Repositories))
	for _, r := range p.proof.Repositories {
		verdicts = append(verdicts, r.Verdict)
	}
	p.proof.Verdict = credential.Fold(verdicts...)
	return p.proof
}

// probe is a running proof.
type probe struct {
	client   *Client
	cred     credential.Credential
	login    credential.Login
	allowNew bool

	base    *url.URL // the registry's API
	scheme  string   // "bearer", "basic", or "" for a registry without sign-in
	realm   *url.URL
	service string
	id      *Identity // nil if the registry does not identify tokens

	proof credential.Proof
}

// misplaced returns the fault of a token that looks like another vendor's, else nil.
func (p *probe) misplaced() *credential.Fault {
	vendor := credential.Misplaced(p.cred.Registry, p.login.Token)
	if vendor == "" {
		return nil
	}
	return &credential.Fault{
		Reason: credential.BelongsElsewhere, Registry: p.cred.Registry, Account: p.cred.Username, Access: p.cred.Access,
		What: "the token does not belong to " + string(p.cred.Registry), Why: "it looks like a token of " + vendor + ", so purser did not send it",
	}
}

func (p *probe) run(ctx context.Context) error {
	if p.proof.Kind == credential.Session || p.proof.Kind == credential.IdentityToken {
		p.proof.Notes = append(p.proof.Notes, "this is a "+string(p.proof.Kind)+": it expires soon, so it is not a credential for CI")
	}
	if err := p.identify(ctx); err != nil {
		return err
	}
	if p.login.Username == "" {
		return &credential.Fault{
			Reason: credential.Usage, What: "there is no account name for " + string(p.cred.Registry),
			Why: "the registry does not say whose a token is; set username in purser.yaml or --username",
		}
	}
	if err := p.ping(ctx); err != nil {
		return err
	}
	for _, repo := range p.cred.Repositories {
		r, err := p.repository(ctx, repo)
		p.proof.Repositories = append(p.proof.Repositories, r)
		if err != nil {
			f := p.fault(err)
			f.Repository = repo
			return f
		}
	}
	return nil
}

// identify asks whose the token is, if the registry can say.
func (p *probe) identify(ctx context.Context) error {
	ask := KindOf(p.cred.Registry).Identify
	if ask == nil {
		return nil
	}
	id, err := ask(ctx, p.client, p.cred, p.login)
	if id == nil {
		return err
	}
	p.id = id
	p.proof.Owner, p.proof.TokenID, p.proof.Level, p.proof.Limited, p.proof.Excess = id.Owner, id.Token, id.Level, id.Limited, id.Excess
	p.proof.Notes = append(p.proof.Notes, id.Notes...)
	if p.login.Username == "" {
		p.login.Username = id.Owner
	}
	return err
}

// fault turns any error into a fault about the credential.
func (p *probe) fault(err error) *credential.Fault {
	f, ok := errors.AsType[*credential.Fault](err)
	if !ok {
		f = &credential.Fault{Reason: credential.RegistryUnreachable, What: "purser could not finish checking the token", Why: credential.Quote(err.Error(), p.login.Token), Err: err}
	}
	if f.Account == "" {
		f.Account = p.login.Username
	}
	return f.About(p.cred)
}

// verdictOf separates refusals from answers that say nothing about the token.
func verdictOf(f *credential.Fault) credential.Verdict {
	switch f.Reason {
	case credential.TokenRefused, credential.TokenExpired, credential.NeedsToken, credential.LevelTooLow,
		credential.NotPermitted, credential.WrongOwner, credential.RepositoryMissing:
		return credential.Refused
	default:
		return credential.Unknown
	}
}

// ping finds out how to reach the registry, over https or (on loopback) http, and how to sign in. It
// sends nothing secret.
func (p *probe) ping(ctx context.Context) error {
	p.base = &url.URL{Scheme: "https", Host: p.cred.Registry.API()}
	a, err := p.client.Do(ctx, http.MethodGet, p.base.JoinPath("/v2/"), "", nil)
	if err != nil && p.cred.Registry.IsLoopback() && !isCertificate(err) {
		p.base.Scheme = "http"
		a, err = p.client.Do(ctx, http.MethodGet, p.base.JoinPath("/v2/"), "", nil)
	}
	if err != nil {
		return err
	}
	if a.Status == http.StatusTooManyRequests {
		return p.client.RateLimited(a, nil)
	}
	if a.OK() && json.Valid(a.Body) || a.OK() && len(a.Body) == 0 {
		return p.challengeOfRepository(ctx)
	}
	if a.Status != http.StatusUnauthorized {
		return Unexpected(a, nil)
	}
	return p.signInBy(a)
}

func isCertificate(err error) bool {
	_, is := errors.AsType[*tls.CertificateVerificationError](err)
	return is
}

// challengeOfRepository asks a repository for a challenge: some registries protect only those, not /v2/.
func (p *probe) challengeOfRepository(ctx context.Context) error {
	if len(p.cred.Repositories) == 0 {
		return nil
	}
	a, err := p.client.Do(ctx, http.MethodGet, p.tags(p.cred.Repositories[0]), "", nil)
	if err != nil {
		return err
	}
	if a.Status == http.StatusUnauthorized {
		return p.signInBy(a)
	}
	return nil // no sign-in needed; controlPush detects that
}

func (p *probe) signInBy(a *Answer) error {
	ch, ok := choose(parseChallenges(a.Header.Values("WWW-Authenticate")))
	if !ok {
		return Strange(a, "it requires a sign-in, but offers neither Bearer nor Basic")
	}
	p.scheme = ch.scheme
	if ch.scheme == "basic" {
		return nil
	}
	realm, err := checkRealm(p.cred, p.base, ch.params["realm"])
	p.realm, p.service = realm, ch.params["service"]
	return err
}

func (p *probe) tags(repo credential.Repository) *url.URL {
	u := p.base.JoinPath("/v2/", string(repo), "/tags/list")
	u.RawQuery = "n=1"
	return u
}

func (p *probe) uploads(repo credential.Repository) *url.URL {
	u := p.base.JoinPath("/v2/", string(repo), "/blobs/uploads/")
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return u
}

// repository proves one repository. The order avoids side effects: does it exist, what is granted, does
// it work.
func (p *probe) repository(ctx context.Context, repo credential.Repository) (credential.RepositoryProof, error) {
	r := credential.RepositoryProof{Repository: repo, Verdict: credential.Unknown}
	pull, exists, err := p.exists(ctx, repo)
	if err != nil {
		r.Verdict = verdictOf(p.fault(err))
		return r, err
	}
	if p.cred.Access == credential.Pull {
		err = p.provePull(ctx, &r, pull)
	} else {
		err = p.provePush(ctx, &r, exists)
	}
	if err != nil {
		r.Verdict = verdictOf(p.fault(err))
		return r, err
	}
	r.Verdict = credential.Granted
	return r, nil
}

// authorise returns the authentication for requests about a repository.
func (p *probe) authorise(ctx context.Context, repo credential.Repository, actions []string, login *credential.Login) (Auth, grant, error) {
	if p.scheme == "bearer" {
		g, err := p.client.requestToken(ctx, p.realm, p.service, repo, actions, login)
		return Bearer(g.bearer), g, err
	}
	if p.scheme == "" || login == nil {
		return nil, grant{}, nil
	}
	return basic(*login), grant{}, nil
}

// exists requests only pull, because on some registries requesting push creates a missing repository.
func (p *probe) exists(ctx context.Context, repo credential.Repository) (grant, bool, error) {
	with, g, err := p.authorise(ctx, repo, []string{"pull"}, &p.login)
	if err != nil {
		return g, false, err
	}
	a, err := p.client.Do(ctx, http.MethodGet, p.tags(repo), "", with)
	if err != nil {
		return g, false, err
	}
	switch {
	case a.OK() && isTagList(a.Body):
		return g, true, nil
	case a.Status == http.StatusTooManyRequests:
		return g, false, p.client.RateLimited(a, &p.login)
	case a.Status == http.StatusUnauthorized && p.scheme == "basic":
		return g, false, p.client.Refusal(a, &p.login)
	case a.Status == http.StatusNotFound:
		there, err := p.listed(ctx, repo)
		return g, there, err
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		if p.id != nil && p.id.Exists != nil {
			if _, err := p.listed(ctx, repo); err != nil {
				return g, false, err
			}
		}
		return g, false, p.notPermitted("the account may not even pull from it, or it does not exist", a)
	}
	return g, false, Unexpected(a, &p.login)
}

// isTagList distinguishes a list of tags (OCI distribution specification, end-8a) from a proxy's 200.
func isTagList(body []byte) bool {
	var list struct {
		Name *string   `json:"name"`
		Tags *[]string `json:"tags"`
	}
	return json.Unmarshal(body, &list) == nil && (list.Name != nil || list.Tags != nil)
}

// listed decides about a repository that the registry does not show. If the registry has a list, that
// list includes repositories without images.
func (p *probe) listed(ctx context.Context, repo credential.Repository) (bool, error) {
	if p.id != nil && p.id.Exists != nil {
		there, err := p.id.Exists(ctx, repo)
		if there || err != nil {
			return there, err
		}
	}
	if p.allowNew {
		return false, nil
	}
	return false, &credential.Fault{
		Reason: credential.RepositoryMissing, What: "the repository " + string(repo) + " does not exist on " + string(p.cred.Registry),
		Why: "check the name: a push would create the repository, public by default on some registries",
	}
}

func (p *probe) notPermitted(why string, a *Answer) *credential.Fault {
	if said := Says(a, &p.login); said != "" {
		why += "; " + said
	}
	return &credential.Fault{
		Reason: credential.NotPermitted, Why: why,
		What: "the token is valid, but its account may not " + string(p.cred.Access),
	}
}

// askForMore finds out whether the token may do more than needed. It sends a separate request, because
// requesting too much can fail a whole request, and only to token services whose bearers are readable.
// Its result does not affect the verdict. If the registry reported the token's level, that is enough.
func (p *probe) askForMore(ctx context.Context, repo credential.Repository, had grant, actions ...string) {
	if p.scheme != "bearer" || p.id != nil || !had.readable {
		return
	}
	_, g, err := p.authorise(ctx, repo, actions, &p.login)
	if err == nil {
		p.noteExcess(g, p.cred.Access.Actions()...)
	}
}

// noteExcess notes rights that are not needed.
func (p *probe) noteExcess(g grant, needed ...string) {
	for _, a := range g.actions {
		if slices.Contains(needed, a) {
			continue
		}
		text := map[string]string{
			"push": "it may push", "delete": "it may delete images", "*": "it may do anything with the repository",
		}[a]
		if text != "" && !slices.Contains(p.proof.Excess, text) {
			p.proof.Excess = append(p.proof.Excess, text)
		}
	}
}

func (p *probe) note(text string) {
	if !slices.Contains(p.proof.Notes, text) {
		p.proof.Notes = append(p.proof.Notes, text)
	}
}

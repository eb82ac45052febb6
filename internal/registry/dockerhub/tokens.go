package dockerhub

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/registry"
)

const (
	tokensPath = "/v2/access-tokens"
	// maxLabel is Docker Hub's limit for labels, in characters.
	maxLabel = 100
	// tokenPages limits an endless list.
	tokenPages = 50
	// patientWait is the longest wait before a list's only retry.
	patientWait = 10 * time.Second
)

// listed is a token in Docker Hub's API: a person's (reference, accessToken) or an organization's
// (orgAccessToken).
type listed struct {
	UUID      string     `json:"uuid"`
	ID        string     `json:"id"`
	TokenName *string    `json:"token_label"`
	Label     *string    `json:"label"`
	Scopes    []string   `json:"scopes"`
	Generated string     `json:"generated_by"`
	Active    *bool      `json:"is_active"`
	Created   *time.Time `json:"created_at"`
	Expires   *time.Time `json:"expires_at"`
	Used      *time.Time `json:"last_used"`
	UsedAt    *time.Time `json:"last_used_at"`
	Token     string     `json:"token"`
	Resources []struct {
		Path   string   `json:"path"`
		Scopes []string `json:"scopes"`
	} `json:"resources"`
}

// managed converts a token, and names a required member that is missing.
func (t listed) managed(organization string) (m credential.ManagedToken, missing string) {
	m = credential.ManagedToken{ID: t.UUID, Organization: organization, Scopes: t.Scopes, Automatic: t.Generated != "" && t.Generated != "manual"}
	label, labelField, idField := t.TokenName, "token_label", "uuid"
	if organization != "" {
		m.ID, label, labelField, idField = t.ID, t.Label, "label", "id"
	}
	for _, r := range t.Resources {
		m.Scopes = append(m.Scopes, r.Path+": "+strings.Join(r.Scopes, " "))
	}
	switch {
	case m.ID == "":
		return m, idField
	case label == nil:
		return m, labelField
	case t.Active == nil:
		return m, "is_active"
	case t.Created == nil:
		return m, "created_at"
	}
	m.Label, m.Active, m.Created = *label, *t.Active, *t.Created
	m.Expires, m.LastUsed = instant(t.Expires), instant(t.Used)
	if t.UsedAt != nil {
		m.LastUsed = *t.UsedAt
	}
	return m, ""
}

// instant converts a nullable time.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// nameForm matches organizations and token ids, which must not contain a path.
var nameForm = credential.NewPattern(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

func checkNames(names ...string) error {
	for _, n := range names {
		if n != "" && !nameForm.MatchString(n) {
			return &credential.Fault{Reason: credential.Usage, What: "that is not a Docker Hub name", Why: "organizations and token ids consist of letters, digits, _ and -"}
		}
	}
	return nil
}

func tokensURL(organization, id string) *url.URL {
	path := []string{tokensPath}
	if organization != "" {
		path = []string{"/v2/orgs", organization, "access-tokens"}
	}
	if id != "" {
		path = append(path, id)
	}
	return api().JoinPath(path...)
}

// Tokens lists the account's tokens, and the registry's clock for their ages.
func (h *Account) Tokens(ctx context.Context) (tokens []credential.ManagedToken, now time.Time, err error) {
	if err := checkNames(h.org); err != nil {
		return nil, now, err
	}
	u := tokensURL(h.org, "")
	u.RawQuery = "page=1&page_size=100"
	first := *u
	for range tokenPages {
		a, err := h.listPage(ctx, u)
		if err != nil {
			return nil, now, err
		}
		if at, err := http.ParseTime(a.Header.Get("Date")); err == nil {
			now = at
		}
		var page struct {
			Next    *string   `json:"next"`
			Results *[]listed `json:"results"`
		}
		if json.Unmarshal(a.Body, &page) != nil || page.Results == nil {
			return nil, now, registry.Strange(a, u.Path+" did not return a list of tokens")
		}
		for _, t := range *page.Results {
			m, missing := t.managed(h.org)
			if missing != "" {
				return nil, now, registry.Strange(a, u.Path+" listed a token without "+missing)
			}
			tokens = append(tokens, m)
		}
		if page.Next == nil || *page.Next == "" {
			return tokens, now, nil
		}
		// Never send the bearer elsewhere, whatever the answer says.
		next, err := u.Parse(*page.Next)
		if err != nil || next.Host != first.Host || next.Path != first.Path || next.Scheme != first.Scheme || *next == *u {
			return nil, now, registry.Strange(a, u.Path+" links to a next page elsewhere")
		}
		u = next
	}
	return nil, now, &credential.Fault{Reason: credential.RegistryStrange, Registry: host, What: "Docker Hub's list of tokens does not end", Why: fmt.Sprintf("purser read %d pages", tokenPages)}
}

// listPage retries once after a short rate limit, which is safe for reads.
func (h *Account) listPage(ctx context.Context, u *url.URL) (*registry.Answer, error) {
	a, err := h.call(ctx, http.MethodGet, u, nil)
	f, limited := err.(*credential.Fault) //nolint:errorlint // call's own
	if !limited || f.Reason != credential.RateLimited || f.Wait > patientWait {
		return a, err
	}
	if err := h.client.Wait(ctx, max(f.Wait, time.Second)); err != nil {
		return nil, f
	}
	return h.call(ctx, http.MethodGet, u, nil)
}

// call calls the management API. General refusals become faults; the caller handles 2xx, 400, 404 and
// 409.
func (h *Account) call(ctx context.Context, method string, u *url.URL, body any) (*registry.Answer, error) {
	text := ""
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = string(raw)
	}
	a, err := h.client.Do(ctx, method, u, text, registry.Bearer(h.session.bearer))
	if err != nil {
		return nil, err
	}
	said := registry.Says(a, nil)
	lower := strings.ToLower(said)
	f := &credential.Fault{Registry: host, Account: h.session.Account, Why: said}
	switch {
	case a.OK() || a.Status == http.StatusBadRequest || a.Status == http.StatusNotFound || a.Status == http.StatusConflict:
		return a, nil
	case a.Status == http.StatusUnauthorized:
		f.Reason, f.What = credential.SessionEnded, "Docker Hub no longer accepts "+h.session.Account+"'s session"
	case a.Status == http.StatusTooManyRequests:
		return nil, h.client.RateLimited(a, nil)
	case a.Status == http.StatusForbidden && (strings.Contains(lower, "personal access token") || strings.Contains(lower, "issued from")):
		f.Reason, f.What = credential.SessionNeeded, "Docker Hub does not let tokens manage tokens"
	case a.Status == http.StatusForbidden && strings.HasPrefix(u.Path, "/v2/orgs/"):
		f.Reason, f.What = credential.NotPermitted, h.session.Account+" may not manage that organization's tokens; only an owner can"
		if strings.Contains(lower, "plan") || strings.Contains(lower, "subscription") || strings.Contains(lower, "upgrade") {
			f.Reason, f.What = credential.PlanLacks, "the organization's plan does not include access tokens"
		}
	case a.Status == http.StatusForbidden:
		f.Reason, f.What = credential.NotPermitted, "Docker Hub does not let "+h.session.Account+" do this"
	default:
		return nil, registry.Unexpected(a, nil)
	}
	return nil, f
}

// scopesFor returns the lowest sufficient level. A personal token's level applies to everything that the
// account reaches.
func scopesFor(access credential.Access) []string {
	if access == credential.Pull {
		return []string{levels[levelRead].scope}
	}
	return []string{levels[levelWrite].scope}
}

type resource struct {
	Type   string   `json:"type"`
	Path   string   `json:"path"`
	Scopes []string `json:"scopes"`
}

func resourcesFor(r credential.MintRequest) []resource {
	scopes := []string{"scope-image-pull"}
	if r.Access == credential.Push {
		scopes = append(scopes, "scope-image-push")
	}
	var all []resource
	for _, repo := range r.Repositories {
		all = append(all, resource{"TYPE_REPO", string(repo), scopes})
	}
	return all
}

// Mint makes a token for the session's account, or for an organization's named repositories. It must not
// be repeated blindly: if the outcome is unknown, the fault's reason is MaybeMinted, and the label
// identifies the token.
func (h *Account) Mint(ctx context.Context, r credential.MintRequest) (credential.ManagedToken, credential.Secret, error) {
	none := credential.Secret{}
	if n := len([]rune(r.Label)); n == 0 || n > maxLabel {
		return credential.ManagedToken{}, none, &credential.Fault{Reason: credential.Usage, What: fmt.Sprintf("the token's label must have 1 to %d characters", maxLabel), Why: fmt.Sprintf("it has %d", n)}
	}
	if err := checkNames(h.org); err != nil {
		return credential.ManagedToken{}, none, err
	}
	body := map[string]any{"token_label": r.Label, "scopes": scopesFor(r.Access)}
	if h.org != "" {
		body = map[string]any{"label": r.Label, "description": "made by purser", "resources": resourcesFor(r)}
		if len(r.Repositories) == 0 {
			return credential.ManagedToken{}, none, &credential.Fault{Reason: credential.Usage, What: "an organization token needs repositories", Why: "it works only for the repositories that it names"}
		}
	}
	if !r.Expires.IsZero() {
		body["expires_at"] = r.Expires.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	u := tokensURL(h.org, "")
	a, err := h.call(ctx, http.MethodPost, u, body)
	if err != nil {
		return credential.ManagedToken{}, none, lostMint(err, r.Label)
	}
	if !a.OK() {
		return credential.ManagedToken{}, none, h.mintRefused(a)
	}
	var t listed
	if json.Unmarshal(a.Body, &t) != nil {
		return credential.ManagedToken{}, none, lostMint(registry.Strange(a, u.Path+" made a token, but its answer is unreadable"), r.Label)
	}
	m, missing := t.managed(h.org)
	token := credential.NewSecret(t.Token)
	want := credential.PersonalToken
	if h.org != "" {
		want = credential.OrganizationToken
	}
	kind := credential.Classify(host, credential.Login{Username: h.session.Account, Token: token})
	switch {
	case missing != "":
		return m, none, lostMint(registry.Strange(a, u.Path+" made a token, but its answer has no "+missing), r.Label)
	case m.Label != r.Label:
		return m, none, lostMint(registry.Strange(a, u.Path+" made a token with another label"), r.Label)
	case kind != want:
		return m, none, lostMint(registry.Strange(a, u.Path+" made a token, but returned something else"), r.Label)
	}
	return m, token, nil
}

// lostMint reports that a token may exist that nobody has.
func lostMint(err error, label string) error {
	f, ok := err.(*credential.Fault) //nolint:errorlint // call's own, or strangeAnswer's
	if !ok || !slices.Contains([]credential.Reason{credential.RegistryUnreachable, credential.RegistryStrange, credential.Interrupted, credential.TimedOut}, f.Reason) {
		return err
	}
	return &credential.Fault{
		Reason: credential.MaybeMinted, Registry: host, What: "purser does not know whether Docker Hub made the token " + label, Why: f.Error(), Err: f,
	}
}

func (h *Account) mintRefused(a *registry.Answer) error {
	said := registry.Says(a, nil)
	lower := strings.ToLower(said)
	f := &credential.Fault{Reason: credential.MintRefused, Registry: host, Account: h.session.Account, What: "Docker Hub did not make the token", Why: said}
	switch {
	case a.Status == http.StatusNotFound && h.org != "":
		f.Reason, f.What = credential.NotPermitted, "Docker Hub has no organization "+h.org+" for which "+h.session.Account+" may make tokens"
	case strings.Contains(lower, "limit") || strings.Contains(lower, "quota") || strings.Contains(lower, "maximum") || strings.Contains(lower, "too many"):
		f.Reason, f.What = credential.TokenLimit, "there are already as many tokens as Docker Hub allows"
	case strings.Contains(lower, "plan") || strings.Contains(lower, "subscription"):
		f.Reason, f.What = credential.PlanLacks, "the plan does not include such tokens"
	}
	return f
}

// Revoke deletes a token. It succeeds if the token no longer exists.
func (h *Account) Revoke(ctx context.Context, id string) error {
	defer h.client.Hold()()
	if err := checkNames(h.org, id); err != nil {
		return err
	}
	a, err := h.call(ctx, http.MethodDelete, tokensURL(h.org, id), nil)
	if err != nil {
		return err
	}
	// The reference says 204, and clients have seen 202. 404 means a repeated call.
	if a.OK() || a.Status == http.StatusNotFound {
		return nil
	}
	return registry.Unexpected(a, nil)
}

// Activate activates or deactivates a token. It sends only that member, because every member sent is
// changed.
func (h *Account) Activate(ctx context.Context, id string, active bool) error {
	defer h.client.Hold()()
	if err := checkNames(h.org, id); err != nil {
		return err
	}
	a, err := h.call(ctx, http.MethodPatch, tokensURL(h.org, id), map[string]bool{"is_active": active})
	if err != nil {
		return err
	}
	if a.Status == http.StatusNotFound {
		return &credential.Fault{Reason: credential.NoSuchToken, Registry: host, Account: h.session.Account, What: "the token does not exist", Why: "it was revoked, or belongs to another account"}
	}
	var t listed
	switch {
	case !a.OK():
		return registry.Unexpected(a, nil)
	case json.Unmarshal(a.Body, &t) != nil || t.Active == nil:
		return registry.Strange(a, a.URL.Path+" did not say whether the token is active")
	case *t.Active != active:
		return registry.Strange(a, a.URL.Path+" did not change the token")
	}
	return nil
}

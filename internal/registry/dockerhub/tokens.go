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
	// tokenPages bounds a list that says there is always one more page.
	tokenPages = 50
	// patientWait is the longest time that a list waits to be asked again, once.
	patientWait = 10 * time.Second
)

// listed is a token in Docker Hub's words: of a person (Docker Hub API reference,
// accessToken) and of an organization (orgAccessToken).
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

// managed checks that everything that purser goes by is there.
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

// instant is a time that may be missing, which says never.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// nameForm is what an organization and a token's id are made of. Neither may lead
// elsewhere in the API.
var nameForm = credential.NewPattern(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

func checkNames(names ...string) error {
	for _, n := range names {
		if n != "" && !nameForm.MatchString(n) {
			return &credential.Fault{Reason: credential.Usage, What: "this is no name that Docker Hub has", Why: "organizations and token ids are letters, digits, _ and -"}
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

// Tokens lists the tokens of the account, and the registry's own time, by which their ages
// are told.
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
			return nil, now, registry.Strange(a, u.Path+" did not give a list of tokens under results")
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
		// The bearer goes nowhere else, whatever the answer says.
		next, err := u.Parse(*page.Next)
		if err != nil || next.Host != first.Host || next.Path != first.Path || next.Scheme != first.Scheme || *next == *u {
			return nil, now, registry.Strange(a, u.Path+" names a next page that is not one of its own")
		}
		u = next
	}
	return nil, now, &credential.Fault{Reason: credential.RegistryStrange, Registry: host, What: "Docker Hub's list of tokens has no end", Why: fmt.Sprintf("%d pages were read", tokenPages)}
}

// listPage waits once when it is asked to, for a short time: reading harms nobody.
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

// call asks the management API. Answers that say no in general are faults; what
// is left for the caller is 2xx, 400, 404 and 409.
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
		f.Reason, f.What = credential.SessionEnded, "Docker Hub does not take the session of "+h.session.Account+" any more"
	case a.Status == http.StatusTooManyRequests:
		return nil, h.client.RateLimited(a, nil)
	case a.Status == http.StatusForbidden && (strings.Contains(lower, "personal access token") || strings.Contains(lower, "issued from")):
		f.Reason, f.What = credential.SessionNeeded, "Docker Hub does not let tokens manage tokens"
	case a.Status == http.StatusForbidden && strings.HasPrefix(u.Path, "/v2/orgs/"):
		f.Reason, f.What = credential.NotPermitted, h.session.Account+" may not manage the tokens of that organization: it takes an owner"
		if strings.Contains(lower, "plan") || strings.Contains(lower, "subscription") || strings.Contains(lower, "upgrade") {
			f.Reason, f.What = credential.PlanLacks, "the organization's plan has no access tokens"
		}
	case a.Status == http.StatusForbidden:
		f.Reason, f.What = credential.NotPermitted, "Docker Hub does not let "+h.session.Account+" do this"
	default:
		return nil, registry.Unexpected(a, nil)
	}
	return nil, f
}

// scopesFor is the least that a token needs: of a person, one level for all that
// the account reaches.
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

// Mint makes a token: of the session's account, or of an organization, then for
// the named repositories alone. Making one is not repeatable: where it is not known
// whether it was made, the fault's reason is MaybeMinted, and the label tells.
func (h *Account) Mint(ctx context.Context, r credential.MintRequest) (credential.ManagedToken, credential.Secret, error) {
	none := credential.Secret{}
	if n := len([]rune(r.Label)); n == 0 || n > maxLabel {
		return credential.ManagedToken{}, none, &credential.Fault{Reason: credential.Usage, What: "the token's label is not right", Why: fmt.Sprintf("it has 1 to %d characters, and this one %d", maxLabel, n)}
	}
	if err := checkNames(h.org); err != nil {
		return credential.ManagedToken{}, none, err
	}
	body := map[string]any{"token_label": r.Label, "scopes": scopesFor(r.Access)}
	if h.org != "" {
		body = map[string]any{"label": r.Label, "description": "made by purser", "resources": resourcesFor(r)}
		if len(r.Repositories) == 0 {
			return credential.ManagedToken{}, none, &credential.Fault{Reason: credential.Usage, What: "an organization's token needs repositories", Why: "it is made for those and no others"}
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
		return credential.ManagedToken{}, none, lostMint(registry.Strange(a, u.Path+" made a token and its answer cannot be read"), r.Label)
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
		return m, none, lostMint(registry.Strange(a, u.Path+" made a token and its answer has no "+missing), r.Label)
	case m.Label != r.Label:
		return m, none, lostMint(registry.Strange(a, u.Path+" made a token under another label"), r.Label)
	case kind != want:
		return m, none, lostMint(registry.Strange(a, u.Path+" made a token and what it gave is none"), r.Label)
	}
	return m, token, nil
}

// lostMint says that there may be a token that nobody has.
func lostMint(err error, label string) error {
	f, ok := err.(*credential.Fault) //nolint:errorlint // call's own, or strangeAnswer's
	if !ok || !slices.Contains([]credential.Reason{credential.RegistryUnreachable, credential.RegistryStrange, credential.Interrupted, credential.TimedOut}, f.Reason) {
		return err
	}
	return &credential.Fault{
		Reason: credential.MaybeMinted, Registry: host, What: "it is not known whether Docker Hub made the token " + label, Why: f.Error(), Err: f,
	}
}

func (h *Account) mintRefused(a *registry.Answer) error {
	said := registry.Says(a, nil)
	lower := strings.ToLower(said)
	f := &credential.Fault{Reason: credential.MintRefused, Registry: host, Account: h.session.Account, What: "Docker Hub did not make the token", Why: said}
	switch {
	case a.Status == http.StatusNotFound && h.org != "":
		f.Reason, f.What = credential.NotPermitted, "Docker Hub knows no organization "+h.org+" that "+h.session.Account+" could make tokens for"
	case strings.Contains(lower, "limit") || strings.Contains(lower, "quota") || strings.Contains(lower, "maximum") || strings.Contains(lower, "too many"):
		f.Reason, f.What = credential.TokenLimit, "there are as many tokens as Docker Hub allows"
	case strings.Contains(lower, "plan") || strings.Contains(lower, "subscription"):
		f.Reason, f.What = credential.PlanLacks, "the plan has no such tokens"
	}
	return f
}

// Revoke ends a token for good. One that is gone already is no error.
func (h *Account) Revoke(ctx context.Context, id string) error {
	defer h.client.Hold()()
	if err := checkNames(h.org, id); err != nil {
		return err
	}
	a, err := h.call(ctx, http.MethodDelete, tokensURL(h.org, id), nil)
	if err != nil {
		return err
	}
	// The reference says 204, clients have seen 202; 404 is a repetition.
	if a.OK() || a.Status == http.StatusNotFound {
		return nil
	}
	return registry.Unexpected(a, nil)
}

// Activate deactivates a token, or brings it back. Nothing else of it is sent:
// what is sent is changed.
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
		return &credential.Fault{Reason: credential.NoSuchToken, Registry: host, Account: h.session.Account, What: "there is no such token", Why: "it was revoked, or belongs to another account"}
	}
	var t listed
	switch {
	case !a.OK():
		return registry.Unexpected(a, nil)
	case json.Unmarshal(a.Body, &t) != nil || t.Active == nil:
		return registry.Strange(a, a.URL.Path+" did not say whether the token is active")
	case *t.Active != active:
		return registry.Strange(a, a.URL.Path+" left the token as it was")
	}
	return nil
}

package dockerhub

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/registry"
)

// evidencePages limits the pages of a hundred entries that are read.
const evidencePages = 20

// Pushes lists a repository's tags pushed since a time, and whether the list is complete (Docker Hub API
// reference, "List repository tags").
func (h *Account) Pushes(ctx context.Context, repo credential.Repository, since time.Time) (pushes []credential.TagPush, complete bool, err error) {
	namespace, name, _ := strings.Cut(string(repo), "/")
	u := api().JoinPath("/v2/namespaces", namespace, "repositories", name, "tags")
	u.RawQuery = "page=1&page_size=100"
	complete, err = h.pages(ctx, u, func(a *registry.Answer) (next string, known bool) {
		var page struct {
			Next    string `json:"next"`
			Results *[]struct {
				Name   string    `json:"name"`
				Pushed time.Time `json:"tag_last_pushed"`
				By     string    `json:"last_updater_username"`
			} `json:"results"`
		}
		if json.Unmarshal(a.Body, &page) != nil || page.Results == nil {
			return "", false
		}
		for _, t := range *page.Results {
			if !t.Pushed.Before(since) {
				pushes = append(pushes, credential.TagPush{Repository: repo, Tag: credential.Quote(t.Name), At: t.Pushed, By: credential.Quote(t.By)})
			}
		}
		return page.Next, true
	})
	return pushes, complete, err
}

// Events returns the account's audit log, which organizations with a plan have, and whether it is
// complete (Docker Hub API reference, "List audit log events").
func (h *Account) Events(ctx context.Context, since time.Time) (events []credential.AccountEvent, complete bool, err error) {
	if err := checkNames(h.account); err != nil {
		return nil, false, err
	}
	u := api().JoinPath("/v2/auditlogs", h.account)
	u.RawQuery = "page=1&page_size=100&from=" + url.QueryEscape(since.UTC().Format(time.RFC3339))
	complete, err = h.pages(ctx, u, func(a *registry.Answer) (next string, known bool) {
		var page struct {
			Logs *[]struct {
				At                  time.Time `json:"timestamp"`
				Actor, Action, Name string
			} `json:"logs"`
		}
		if json.Unmarshal(a.Body, &page) != nil || page.Logs == nil {
			return "", false
		}
		for _, e := range *page.Logs {
			events = append(events, credential.AccountEvent{At: e.At, Actor: credential.Quote(e.Actor), Action: credential.Quote(e.Action), Name: credential.Quote(e.Name)})
		}
		return "", true
	})
	return events, complete && len(events) < auditPage, err
}

const auditPage = 100 // entries per request

// pages reads a list. It follows next pages only on the same path.
func (h *Account) pages(ctx context.Context, u *url.URL, take func(*registry.Answer) (next string, known bool)) (complete bool, err error) {
	for range evidencePages {
		a, err := h.listPage(ctx, u)
		if err != nil {
			return false, err
		}
		if a.Status != http.StatusOK {
			return false, &credential.Fault{
				Reason: credential.RegistryStrange, Registry: host, Account: h.session.Account,
				What: "Docker Hub does not show " + u.Path + " (" + http.StatusText(a.Status) + ")", Why: registry.Says(a, nil),
			}
		}
		text, known := take(a)
		if !known {
			return false, registry.Strange(a, u.Path+" did not return a list")
		}
		if text == "" {
			return true, nil
		}
		next, err := u.Parse(text)
		if err != nil || next.Host != u.Host || next.Path != u.Path || next.Scheme != u.Scheme || *next == *u {
			return false, registry.Strange(a, u.Path+" links to a next page elsewhere")
		}
		u = next
	}
	return false, nil
}

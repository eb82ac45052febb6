package account

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/present"
)

// Row is a token of an account with where it is stored.
type Row struct {
	ID           string     `json:"id"`
	Label        string     `json:"label"`
	Organization string     `json:"organization,omitempty"`
	Scopes       []string   `json:"scopes"`
	Created      time.Time  `json:"created"`
	Expires      *time.Time `json:"expires,omitempty"`
	LastUsed     *time.Time `json:"last_used,omitempty"`
	Active       bool       `json:"active"`
	Automatic    bool       `json:"automatic,omitempty"` // a sign-in made it
	Stored       string     `json:"stored,omitempty"`    // where, and in which stage
	Outcome      string     `json:"outcome,omitempty"`
}

// Rows returns tokens with the place of each. A nil file names no credentials.
func Rows(ctx context.Context, file *config.File, places Places, tokens []credential.ManagedToken) []Row {
	if file == nil {
		file = &config.File{}
	}
	where := Holders(ctx, file, places, tokens)
	rows := []Row{}
	for _, t := range tokens {
		r := Row{
			ID: credential.Quote(t.ID), Label: credential.Quote(t.Label), Organization: t.Organization, Created: t.Created, Expires: present.Moment(t.Expires), LastUsed: present.Moment(t.LastUsed),
			Active: t.Active, Automatic: t.Automatic, Stored: where[t.ID], Scopes: []string{},
		}
		for _, s := range t.Scopes {
			r.Scopes = append(r.Scopes, credential.Quote(s))
		}
		rows = append(rows, r)
	}
	return rows
}

// Table returns the table of an account's tokens.
func Table(rows []Row) present.Table {
	t := present.Table{Columns: []present.Column{
		{Head: "LABEL", Least: 20, How: present.Cut}, {Head: "RIGHTS", Goes: 6}, {Head: "CREATED", Goes: 5}, {Head: "ENDS", Goes: 3}, {Head: "LAST USED", Goes: 2},
		{Head: "STATE", Goes: 4}, {Head: "STORED", Goes: 1, Least: 20}, {Head: "ID", Least: shortestID, How: present.Prefix},
	}}
	for _, r := range rows {
		state := "active"
		if !r.Active {
			state = "off"
		}
		t.Rows = append(t.Rows, []string{
			cmp.Or(r.Label, "-"), cmp.Or(strings.Join(r.Scopes, ", "), "-"), present.DateText(r.Created), optionalDate(r.Expires, "never"), optionalDate(r.LastUsed, "not yet"), state, r.Stored, r.ID,
		})
	}
	return t
}

func optionalDate(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return present.DateText(*t)
}

// shortestID is the length of an id that is enough to name a token.
const shortestID = 8

// Pick returns the tokens with these ids, or with ids that start like them.
func Pick(host credential.Host, tokens []credential.ManagedToken, ids []string) ([]credential.ManagedToken, error) {
	var all []credential.ManagedToken
	for _, id := range ids {
		var hits []credential.ManagedToken
		for _, t := range tokens {
			if t.ID == id || len(id) >= shortestID && strings.HasPrefix(t.ID, id) {
				hits = append(hits, t)
			}
		}
		if len(hits) != 1 {
			why := "purser tokens list shows the ids; eight characters of one are enough"
			if len(hits) > 1 {
				why = fmt.Sprintf("%d ids begin so; give more of it", len(hits))
			}
			return nil, &credential.Fault{Reason: credential.NoSuchToken, Registry: host, What: "there is no such token: " + credential.Quote(id), Why: why}
		}
		if !slices.ContainsFunc(all, func(t credential.ManagedToken) bool { return t.ID == hits[0].ID }) {
			all = append(all, hits[0])
		}
	}
	return all, nil
}

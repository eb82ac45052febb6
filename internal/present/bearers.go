package present

import (
	"time"

	"purser/internal/lifecycle"
)

// BearersJSON says as JSON what outlives a token that ended.
type BearersJSON struct {
	Text      string     `json:"text"`
	Ended     *time.Time `json:"ended,omitempty"` // the token
	NoneSince *time.Time `json:"none_since,omitempty"`
	Until     *time.Time `json:"until,omitempty"`
	Worked    *time.Time `json:"worked,omitempty"`
	Refused   *time.Time `json:"refused,omitempty"`
	Outlived  *float64   `json:"outlived_seconds,omitempty"`
	None      bool       `json:"issues_none,omitempty"`
	Unasked   string     `json:"unasked,omitempty"` // why purser could not ask
}

// BearersReport converts to JSON; nil if nothing is known.
func BearersReport(b lifecycle.Bearers) *BearersJSON {
	if b.IsZero() {
		return nil
	}
	out := &BearersJSON{
		Text: b.Text(), Ended: Moment(b.Ended), NoneSince: Moment(b.NoneSince), Until: Moment(b.Until()), Worked: Moment(b.Worked), Refused: Moment(b.Gone), None: b.None, Unasked: b.Unasked,
	}
	if outlived, seen := b.Outlived(); seen {
		seconds := outlived.Round(time.Second).Seconds()
		out.Outlived = &seconds
	}
	return out
}

package lifecycle

import (
	"cmp"
	"context"
	"time"

	"purser/internal/credential"
)

// StatusRow is what is known about one place of a credential without reading its value.
type StatusRow struct {
	Name     credential.Name
	Registry credential.Host
	Account  string
	Target   credential.Target
	Fault    *credential.Fault // why the place is unknown; the rest is then empty

	Description credential.Description
	Since       time.Time // when the current version was made
	Exact       bool      // Since is exact, not an upper bound
	Due         time.Time // when the next rotation is due; zero: no schedule
	Notes       []string  // what lags, is missing or is under way
	Run         string    // the command that puts it right; "" for none
}

// describesAtOnce protects this machine's connections; Secrets Manager itself answers tens
// of thousands of calls a second.
const describesAtOnce = 256

// Status describes every place of every credential, many at once. nil done is allowed;
// otherwise it is called for each place that is described, by its place among all.
func (r *Runner) Status(ctx context.Context, work []Work, done func(int)) []StatusRow {
	var rows []StatusRow
	var stores []Store
	for _, w := range work {
		for _, p := range w.Places {
			rows = append(rows, StatusRow{
				Name: w.Credential.Name, Registry: w.Credential.Registry, Account: w.Credential.Username, Target: p.Target,
			})
			stores = append(stores, p.Store)
		}
	}
	each(len(rows), describesAtOnce, func(i int) {
		if done != nil {
			defer done(i)
		}
		d, err := stores[i].Describe(ctx)
		if err != nil {
			rows[i].Fault = asFault(err)
			return
		}
		if f := cmp.Or(Deletion(rows[i].Target, d), Misplaced(rows[i].Target, d, rows[i].Registry)); f != nil {
			rows[i].Fault = f
			return
		}
		rows[i].Description = d
	})
	i := 0
	for _, w := range work {
		r.explain(w.Credential, rows[i:i+len(w.Places)])
		i += len(w.Places)
	}
	return rows
}

func (r *Runner) explain(c credential.Credential, rows []StatusRow) {
	var newest, first credential.VersionID
	differ, told := false, true // told: the ids show which is newer
	for i := range rows {
		id := rows[i].Description.At(credential.Current)
		if id == "" {
			continue
		}
		if first == "" {
			first = id
		}
		differ, told = differ || id != first, told && id.IsOurs()
		if id > newest {
			newest = id // purser's ids sort by time
		}
	}
	if !told {
		newest = ""
	}
	for i := range rows {
		if rows[i].Fault != nil {
			rows[i].Fault = rows[i].Fault.About(c)
			continue
		}
		r.explainRow(c, &rows[i], newest)
		if differ && !told && rows[i].Description.At(credential.Current) != "" {
			rows[i].Notes = append(rows[i].Notes, "another place of this credential holds another version")
		}
	}
}

func (r *Runner) explainRow(c credential.Credential, row *StatusRow, newest credential.VersionID) {
	d := row.Description
	current, pending := d.At(credential.Current), d.At(credential.Pending)
	note := func(text string) { row.Notes = append(row.Notes, text) }
	switch {
	case pending == "" || pending == current:
	case pending.IsOurs():
		row.Run = "store"
		if c.Rotate.Every > 0 {
			row.Run = "rotate"
		}
		note("a run was interrupted")
	default:
		note("a rotation is under way")
	}
	if current == "" {
		row.Run = "store"
		note("empty")
		return
	}
	if newest != "" && current != newest {
		note("lags behind another place of this credential")
	}
	row.Since, row.Exact = d.CurrentSince()
	if c.Rotate.Every > 0 && !row.Since.IsZero() {
		row.Due = row.Since.Add(c.Rotate.Every)
		if r.Now().After(row.Due) {
			note("rotation is due")
		}
	}
	if !d.Expires.IsZero() && r.Now().After(d.Expires) {
		note("the token has expired")
	}
}

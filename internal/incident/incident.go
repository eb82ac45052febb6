// Package incident records a token that may have leaked: who read it, what was pushed with
// it, what was done (gather.go), and what a person still has to do.
package incident

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"purser/internal/atomicfile"
	"purser/internal/audit"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/receipt"
)

// Record is the record of a leak and the response. It contains nothing secret.
type Record struct {
	Schema       string     `json:"schema"`
	Credential   string     `json:"credential"`
	Registry     string     `json:"registry"`
	Account      string     `json:"account,omitempty"`
	Repositories []string   `json:"repositories"`
	DryRun       bool       `json:"dry_run"`
	Began        time.Time  `json:"began"`
	Since        time.Time  `json:"since"` // start of the search
	Version      string     `json:"version"`
	Tokens       []Token    `json:"tokens"`
	Stopped      *time.Time `json:"stopped,omitempty"`
	Replaced     *time.Time `json:"replaced,omitempty"`
	Ended        *time.Time `json:"ended,omitempty"`
	// Bearers says what outlives the token.
	Bearers *present.BearersJSON `json:"bearers,omitempty"`
	Places  []Place              `json:"places"`
	Readers []Reader             `json:"readers"`
	// Found says where a scan found the token that leaked.
	Found   []string `json:"found,omitempty"`
	Pushes  []Push   `json:"pushes"`
	Log     []Event  `json:"log"`
	Missing []string `json:"missing"` // what could not be found out
	Check   []string `json:"check"`   // what a person has to check
	Failure string   `json:"failure,omitempty"`
}

// Token is a token that may have leaked.
type Token struct {
	ID       string     `json:"id"`
	Label    string     `json:"label"`
	Created  time.Time  `json:"created"`
	LastUsed *time.Time `json:"last_used,omitempty"`
}

// Place is where the new token is.
type Place struct {
	Where    string `json:"where"`
	Region   string `json:"region,omitempty"`
	Version  string `json:"version"`
	Replaced string `json:"replaced,omitempty"`
}

// Reader is an identity that read the secret.
type Reader struct {
	Where     string    `json:"where"`
	Principal string    `json:"principal"`
	Session   string    `json:"session,omitempty"`
	Service   string    `json:"service,omitempty"`
	Reads     int       `json:"reads"`
	Denied    int       `json:"denied,omitempty"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	Sources   []string  `json:"sources"`
	// HasIt means that it read the leaked token and has not read since the replacement.
	HasIt bool `json:"has_it"`
}

// Push is a tag that was pushed.
type Push struct {
	Repository string    `json:"repository"`
	Tag        string    `json:"tag"`
	At         time.Time `json:"at"`
	By         string    `json:"by"`
}

// Event is an entry of the account's log.
type Event struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	Name   string    `json:"name"`
}

// Write writes the record into a folder, as JSON and as Markdown. It returns the path without
// its ending, and both files.
func (i *Record) Write(dir string) (base string, files []receipt.File, err error) {
	base = filepath.Join(dir, "purser-incident-"+i.Credential+"-"+i.Began.Format("20060102T150405Z"))
	text, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return base, nil, err
	}
	const mode = 0o600 // it names people and machines
	for _, file := range []struct {
		path string
		data []byte
	}{{base + ".json", append(text, '\n')}, {base + ".md", []byte(i.Markdown())}} {
		if err := atomicfile.Replace(file.path, file.data, mode); err != nil {
			return base, nil, err
		}
		files = append(files, receipt.FileOf(file.path, file.data))
	}
	return base, files, nil
}

// Unknown notes what could not be found out.
func (i *Record) Unknown(text string) { i.Missing = append(i.Missing, text) }

// AddReads adds the readers of a place. asked is false if the search failed.
func (i *Record) AddReads(t credential.Target, reads audit.Reads, asked bool) {
	if asked && reads.Since.After(i.Since) {
		i.Unknown("who read " + t.String() + " before " + reads.Since.UTC().Format(time.DateOnly) + ": CloudTrail's history is 90 days long; a trail in S3 may have more")
	}
	if asked && !reads.Complete {
		i.Unknown("some readers of " + t.String() + ": there are more events than purser looks at; it looked back to " + reads.Oldest.Format(time.RFC3339))
	}
	if reads.Unreadable > 0 {
		i.Unknown(fmt.Sprintf("%d CloudTrail events: purser cannot parse them", reads.Unreadable))
	}
	for _, r := range reads.Readers() {
		i.Readers = append(i.Readers, Reader{
			Where: t.String(), Principal: r.Principal, Session: r.Session, Service: r.Service, Reads: r.Count, Denied: r.Denied,
			First: r.First, Last: r.Last, Sources: r.Sources, HasIt: r.Count > 0 && (i.Replaced == nil || r.Current.Before(*i.Replaced)),
		})
	}
}

// Conclude lists what a person still has to do, anew each time. again is the command that
// looks once more.
func (i *Record) Conclude(err error, again string) {
	i.Check = nil
	check := func(format string, a ...any) { i.Check = append(i.Check, fmt.Sprintf(format, a...)) }
	if err != nil {
		i.Failure = credential.Quote(err.Error())
		check("run it again, because it did not finish: %s", again)
	}
	if i.DryRun {
		check("nothing was changed yet: run %s", again)
	}
	holders := 0
	for _, r := range i.Readers {
		if r.HasIt {
			holders++
		}
	}
	switch {
	case i.Stopped == nil && i.Ended == nil:
		check("the leaked token may still work, because nothing has stopped it yet: revoke it first")
	case holders == 1:
		check("one reader still has the old token, and fails until it reads the new one: restart its jobs")
	case holders > 1:
		check("%d readers still have the old token, and fail until they read the new one: restart their jobs", holders)
	}
	if i.Replaced != nil {
		check("credential helpers on other agents may give the old token for a minute more (PURSER_HELPER_CACHE): rerun builds that failed with it")
	}
	if b := i.Bearers; b != nil && b.Refused == nil && !b.None {
		until := "for as long as the registry accepts them"
		if b.Until != nil {
			until = "until " + stamp(b.Until)
		}
		check("a client that signed in before the token ended may push %s, with its bearer token: look at the pushed tags again after that", until)
	}
	if len(i.Found) > 0 {
		check("the old token is in %d places that a scan found: take it out, and find out who could read it there", len(i.Found))
	}
	if len(i.Pushes) > 0 {
		check("tags pushed since %s: %d; match each with the build that made it, and rebuild any without one", i.Since.Format(time.DateOnly), len(i.Pushes))
	}
	check("look for readers and sources that you do not recognize")
	check("remove the token from where it leaked, such as a log, a commit or a transcript")
	check("CloudTrail lags by some minutes: look again in 15 minutes with %s --dry-run", again)
	// Lists are [] in JSON, never null.
	i.Tokens, i.Places, i.Readers = some(i.Tokens), some(i.Places), some(i.Readers)
	i.Pushes, i.Log, i.Missing, i.Check = some(i.Pushes), some(i.Log), some(i.Missing), some(i.Check)
}

func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

const stampForm = "2006-01-02 15:04:05 UTC"

func stamp(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	return t.UTC().Format(stampForm)
}

// Markdown returns the record for people.
func (i *Record) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: the token may have leaked\n\n", i.Credential)
	row := func(cells ...string) {
		for n, c := range cells {
			cells[n] = cell(c)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	table := func(title string, n int, columns ...string) {
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		if n == 0 {
			b.WriteString("None known.\n")
			return
		}
		row(columns...)
		b.WriteString(strings.Repeat("|---", len(columns)) + "|\n")
	}
	if i.DryRun {
		b.WriteString("Nothing was changed: this was a dry run.\n\n")
	}
	if i.Failure != "" {
		fmt.Fprintf(&b, "**It did not finish:** %s\n\n", cell(i.Failure))
	}
	b.WriteString("| what | when |\n|---|---|\n")
	row("searched back to", stamp(&i.Since))
	row("response started", stamp(&i.Began))
	row("token deactivated", stamp(i.Stopped))
	row("new token current", stamp(i.Replaced))
	row("old token refused by the registry", stamp(i.Ended))
	if out := i.Bearers; out != nil && !out.None {
		row("no new bearer token since", stamp(out.NoneSince))
		until := "unknown"
		if out.Until != nil {
			until = stamp(out.Until)
		}
		row("no bearer token works after", until)
	}
	fmt.Fprintf(&b, "\nRegistry %s, account %s, repositories %s; version %s of the secret.\n", cell(i.Registry), cell(cmp.Or(i.Account, "not named")), cell(strings.Join(i.Repositories, ", ")), cell(i.Version))
	if i.Bearers != nil {
		fmt.Fprintf(&b, "\nBearer tokens, which the registry issues for a login and accepts in its place: %s.\n", cell(i.Bearers.Text))
	}
	table("The token", len(i.Tokens), "id", "label", "made", "last used")
	for _, t := range i.Tokens {
		row(t.ID, t.Label, stamp(&t.Created), stamp(t.LastUsed))
	}
	table("Where the new token is", len(i.Places), "place", "region", "version", "replaced")
	for _, p := range i.Places {
		row(p.Where, p.Region, p.Version, p.Replaced)
	}
	table("Who read it", len(i.Readers), "secret", "who", "session", "reads", "denied", "first", "last", "from", "has the old token")
	for _, r := range i.Readers {
		has := "no"
		if r.HasIt {
			has = "yes"
		}
		row(r.Where, r.Principal, cmp.Or(r.Session, r.Service), fmt.Sprint(r.Reads), fmt.Sprint(r.Denied), stamp(&r.First), stamp(&r.Last), strings.Join(r.Sources, ", "), has)
	}
	table("Tags pushed since", len(i.Pushes), "repository", "tag", "when", "by")
	for _, p := range i.Pushes {
		row(p.Repository, p.Tag, stamp(&p.At), p.By)
	}
	table("The account's log", len(i.Log), "when", "who", "what", "name")
	for _, e := range i.Log {
		row(stamp(&e.At), e.Actor, e.Action, e.Name)
	}
	list := func(title string, lines []string) {
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		for _, l := range lines {
			fmt.Fprintf(&b, "- %s\n", cell(l))
		}
	}
	if len(i.Found) > 0 {
		list("Where it was found", i.Found)
	}
	if len(i.Missing) > 0 {
		list("Unknown", i.Missing)
	}
	list("To check", i.Check)
	return b.String()
}

// cell keeps other people's text from becoming Markdown or HTML.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", ">", "&gt;", "`", "'", "[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`).Replace(text)
}

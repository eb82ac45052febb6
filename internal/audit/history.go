package audit

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
)

// Subject is a secret to look for. A replica is a subject of its own: its region logs its reads.
type Subject struct {
	Name, ARN          string
	Description, Owner string
	Primary            string // the primary's region, for a replica
	Tags               map[string]string
}

// Use is what one identity did to one secret in one way. Its texts are quoted: callers control them.
type Use struct {
	Secret    string // the ARN
	Event     string // "GetSecretValue"
	Principal string // the ARN of the user or role, or a service
	Session   string `json:",omitempty"` // of the role: an instance's id, a person's name
	Service   string `json:",omitempty"` // the AWS service that acted for somebody
	Source    string `json:",omitempty"` // the IP address, or a service
	Agent     string `json:",omitempty"`
	Version   string `json:",omitempty"` // as the caller asked for it
	Stage     string `json:",omitempty"`
	Denied    string `json:",omitempty"` // AWS's error code; "": it succeeded
	Perhaps   string `json:",omitempty"` // why it may have been another secret; "": it was this one

	Count       int
	First, Last time.Time
	Days        map[string]int // the count of each day, UTC
}

// Changes reports whether it changed the secret, and did not read it.
func (u Use) Changes() bool { return !slices.Contains(readEvents, u.Event) }

// Instance is the EC2 instance whose role it was, or "".
func (u Use) Instance() string {
	id, found := strings.CutPrefix(u.Session, "i-")
	if _, err := hex.DecodeString(id + strings.Repeat("0", len(id)%2)); !found || err != nil || len(id) < 8 {
		return ""
	}
	return u.Session
}

// History is what CloudTrail says about some secrets in a time. It is plain data, so that a search
// can go on with it later.
type History struct {
	Since, Until time.Time
	Uses         []Use
	Searches     []Search `json:",omitempty"` // of the event history
	Files        int      `json:",omitempty"` // of a trail that were read
	OtherFiles   int      `json:",omitempty"` // that their names date before Since or after Until
	Misses       []Miss   `json:",omitempty"`
	Unreadable   int      `json:",omitempty"` // events that purser cannot parse
	Dropped      int      `json:",omitempty"` // events beyond mostUses

	index map[string]int  // Uses by everything but their counts
	seen  map[string]bool // ids of events, which may be in several files
}

// Search is how far back the search for an event in a region is.
type Search struct {
	Region, Event string
	Back          time.Time `json:",omitzero"`  // everything after it was read
	Edge          []string  `json:",omitempty"` // ids of the events at Back
	Pages         int       `json:",omitempty"`
	Done          bool
}

// Miss is a file, or the rest of one, that could not be read.
type Miss struct{ File, Why string }

// mostUses bounds a history. A hostile caller can change session and user agent with each call.
var mostUses = 50_000

const mostSeen = 1 << 20

// readEvents and changeEvents are the calls that matter (Secrets Manager User Guide, "Log events
// with CloudTrail"). The last of them are the service's own.
var (
	readEvents   = []string{"GetSecretValue", "BatchGetSecretValue"}
	changeEvents = []string{
		"CreateSecret", "PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "DeleteSecret", "RestoreSecret", "PutResourcePolicy", "DeleteResourcePolicy",
		"RotateSecret", "CancelRotateSecret", "ReplicateSecretToRegions", "RemoveRegionsFromReplication", "StopReplicationToReplica", "TagResource", "UntagResource",
		"RotationStarted", "RotationSucceeded", "RotationFailed", "RotationAbandoned",
	}
)

// Of returns the uses of a secret, the latest first.
func (h *History) Of(arn string) []Use {
	var all []Use
	for _, u := range h.Uses {
		if u.Secret == arn {
			all = append(all, u)
		}
	}
	slices.SortStableFunc(all, func(a, b Use) int { return b.Last.Compare(a.Last) })
	return all
}

// Complete reports whether nothing is missing between Since and Until, as far as CloudTrail knows.
func (h *History) Complete() bool {
	return len(h.Misses) == 0 && h.Unreadable == 0 && h.Dropped == 0 && !slices.ContainsFunc(h.Searches, func(s Search) bool { return !s.Done })
}

// Silent reports whether the history has changes but no read. A trail that does not log management
// events of the kind "read" looks like that.
func (h *History) Silent() bool {
	return len(h.Uses) > 0 && !slices.ContainsFunc(h.Uses, func(u Use) bool { return !u.Changes() })
}

// Lacks says what the history cannot tell, a sentence each.
func (h *History) Lacks() []string {
	var all []string
	for _, s := range h.Searches {
		switch {
		case s.Done:
		case s.Back.IsZero():
			all = append(all, "purser has not asked CloudTrail in "+s.Region+" about "+s.Event)
		default:
			all = append(all, "purser has asked CloudTrail in "+s.Region+" about "+s.Event+" back to "+s.Back.Format("2006-01-02 15:04")+" UTC only")
		}
	}
	for _, m := range h.Misses {
		all = append(all, m.File+": "+m.Why)
	}
	if h.Unreadable > 0 {
		all = append(all, fmt.Sprintf("CloudTrail events that purser cannot parse: %d", h.Unreadable))
	}
	if h.Dropped > 0 {
		all = append(all, fmt.Sprintf("more than %d kinds of use: purser did not count %d events", mostUses, h.Dropped))
	}
	if h.Silent() {
		all = append(all, "there are changes but no reads: perhaps the trail does not log management events of the kind read")
	}
	return all
}

// take adds an event, if it is about one of the subjects.
func (h *History) take(raw []byte, subjects []Subject) {
	e, err := parse(raw)
	if errors.Is(err, errOther) {
		return
	}
	if err != nil || e.EventTime.IsZero() {
		h.Unreadable++
		return
	}
	if !slices.Contains(readEvents, e.Name) && !slices.Contains(changeEvents, e.Name) || e.EventTime.Before(h.Since) || e.EventTime.After(h.Until) {
		return
	}
	for _, s := range subjects {
		hit, perhaps := e.isAbout(s)
		if !hit {
			continue
		}
		if key := e.ID + " " + s.ARN; e.ID != "" {
			if h.seen[key] {
				continue
			}
			if h.seen == nil {
				h.seen = map[string]bool{}
			}
			if len(h.seen) < mostSeen {
				h.seen[key] = true
			}
		}
		h.count(e, s, perhaps)
	}
}

func (h *History) count(e event, s Subject, perhaps string) {
	u := Use{
		Secret: s.ARN, Event: e.Name, Source: credential.Quote(e.SourceIPAddress), Agent: credential.Quote(e.UserAgent), Denied: credential.Quote(e.ErrorCode), Perhaps: perhaps,
		Version: credential.Quote(e.RequestParameters.VersionID), Stage: credential.Quote(e.RequestParameters.VersionStage),
	}
	u.Principal, u.Session, u.Service = e.who()
	if h.index == nil {
		h.index = map[string]int{}
		for i, old := range h.Uses {
			h.index[old.key()] = i
		}
	}
	i, known := h.index[u.key()]
	if !known {
		if len(h.Uses) == mostUses {
			h.Dropped++
			return
		}
		i = len(h.Uses)
		h.index[u.key()] = i
		u.First, u.Last, u.Days = e.EventTime.UTC(), e.EventTime.UTC(), map[string]int{}
		h.Uses = append(h.Uses, u)
	}
	use := &h.Uses[i]
	use.Count++
	use.Days[e.EventTime.UTC().Format(time.DateOnly)]++
	if e.EventTime.Before(use.First) {
		use.First = e.EventTime.UTC()
	}
	if e.EventTime.After(use.Last) {
		use.Last = e.EventTime.UTC()
	}
}

// sort puts the uses in an order that does not depend on where they came from.
func (h *History) sort() {
	h.index = nil
	slices.SortFunc(h.Uses, func(a, b Use) int { return strings.Compare(a.key(), b.key()) })
}

// key is everything but the counts.
func (u Use) key() string {
	return strings.Join([]string{u.Secret, u.Event, u.Principal, u.Session, u.Service, u.Source, u.Agent, u.Version, u.Stage, u.Denied, u.Perhaps}, "\x00")
}

// isAbout reports whether an event is about a secret, and why that is not certain.
func (e event) isAbout(s Subject) (hit bool, perhaps string) {
	account, region := placeOf(s.ARN)
	if e.Region != "" && e.Region != region {
		return false, ""
	}
	name := s.Name
	if e.Account != "" && e.Account != account {
		name = "\x00" // another account's secret of that name; its ARN would still be this one
	}
	if slices.ContainsFunc(e.ids(), func(id string) bool { return means(id, name, s.ARN) }) {
		return true, ""
	}
	if filters := e.RequestParameters.Filters; e.Name == "BatchGetSecretValue" && len(filters) > 0 && name == s.Name {
		for _, f := range filters {
			if !f.matches(s) {
				return false, ""
			}
		}
		return true, "batch by filter"
	}
	return false, ""
}

func placeOf(arn string) (account, region string) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return "", ""
	}
	return parts[4], parts[3]
}

// matches reports whether a filter selects the secret as it is now; it may have been different when
// somebody called. In doubt it does (API reference, Filter).
func (f filter) matches(s Subject) bool {
	if len(f.Values) == 0 {
		return true
	}
	hit := false
	for _, value := range f.Values {
		value, negated := strings.CutPrefix(value, "!")
		hit = hit || f.begins(value, s) != negated
	}
	return hit
}

func (f filter) begins(value string, s Subject) bool {
	begins := func(text string) bool { return strings.HasPrefix(text, value) }
	fold := func(text string) bool { return strings.HasPrefix(strings.ToLower(text), strings.ToLower(value)) }
	switch strings.ToLower(f.Key) {
	case "name":
		return begins(s.Name)
	case "description":
		return slices.ContainsFunc(append(strings.Fields(s.Description), s.Description), fold)
	case "tag-key":
		for key := range s.Tags {
			if begins(key) {
				return true
			}
		}
		return false
	case "tag-value":
		for _, v := range s.Tags {
			if begins(v) {
				return true
			}
		}
		return false
	case "primary-region":
		_, region := placeOf(s.ARN)
		return begins(cmp.Or(s.Primary, region))
	case "owning-service":
		return begins(s.Owner)
	}
	return true // "all" looks at everything, in words
}

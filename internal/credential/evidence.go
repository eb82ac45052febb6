package credential

import "time"

// TagPush is a tag as its registry tells of it: when it was last pushed, and by whom.
type TagPush struct {
	Repository Repository
	Tag        string
	At         time.Time
	By         string
}

// AccountEvent is an entry of an account's audit log at its registry.
type AccountEvent struct {
	At                  time.Time
	Actor, Action, Name string
}

package credential

import "time"

// TagPush says when and by whom a tag was last pushed, according to its registry.
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

package store

import (
	"context"

	"purser/internal/credential"
)

// Kind is a kind of store. Its room describes it, and Know makes it known.
type Kind struct {
	credential.TargetKind
	// What is the kind in a sentence about where tokens are kept: "a secret in a vault".
	What string
	// Settings are what purser.yaml may say of a target. The first is Key, the target's
	// name; region and profile are a cloud's; the others become its Options.
	Settings []Setting
	// Complete fills in what the target's name tells. A problem is one of a setting.
	Complete func(t credential.Target) (done credential.Target, setting, problem string)
	// Open makes the store of a target. It asks from for what it needs of the program, by
	// an interface of its own.
	Open func(ctx context.Context, from any, c credential.Credential, t credential.Target) (Store, error)
}

// Setting is one thing that purser.yaml may say of a target.
type Setting struct {
	Name    string
	Doc     string // a sentence or two
	Without string // what holds when it is left out
	Pattern string // of the text, in Go's and JavaScript's syntax; "": any
	Rule    string // the pattern in words: why a text that does not match is wrong
	Example string
	Flag    bool // true or false, and no text
	Path    bool // a file's path, relative to purser.yaml
}

var kinds []Kind // what Know was told

// Know makes kinds known, once, before anything is parsed.
func Know(all ...Kind) {
	kinds = append(kinds, all...)
	for _, k := range all {
		credential.KnowTargets(k.TargetKind)
	}
}

// Kinds are all that are known.
func Kinds() []Kind { return kinds }

// KindOf is the kind of a target; false for one that is not known.
func KindOf(t credential.Target) (Kind, bool) {
	for _, k := range kinds {
		if k.Key == t.Kind {
			return k, true
		}
	}
	return Kind{}, false
}

// Finding is one thing that a look at a target has shown.
type Finding struct {
	About   string // the label of its line, such as "Key"
	Verdict credential.Verdict
	Text    string
	Fault   *credential.Fault // why it is bad, or could not be told; may be nil
}

// Examiner is a store that can tell more of its target than Describe does, without reading
// a value and without changing anything.
type Examiner interface {
	Examine(ctx context.Context, d credential.Description) []Finding
}

package store

import (
	"context"

	"purser/internal/credential"
)

// Kind is a kind of store. Its package describes it; Know registers it.
type Kind struct {
	credential.TargetKind
	// What names the kind in a sentence about where tokens are stored: "a secret in a vault".
	What string
	// Settings are what purser.yaml may say of a target. The first is Key, the target's
	// name; region and profile belong to a cloud; the others become its Options.
	Settings []Setting
	// Complete fills in what the target's name implies. problem is about a setting.
	Complete func(t credential.Target) (done credential.Target, setting, problem string)
	// Open returns the store of a target. Each kind declares, as an interface, what it needs
	// from the program, and gets it from from.
	// Open makes the store of a target. It asks from for what it needs of the program, by
	// an interface of its own.
	Open func(ctx context.Context, from any, c credential.Credential, t credential.Target) (Store, error)
}

// Setting is a setting of a target in purser.yaml.
type Setting struct {
	Name    string
	Doc     string // a sentence or two
	Without string // what applies when it is omitted
	Pattern string // of the text, in Go's and JavaScript's syntax; "": any
	Rule    string // the pattern in words, for the error message
	Example string
	Flag    bool // a boolean, not a text
	Path    bool // a file's path, relative to purser.yaml
}

var kinds []Kind // set by Know

// Know registers kinds, once, before anything is parsed.
func Know(all ...Kind) {
	kinds = append(kinds, all...)
	for _, k := range all {
		credential.KnowTargets(k.TargetKind)
	}
}

// Kinds returns the registered kinds.
func Kinds() []Kind { return kinds }

// KindOf returns the kind of a target; false if it is unknown.
func KindOf(t credential.Target) (Kind, bool) {
	for _, k := range kinds {
		if k.Key == t.Kind {
			return k, true
		}
	}
	return Kind{}, false
}

// Finding is one result of examining a target.
type Finding struct {
	About   string // the label of its line, such as "Key"
	Verdict credential.Verdict
	Text    string
	Fault   *credential.Fault // why it is bad or unknown; may be nil
}

// Examiner is a store that can tell more about its target than Describe does, without
// reading or changing a value.
type Examiner interface {
	Examine(ctx context.Context, d credential.Description) []Finding
}

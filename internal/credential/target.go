package credential

import (
	"slices"
	"strings"
)

// Target is one place where a credential's token is stored.
type Target struct {
	Kind    string // of the store: the setting in purser.yaml that names its targets; "": not chosen yet
	Name    string // a secret's name, a file's path
	Region  string // of a cloud; "": from the environment or the profile
	Profile string // the cloud profile to use; "": from the environment
	Options Options
	Shape   Shape
}

// String returns the target's name.
func (t Target) String() string { return t.Name }

// Options holds the settings that only one kind of store has, by their names in
// purser.yaml. It is a string so that targets stay comparable.
type Options string

const optionEnd, optionIs = "\x00", "="

// Get returns an option; "" if unset.
func (o Options) Get(name string) string {
	for _, one := range strings.Split(string(o), optionEnd) {
		if text, ok := strings.CutPrefix(one, name+optionIs); ok {
			return text
		}
	}
	return ""
}

// With sets an option; "" removes it.
func (o Options) With(name, text string) Options {
	all := slices.DeleteFunc(strings.Split(string(o), optionEnd), func(one string) bool { return one == "" || strings.HasPrefix(one, name+optionIs) })
	if text != "" {
		all = append(all, name+optionIs+text)
	}
	slices.Sort(all)
	return Options(strings.Join(all, optionEnd))
}

// All returns the options that are set, as alternating names and texts.
func (o Options) All() (pairs []string) {
	for _, one := range strings.Split(string(o), optionEnd) {
		if name, text, ok := strings.Cut(one, optionIs); ok {
			pairs = append(pairs, name, text)
		}
	}
	return pairs
}

// TargetKind describes a kind of store, as far as that works without opening a target. The
// kind's package writes it; KnowTargets registers it.
type TargetKind struct {
	Key    string // the setting that names a target
	Title  string // of the store
	Noun   string // what a target is, as the label of a line: "Secret"
	Opener string // what opens one, likewise: "Identity"; the cloud where there is one
	Cloud  string // whose account, region and profile apply; "": none
	Local  bool   // targets are on this machine, and made without asking
	// Check says why a target is invalid; nil: any name is valid.
	Check func(Target) error
	// Place identifies a target; nil: its name, region and profile do.
	Place func(Target) string
	// Destination describes a target in words; nil: its title and name.
	Destination func(Target) string
	// Asks says why only a person can open a target; nil or "": it opens unattended.
	Asks func(Target) (why string)
	// Advise says what to do about a fault of a target; nil, or no step: the general advice.
	Advise func(f *Fault, again string) (meaning string, next []string)
}

var targetKinds []TargetKind // set by KnowTargets

// KnowTargets registers kinds of stores, once, before anything is parsed.
func KnowTargets(all ...TargetKind) { targetKinds = append(targetKinds, all...) }

// Traits returns the description of the target's kind. A target without a kind will be
// on this machine.
func (t Target) Traits() TargetKind {
	for _, k := range targetKinds {
		if k.Key == t.Kind || t.Kind == "" && k.Local {
			return k
		}
	}
	return TargetKind{Key: t.Kind, Noun: "Target", Opener: "Store"}
}

// Check reports why the target is invalid. A target without a kind may pass.
func (t Target) Check() error {
	if check := t.Traits().Check; check != nil {
		return check(t)
	}
	return nil
}

// Asks says why only a person can open the target; "" if it opens unattended.
func (t Target) Asks() (why string) {
	if asks := t.Traits().Asks; asks != nil {
		return asks(t)
	}
	return ""
}

// Place identifies the target; "" where its kind is not chosen.
func (t Target) Place() string {
	k := t.Traits()
	switch {
	case t.Kind == "" || t.Name == "":
		return ""
	case k.Place != nil:
		return k.Key + optionEnd + k.Place(t)
	}
	return strings.Join([]string{k.Key, t.Name, t.Region, t.Profile}, optionEnd)
}

// Destination describes the target in words.
func (t Target) Destination() string {
	if say := t.Traits().Destination; say != nil {
		return say(t)
	}
	return strings.TrimSpace(t.Traits().Title + " " + t.Name)
}

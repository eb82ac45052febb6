package credential

import (
	"slices"
	"strings"
)

// Target is one place where a credential's token is kept.
type Target struct {
	Kind    string // of the store: the setting in purser.yaml that names its targets; "": not chosen yet
	Name    string // what it is called there: a secret's name, a file's path
	Region  string // of a cloud; "": from the environment or the profile
	Profile string // whom to be there; "": from the environment
	Options Options
	Shape   Shape
}

// String names the target for people.
func (t Target) String() string { return t.Name }

// Options are what else a kind of store wants to know of a target, by the names of the
// settings in purser.yaml.
type Options string

const optionEnd, optionIs = "\x00", "="

// Get is an option's text; "" where it is not set.
func (o Options) Get(name string) string {
	for _, one := range strings.Split(string(o), optionEnd) {
		if text, ok := strings.CutPrefix(one, name+optionIs); ok {
			return text
		}
	}
	return ""
}

// With sets an option; "" takes it away.
func (o Options) With(name, text string) Options {
	all := slices.DeleteFunc(strings.Split(string(o), optionEnd), func(one string) bool { return one == "" || strings.HasPrefix(one, name+optionIs) })
	if text != "" {
		all = append(all, name+optionIs+text)
	}
	slices.Sort(all)
	return Options(strings.Join(all, optionEnd))
}

// All are the options that are set, as names and texts in turn.
func (o Options) All() (pairs []string) {
	for _, one := range strings.Split(string(o), optionEnd) {
		if name, text, ok := strings.Cut(one, optionIs); ok {
			pairs = append(pairs, name, text)
		}
	}
	return pairs
}

// TargetKind is what is known of a kind of store without opening a target. Its room
// describes it, and KnowTargets makes it known.
type TargetKind struct {
	Key    string // the setting that names a target
	Title  string // of the store
	Noun   string // what a target is, as the label of a line: "Secret"
	Opener string // what opens one, likewise: "Identity"; the cloud where there is one
	Cloud  string // whose account, region and profile it is in; "": none
	Local  bool   // it is on this machine, and made without asking
	// Check says why a target cannot be one; nil: any name will do.
	Check func(Target) error
	// Place tells a target from every other one; nil: its name, region and profile do.
	Place func(Target) string
	// Destination is a target in words; nil: its name.
	Destination func(Target) string
	// Asks says why a target opens for a person alone; nil, and "": it opens by itself.
	Asks func(Target) (why string)
	// Advise says what to do about a fault that names a target; nil, and no step: what is
	// said of any.
	Advise func(f *Fault, again string) (meaning string, next []string)
}

var targetKinds []TargetKind // what KnowTargets was told

// KnowTargets makes kinds of stores known, once, before anything is parsed.
func KnowTargets(all ...TargetKind) { targetKinds = append(targetKinds, all...) }

// Traits is what is known of the target's kind. One that is not chosen yet will be on this
// machine.
func (t Target) Traits() TargetKind {
	for _, k := range targetKinds {
		if k.Key == t.Kind || t.Kind == "" && k.Local {
			return k
		}
	}
	return TargetKind{Key: t.Kind, Noun: "Target", Opener: "Store"}
}

// Check reports why there can be no such target. One whose kind is not chosen may be.
func (t Target) Check() error {
	if check := t.Traits().Check; check != nil {
		return check(t)
	}
	return nil
}

// Asks says why the target opens for a person alone; "" for one that opens by itself.
func (t Target) Asks() (why string) {
	if asks := t.Traits().Asks; asks != nil {
		return asks(t)
	}
	return ""
}

// Place tells the target from every other one; "" where its kind is not chosen.
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

// Destination is the target in words.
func (t Target) Destination() string {
	if say := t.Traits().Destination; say != nil {
		return say(t)
	}
	return strings.TrimSpace(t.Traits().Title + " " + t.Name)
}

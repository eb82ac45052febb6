package credential

import (
	"slices"
	"strings"
)

// Vendor is what is known of a registry without asking anybody: its hosts, the form of
// its tokens, how docker's family of clients calls it. The room of a kind of registry
// describes it, and Know makes it known to all that looks at hosts and tokens.
type Vendor struct {
	Title string
	Hosts []string // its own; one that begins with a dot stands for all below it
	// Everywhere says that others run the vendor's software on hosts of their own, whose
	// tokens have the same prefix.
	Everywhere bool
	Forms      []TokenForm
	// Unmarked tells the kind of a secret without a known prefix; nil: nothing is known.
	Unmarked func(text string) Kind

	// Default is set for the registry that is meant where none is named, as by docker.
	Default bool
	// Aliases are other names of Hosts[0], and ways in which clients spell it.
	Aliases []string
	// API is the host that answers the registry protocol for Hosts[0]; "": itself.
	API string
	// DockerKeys are the keys of Hosts[0] in docker's config, the usual one first, and
	// HelperKeys those under which helpers are looked up; nil: made of the host's name.
	DockerKeys, HelperKeys []string
	// SessionKeys are the keys under which docker's browser login keeps its session, beside
	// the token that it makes for itself; the first holds what can manage tokens. nil: docker
	// has no such login there.
	SessionKeys []string
	// AuthHosts are the other hosts that may ask for the tokens of Hosts[0], and no others
	// may; nil: those under its registered domain.
	AuthHosts []string
	// Library is the namespace of a repository of one word; "": there is none.
	Library string
}

// TokenForm is how a vendor marks the tokens of a kind.
type TokenForm struct {
	Prefix string
	Kind   Kind
}

// knownForm is a form with whose it is.
type knownForm struct {
	TokenForm
	vendor *Vendor
}

// What Know was told. It is called before a program begins, and by nobody later.
var (
	vendors    []*Vendor
	knownForms []knownForm
	byName     = map[string]*Vendor{} // the registries that clients know under several names
)

// Know makes vendors known, once, before anything is parsed.
func Know(all ...Vendor) {
	for i := range all {
		v := &all[i]
		vendors = append(vendors, v)
		for _, f := range v.Forms {
			knownForms = append(knownForms, knownForm{f, v})
		}
		if len(v.Aliases) > 0 {
			for _, name := range append([]string{v.Hosts[0]}, v.Aliases...) {
				byName[name] = v
			}
		}
	}
}

// Default is the registry that is meant where none is named.
func Default() Host {
	for _, v := range vendors {
		if v.Default {
			return Host(v.Hosts[0])
		}
	}
	return ""
}

// named is the vendor of a registry that clients know under several names; the zero
// Vendor for any other.
func (h Host) named() *Vendor {
	if v := byName[string(h)]; v != nil {
		return v
	}
	return &Vendor{}
}

// Vendor is the title of whose registry it is; "" where that is not known.
func (h Host) Vendor() string {
	for _, v := range vendors {
		if v.has(h) {
			return v.Title
		}
	}
	return ""
}

// AuthHosts are the only other hosts that may ask for the registry's tokens; nil where it
// has none of its own, and those under its registered domain may.
func (h Host) AuthHosts() []string { return h.named().AuthHosts }

func (v *Vendor) has(host Host) bool {
	name := host.Hostname()
	return slices.ContainsFunc(v.Hosts, func(own string) bool {
		return name == own || own[0] == '.' && strings.HasSuffix(name, own)
	})
}

// markedBy is the vendor whose form the token has, perhaps with something around it that
// was copied as well; nil for a token of no known form.
func markedBy(token Secret) *Vendor {
	text := token.Reveal()
	for _, k := range knownForms {
		if k.index(text) >= 0 {
			return k.vendor
		}
	}
	return nil
}

// IsHome reports whether the form of a token says that it belongs to the registry, so
// that nobody has to say it again.
func IsHome(host Host, token Secret) bool {
	v := markedBy(token)
	return v != nil && v.has(host)
}

// Misplaced names the vendor of a token that must never be sent to the registry,
// whatever a configuration says; "" for a token that may be. A vendor's tokens go to its
// own hosts alone; those of one whose software others run may also go to hosts that are
// no other vendor's.
func Misplaced(host Host, token Secret) string {
	v := markedBy(token)
	switch {
	case v == nil || v.has(host):
		return ""
	case !v.Everywhere || host.Vendor() != "":
		return v.Title
	}
	return ""
}

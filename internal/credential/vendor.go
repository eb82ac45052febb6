package credential

import (
	"slices"
	"strings"
)

// Vendor is what purser knows of a registry without asking it: its hosts, the form of its
// tokens, the names that docker's family of clients uses. Each kind of registry describes
// its own; Know registers it.
type Vendor struct {
	Title string
	Hosts []string // its own; ".example.com" stands for every host below example.com
	// Everywhere means that others run the vendor's software on their own hosts, with the
	// same token prefixes.
	Everywhere bool
	Forms      []TokenForm
	// Unmarked returns the kind of a secret without a known prefix; nil: unknown.
	Unmarked func(text string) Kind

	// Default marks the registry that is used where none is named, as docker does.
	Default bool
	// Aliases are other names and client spellings of Hosts[0].
	Aliases []string
	// API is the host that serves the registry protocol for Hosts[0]; "": Hosts[0].
	API string
	// DockerKeys are the keys of Hosts[0] in docker's config, the usual one first, and
	// HelperKeys those for looking up its helper; nil: derived from the host's name.
	DockerKeys, HelperKeys []string
	// SessionKeys are the keys under which docker's browser login keeps its session, beside
	// the token that it makes for itself; the first one can manage tokens. nil: docker has no
	// such login there.
	SessionKeys []string
	// AuthHosts are the only other hosts that may ask for tokens of Hosts[0]; nil: hosts
	// under its registered domain may.
	AuthHosts []string
	// Library is the namespace of a one-word repository; "": there is none.
	Library string
}

// TokenForm is the prefix by which a vendor marks a kind of token.
type TokenForm struct {
	Prefix string
	Kind   Kind
}

type knownForm struct {
	TokenForm
	vendor *Vendor
}

// These are set by Know, before the program begins, and constant afterwards.
var (
	vendors    []*Vendor
	knownForms []knownForm
	byName     = map[string]*Vendor{} // the registries with several names
)

// Know registers vendors, once, before anything is parsed.
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

// Default returns the registry to use where none is named.
func Default() Host {
	for _, v := range vendors {
		if v.Default {
			return Host(v.Hosts[0])
		}
	}
	return ""
}

// named returns the vendor of a registry with several names; the zero Vendor for others.
func (h Host) named() *Vendor {
	if v := byName[string(h)]; v != nil {
		return v
	}
	return &Vendor{}
}

// Vendor returns the title of the registry's vendor; "" where it is unknown.
func (h Host) Vendor() string {
	for _, v := range vendors {
		if v.has(h) {
			return v.Title
		}
	}
	return ""
}

// AuthHosts returns the only other hosts that may ask for the registry's tokens; nil: hosts
// under its registered domain may.
func (h Host) AuthHosts() []string { return h.named().AuthHosts }

func (v *Vendor) has(host Host) bool {
	name := host.Hostname()
	return slices.ContainsFunc(v.Hosts, func(own string) bool {
		return name == own || own[0] == '.' && strings.HasSuffix(name, own)
	})
}

// markedBy returns the vendor whose form the token has, even with other text copied around
// it; nil for a token of no known form.
func markedBy(token Secret) *Vendor {
	text := token.Reveal()
	for _, k := range knownForms {
		if k.index(text) >= 0 {
			return k.vendor
		}
	}
	return nil
}

// IsHome reports whether the form of a token shows that it belongs to the registry, so that
// nobody has to confirm it.
func IsHome(host Host, token Secret) bool {
	v := markedBy(token)
	return v != nil && v.has(host)
}

// Misplaced returns the vendor of a token that must never be sent to the registry, whatever
// the configuration says; "" if it may. A vendor's tokens go only to its own hosts; if
// others run its software, also to hosts of no other known vendor.
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

// TokenPrefixes returns the prefixes by which the known vendors mark their tokens.
func TokenPrefixes() (all []string) {
	for _, k := range knownForms {
		all = append(all, k.Prefix)
	}
	return all
}

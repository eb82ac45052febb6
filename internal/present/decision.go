package present

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// Decision is a question that only a person may answer, because a token is about to
// go somewhere new, or to be taken from somewhere. No argument of an agent's tool
// answers it; a script's --yes only spares a question about what docker has.
type Decision struct {
	Question string   // one sentence, such as "Send the token in mockserver-build/dockerhub to docker.io?"
	Facts    []string // what the person needs to know: registry, account, every destination
}

// Text is the decision in lines, the question last.
func (d Decision) Text() string {
	return strings.Join(slices.Concat(d.Facts, []string{d.Question}), "\n")
}

// Unasked is the failure where no person can be asked.
func (d Decision) Unasked() error {
	return &credential.Fault{
		Reason: credential.ConsentNeeded, What: "a person has to decide this, and no one can be asked here: " + d.Question,
		Why: strings.Join(d.Facts, "; "),
	}
}

// Key tells one decision from every other, so that a yes to one never counts for
// another: each of its words goes into it.
func (d Decision) Key() string {
	raw, _ := json.Marshal(d) // text always encodes
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Facts say whose token a credential's is and where it goes.
func Facts(c credential.Credential, destinations []string) []string {
	all := append([]string{"registry: " + string(c.Registry), "account: " + cmp.Or(c.Username, "the one that the token belongs to")}, way(c)...)
	for _, d := range destinations {
		all = append(all, "stored in: "+d)
	}
	return all
}

// way says what besides the registry's own domain and the system's certificates may see a
// credential's token, where others may have written the configuration.
func way(c credential.Credential) []string {
	var all []string
	if c.Via != "" && c.CAFile != "" {
		all = append(all, "certificates: purser.yaml trusts "+c.CAFile+" for "+string(c.Registry)+"; who holds their key can read the token on its way.")
	}
	if c.Via != "" && len(c.AuthHosts) > 0 {
		all = append(all, "sign-in: purser.yaml lets "+strings.Join(c.AuthHosts, " and ")+" ask for the token.")
	}
	return all
}

// WhetherItBelongs is whether a value that was stored by hand belongs to a credential's
// registry.
func WhetherItBelongs(c credential.Credential, destination string) Decision {
	return Decision{
		Facts:    way(c),
		Question: fmt.Sprintf("Does the token in %s belong to %s? purser sends it there, and from now on nowhere else.", destination, whose(c)),
	}
}

// WhetherItGoes is whether a token may go where none of that credential has been. say is
// a place in words.
func WhetherItGoes(places []lifecycle.NewPlace, say func(lifecycle.NewPlace) string) Decision {
	var facts, names []string
	c := places[0].Credential
	facts = way(c)
	for _, p := range places {
		name := say(p)
		names = append(names, name)
		switch {
		case p.Foreign != "":
			facts = append(facts, name+" is in another AWS account, "+p.Foreign+", whose owner can read what is stored there.")
		case p.Mark.Is(credential.MarkOf(c)):
		case p.Mark.IsZero():
			facts = append(facts, name+" is a new place: purser has not stored this token there before.")
		case p.Mark.Registry != c.Registry:
			facts = append(facts, fmt.Sprintf("%s belongs to %s. What it holds now is never sent to %s.", name, p.Mark.Registry, c.Registry))
		default:
			facts = append(facts, fmt.Sprintf("%s holds the token of %s.", name, p.Mark.Name))
		}
	}
	return Decision{
		Facts: facts, Question: fmt.Sprintf("Put the token of %s for %s into %s?", c.Name, whose(c), strings.Join(names, " and ")),
	}
}

// whose is a credential's account, for a question.
func whose(c credential.Credential) string {
	if c.Username == "" {
		return string(c.Registry)
	}
	return "account " + c.Username + " of " + string(c.Registry)
}

// WhetherToRenew is whether the tokens of some credentials may be replaced. whose says whose
// a credential's is and where it goes.
func WhetherToRenew(credentials []credential.Credential, whose func(credential.Credential) []string) Decision {
	var names, all []string
	for _, c := range credentials {
		names = append(names, string(c.Name))
		all = append(all, whose(c)...)
	}
	return Decision{
		Facts:    append(all, "each token that is due gets a successor, and ends after the overlap"),
		Question: "Renew " + strings.Join(names, " and ") + "?",
	}
}

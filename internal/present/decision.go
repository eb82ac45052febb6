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

// Decision is a question that only a person may answer: a token is about to go somewhere new,
// or purser is about to take one. No argument of an agent's tool answers it. --yes only skips
// questions about docker's logins.
type Decision struct {
	Question string   // one sentence, such as "Send the token in mockserver-build/dockerhub to docker.io?"
	Facts    []string // registry, account, every destination
}

// Text returns the facts, one a line, and then the question.
func (d Decision) Text() string {
	return strings.Join(slices.Concat(d.Facts, []string{d.Question}), "\n")
}

// Unasked returns the fault for runs without a person.
func (d Decision) Unasked() error {
	return &credential.Fault{
		Reason: credential.ConsentNeeded, What: "a person must decide this, and purser cannot ask anyone here: " + d.Question,
		Why: strings.Join(d.Facts, "; "),
	}
}

// Key hashes all words of the decision, so that a yes to one never counts for another.
func (d Decision) Key() string {
	raw, _ := json.Marshal(d) // text always encodes
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Facts returns a credential's registry, account and destinations.
func Facts(c credential.Credential, destinations []string) []string {
	all := append([]string{"registry: " + string(c.Registry), "account: " + cmp.Or(c.Username, "the token's own")}, way(c)...)
	for _, d := range destinations {
		all = append(all, "stored in: "+d)
	}
	return all
}

// way warns about certificates and hosts from a configuration that others may have written:
// they could give the token away.
func way(c credential.Credential) []string {
	var all []string
	if c.Via != "" && c.CAFile != "" {
		all = append(all, "certificates: purser.yaml trusts "+c.CAFile+" for "+string(c.Registry)+"; anyone with their keys can read the token in transit.")
	}
	if c.Via != "" && len(c.AuthHosts) > 0 {
		all = append(all, "sign-in: purser.yaml lets "+strings.Join(c.AuthHosts, " and ")+" ask for the token.")
	}
	return all
}

// WhetherItBelongs asks whether a value that somebody stored by hand belongs to a
// credential's registry.
func WhetherItBelongs(c credential.Credential, destination string) Decision {
	return Decision{
		Facts:    way(c),
		Question: fmt.Sprintf("Does the token in %s belong to %s? purser will send it there, and nowhere else from now on.", destination, whose(c)),
	}
}

// WhetherItGoes asks whether a credential's token may go to places that are new for it. say
// names a place.
func WhetherItGoes(places []lifecycle.NewPlace, say func(lifecycle.NewPlace) string) Decision {
	var facts, names []string
	c := places[0].Credential
	facts = way(c)
	for _, p := range places {
		name := say(p)
		names = append(names, name)
		switch {
		case p.Foreign != "":
			facts = append(facts, name+" is in another AWS account, "+p.Foreign+", whose owner can read the token there.")
		case p.Mark.Is(credential.MarkOf(c)):
		case p.Mark.IsZero():
			facts = append(facts, name+" is new: purser has never stored this token there.")
		case p.Mark.Registry != c.Registry:
			facts = append(facts, fmt.Sprintf("%s belongs to %s. purser never sends its current value to %s.", name, p.Mark.Registry, c.Registry))
		default:
			facts = append(facts, fmt.Sprintf("%s holds the token of %s.", name, p.Mark.Name))
		}
	}
	return Decision{
		Facts: facts, Question: fmt.Sprintf("Put the token of %s for %s into %s?", c.Name, whose(c), strings.Join(names, " and ")),
	}
}

// whose names a credential's account.
func whose(c credential.Credential) string {
	if c.Username == "" {
		return string(c.Registry)
	}
	return "account " + c.Username + " of " + string(c.Registry)
}

// WhetherToRenew asks whether purser may replace some credentials' tokens. whose returns a
// credential's facts.
func WhetherToRenew(credentials []credential.Credential, whose func(credential.Credential) []string) Decision {
	var names, all []string
	for _, c := range credentials {
		names = append(names, string(c.Name))
		all = append(all, whose(c)...)
	}
	return Decision{
		Facts:    append(all, "purser replaces each token that is due, and revokes the old one after the overlap"),
		Question: "Renew " + strings.Join(names, " and ") + "?",
	}
}

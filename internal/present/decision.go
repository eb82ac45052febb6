package present

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"purser/internal/credential"
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

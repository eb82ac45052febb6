// Package redact takes secrets out of a stream of bytes while it flows.
//
// A secret has many forms: plain, escaped, base64, hex, numbers. The package looks
// for every run of runLength characters of a form, in three views of the stream:
// the bytes as they are, the ends of lines joined with the beginnings of the next
// ones, and dumps without what separates their numbers. What it takes out depends
// on the stream alone, never on how it was cut into writes.
package redact

import (
	"encoding/base64"

	"purser/internal/credential"
)

const (
	// runLength is the length of a piece of a secret that is taken out. A shorter
	// secret is taken out as a whole.
	runLength = 12
	// shortest is the length of the shortest secret that is looked for: taking
	// every "abc" out of a log would spoil it and hide nothing.
	shortest = 4
)

// Redactor knows what to take out. It does not change and is safe for concurrent
// use; each stream has a Writer of its own.
type Redactor struct {
	text *matcher // looks at the bytes of a stream, and at its joined lines
	dump *matcher // looks at dumps, and knows the forms of numbers as well
}

// New makes a Redactor for the tokens of logins. Their user names stay: they are
// public. It is nil, and takes nothing out, when there is nothing to look for.
func New(logins ...credential.Login) *Redactor {
	var text, dump forms
	for _, l := range logins {
		whole := l.Token.Reveal()
		prefix, rest := credential.SplitToken(l.Token)
		secret := rest.Reveal()
		if len(secret) < shortest {
			continue
		}
		text.addSecret(secret)
		// docker's own form of a login, encoded once more as in a Secret of Kubernetes.
		auth := base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + whole))
		public := (len(l.Username) + 1 + len(prefix)) / 3 * 4
		if public < len(auth) {
			text.addBase64(auth[public:])
		}
		dump.addNumbers(secret)
	}
	if len(text) == 0 {
		return nil
	}
	for _, f := range forDumps(text) {
		dump.add(f)
	}
	return &Redactor{text: newMatcher(text, gramLength), dump: newMatcher(dump, wideGram)}
}

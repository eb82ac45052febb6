// Package redact removes secrets from a stream of bytes.
//
// A secret has many forms: plain, escaped, base64, hex, numbers. The package looks for
// every run of runLength characters of a form in three views of the stream: the bytes
// themselves, the ends of lines joined to the starts of the next, and dumps without the
// separators of their numbers. The result depends only on the stream, never on how it was
// split into writes.
package redact

import (
	"encoding/base64"

	"purser/internal/credential"
)

const (
	// runLength is the length of a piece of a secret that is redacted. A shorter secret is
	// redacted as a whole.
	runLength = 12
	// shortest is the length of the shortest secret to redact: removing every "abc" from a
	// log would spoil it and hide nothing.
	shortest = 4
)

// Redactor knows what to redact. It is immutable and safe for concurrent use; each stream
// has its own Writer.
type Redactor struct {
	text *matcher // for the bytes of a stream and its joined lines
	dump *matcher // for dumps; also knows the forms of numbers
	// plain holds the logins whose token has no vendor's mark: a password, or any text.
	plain map[int]bool
}

// New returns a Redactor for the tokens of logins, but not for their user names, which are
// public. It returns nil, which redacts nothing, if there is nothing to look for.
func New(logins ...credential.Login) *Redactor {
	var text, dump forms
	plain := map[int]bool{}
	for i, l := range logins {
		texts, numbers := len(text), len(dump)
		whole := l.Token.Reveal()
		prefix, rest := credential.SplitToken(l.Token)
		secret := rest.Reveal()
		if len(secret) < shortest {
			continue
		}
		plain[i] = prefix == ""
		text.addSecret(secret)
		// Cover docker's form of a login, and that encoded again, as in a Kubernetes Secret.
		auth := base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + whole))
		public := (len(l.Username) + 1 + len(prefix)) / 3 * 4
		if public < len(auth) {
			text.addBase64(auth[public:])
		}
		dump.addNumbers(secret)
		text[texts:].belong(i)
		dump[numbers:].belong(i)
	}
	if len(text) == 0 {
		return nil
	}
	for _, f := range forDumps(text) {
		dump.add(f)
	}
	return &Redactor{text: newMatcher(text, gramLength), dump: newMatcher(dump, wideGram), plain: plain}
}

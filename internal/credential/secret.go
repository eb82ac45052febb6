package credential

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

var errMarshal = errors.New("a secret does not marshal")

// Secret is text that must not be seen: a token, a password, a bearer, the
// stored value around one. It prints as [redacted] and refuses to be encoded.
//
// The text sits behind a function because fmt and reflection-driven printers
// look through fields and pointers: a struct with a String method leaks as soon
// as it sits in an unexported field of another struct, a closure does not.
// It also makes == a compile error, so that comparing goes through Equal.
//
// The zero Secret is empty.
type Secret struct{ reveal func() string }

// NewSecret wraps text. The caller drops its own copy as soon as it can.
func NewSecret(text string) Secret {
	return Secret{reveal: func() string { return text }}
}

// Reveal returns the text. It is called only where a secret leaves the program
// or is taken apart; secret_reveal_test.go at the root lists every call.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Len is the length of the text in bytes. It is the one fact about a stored
// secret that purser reports.
func (s Secret) Len() int { return len(s.Reveal()) }

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.Len() == 0 }

// Equal compares two secrets in a time that depends on their lengths only.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format prints [redacted] for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String is for printers that look for a Stringer and do not use fmt.
func (Secret) String() string { return redacted }

// GoString is String for %#v of printers other than fmt.
func (Secret) GoString() string { return redacted }

// LogValue keeps the text out of structured logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText always fails: encoding a secret is a bug.
func (Secret) MarshalText() ([]byte, error) { return nil, errMarshal }

// MarshalJSON always fails.
func (Secret) MarshalJSON() ([]byte, error) { return nil, errMarshal }

// MarshalYAML always fails.
func (Secret) MarshalYAML() (any, error) { return nil, errMarshal }

// MarshalBinary always fails, also for encoding/gob.
func (Secret) MarshalBinary() ([]byte, error) { return nil, errMarshal }

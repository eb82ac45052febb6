package credential

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

var errMarshal = errors.New("a secret cannot be encoded")

// Secret is text that nobody may see: a token, a password, a bearer, or the stored value
// around one. It prints as [redacted] and refuses to be encoded. The zero Secret is empty.
//
// A closure holds the text because fmt and reflection-driven printers read through fields
// and pointers, and skip the String method of a value in another struct's unexported field.
// It also makes == a compile error, so comparisons go through Equal.
type Secret struct{ reveal func() string }

// NewSecret wraps text. The caller should drop its own copy.
func NewSecret(text string) Secret {
	return Secret{reveal: func() string { return text }}
}

// Reveal returns the text. Only code that sends a secret out or parses it may call this;
// secret_reveal_test.go at the root lists every call.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Len returns the text's length in bytes, the one fact about a stored secret that purser
// reports.
func (s Secret) Len() int { return len(s.Reveal()) }

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.Len() == 0 }

// Equal compares two secrets in time that depends only on their lengths.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format prints [redacted] for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String serves printers that look for a Stringer and bypass fmt.
func (Secret) String() string { return redacted }

// GoString serves %#v of printers that bypass fmt.
func (Secret) GoString() string { return redacted }

// LogValue keeps the text out of structured logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText always fails: encoding a secret is a bug.
func (Secret) MarshalText() ([]byte, error) { return nil, errMarshal }

// MarshalJSON always fails, like MarshalText.
func (Secret) MarshalJSON() ([]byte, error) { return nil, errMarshal }

// MarshalYAML always fails, like MarshalText.
func (Secret) MarshalYAML() (any, error) { return nil, errMarshal }

// MarshalBinary always fails, and with it encoding/gob.
func (Secret) MarshalBinary() ([]byte, error) { return nil, errMarshal }

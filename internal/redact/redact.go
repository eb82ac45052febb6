// Package redact takes secrets out of a stream of bytes while it flows: plain, in
// the encodings in which secrets travel, in pieces, and across the limits of
// writes and of wrapped lines.
//
// Every run of runLength characters of a form of the secret is found, so that a
// part of a token is not shown either. What is held back between two writes is
// only what may become such a run, which is a few bytes.
package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"purser/internal/credential"
)

const (
	// runLength is the length of a piece of a secret's form that is taken out. A
	// shorter form is taken out as a whole.
	runLength = 12
	// shortest is the length of the shortest secret that is looked for: taking
	// every "abc" out of a log would spoil it and hide nothing.
	shortest = 4
)

// Redactor knows what to take out. It does not change and is safe for concurrent
// use; each stream has a Writer of its own.
type Redactor struct {
	forms  []form
	least  int // length of the shortest piece that is looked for
	stride int // bytes between two looks: every piece has a gram at one of them
	bloom  [bloomSize / 64]uint64
	grams  map[uint32][]at
}

// form is a spelling of a secret. Its wild sides are one character longer than
// what is known: in base64, that character holds bits of the secret and bits of
// its neighbour.
type form struct {
	text       string
	piece      int // length of the piece that counts
	wildBefore bool
	wildAfter  bool
}

// at is a place in a form.
type at struct{ form, offset int }

// New makes a Redactor for the tokens of logins. Their user names stay: they are
// public. It is nil, and takes nothing out, when there is nothing to look for.
func New(logins ...credential.Login) *Redactor {
	r := &Redactor{grams: map[uint32][]at{}, least: runLength}
	for _, l := range logins {
		r.add(l)
	}
	if len(r.forms) == 0 {
		return nil
	}
	r.stride = r.least - gramLength + 1
	for i, f := range r.forms {
		for offset := 0; offset+gramLength <= len(f.text); offset++ {
			g := gram(f.text[offset:])
			r.bloom[slot(g)/64] |= 1 << (slot(g) % 64)
			r.grams[g] = append(r.grams[g], at{i, offset})
		}
	}
	return r
}

func (r *Redactor) add(l credential.Login) {
	whole := l.Token.Reveal()
	prefix, secret := credential.SplitToken(l.Token)
	text := secret.Reveal()
	if len(text) < shortest {
		return
	}
	for _, spelled := range spellings(text) {
		r.addForm(form{text: spelled})
	}
	r.addBase64(text)
	if encoded := inJSON(text); encoded != text {
		r.addBase64(encoded)
	}
	// docker's own form of a login, encoded once more as in a Secret of Kubernetes.
	auth := base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + whole))
	public := (len(l.Username) + 1 + len(prefix)) / 3 * 4
	if public < len(auth) {
		r.addBase64(auth[public:])
	}
}

// spellings are the ways in which a text is written where some characters mean
// something.
func spellings(text string) []string {
	quoted := strconv.Quote(text)
	hexed := hex.EncodeToString([]byte(text))
	var percent, octets strings.Builder
	for _, b := range []byte(text) {
		fmt.Fprintf(&percent, "%%%02X", b)
		fmt.Fprintf(&octets, `\x%02x`, b)
	}
	backwards := []byte(text)
	slices.Reverse(backwards)
	return []string{
		text, strings.ToUpper(text), strings.ToLower(text), string(backwards),
		quoted[1 : len(quoted)-1], inJSON(text), html.EscapeString(text),
		url.QueryEscape(text), url.PathEscape(text), percent.String(), octets.String(),
		strings.ReplaceAll(text, "'", `'\''`), hexed, strings.ToUpper(hexed),
	}
}

func inJSON(text string) string {
	encoded, _ := json.Marshal(text) // text always encodes
	return string(encoded[1 : len(encoded)-1])
}

// addBase64 adds what a text looks like inside something longer that is base64:
// three ways, by the number of bytes before it in a group of three.
func (r *Redactor) addBase64(text string) {
	const group, letters = 3, 4
	for before := range group {
		raw := append(make([]byte, before), text...)
		bits := 8 * len(raw)
		from, to := (8*before+5)/6, bits/6 // characters that hold nothing else
		if to-from < shortest {
			continue
		}
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			r.addForm(form{
				text: alphabet.EncodeToString(raw)[from:to], wildBefore: before > 0, wildAfter: bits%6 != 0,
			})
		}
	}
}

func (r *Redactor) addForm(f form) {
	if slices.ContainsFunc(r.forms, func(have form) bool { return have.text == f.text }) {
		return
	}
	f.piece = min(runLength, len(f.text))
	r.least = min(r.least, f.piece)
	r.forms = append(r.forms, f)
}

const (
	gramLength = 4
	bloomBits  = 16
	bloomSize  = 1 << bloomBits
)

func gram(b string) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// slot spreads grams over the filter (multiplicative hashing, Knuth).
func slot(g uint32) uint32 { return g * 2654435761 >> (32 - bloomBits) }

package redact

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// form is a spelling of a secret. The characters at its wild ends mix bits of the secret
// with bits of its neighbours, as in base64.
type form struct {
	text       string
	as         Form
	of         int // index of the login
	piece      int // length of the piece to redact
	firm       int // length of the piece to hold back while more may come
	wildBefore int
	wildAfter  int
	words      bool // adjacent words contain bytes of the secret too
	bytes      int  // of the secret, in a form of numbers
	dumped     bool // single characters, with others between
}

// Form names a way to write a secret, as it follows "the token".
type Form string

// The forms. A secret that an encoding leaves as it is counts as Plain.
const (
	Plain       Form = "as it is"
	UpperCase   Form = "in capitals"
	LowerCase   Form = "in small letters"
	Backwards   Form = "backwards"
	Escaped     Form = "with escapes"
	Base64      Form = "in base64"
	Base64Twice Form = "in base64, twice"
	Base32      Form = "in base32"
	Hex         Form = "in hex"
	Numbers     Form = "as numbers"
	UTF16       Form = "in UTF-16"
)

type forms []form

func (all *forms) add(f form) {
	if f.piece == 0 {
		f.piece, f.firm = runLength, gramLength
	}
	f.piece = min(f.piece, len(f.text))
	if !slices.ContainsFunc(*all, func(have form) bool { return have.text == f.text }) {
		*all = append(*all, f)
	}
}

func (all forms) belong(login int) {
	for i := range all {
		all[i].of = login
	}
}

func (all *forms) addSecret(secret string) {
	for _, s := range spellings(secret) {
		all.add(form{text: s.text, as: s.as})
	}
	texts := []string{secret}
	for _, encoded := range []string{inJSON(secret), inQuotes(secret)} {
		if encoded != secret {
			texts = append(texts, encoded)
		}
	}
	for _, text := range texts {
		all.addBase64(text)
		for _, once := range grouped(text, inBase64) {
			for _, f := range grouped(once.text, inBase64) { // a wild character spreads over two others
				f.wildBefore, f.wildAfter = max(f.wildBefore, 2*once.wildBefore), max(f.wildAfter, 2*once.wildAfter)
				f.as = Base64Twice
				all.add(f)
			}
		}
		for _, f := range grouped(text, inBase32) {
			f.as = Base32
			all.add(f)
			f.text = strings.ToLower(f.text)
			all.add(f)
		}
	}
}

func (all *forms) addBase64(text string) {
	for _, f := range slices.Concat(grouped(text, inBase64), grouped(text, inBase64URL)) {
		f.as = Base64
		all.add(f)
	}
}

// spellings returns the escapings of a text that are in common use.
func spellings(text string) []form {
	quoted := inQuotes(text)
	hexed := hex.EncodeToString([]byte(text))
	backwards := []byte(text)
	slices.Reverse(backwards)
	return []form{
		{text: text, as: Plain}, {text: strings.ToUpper(text), as: UpperCase}, {text: strings.ToLower(text), as: LowerCase},
		{text: string(backwards), as: Backwards},
		{text: quoted, as: Escaped}, {text: inJSON(text), as: Escaped}, {text: inQuotes(quoted), as: Escaped}, {text: inJSON(inJSON(text)), as: Escaped},
		{text: html.EscapeString(text), as: Escaped},
		{text: url.QueryEscape(text), as: Escaped}, {text: url.PathEscape(text), as: Escaped},
		{text: strings.ReplaceAll(text, "'", `'\''`), as: Escaped}, {text: hexed, as: Hex}, {text: strings.ToUpper(hexed), as: Hex},
	}
}

func inQuotes(text string) string {
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

func inJSON(text string) string {
	encoded, _ := json.Marshal(text) // text always encodes
	return string(encoded[1 : len(encoded)-1])
}

func each(text, format string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

// alphabet encodes groups of bytes as characters of that many bits.
type alphabet struct {
	encode      func([]byte) string
	bytes, bits int
}

var (
	inBase64    = alphabet{base64.RawStdEncoding.EncodeToString, 3, 6}
	inBase64URL = alphabet{base64.RawURLEncoding.EncodeToString, 3, 6}
	inBase32    = alphabet{base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString, 5, 5}
)

// grouped returns the forms that a text takes inside longer encoded text: one for each
// number of bytes that can precede it in a group.
func grouped(text string, a alphabet) forms {
	var all forms
	for before := range a.bytes {
		raw := append(make([]byte, before), text...)
		bits := 8 * len(raw)
		from, to := (8*before+a.bits-1)/a.bits, bits/a.bits // characters that hold only the text
		if to-from < shortest {
			continue
		}
		all.add(form{text: a.encode(raw)[from:to], wildBefore: min(before, 1), wildAfter: min(bits%a.bits, 1)})
	}
	return all
}

// numbers are the ways to write one byte, without the characters that the view of a dump
// drops: among them 0x46, \x46, \u0046, &#x46; and &#70;. Plain hex is one of spellings.
var numbers = []string{
	"%d", "%03d", "%03o", "0%03o", "0o%03o", "%08b", "0b%08b",
	"0x%02x", "0x%02X", "x%02x", "x%02X", "u%02x", "u%02X", "u00%02x", "u00%02X", "U000000%02x", "U000000%02X",
}

// telling is how many bytes of a secret, written as numbers, are redacted in a dump:
// runLength in hex.
const telling = runLength / 2

// addNumbers adds the secret as dumps show it: byte by byte, and in little-endian words,
// the default of od and hexdump.
func (all *forms) addNumbers(secret string) {
	for _, format := range numbers {
		all.add(number(each(secret, format), len(secret), false))
	}
	for _, size := range []int{2, 4, 8} {
		octal := (8*size + 2) / 3
		for _, format := range []string{fmt.Sprintf("%%0%dx", 2*size), fmt.Sprintf("%%0%do", octal), "%d"} {
			for before := range size {
				all.addWords(secret[min(before, len(secret)):], size, format)
			}
		}
	}
}

func (all *forms) addWords(text string, size int, format string) {
	var b strings.Builder
	n := len(text) / size * size
	for i := 0; i < n; i += size {
		var word uint64
		for k := range size {
			word |= uint64(text[i+k]) << (8 * k)
		}
		fmt.Fprintf(&b, format, word)
	}
	if n >= telling {
		all.add(number(b.String(), n, true))
	}
}

func number(text string, bytes int, words bool) form {
	piece := max(runLength, len(text)*telling/bytes)
	return form{text: text, as: Numbers, bytes: bytes, piece: piece, firm: piece / 2, words: words}
}

// forDumps returns forms as a dump of characters shows them. The view of a dump has only
// letters and digits.
func forDumps(texts forms) forms {
	var all forms
	for _, f := range texts {
		f.text = strings.Map(func(r rune) rune {
			if r < 0x80 && !isWord[r] {
				return -1
			}
			return r
		}, f.text)
		f.piece, f.dumped = min(runLength, len(f.text)), true
		if f.piece >= wideGram {
			all.add(f)
		}
	}
	return all
}

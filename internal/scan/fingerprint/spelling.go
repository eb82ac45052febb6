package fingerprint

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"purser/internal/redact"
)

// spelling is a way in which a prefix can stand in a stream. It is public, like the prefix.
type spelling struct {
	text   string
	as     redact.Form
	prefix string
	layers []layer // to take off what follows, the outermost first
}

// layer is an encoding of text that begins somewhere in a group of characters. The spelling
// begins with the first character that holds only the text: lead bits of the text are before.
type layer struct {
	*alphabet
	lead  int
	first byte // of the text
}

// alphabet writes groups of bytes as characters of that many bits.
type alphabet struct {
	as          redact.Form
	bytes, bits int
	encode      func([]byte) string
	value       [256]int8 // -1: not in the alphabet
}

func newAlphabet(as redact.Form, bytes, bits int, encode func([]byte) string, letters ...string) *alphabet {
	a := &alphabet{as: as, bytes: bytes, bits: bits, encode: encode}
	for c := range a.value {
		a.value[c] = -1
	}
	for _, all := range letters {
		for v, c := range []byte(all) {
			a.value[c] = int8(v)
		}
	}
	return a
}

// lower makes an encoding write small letters.
func lower(encode func([]byte) string) func([]byte) string {
	return func(b []byte) string { return strings.ToLower(encode(b)) }
}

func inHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

var (
	letters32 = [...]string{"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "abcdefghijklmnopqrstuvwxyz234567"}
	in32      = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString

	inBase64  = newAlphabet(redact.Base64, 3, 6, base64.RawStdEncoding.EncodeToString, alphanumeric+"+/", alphanumeric+"-_")
	alphabets = []*alphabet{
		inBase64,
		newAlphabet(redact.Hex, 1, 4, inHex, "0123456789ABCDEF", "0123456789abcdef"),
		newAlphabet(redact.Hex, 1, 4, lower(inHex), "0123456789ABCDEF", "0123456789abcdef"),
		newAlphabet(redact.Base32, 5, 5, in32, letters32[:]...),
		newAlphabet(redact.Base32, 5, 5, lower(in32), letters32[:]...),
	}
)

// spellings returns the ways to write a prefix that stands in longer text: as it is, encoded
// once, in base64 twice, and all of them in UTF-16, before and after.
func spellings(prefix string) []spelling {
	var all []spelling
	for _, s := range []spelling{{text: prefix, as: redact.Plain}, {text: wide(prefix), as: redact.UTF16}} {
		all = append(all, s)
		for _, a := range alphabets {
			for _, once := range s.encoded(a) {
				all = append(all, once)
				if a == inBase64 {
					for _, twice := range once.encoded(a) {
						twice.as = redact.Base64Twice
						all = append(all, twice)
					}
				}
			}
		}
	}
	for _, s := range all[:len(all):len(all)] {
		s.text = wide(s.text)
		all = append(all, s)
	}
	for i := range all {
		all[i].prefix = prefix
	}
	slices.SortStableFunc(all, func(a, b spelling) int { return strings.Compare(a.text, b.text) })
	return slices.CompactFunc(all, func(a, b spelling) bool { return a.text == b.text })
}

// encoded returns the spellings of a spelling in an alphabet, one for each number of bytes
// that can precede it in a group.
func (s spelling) encoded(a *alphabet) []spelling {
	var all []spelling
	for before := range a.bytes {
		raw := append(make([]byte, before), s.text...)
		from, to := (8*before+a.bits-1)/a.bits, 8*len(raw)/a.bits // characters that hold only the text
		l := layer{a, from*a.bits - 8*before, s.text[0]}
		all = append(all, spelling{text: a.encode(raw)[from:to], as: a.as, layers: append([]layer{l}, s.layers...)})
	}
	return all
}

// wide is text in UTF-16 of either byte order, without the zero at its end.
func wide(text string) string { return strings.Join(strings.Split(text, ""), "\x00") }

// decode appends what the characters at the start of a text mean, without the zeros of UTF-16.
func (l layer) decode(dst, text []byte) []byte {
	bits := 0
	if l.lead > 0 {
		dst, bits = append(dst, l.first), l.lead-8 // the rest of the first byte
	}
	acc := 0
	for _, c := range text {
		v := l.value[c]
		if v < 0 {
			break
		}
		acc = (acc<<l.bits | int(v)) & 0xffff
		if bits += l.bits; bits >= 8 {
			bits -= 8
			if c := byte(acc >> bits); c != 0 { //nolint:gosec // its low bits
				dst = append(dst, c)
			}
		}
	}
	return dst
}

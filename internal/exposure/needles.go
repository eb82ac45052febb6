package exposure

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// run is the length of a piece of a secret that counts as showing it.
const run = 6

// publicPrefixes say what kind a token is, and nothing else.
var publicPrefixes = []string{"dckr_pat_", "dckr_oat_"}

// needles are the pieces of all canaries in all forms, found in one pass over
// a text. This is a second implementation beside the redaction of what purser
// quotes, on purpose: one must not be blind where the other is.
type needles struct {
	byLength map[int]map[string]needle
	lengths  []int
	begins   map[int][]bool // by length, whether a needle begins with two bytes
	decimal  map[string]needle
}

type needle struct {
	canary int
	form   string
}

func newNeedles(canaries []Canary) *needles {
	n := &needles{byLength: map[int]map[string]needle{}, begins: map[int][]bool{}, decimal: map[string]needle{}}
	for i, c := range canaries {
		secret := c.Secret.Reveal()
		for _, prefix := range publicPrefixes {
			secret = strings.TrimPrefix(secret, prefix)
		}
		n.addSecret(i, secret)
	}
	for length, set := range n.byLength {
		n.lengths = append(n.lengths, length)
		begins := make([]bool, 1<<16)
		for text := range set {
			begins[pair(text)] = true
		}
		n.begins[length] = begins
	}
	slices.Sort(n.lengths)
	return n
}

func pair(text string) int { return int(text[0])<<8 | int(text[1]) }

func (n *needles) addSecret(canary int, secret string) {
	backwards := reversed(secret)
	n.addRuns(canary, "plain", secret, run)
	n.addRuns(canary, "reversed", backwards, run)
	n.addRuns(canary, "hex", hex.EncodeToString([]byte(secret)), 2*run)
	// A register dump has the bytes of a word in reverse.
	n.addRuns(canary, "reversed hex", hex.EncodeToString([]byte(backwards)), 2*run)
	for skip := range 3 {
		if len(secret) < skip+run {
			break
		}
		aligned := secret[skip:]
		aligned = aligned[:len(aligned)/3*3]
		n.addRuns(canary, "base64", base64.StdEncoding.EncodeToString([]byte(aligned)), 4*run/3)
		n.addRuns(canary, "base64", base64.URLEncoding.EncodeToString([]byte(aligned)), 4*run/3)
	}
	// What %v makes of a []byte, and JSON of a list of numbers.
	for i := 0; i+run <= len(secret); i++ {
		var numbers []string
		for _, b := range []byte(secret[i : i+run]) {
			numbers = append(numbers, strconv.Itoa(int(b)))
		}
		n.decimal[strings.Join(numbers, " ")] = needle{canary, "numbers"}
	}
}

func (n *needles) addRuns(canary int, form, text string, length int) {
	if len(text) < length { // a short secret counts as a whole only
		length = len(text)
	}
	if length < 2 {
		return
	}
	if n.byLength[length] == nil {
		n.byLength[length] = map[string]needle{}
	}
	for i := 0; i+length <= len(text); i++ {
		if _, taken := n.byLength[length][text[i:i+length]]; !taken {
			n.byLength[length][text[i:i+length]] = needle{canary, form}
		}
	}
}

func reversed(text string) string {
	b := []byte(text)
	slices.Reverse(b)
	return string(b)
}

// hit is a needle with the way in which the text had to be read for it.
type hit struct {
	canary int
	form   string
}

// in finds the canaries in a text: as it stands, and read as URL-escaped, as
// JSON or shell with escapes and quotes, and as hex in upper case. A canary is
// reported once for each form.
func (n *needles) in(text string) []hit {
	var hits []hit
	n.pass(text, "", &hits)
	if lower := strings.ToLower(text); lower != text {
		n.passLength(2*run, lower, "", &hits)
	}
	if plain := unescapeURL(text); plain != text {
		n.pass(plain, "URL-escaped, ", &hits)
	}
	if plain := unescape(text); plain != text {
		n.pass(plain, "escaped or quoted, ", &hits)
	}
	if numbers := strings.ReplaceAll(text, ",", " "); strings.ContainsAny(numbers, "0123456789") {
		numbers = strings.Join(strings.Fields(numbers), " ")
		for text, d := range n.decimal {
			if strings.Contains(numbers, text) {
				hits = append(hits, hit(d))
			}
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		if a.canary != b.canary {
			return a.canary - b.canary
		}
		return strings.Compare(a.form, b.form)
	})
	return slices.Compact(hits)
}

func (n *needles) pass(text, how string, hits *[]hit) {
	for _, length := range n.lengths {
		n.passLength(length, text, how, hits)
	}
}

func (n *needles) passLength(length int, text, how string, hits *[]hit) {
	set, begins := n.byLength[length], n.begins[length]
	if set == nil {
		return
	}
	for i := 0; i+length <= len(text); i++ {
		if !begins[pair(text[i:i+2])] {
			continue
		}
		if found, ok := set[text[i:i+length]]; ok {
			if h := (hit{found.canary, how + found.form}); !slices.Contains(*hits, h) {
				*hits = append(*hits, h)
			}
		}
	}
}

// unescapeURL decodes every %XX and leaves what is none.
func unescapeURL(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if v, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// unescape reads a text as JSON, Go, C and the shell would, all at once: the
// backslash's escapes are decoded and quotes are dropped.
func unescape(text string) string {
	if !strings.ContainsAny(text, `\'"`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'' || c == '"':
		case c == '\\' && i+1 < len(text):
			decoded, length := escape(text[i+1:])
			b.WriteString(decoded)
			i += length
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// escape decodes what follows a backslash and says how long it is.
func escape(text string) (decoded string, length int) {
	for _, form := range []struct {
		after  string
		digits int
		base   int
		bits   int
	}{{"x", 2, 16, 8}, {"u", 4, 16, 16}, {"", 3, 8, 8}} {
		rest, ok := strings.CutPrefix(text, form.after)
		if !ok || len(rest) < form.digits {
			continue
		}
		v, err := strconv.ParseUint(rest[:form.digits], form.base, form.bits)
		if err != nil {
			continue
		}
		length = len(form.after) + form.digits
		if form.bits == 8 {
			return string([]byte{byte(v)}), length //nolint:gosec // it has eight bits
		}
		return string(rune(v)), length //nolint:gosec // it has sixteen
	}
	return text[:1], 1
}

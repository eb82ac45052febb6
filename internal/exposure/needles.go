package exposure

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// run is the shortest piece of a secret that counts as a leak.
const run = 6

// publicPrefixes reveal only the kind of a token.
var publicPrefixes = []string{"dckr_pat_", "dckr_oat_"}

// needles are all pieces of all canaries in all encodings, found in one pass. This deliberately does
// not share code with purser's redaction, so that the two do not share blind spots.
type needles struct {
	byLength map[int]map[string]needle
	lengths  []int
	begins   map[int][]bool // by length: whether a needle starts with two bytes
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
	// A register dump reverses the bytes of a word.
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
	// The format of %v for a []byte, and JSON lists of numbers.
	for i := 0; i+run <= len(secret); i++ {
		var numbers []string
		for _, b := range []byte(secret[i : i+run]) {
			numbers = append(numbers, strconv.Itoa(int(b)))
		}
		n.decimal[strings.Join(numbers, " ")] = needle{canary, "numbers"}
	}
}

func (n *needles) addRuns(canary int, form, text string, length int) {
	if len(text) < length { // a short secret counts only as a whole
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

// in finds canaries in a text as it is, URL-unescaped, without JSON's or the shell's escapes and
// quotes, and as upper-case hex. It reports a canary once per form.
func (n *needles) in(text string) []needle {
	var hits []needle
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
				hits = append(hits, d)
			}
		}
	}
	slices.SortFunc(hits, func(a, b needle) int {
		if a.canary != b.canary {
			return a.canary - b.canary
		}
		return strings.Compare(a.form, b.form)
	})
	return slices.Compact(hits)
}

func (n *needles) pass(text, how string, hits *[]needle) {
	for _, length := range n.lengths {
		n.passLength(length, text, how, hits)
	}
}

func (n *needles) passLength(length int, text, how string, hits *[]needle) {
	set, begins := n.byLength[length], n.begins[length]
	if set == nil {
		return
	}
	for i := 0; i+length <= len(text); i++ {
		if !begins[pair(text[i:i+2])] {
			continue
		}
		if found, ok := set[text[i:i+length]]; ok {
			if h := (needle{found.canary, how + found.form}); !slices.Contains(*hits, h) {
				*hits = append(*hits, h)
			}
		}
	}
}

// unescapeURL decodes every valid %XX.
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

// unescape decodes backslash escapes of JSON, Go, C and the shell, and drops quotes.
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

// escape decodes the text after a backslash, and returns how much it used.
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
			return string([]byte{byte(v)}), length //nolint:gosec // 8 bits
		}
		return string(rune(v)), length //nolint:gosec // 16 bits
	}
	return text[:1], 1
}

package credential

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	// tellingRun is how many consecutive characters of a secret count as showing it.
	tellingRun = 6
	// quoteLimit bounds a quotation, in characters.
	quoteLimit    = 200
	withheld      = "(an answer that repeats the secret, not shown)"
	withheldToken = "(a text that contains a token, not shown)"
)

// Quote makes text from a registry, a helper or a cloud service fit to show: one line, at
// most 200 characters, control characters and terminal escapes escaped, and Go's words for
// the end of a wait in plain ones. It withholds the whole text if that contains any token,
// or six or more consecutive characters of one of the secrets: plain, URL-escaped, hex,
// base64 or reversed. Hostile servers echo what they were sent.
func Quote(text string, secrets ...Secret) string {
	for _, s := range secrets {
		if Shows(text, s) {
			return withheld
		}
	}
	if HoldsToken(text) {
		return withheldToken
	}
	var b strings.Builder
	n := 0
	for _, r := range InWords(strings.TrimSpace(text)) {
		if n == quoteLimit {
			b.WriteString("…")
			break
		}
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case !unicode.IsPrint(r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
		n++
	}
	return b.String()
}

// Shows reports whether text contains six or more consecutive characters of the secret,
// plain or in a usual encoding. A token's public prefix (dckr_pat_) does not count.
func Shows(text string, s Secret) bool {
	secret := secretPart(s.Reveal())
	if secret == "" {
		return false
	}
	if len(secret) < tellingRun {
		return strings.Contains(text, secret)
	}
	if unescaped, err := url.QueryUnescape(text); err == nil && unescaped != text && sharesRun(unescaped, secret) {
		return true
	}
	lower := strings.ToLower(text)
	return sharesRun(text, secret) || sharesRun(text, reverse(secret)) ||
		containsRun(lower, hex.EncodeToString([]byte(secret)), 2*tellingRun) ||
		sharesBase64(text, secret)
}

// secretPart strips the public prefix that shows a token's kind.
func secretPart(text string) string {
	for _, k := range knownForms {
		if rest, ok := strings.CutPrefix(text, k.Prefix); ok {
			return rest
		}
	}
	return text
}

func sharesRun(text, secret string) bool { return containsRun(text, secret, tellingRun) }

func containsRun(text, secret string, n int) bool {
	for i := 0; i+n <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+n]) {
			return true
		}
	}
	return false
}

// sharesBase64 looks for pieces of the encoded secret at each of the three alignments that
// surrounding text can give it.
func sharesBase64(text, secret string) bool {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	for skip := range 3 {
		if len(secret) < skip+tellingRun {
			break
		}
		aligned := secret[skip:]
		aligned = aligned[:len(aligned)/3*3]
		if containsRun(text, base64.StdEncoding.EncodeToString([]byte(aligned)), 4*tellingRun/3) {
			return true
		}
	}
	return false
}

func reverse(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// SplitToken splits a token into the public prefix that shows its kind, "" if it has none,
// and the secret rest.
func SplitToken(s Secret) (prefix string, rest Secret) {
	text := s.Reveal()
	secret := secretPart(text)
	return text[:len(text)-len(secret)], NewSecret(secret)
}

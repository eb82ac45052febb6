package credential

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

const (
	// tellingRun is the length of a piece of a secret that counts as showing it.
	tellingRun = 6
	// quoteLimit bounds how much of somebody else's text is quoted, in characters.
	quoteLimit = 200
	// withheld stands for a text that held a piece of a secret.
	withheld = "(an answer that repeats the secret, not shown)"
	// withheldToken stands for a text with a token in it, whosever.
	withheldToken = "(a text with a token in it, not shown)"
)

// Quote makes text that came from a registry, a helper or a cloud service fit
// to be shown: one line, at most 200 characters, control characters and
// terminal escapes taken out, and nothing at all of it when it holds six or
// more consecutive characters of one of the secrets in plain, URL-escaped, hex,
// base64 or reversed form, or a word in the form of a token, whosever it is. A
// hostile server echoes what it was sent. How Go says that a wait has ended is in words.
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

// Shows reports whether text holds six or more consecutive characters of the
// secret, plain or in one of the encodings in which secrets travel. A public
// prefix of a token (dckr_pat_) does not count.
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

// secretPart is what is secret of a token: the part after a prefix that says
// its kind.
func secretPart(text string) string {
	for _, k := range knownForms {
		if rest, ok := strings.CutPrefix(text, k.Prefix); ok {
			return rest
		}
	}
	return text
}

func sharesRun(text, secret string) bool { return containsRun(text, secret, tellingRun) }

// containsRun reports whether text holds n consecutive bytes of secret.
func containsRun(text, secret string, n int) bool {
	for i := 0; i+n <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+n]) {
			return true
		}
	}
	return false
}

// sharesBase64 looks for pieces of the secret encoded at each of the three
// alignments that text around it can give it.
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
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// SplitToken takes a token apart: the public prefix that says its kind, "" for one
// that has none, and what is secret of it.
func SplitToken(s Secret) (prefix string, rest Secret) {
	text := s.Reveal()
	secret := secretPart(text)
	return text[:len(text)-len(secret)], NewSecret(secret)
}

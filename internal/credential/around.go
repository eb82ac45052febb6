package credential

import "strings"

// Around says what was copied together with a token: quotation marks, a header, an
// assignment. It returns "" for a token alone and for text without a token of a known
// form, and never repeats any of the text.
func Around(s Secret) string {
	text := s.Reveal()
	kind, at, end := findToken(text)
	if kind == "" || at == 0 && end == len(text) {
		return ""
	}
	return whatStands(text[:at], text[end:]) + " " + kind.WithArticle()
}

// findToken returns the first token of a known form in a text. A vendor's token wins over
// a session.
func findToken(text string) (kind Kind, at, end int) {
	at = -1
	for _, k := range knownForms {
		if i := k.index(text); i >= 0 && (at < 0 || i < at) {
			kind, at = k.Kind, i
		}
	}
	if at >= 0 {
		return kind, at, at + tokenEnd(text[at:])
	}
	for from := 0; from < len(text); from++ {
		end := from + tokenEnd(text[from:])
		if isJWT(text[from:end]) {
			return Session, from, end
		}
		from = end
	}
	return "", 0, 0
}

// tokenEnd returns the token's length: it extends over the characters of URL-safe base64
// and the dots between them.
func tokenEnd(text string) int {
	end := strings.IndexFunc(text, endsToken)
	if end < 0 {
		end = len(text)
	}
	return len(strings.TrimRight(text[:end], "."))
}

func whatStands(before, after string) string {
	const quotes = "\"'`“”‘’"
	front := strings.TrimRight(before, quotes+" ")
	word := strings.ToLower(front[strings.LastIndexAny(front, " :=\"'")+1:])
	switch {
	case strings.ContainsAny(before, "{}[]"):
		return "there is JSON around"
	case strings.Contains(before, "://"):
		return "there is an address around"
	case word == "bearer" || word == "basic" || strings.Contains(strings.ToLower(before), "authorization"):
		return "there is a header in front of"
	case strings.HasSuffix(front, "="):
		return "there is an assignment in front of"
	case strings.HasSuffix(front, ":"):
		return "there is a name with a colon in front of"
	case front == "" && before != "" || before == "" && strings.ContainsAny(after, quotes):
		return "there are quotation marks around"
	case before == "":
		return "something follows"
	}
	return "there is other text around"
}

// WithArticle returns the kind after "a" or "an".
func (k Kind) WithArticle() string {
	if strings.ContainsAny(string(k[:1]), "aeiou") {
		return "an " + string(k)
	}
	return "a " + string(k)
}

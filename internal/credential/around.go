package credential

import "strings"

// Around says what was copied together with a token: quotation marks, a header, an
// assignment. It is "" for a token alone, and for text with no token of a known form. It
// repeats nothing of the text.
func Around(s Secret) string {
	text := s.Reveal()
	kind, at, end := findToken(text)
	if kind == "" || at == 0 && end == len(text) {
		return ""
	}
	return whatStands(text[:at], text[end:]) + " " + withArticle(string(kind))
}

// findToken is the first token of a known form in a text. One of a vendor wins over a
// session.
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

// tokenEnd is how far a token goes: over the characters of base64 in addresses, and over
// dots between them.
func tokenEnd(text string) int {
	end := strings.IndexFunc(text, endsToken)
	if end < 0 {
		end = len(text)
	}
	return len(strings.TrimRight(text[:end], "."))
}

// whatStands names what is before and after a token.
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

// withArticle puts "a" or "an" in front.
func withArticle(noun string) string {
	if strings.ContainsAny(noun[:1], "aeiou") {
		return "an " + noun
	}
	return "a " + noun
}

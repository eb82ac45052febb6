package config

import (
	"slices"
	"strings"
	"unicode"

	"purser/internal/credential"
)

// hiddenKey stands for a key whose text may be anything.
const hiddenKey = "(a key that is not shown)"

// suggestionDistance is how many letters a typing mistake changes at most.
const suggestionDistance = 2

// opaqueForm is that of tokens without a mark of their own: UUIDs, as Docker Hub
// gave out before 2023, and long hexadecimal numbers.
var opaqueForm = credential.NewPattern(`(?i)^[0-9a-f]{8}-?[0-9a-f-]{12,}$`)

// looksLikeTokenKey reports whether a key in the file is rather a token.
func looksLikeTokenKey(text string) bool {
	return credential.HoldsToken(text) ||
		opaqueForm.MatchString(text) && strings.ContainsAny(text, "0123456789")
}

// showName is a credential's name as it may be shown.
func showName(text string) string {
	if _, err := credential.ParseName(text); err != nil || looksLikeTokenKey(text) {
		return hiddenKey
	}
	return text
}

// Nearest finds the known key that was probably meant: one that differs only in
// case or separators, one that text begins, or one at most two letters away. It
// is "" when there is none, and then the text must not be shown.
func Nearest(text string, known []string) string {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(text) > textLimit || strings.ContainsFunc(text, unprintable) {
		return ""
	}
	text = plain(text)
	if i := slices.IndexFunc(known, func(k string) bool { return text != "" && strings.HasPrefix(k, text) }); i >= 0 {
		return known[i]
	}
	best, least := "", suggestionDistance+1
	for _, k := range known {
		// Short keys are near to everything: they need a closer match.
		if d := distance(text, k); d < least && d <= len(k)/3 {
			best, least = k, d
		}
	}
	return best
}

func plain(text string) string {
	return strings.ReplaceAll(strings.ToLower(text), "_", "-")
}

// distance counts the letters to insert, to leave out, to change and to swap
// with their neighbour to make b from a. Texts whose lengths differ by more than
// a suggestion allows are not compared.
func distance(a, b string) int {
	if d := len(a) - len(b); d > suggestionDistance || -d > suggestionDistance {
		return suggestionDistance + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			changed := last[j-1]
			if a[i-1] != b[j-1] {
				changed++
			}
			row[j] = min(last[j]+1, row[j-1]+1, changed)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

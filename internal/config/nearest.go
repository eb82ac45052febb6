package config

import (
	"slices"
	"strings"
	"unicode"

	"purser/internal/credential"
)

// hiddenKey replaces a key, which may be a secret.
const hiddenKey = "(key not shown)"

// suggestionDistance is the most letters that a typing mistake changes.
const suggestionDistance = 2

// opaqueForm matches tokens without a prefix: UUIDs, Docker Hub's before 2023, and long
// hexadecimal numbers.
var opaqueForm = credential.NewPattern(`(?i)^[0-9a-f]{8}-?[0-9a-f-]{12,}$`)

// looksLikeTokenKey reports whether a key looks like a token.
func looksLikeTokenKey(text string) bool {
	return credential.HoldsToken(text) ||
		opaqueForm.MatchString(text) && strings.ContainsAny(text, "0123456789")
}

// showName returns a credential's name, or hides it if it may be a secret.
func showName(text string) string {
	if _, err := credential.ParseName(text); err != nil || looksLikeTokenKey(text) {
		return hiddenKey
	}
	return text
}

// Nearest returns the known key that the text probably means: one that differs only in case or
// separators, starts with the text, or is at most two letters away. If it returns "", do not
// show the text.
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
		// Short keys resemble everything, so they need a closer match.
		if d := distance(text, k); d < least && d <= len(k)/3 {
			best, least = k, d
		}
	}
	return best
}

func plain(text string) string {
	return strings.ReplaceAll(strings.ToLower(text), "_", "-")
}

// distance counts the letters to insert, delete, change or swap with a neighbour to get from
// a to b. It does not compare texts whose lengths differ too much.
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

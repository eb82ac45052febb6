package credential

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression that is compiled on first use. One docker command
// starts the credential helper up to six times, and each run needs few patterns.
type Pattern func() *regexp.Regexp

// NewPattern returns a Pattern of a valid expression.
func NewPattern(expression string) Pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// MatchString reports whether the text has a match.
func (p Pattern) MatchString(text string) bool { return p().MatchString(text) }

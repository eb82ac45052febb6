package credential

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression that is compiled when it is first used. The
// credential helper is started up to six times by one docker command, and needs
// few of those that there are.
type Pattern func() *regexp.Regexp

// NewPattern makes one of an expression, which must be valid.
func NewPattern(expression string) Pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// MatchString reports whether the text has a match.
func (p Pattern) MatchString(text string) bool { return p().MatchString(text) }

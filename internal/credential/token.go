package credential

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind says what a secret string is, as far as its form tells.
type Kind string

// The kinds of secret that a registry accepts as a password.
const (
	PersonalToken     Kind = "personal access token"
	OrganizationToken Kind = "organization access token"
	RegistryToken     Kind = "registry token"    // another registry's, known by its prefix
	OpaqueToken       Kind = "token or password" // another registry's, of no known form
	Session           Kind = "session"           // a short-lived OAuth JWT
	IdentityToken     Kind = "identity token"    // an OAuth refresh token of a docker login
	Password          Kind = "password"          // an account's password
)

// knownForms are the prefixes by which vendors mark their tokens. Docker's are
// described in its access-token documentation, GitHub's and GitLab's in theirs.
var knownForms = []struct {
	prefix string
	kind   Kind
	vendor *vendor
}{
	{"dckr_pat_", PersonalToken, docker},
	{"dckr_oat_", OrganizationToken, docker},
	{"github_pat_", RegistryToken, github},
	{"ghp_", RegistryToken, github},
	{"gho_", Session, github},
	{"ghs_", Session, github},
	{"ghu_", Session, github},
	{"glpat-", RegistryToken, gitlab},
	{"gldt-", RegistryToken, gitlab},
	{"glrt-", RegistryToken, gitlab},
}

// Docker Hub's tokens before 2023 are bare UUIDs.
var uuidForm = NewPattern(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

const (
	// identityUser is the user name under which docker stores an identity token.
	identityUser = "<token>"
	// maxToken bounds a token in bytes. A Secrets Manager value holds 65,536
	// bytes with all keys; no registry's token comes near.
	maxToken = 16 << 10
)

// Login is what a client presents to a registry: the account and its token.
type Login struct {
	Username string
	Token    Secret
}

// Equal compares both halves, the token in constant time.
func (l Login) Equal(other Login) bool {
	same := l.Token.Equal(other.Token)
	return same && l.Username == other.Username
}

// Classify tells the kind of a login's secret from its form alone.
func Classify(host Host, l Login) Kind {
	text := l.Token.Reveal()
	if l.Username == identityUser {
		return IdentityToken
	}
	for _, k := range knownForms {
		if strings.HasPrefix(text, k.prefix) {
			return k.kind
		}
	}
	if isJWT(text) {
		return Session
	}
	if !host.IsDockerHub() {
		return OpaqueToken
	}
	if uuidForm.MatchString(text) {
		return PersonalToken
	}
	if strings.Contains(text, "..") && len(text) > 60 {
		return IdentityToken // docker's refresh token joined to a client id
	}
	return Password
}

func isJWT(text string) bool {
	head, rest, ok := strings.Cut(text, ".")
	if !ok || strings.Count(rest, ".") != 1 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(head)
	var header struct {
		Algorithm string `json:"alg"`
	}
	return err == nil && json.Unmarshal(raw, &header) == nil && header.Algorithm != ""
}

// ParseToken makes a Secret of what a person pasted or a program piped in. One
// line ending at the end is taken off, as docker login does; anything else that
// no token holds is refused with a description of what is wrong, never with the
// text itself. The length reported is in bytes.
func ParseToken(raw []byte) (Secret, error) {
	bad := func(why string) (Secret, error) {
		return Secret{}, &Fault{Reason: BadToken, What: "the token cannot be used", Why: why}
	}
	if len(raw) > maxToken {
		return bad("it is longer than " + strconv.Itoa(maxToken) + " bytes; no registry makes such tokens")
	}
	if !utf8.Valid(raw) {
		return bad("it is not text (invalid UTF-8)")
	}
	text := string(raw)
	for _, end := range []string{"\r\n", "\n", "\r"} {
		if rest, ok := strings.CutSuffix(text, end); ok {
			text = rest
			break
		}
	}
	switch {
	case text == "":
		return bad("it is empty")
	case strings.TrimSpace(text) == "":
		return bad("it is only white space")
	case strings.ContainsAny(text, "\r\n"):
		return bad("it has " + strconv.Itoa(strings.Count(text, "\n")+1) + " lines; a token has one")
	case strings.TrimSpace(text) != text:
		return bad("it begins or ends with white space, so more than the token was copied")
	}
	for i, r := range text {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			return bad("it has a control or invisible character at position " + strconv.Itoa(i+1))
		}
	}
	for _, k := range knownForms {
		if rest, ok := strings.CutPrefix(text, k.prefix); ok && len(rest) < 10 {
			return bad("it has the beginning of a " + string(k.kind) + " and is cut off after " + strconv.Itoa(len(text)) + " characters")
		}
	}
	return NewSecret(text), nil
}

// LooksLikeToken reports whether text that was given in the open, as an
// argument or a key, has the form of a token.
func LooksLikeToken(text string) bool {
	for _, k := range knownForms {
		if strings.HasPrefix(text, k.prefix) {
			return true
		}
	}
	return isJWT(text)
}

// tokenWord bounds the words that HoldsToken looks into, in bytes.
const tokenWord = 4096

// HoldsToken reports whether a token stands anywhere in a text that is about to be
// shown: as a word, or behind a name as in USER:TOKEN.
func HoldsToken(text string) bool {
	separate := func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("\"'`,;=()[]{}<>|&$", r) }
	for _, word := range strings.FieldsFunc(text, separate) {
		word = word[:min(len(word), tokenWord)]
		previous := ' '
		for i, r := range word {
			if !unicode.IsLetter(previous) && !unicode.IsDigit(previous) && LooksLikeToken(word[i:]) {
				return true
			}
			previous = r
		}
	}
	return false
}

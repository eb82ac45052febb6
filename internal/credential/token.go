package credential

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind classifies a secret by its form.
type Kind string

// The kinds of secret that registries accept as a password.
const (
	PersonalToken     Kind = "personal access token"
	OrganizationToken Kind = "organization access token"
	RegistryToken     Kind = "registry token"    // another registry's, known by its prefix
	OpaqueToken       Kind = "token or password" // another registry's, of no known form
	Session           Kind = "session"           // a short-lived OAuth JWT
	IdentityToken     Kind = "identity token"    // an OAuth refresh token of a docker login
	Password          Kind = "password"          // an account's password
)

const (
	// identityUser is the user name under which docker stores an identity token.
	identityUser = "<token>"
	// maxToken bounds a token in bytes. A Secrets Manager value holds 65,536
	// bytes with all keys; no registry's token comes near.
	maxToken = 16 << 10
)

// Login is an account with its token, as a client presents it to a registry.
type Login struct {
	Username string
	Token    Secret
}

// Equal compares both halves, the token in constant time.
func (l Login) Equal(other Login) bool {
	same := l.Token.Equal(other.Token)
	return same && l.Username == other.Username
}

// Classify returns the kind of a login's secret, judging by its form alone.
func Classify(host Host, l Login) Kind {
	text := l.Token.Reveal()
	if l.Username == identityUser {
		return IdentityToken
	}
	for _, k := range knownForms {
		if strings.HasPrefix(text, k.Prefix) {
			return k.Kind
		}
	}
	if isJWT(text) {
		return Session
	}
	if tell := host.named().Unmarked; tell != nil {
		return tell(text)
	}
	return OpaqueToken
}

func isJWT(text string) bool {
	head, rest, ok := strings.Cut(text, ".")
	return ok && strings.Count(rest, ".") == 1 && isHeader(head)
}

// ParseToken makes a Secret of what a person pasted or a program piped in. It strips one
// line ending, as docker login does. Anything else that no token contains is an error that
// describes the problem and never repeats the text. It reports lengths in bytes.
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
	if around := Around(NewSecret(text)); around != "" {
		return bad(around + "; copy the token alone")
	}
	for _, k := range knownForms {
		if rest, ok := strings.CutPrefix(text, k.Prefix); ok && len(rest) < 10 {
			return bad("it starts like a " + string(k.Kind) + " and is cut off after " + strconv.Itoa(len(text)) + " characters")
		}
	}
	return NewSecret(text), nil
}

// HoldsToken reports whether a text contains a token, as in USER:TOKEN, /tmp/TOKEN or a
// quoted header. It knows the vendors' forms and sessions; nothing distinguishes a token
// of another form from other text.
func HoldsToken(text string) bool {
	return slices.ContainsFunc(knownForms, func(f knownForm) bool { return f.index(text) >= 0 }) || holdsSession(text)
}

// index returns where the form occurs in a text, or -1. A prefix alone is no token: people
// search for it. A short prefix counts only at the start of a word, since words may end in
// its letters.
func (f TokenForm) index(text string) int {
	for from := 0; ; {
		at := strings.Index(text[from:], f.Prefix)
		if at < 0 {
			return -1
		}
		at += from
		from = at + len(f.Prefix)
		inWord := at > 0 && isAlphanumeric(rune(text[at-1]))
		followed := from < len(text) && isTokenRune(rune(text[from]))
		if followed && (len(f.Prefix) > shortPrefix || !inWord) {
			return at
		}
	}
}

const shortPrefix = 6

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// isTokenRune reports whether the character occurs in tokens and URL-safe base64.
func isTokenRune(r rune) bool { return isAlphanumeric(r) || r == '_' || r == '-' }

// endsToken reports whether a character is neither part of a token nor a dot inside one.
func endsToken(r rune) bool { return r != '.' && !isTokenRune(r) }

// sessionHeader bounds the part of a JWT that names its algorithm, in bytes.
const sessionHeader = 4096

// holdsSession looks for a JWT: three parts joined by dots, the first a JSON header.
func holdsSession(text string) bool {
	for _, run := range strings.FieldsFunc(text, endsToken) {
		parts := strings.Split(run, ".")
		for i := range len(parts) - 2 {
			if endsInHeader(parts[i]) {
				return true
			}
		}
	}
	return false
}

// endsInHeader reports whether a text ends in the first part of a JWT. Other text may
// precede it, as in user_TOKEN.
func endsInHeader(text string) bool {
	text = text[max(0, len(text)-sessionHeader):]
	for {
		at := strings.Index(text, objectStart)
		if at < 0 {
			return false
		}
		text = text[at:]
		if isHeader(text) {
			return true
		}
		text = text[len(objectStart):]
	}
}

// objectStart is the base64 of how a JSON object begins.
const objectStart = "ey"

func isHeader(text string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	var header struct {
		Algorithm string `json:"alg"`
	}
	return err == nil && json.Unmarshal(raw, &header) == nil && header.Algorithm != ""
}

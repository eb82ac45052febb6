package receipt

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// AllowedSigners is an allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS).
type AllowedSigners []allowedSigner

type allowedSigner struct {
	principals  string
	key         ssh.PublicKey
	fingerprint string
	namespaces  string // a pattern list
	anyName     bool   // namespaces is not set
	after       time.Time
	before      time.Time
}

const (
	blank = " \t"
	quote = `"`
)

// ParseAllowedSigners parses the file. Times that do not end in Z are in the zone local.
// ssh-keygen skips lines that it does not understand; here they are errors, because a line
// with a mistake was meant to say something.
func ParseAllowedSigners(file []byte, local *time.Location) (AllowedSigners, error) {
	var all AllowedSigners
	number := 0
	for line := range strings.Lines(string(file)) {
		number++
		line = strings.Trim(line, blank+"\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		a, err := parseAllowed(line, local)
		if err != nil {
			return nil, fmt.Errorf("allowed signers, line %d: %w", number, err)
		}
		all = append(all, a)
	}
	return all, nil
}

func parseAllowed(line string, local *time.Location) (allowedSigner, error) {
	a := allowedSigner{anyName: true}
	principals, rest, closed := cutField(line)
	if !closed {
		return a, errors.New("a quotation mark is not closed")
	}
	if a.principals = unquote(principals); a.principals == "" {
		return a, errors.New("it has no principals")
	}
	if options, after, closed := cutField(rest); !isKeyType(options) {
		if !closed {
			return a, errors.New("a quotation mark is not closed")
		}
		if err := a.parseOptions(options, local); err != nil {
			return a, err
		}
		rest = after
	}
	var err error
	if a.key, err = parseKey(rest); err != nil {
		return a, err
	}
	a.fingerprint = ssh.FingerprintSHA256(a.key)
	return a, nil
}

func parseKey(text string) (ssh.PublicKey, error) {
	fields := strings.Fields(text) // a comment may follow the key
	if len(fields) < 2 || !isKeyType(fields[0]) {
		return nil, errors.New("it has no public key")
	}
	raw, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, errors.New("its public key is not in base64")
	}
	key, err := ssh.ParsePublicKey(raw)
	if err != nil {
		return nil, fmt.Errorf("read its public key: %w", err)
	}
	if key.Type() != fields[0] {
		return nil, fmt.Errorf("it says %q, but the key is %q", fields[0], key.Type())
	}
	return key, checkSSHKey(key)
}

// isKeyType distinguishes the key from options, whose names never start like this.
func isKeyType(field string) bool {
	for _, prefix := range []string{"ssh-", "ecdsa-", "sk-"} {
		if strings.HasPrefix(field, prefix) {
			return true
		}
	}
	return false
}

func (a *allowedSigner) parseOptions(text string, local *time.Location) error {
	seen := map[string]bool{}
	for text != "" {
		var option string
		option, text, _ = cutUnquoted(text, ",")
		name, value, has := strings.Cut(option, "=")
		name = strings.ToLower(name)
		if seen[name] {
			return fmt.Errorf("the option %q is given twice", name)
		}
		seen[name] = true
		if err := a.setOption(name, value, has, local); err != nil {
			return err
		}
	}
	if !a.after.IsZero() && !a.before.IsZero() && !a.after.Before(a.before) {
		return errors.New("valid-before is not later than valid-after")
	}
	return nil
}

func (a *allowedSigner) setOption(name, value string, has bool, local *time.Location) (err error) {
	switch name {
	case "namespaces", "valid-after", "valid-before":
	case "cert-authority":
		return errors.New("certificates cannot sign receipts: list the keys themselves, without cert-authority")
	default:
		return fmt.Errorf("there is no option %q", name)
	}
	text := unquote(value)
	if !has || text == value || text == "" {
		return fmt.Errorf("the option %s needs a value in quotation marks", name)
	}
	switch name {
	case "namespaces":
		a.namespaces, a.anyName = text, false
	case "valid-after":
		a.after, err = parseTime(text, local)
	case "valid-before":
		a.before, err = parseTime(text, local)
	}
	return err
}

// parseTime parses ssh-keygen's three time formats, which differ in length.
func parseTime(text string, local *time.Location) (time.Time, error) {
	digits, utc := strings.CutSuffix(text, "Z")
	if utc {
		local = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) != len(digits) {
			continue
		}
		if at, err := time.ParseInLocation(layout, digits, local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time as YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with or without Z", text)
}

// allows reports why the line does not allow its key to sign a receipt at a time. Both
// limits are inclusive, to the second, as in ssh-keygen.
func (a allowedSigner) allows(at time.Time) error {
	at = at.Truncate(time.Second)
	switch {
	case !a.anyName && !matchList(a.namespaces, Namespace):
		return fmt.Errorf("the key of %s is not allowed to sign for the namespace %q", a.principals, Namespace)
	case !a.after.IsZero() && at.Before(a.after):
		return fmt.Errorf("the key of %s is valid only from %s", a.principals, a.after.Format(time.RFC3339))
	case !a.before.IsZero() && at.After(a.before):
		return fmt.Errorf("the key of %s was valid until %s", a.principals, a.before.Format(time.RFC3339))
	}
	return nil
}

// matchList matches ssh's pattern list (ssh_config(5), PATTERNS): a matching pattern with !
// refuses, whatever the others say.
func matchList(list, text string) bool {
	matched := false
	for pattern := range strings.SplitSeq(list, ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if !match(pattern, text) {
			continue
		}
		if negated {
			return false
		}
		matched = true
	}
	return matched
}

func match(pattern, text string) bool {
	expression := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
	ok, err := regexp.MatchString(`^(?s:`+expression+`)$`, text)
	return ok && err == nil
}

// cutField cuts the first field of a line, which may contain quoted blanks.
func cutField(text string) (field, rest string, closed bool) {
	field, rest, closed = cutUnquoted(text, blank)
	return field, strings.TrimLeft(rest, blank), closed
}

// cutUnquoted cuts a text at the first separator outside quotation marks. closed is false
// if a quotation is not closed; a backslash escapes a mark.
func cutUnquoted(text, separators string) (before, after string, closed bool) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && strings.HasPrefix(text[i:], `\"`):
			i++
		case text[i] == quote[0]:
			quoted = !quoted
		case !quoted && strings.IndexByte(separators, text[i]) >= 0:
			return text[:i], text[i+1:], true
		}
	}
	return text, "", !quoted
}

// unquote removes the quotation marks around a text; any other text stays as it is.
func unquote(text string) string {
	inside, opened := strings.CutPrefix(text, quote)
	inside, closed := strings.CutSuffix(inside, quote)
	if !opened || !closed || strings.Contains(strings.ReplaceAll(inside, `\"`, ""), quote) {
		return text
	}
	return strings.ReplaceAll(inside, `\"`, quote)
}

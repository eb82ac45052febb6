// Package fingerprint recognizes tokens without the right to read them.
//
// A file of fingerprints holds 24 bits of a slow, salted hash of each token. A Search looks for
// the public prefix that shows a token's kind, in every usual encoding, decodes what follows,
// and hashes only that. So the fast part of the search needs nothing of a secret, and the slow
// part is rarely needed. docs/fingerprints.md has the reasons and the numbers.
package fingerprint

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"purser/internal/credential"
)

// Version 1 of the file means these parameters, RFC 9106's for little memory, so a file that
// somebody changed can't choose weak or endless ones. Changing one needs another version.
const (
	version  = 1
	passes   = 3
	memory   = 64 << 10 // in KiB
	lanes    = 4
	saltSize = 16
	hashSize = 32
	tagSize  = 3
)

const (
	// leastBody and leastDistinct are what a random token has after its prefix. One that has
	// less was chosen by a person.
	leastBody, leastDistinct = 20, 10
	// longestBody bounds what follows a prefix in the stream.
	longestBody = 256
	mostEntries = 1000
	// LongestFile bounds a file of fingerprints, in bytes.
	LongestFile = 1 << 20
	mostGuesses = 1000
)

var (
	function = fmt.Sprintf("argon2id, %d passes over %d MiB in %d lanes, the first %d bits", passes, memory>>10, lanes, 8*tagSize)
	about    = fmt.Sprintf("purser scan recognizes registry tokens by these fingerprints. They hold %d bits of each token, from which "+
		"nobody can compute the rest, so you may commit them: see docs/fingerprints.md of purser.", 8*tagSize)
)

// Token is a token to make a fingerprint of.
type Token struct {
	Credential credential.Name
	Stage      credential.Stage
	Secret     credential.Secret
}

// Entry is a token that a Set recognizes. Prefix and Length are the same for all tokens of a kind.
type Entry struct {
	Credential credential.Name  `json:"credential"`
	Stage      credential.Stage `json:"stage"` // when the Set was made
	Prefix     string           `json:"prefix"`
	Length     int              `json:"length"`
	Tag        string           `json:"fingerprint"`
}

// file is a Set as JSON.
type file struct {
	About    string    `json:"about"`
	Version  int       `json:"version"`
	Made     time.Time `json:"made"`
	Function string    `json:"function"`
	Salt     []byte    `json:"salt"`
	Tokens   []Entry   `json:"tokens"`
}

// Set recognizes tokens. It is safe for concurrent use.
type Set struct {
	Made    time.Time
	Entries []Entry
	// Most bounds the slow work on texts that somebody made look like tokens: so many are
	// compared.
	Most int

	salt   []byte
	finder *finder
	hash   hash

	mu    sync.Mutex // guards known, and lets only one hash at a time have its memory
	known map[string][]int
}

// Refusal says why the token gets no fingerprint, and what to do instead; nil if it gets one.
func (t Token) Refusal() error {
	why := unfit(t.Secret)
	if why == "" {
		return nil
	}
	return &credential.Fault{
		Reason: credential.Usage, Credential: t.Credential, What: "the token of " + string(t.Credential) + " gets no fingerprint",
		Why: why + "; look for it where it may be read: purser scan " + string(t.Credential),
	}
}

// unfit says why a token gets no fingerprint. A tag is short and slow to compute, which
// protects what has many more possible values than anyone can try.
func unfit(token credential.Secret) string {
	prefix, rest := credential.SplitToken(token)
	body := rest.Reveal()
	distinct := slices.Compact(slices.Sorted(slices.Values([]byte(body))))
	switch {
	case prefix == "":
		return "it has no prefix that shows a random token, and whoever has the fingerprint of a password can try passwords"
	case len(body) < leastBody:
		return "only " + strconv.Itoa(len(body)) + " characters follow its prefix, and fewer than " + strconv.Itoa(leastBody) + " can be guessed"
	case len(body) > longestBody || strings.ContainsFunc(body, func(r rune) bool { return r > 0x7f || !inToken[r] }):
		return "it has characters that tokens don't have, or too many"
	case len(distinct) < leastDistinct:
		return "it has only " + strconv.Itoa(len(distinct)) + " different characters, so it isn't random"
	}
	return ""
}

// New makes fingerprints of tokens. With the Set that they replace, an unchanged token keeps
// its fingerprint: a second one, of another salt, would tell more of the token.
func New(random io.Reader, now time.Time, before *Set, tokens []Token) (*Set, error) {
	return newWith(slow, random, now, before, tokens)
}

type hash func(text string, salt []byte) []byte

func slow(text string, salt []byte) []byte {
	return argon2.IDKey([]byte(text), salt, passes, memory, lanes, hashSize)
}

func newWith(h hash, random io.Reader, now time.Time, before *Set, tokens []Token) (*Set, error) {
	salt := make([]byte, saltSize)
	if before != nil {
		copy(salt, before.salt)
	} else if _, err := io.ReadFull(random, salt); err != nil {
		return nil, err
	}
	if len(tokens) == 0 || len(tokens) > mostEntries {
		return nil, &credential.Fault{
			Reason: credential.Usage, What: "purser can't make fingerprints of " + strconv.Itoa(len(tokens)) + " tokens",
			Why: "a file has from 1 to " + strconv.Itoa(mostEntries),
		}
	}
	var entries []Entry
	for _, t := range tokens {
		if err := t.Refusal(); err != nil {
			return nil, err
		}
		prefix, _ := credential.SplitToken(t.Secret)
		tag := h(t.Secret.Reveal(), salt)[:tagSize]
		entries = append(entries, Entry{t.Credential, t.Stage, prefix, t.Secret.Len(), hex.EncodeToString(tag)})
	}
	return newSet(h, file{Made: now.UTC().Truncate(time.Second), Salt: salt, Tokens: entries}), nil
}

func newSet(h hash, f file) *Set {
	return &Set{Made: f.Made, Entries: f.Tokens, Most: mostGuesses, salt: f.Salt, hash: h, finder: newFinder(f.Tokens), known: map[string][]int{}}
}

// Encode returns the Set as a file.
func (s *Set) Encode() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(file{about, version, s.Made, function, s.salt, s.Entries}) // its types always encode
	return b.Bytes()
}

// Parse reads a file that Encode wrote. Somebody who can change the file can make a Search
// miss tokens or find others, and nothing else.
func Parse(text []byte) (*Set, error) {
	if len(text) > LongestFile {
		return nil, refused("the file is longer than " + strconv.Itoa(LongestFile) + " bytes")
	}
	var head struct{ Version *int }
	if err := json.Unmarshal(text, &head); err != nil || head.Version == nil {
		return nil, refused("the file isn't one that purser scan --export wrote")
	}
	if *head.Version != version {
		return nil, refused(fmt.Sprintf("the file has version %d, and this purser reads version %d; make the file again, or use the purser that made it", *head.Version, version))
	}
	var f file
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, refused("the file was changed by hand, or cut off")
	}
	f.Made = f.Made.UTC().Truncate(time.Second)
	if why := f.flaw(); why != "" {
		return nil, refused(why)
	}
	return newSet(slow, f), nil
}

func refused(why string) error {
	return &credential.Fault{Reason: credential.Usage, What: "purser can't use the fingerprints", Why: why}
}

// flaw says what is wrong with a file; "" if nothing is.
func (f file) flaw() string {
	switch {
	case f.Function != function:
		return "version " + strconv.Itoa(version) + " means " + function + ", and the file has something else"
	case len(f.Salt) != saltSize:
		return "the salt doesn't have " + strconv.Itoa(saltSize) + " bytes"
	case len(f.Tokens) == 0 || len(f.Tokens) > mostEntries:
		return fmt.Sprintf("it has %d tokens; a file has from 1 to %d", len(f.Tokens), mostEntries)
	case f.Made.Year() < 2000 || f.Made.Year() > 9999:
		return "it doesn't say when it was made"
	}
	for i, e := range f.Tokens {
		if why := e.flaw(); why != "" {
			return "token " + strconv.Itoa(i+1) + ": " + why
		}
	}
	return ""
}

func (e Entry) flaw() string {
	body := e.Length - len(e.Prefix)
	if body < leastBody || body > longestBody {
		return "the length is impossible"
	}
	known, _ := credential.SplitToken(credential.NewSecret(e.Prefix + strings.Repeat("0", body)))
	tag, err := hex.DecodeString(e.Tag)
	switch _, bad := credential.ParseName(string(e.Credential)); {
	case bad != nil:
		return "the name of the credential is invalid"
	case e.Stage != credential.Current && e.Stage != credential.Pending && e.Stage != credential.Previous:
		return "the stage is unknown"
	case known == "" || known != e.Prefix:
		return "this purser knows no tokens with that prefix"
	case err != nil || len(tag) != tagSize || e.Tag != hex.EncodeToString(tag):
		return "the fingerprint doesn't have " + strconv.Itoa(2*tagSize) + " hexadecimal digits"
	}
	return ""
}

// Recognizes reports whether a token is in the Set.
func (s *Set) Recognizes(token credential.Secret) bool {
	entries, _ := s.recognize(token.Reveal())
	return len(entries) > 0
}

// recognize returns the entries that a text is; ok is false after too many others.
func (s *Set) recognize(text string) (entries []int, ok bool) {
	if !slices.ContainsFunc(s.Entries, func(e Entry) bool { return e.fits(text) }) {
		return nil, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if entries, ok = s.known[text]; ok || len(s.known) >= s.Most {
		return entries, ok
	}
	tag := hex.EncodeToString(s.hash(text, s.salt)[:tagSize])
	for i, e := range s.Entries {
		if e.fits(text) && e.Tag == tag {
			entries = append(entries, i)
		}
	}
	s.known[text] = entries
	return entries, true
}

// fits reports whether a text is worth a hash.
func (e Entry) fits(text string) bool {
	return e.Length == len(text) && strings.HasPrefix(text, e.Prefix)
}

// inToken is what tokens consist of, after their prefix: letters, digits, '_', '-' and '.'.
var inToken = func() (in [256]bool) {
	for _, c := range []byte(alphanumeric + "_-.") {
		in[c] = true
	}
	return in
}()

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

package scan

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"math"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"purser/internal/credential"
)

// rulesFile has gitleaks' rules about registries' tokens; tools/rules writes it.
//
//go:embed rules.json
var rulesFile []byte

// Forms recognizes tokens of registries by their form: gitleaks' rules, and the prefixes that
// purser's own kinds of registry declare and gitleaks lacks. It finds few places to look at
// by the _ or - in every prefix, because a pattern over all of the text would be slow.
type Forms struct {
	anchors  map[uint32][]*rule // by the last four bytes of a prefix, in small letters
	filter   [1 << filterBits]bool
	literals []*rule // of prefixes without _ and -
}

type rule struct {
	ID       string   `json:"id"`
	Regex    string   `json:"regex"`
	Entropy  float64  `json:"entropy"`
	Group    int      `json:"group"`
	Keywords []string `json:"keywords"`

	compiled func() *regexp.Regexp
	literal  []byte
}

const (
	// longestToken bounds what a rule matches, in bytes.
	longestToken = 1200
	// leastBody is how many characters of a token follow its prefix at least.
	leastBody = 16
	// ownEntropy is the least entropy of what follows a prefix that gitleaks does not know, in
	// bits for each character; its own rules about registries have the same.
	ownEntropy = 3
)

// NewForms returns what recognizes tokens of registries.
func NewForms() (*Forms, error) {
	var file struct{ Rules []*rule }
	if err := json.Unmarshal(rulesFile, &file); err != nil {
		return nil, err
	}
	known := func(prefix string) bool {
		for _, r := range file.Rules {
			for _, k := range r.Keywords {
				if strings.HasPrefix(prefix, k) {
					return true
				}
			}
		}
		return false
	}
	all := file.Rules
	for _, prefix := range credential.TokenPrefixes() {
		if low := strings.ToLower(prefix); !known(low) {
			all = append(all, &rule{ID: strings.Trim(strings.ReplaceAll(low, "_", "-"), "-"), Regex: regexp.QuoteMeta(prefix) + `[A-Za-z0-9_-]{20,64}`, Entropy: ownEntropy, Keywords: []string{low}})
		}
	}
	f := &Forms{anchors: map[uint32][]*rule{}}
	for _, r := range all {
		if err := f.add(r); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *Forms) add(r *rule) error {
	parsed, err := syntax.Parse(r.Regex, syntax.Perl)
	if err != nil {
		return err
	}
	r.compiled = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(r.Regex) })
	for _, keyword := range r.Keywords {
		if gram, ok := anchor(keyword); ok {
			f.filter[slot(gram)] = true
			f.anchors[gram] = append(f.anchors[gram], r)
		} else if r.literal = literalOf(parsed); r.literal != nil {
			f.literals = append(f.literals, r)
		}
	}
	return nil
}

// anchor returns the four bytes of a prefix that end with _ or -. They contain no other one,
// if possible.
func anchor(prefix string) (gram uint32, ok bool) {
	const size = 4
	for i := len(prefix) - 1; i >= size-1; i-- {
		if prefix[i] != '_' && prefix[i] != '-' {
			continue
		}
		four := prefix[i-size+1 : i+1]
		gram, ok = lower([]byte(four)), true
		if !strings.ContainsAny(four[:size-1], "_-") {
			break
		}
	}
	return gram, ok
}

// lower packs four bytes, with letters made small. Some other characters change too; what they
// become is no letter, _ or -.
func lower(four []byte) uint32 {
	const small, separator = 0x00202020, 0xff << 24
	x := binary.LittleEndian.Uint32(four)
	return x&separator | (x|small)&^separator
}

const filterBits = 10

// slot is a gram's place in the filter (multiplicative hashing, Knuth).
func slot(gram uint32) uint32 { return gram * 0x9e3779b1 >> (32 - filterBits) }

// literalOf returns the first text that a pattern wants; nil if there is none.
func literalOf(re *syntax.Regexp) []byte {
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0 && len(re.Rune) >= 4 {
		return []byte(string(re.Rune))
	}
	for _, sub := range re.Sub {
		if text := literalOf(sub); text != nil {
			return text
		}
	}
	return nil
}

// Detect calls found for each token in data.
func (f *Forms) Detect(data []byte, found func(from, to int, rule string, token credential.Secret)) {
	for _, separator := range []byte("_-") {
		for i := 3; i < len(data); i++ {
			n := bytes.IndexByte(data[i:], separator)
			if n < 0 {
				break
			}
			i += n
			gram := lower(data[i-3:])
			if !f.filter[slot(gram)] {
				continue
			}
			for _, r := range f.anchors[gram] {
				r.at(data, i, found)
			}
		}
	}
	for _, r := range f.literals {
		for i := 0; ; i++ {
			n := bytes.Index(data[i:], r.literal)
			if n < 0 {
				break
			}
			i += n
			r.at(data, i+len(r.literal)-1, found)
		}
	}
}

// at tries the rule on a token whose prefix has its anchor's end at i.
func (r *rule) at(data []byte, i int, found func(from, to int, rule string, token credential.Secret)) {
	body := 0
	for body < leastBody && i+1+body < len(data) && isToken(data[i+1+body]) {
		body++
	}
	if body < leastBody {
		return
	}
	const before = 16 // the longest prefix, and what is in front of it
	from := max(0, i-before)
	window := data[from:min(len(data), i+longestToken)]
	for at := 0; ; {
		match := r.compiled().FindSubmatchIndex(window[at:])
		if match == nil || at+match[0] > i-from {
			return
		}
		start, end := match[0], match[1]
		if group := max(r.Group, min(1, len(match)/2-1)); group > 0 && match[2*group] >= 0 {
			start, end = match[2*group], match[2*group+1]
		}
		start, end, at = start+at, end+at, at+match[1]
		if end > i-from && entropy(window[start:end]) > r.Entropy {
			found(from+start, from+end, r.ID, credential.NewSecret(string(window[start:end])))
			return
		}
	}
}

func isToken(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '-'
}

// entropy is Shannon's, in bits for each byte.
func entropy(text []byte) (bits float64) {
	var count [256]int
	for _, c := range text {
		count[c]++
	}
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(text))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}

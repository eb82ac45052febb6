package fingerprint

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"purser/internal/credential"
	"purser/internal/redact"
)

// mixed and github are synthetic tokens whose parts do not repeat.
const (
	mixed  = "dckr_pat_FAKE0aB1cD2eF3gH4iJ5kL6mN7o"
	github = "ghp_FAKEzY9xW8vU7tS6rQ5pO4nM3lK2jI1hG0fE"
	gitlab = "glpat-FAKEqP8oN7mL6-kJ5_iH"
)

func given(name, token string) Token {
	return Token{credential.Name(name), credential.Current, credential.NewSecret(token)}
}

// counted returns a Set with a fast function in the place of the slow one, and how often it
// was called.
func counted(t testing.TB, tokens ...string) (*Set, *int) {
	t.Helper()
	var all []Token
	for i, token := range tokens {
		all = append(all, given(fmt.Sprint("credential-", i), token))
	}
	calls := new(int)
	s, err := newWith(func(text string, salt []byte) []byte {
		*calls++
		sum := sha256.Sum256(append([]byte(text), salt...))
		return sum[:]
	}, rand.Reader, time.Now(), nil, all)
	if err != nil {
		t.Fatal(err)
	}
	*calls = 0
	return s, calls
}

// places returns what a Search finds in a text that is written in pieces of n bytes.
func places(t testing.TB, set *Set, text string, n int) []Place {
	t.Helper()
	var all []Place
	s := set.NewSearch(func(p Place, token credential.Secret) {
		all = append(all, p)
		if e := set.Entries[p.Entry]; token.Len() != e.Length || !set.Recognizes(token) {
			t.Errorf("told another token than that of %s", e.Credential)
		}
	})
	for rest := []byte(text); len(rest) > 0; {
		k := min(n, len(rest))
		_, _ = s.Write(rest[:k])
		rest = rest[k:]
	}
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	return all
}

func inUTF16(text string, bigEndian bool) string {
	var b []byte
	for _, c := range utf16.Encode([]rune(text)) {
		pair := []byte{byte(c), byte(c >> 8)}
		if bigEndian {
			slices.Reverse(pair)
		}
		b = append(b, pair...)
	}
	return string(b)
}

func wrapped(text string, width int, end string) string {
	var b strings.Builder
	for i := 0; i < len(text); i += width {
		b.WriteString(text[i:min(i+width, len(text))] + end)
	}
	return b.String()
}

// spelled returns a token in the encodings that a Search knows, made by others.
func spelled(token string) map[redact.Form]map[string]string {
	std, url := base64.StdEncoding.EncodeToString, base64.RawURLEncoding.EncodeToString
	all := map[redact.Form]map[string]string{
		redact.Plain: {
			"plain": token, "in words": "user_" + token + "_x", "in JSON": `{"token":"` + token + `"}`,
			"wrapped": token[:len(token)-9] + "\\\n    " + token[len(token)-9:],
		},
		redact.UTF16: {"little": inUTF16("a "+token+" b", false), "big": inUTF16(token+"\n", true)},
		redact.Hex:   {"hex": hex.EncodeToString([]byte(token)), "HEX": strings.ToUpper(hex.EncodeToString([]byte("x" + token)))},
		redact.Base64: {
			"docker login": std([]byte("mockserver:" + token)), "basic": "Authorization: Basic " + std([]byte("x:"+token)),
			"of UTF-16": std([]byte(inUTF16("$t='"+token+"'", false))), "in UTF-16": inUTF16(std([]byte("a:"+token)), false),
		},
		redact.Base64Twice: {}, redact.Base32: {},
	}
	for before := range 5 {
		raw := []byte(strings.Repeat("x", before) + token + " and more")
		all[redact.Base64][fmt.Sprint("standard after ", before)] = std(raw)
		all[redact.Base64][fmt.Sprint("URL after ", before)] = url(raw)
		all[redact.Base32][fmt.Sprint("after ", before)] = base32.StdEncoding.EncodeToString(raw)
		all[redact.Base32][fmt.Sprint("small, after ", before)] = strings.ToLower(base32.StdEncoding.EncodeToString(raw))
		for more := range 3 {
			secret := `{"auths":{"a":{"auth":"` + strings.Repeat("x", more) + std(raw) + `"}}}`
			all[redact.Base64Twice][fmt.Sprint("after ", before, " and ", more)] = std([]byte(secret))
		}
		long := std([]byte(strings.Repeat("words ", 30)[before:] + token + strings.Repeat(" words", 30)))
		for _, width := range []int{60, 64, 76} {
			for name, end := range map[string]string{"\\n": "\n", "\\r\\n": "\r\n", "an indentation": "\n        ", "a time": "\n2026-11-28T10:13:46Z "} {
				all[redact.Base64][fmt.Sprint("wrapped at ", width, " after ", before, " by ", name)] = "\n" + wrapped(long, width, end)
			}
		}
	}
	return all
}

func TestATokenIsFoundInEverySpellingOnce(t *testing.T) {
	set, calls := counted(t, mixed, github, gitlab)
	for e, token := range []string{mixed, github, gitlab} {
		for as, texts := range spelled(token) {
			for name, text := range texts {
				for _, around := range []string{"", "\n", "\x00", "}", strings.Repeat("line of text\n", 400), strings.Repeat("\x00\x01\x02\xff", 100)} {
					whole := around + text + around
					for _, n := range []int{1, 7, 31, len(whole)} {
						got := places(t, set, whole, n)
						if len(got) != 1 || got[0].As != as || got[0].Entry != e {
							t.Fatalf("%s, %s, between %.10q in pieces of %d: %+v", as, name, around, n, got)
						}
						p := got[0]
						if p.From < int64(len(around)) || p.From > int64(len(around)+len(text)-len(token)) {
							t.Errorf("%s, %s, between %.10q: at %d, but it is between %d and %d", as, name, around, p.From, len(around), len(around)+len(text))
						}
						if want := 1 + strings.Count(whole[:p.From], "\n"); p.Line != want {
							t.Errorf("%s, %s, between %.10q: line %d instead of %d", as, name, around, p.Line, want)
						}
					}
				}
			}
		}
	}
	if *calls != 3 {
		t.Errorf("compared %d texts, but there are 3", *calls)
	}
}

func TestATokenIsFoundAtEveryBorder(t *testing.T) {
	set, _ := counted(t, mixed)
	for _, text := range []string{mixed, base64.StdEncoding.EncodeToString([]byte("mockserver:" + mixed)), inUTF16(mixed, false)} {
		for _, block := range []int{reach, 128 << 10} {
			for at := block - len(text) - 1; at <= block+1; at++ {
				whole := strings.Repeat(".", at) + text
				if got := places(t, set, whole+strings.Repeat(".", 2*reach), block); len(got) != 1 {
					t.Errorf("%d bytes before the border of %d: %v", block-at, block, got)
				}
				if got := places(t, set, whole, block); len(got) != 1 {
					t.Errorf("at the end, %d bytes before the border of %d: %v", block-at, block, got)
				}
			}
		}
	}
}

func TestEveryCredentialWithATokenIsTold(t *testing.T) {
	set, _ := counted(t, mixed, github, mixed)
	var got []string
	for _, p := range places(t, set, mixed+mixed+"\n\n"+github, 5) {
		got = append(got, fmt.Sprint(p.From, " ", p.Line, " ", p.Entry))
	}
	want := []string{"0 1 0", "0 1 2", "36 1 0", "36 1 2", "74 3 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOnlyTheWholeTokenIsFound(t *testing.T) {
	set, calls := counted(t, mixed)
	const prefix = len("dckr_pat_")
	for i := range mixed {
		other := []byte(mixed)
		other[i] ^= 1
		for name, text := range map[string]string{"changed": string(other), "cut off": mixed[:i], "without its start": mixed[i+1:], "broken": mixed[:i] + " " + mixed[i:]} {
			*calls = 0
			if got := places(t, set, text, len(text)); i > 0 && len(got) > 0 || i == 0 && name == "changed" && len(got) > 0 {
				t.Errorf("%s at %d: found %v", name, i, got)
			}
			if compared := name == "changed" && i >= prefix && inToken[other[i]] || name == "broken" && i == 0; *calls > 0 && !compared {
				t.Errorf("%s at %d: a slow comparison for nothing", name, i)
			}
		}
	}
}

func TestNoiseIsNotCompared(t *testing.T) {
	set, calls := counted(t, mixed, gitlab, github)
	rng := mathrand.New(mathrand.NewPCG(1, 2))
	noise := make([]byte, 2<<20)
	for _, alphabet := range []string{"0123456789abcdef", alphanumeric + "+/", alphanumeric + "-_\n", "dckrpat_\x00\n", ""} {
		for i := range noise {
			if noise[i] = byte(rng.UintN(256)); alphabet != "" {
				noise[i] = alphabet[rng.IntN(len(alphabet))]
			}
		}
		if got := places(t, set, string(noise), 128<<10); len(got) > 0 {
			t.Errorf("in %q: %v", alphabet, got)
		}
	}
	if *calls > 0 {
		t.Errorf("compared %d texts", *calls)
	}
}

func TestOtherTokensAreNotFound(t *testing.T) {
	set, calls := counted(t, mixed, gitlab, github)
	var text bytes.Buffer
	rng := mathrand.New(mathrand.NewPCG(3, 4))
	for range mostGuesses {
		text.WriteString("dckr_pat_FAKE")
		for range 23 {
			text.WriteByte(alphanumeric[rng.IntN(len(alphanumeric))])
		}
		text.WriteByte('\n')
	}
	again := text.String() + text.String()
	if got := places(t, set, again, 1000); len(got) > 0 || *calls != mostGuesses {
		t.Errorf("found %v after %d comparisons; each token needs one", got, *calls)
	}
}

func TestTooManyTokensAreTold(t *testing.T) {
	set, calls := counted(t, mixed)
	found := 0
	s := set.NewSearch(func(Place, credential.Secret) { found++ })
	for i := range mostGuesses {
		_, _ = fmt.Fprintf(s, "dckr_pat_FAKE%023d\n", i)
	}
	if err := s.End(); err != nil {
		t.Errorf("after as many as are compared: %v", err)
	}
	_, _ = s.Write([]byte(mixed))
	if err := s.End(); !errors.Is(err, ErrTooMany) || found > 0 || *calls != mostGuesses {
		t.Errorf("%v, found %d, compared %d", err, found, *calls)
	}
	s.Reset()
	_, _ = fmt.Fprintf(s, "nothing, or one of before: dckr_pat_FAKE%023d", 7)
	if err := s.End(); err != nil {
		t.Errorf("another stream: %v", err)
	}
}

func TestHolesAreSkipped(t *testing.T) {
	set, _ := counted(t, mixed)
	var got []Place
	s := set.NewSearch(func(p Place, _ credential.Secret) { got = append(got, p) })
	const hole = 3 << 30
	_, _ = s.Write([]byte("begin\n" + mixed[:20]))
	s.Skip(hole)
	_, _ = s.Write([]byte(mixed[20:] + "\n" + mixed))
	if err := s.End(); err != nil || len(got) != 1 || got[0].From != 6+20+hole+16+1 || got[0].Line != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzSearch checks that a Search finds the same however a stream is split.
func FuzzSearch(f *testing.F) {
	set, _ := counted(f, mixed, github)
	for _, texts := range spelled(mixed) {
		for _, text := range texts {
			f.Add([]byte(text), uint16(11))
		}
	}
	f.Add([]byte(mixed[:20]+strings.Repeat(" ", reach)+"\n"+mixed[20:]), uint16(1))
	f.Add([]byte(strings.Repeat("1\n", reach/2)+mixed[:20]+strings.Repeat("\n2026-", reach/6)+"a "+mixed[20:]), uint16(reach))
	f.Fuzz(func(t *testing.T, text []byte, n uint16) {
		set.known = map[string][]int{}
		whole, pieces := places(t, set, string(text), len(text)+1), places(t, set, string(text), int(n)+1)
		byPlace := func(a, b Place) int { return int(a.From-b.From)*10 + a.Entry - b.Entry }
		slices.SortFunc(whole, byPlace)
		slices.SortFunc(pieces, byPlace)
		if !slices.Equal(whole, pieces) {
			t.Errorf("at once %+v, in pieces of %d %+v", whole, n+1, pieces)
		}
		if plain := bytes.Count(text, []byte(mixed)); plain > 0 && len(whole) < plain {
			t.Errorf("found %d of %d", len(whole), plain)
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	const size = 8 << 20
	rng := mathrand.New(mathrand.NewPCG(3, 4))
	noise, letters := make([]byte, size), make([]byte, size)
	for i := range noise {
		noise[i], letters[i] = byte(rng.UintN(256)), alphanumeric[rng.IntN(len(alphanumeric))]
	}
	log := []byte(strings.Repeat("2026-11-28T10:13:46.123Z  INFO  io.mockserver.Server - returning response for 4711 in 12 ms\n", size/90))
	source := []byte(strings.Repeat("\tfor _, token := range s.tokens {\n\t\tif !token.expired(now) {\n\t\t\treturn nil\n\t\t}\n\t}\n", size/80))
	hostile := []byte(strings.Repeat("ghp_", size/4)) // a prefix at every place
	docker := []string{mixed}
	many := []string{mixed, github, gitlab, "glrt-FAKEqP8oN7mL6-kJ5_iH", "dckr_oat_FAKE0aB1cD2eF3gH4iJ5kL6mN7o"}
	for kind, data := range map[string][]byte{"log": log, "source": source, "noise": noise, "letters": letters, "hostile": hostile} {
		for name, tokens := range map[string][]string{"docker": docker, "five kinds": many} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				set, _ := counted(b, tokens...)
				s := set.NewSearch(func(Place, credential.Secret) { b.Fatal("found") })
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					for at := 0; at < len(data); at += 128 << 10 {
						_, _ = s.Write(data[at:min(at+128<<10, len(data))])
					}
				}
			})
		}
	}
}

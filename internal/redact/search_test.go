package redact_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"purser/internal/credential"
	"purser/internal/redact"
)

// mixed is a synthetic token whose parts do not repeat.
const mixed = "dckr_pat_FAKE0aB1cD2eF3gH4iJ5kL6mN7o"

// places returns what a search finds in a text that is written in pieces of n bytes.
func places(r *redact.Redactor, text []byte, n int) []redact.Place {
	var all []redact.Place
	s := r.NewSearch(func(p redact.Place) { all = append(all, p) })
	for rest := text; len(rest) > 0; {
		k := min(n, len(rest))
		_, _ = s.Write(rest[:k])
		rest = rest[k:]
	}
	s.End()
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

func TestASearchFindsEverySpellingOnce(t *testing.T) {
	r := redact.New(login(mixed))
	texts := spelled(mixed)
	texts["UTF-16"], texts["UTF-16, big-endian"] = inUTF16("user mockserver\nlogin "+mixed+" worked\n", false), inUTF16("a "+mixed, true)
	for name, text := range texts {
		for _, around := range []string{"", "\n", "\x00", "}", strings.Repeat("line of text\n", 50), strings.Repeat("\x00\x01\x02\xff", 100)} {
			whole := []byte(around + text + around)
			for _, n := range []int{1, 2, 3, 7, 8, 31, len(whole)} {
				got := places(r, whole, n)
				if len(got) != 1 || !got[0].Whole && !strings.HasPrefix(name, "UTF") { // its last character may touch what follows
					t.Fatalf("%s between %.10q in pieces of %d: %+v", name, around, n, got)
				}
				p := got[0]
				if p.From < int64(len(around)) || p.To > int64(len(around)+len(text)) || p.To-p.From < 27 {
					t.Errorf("%s between %.10q in pieces of %d: %+v, but it is at %d to %d", name, around, n, p, len(around), len(around)+len(text))
				}
				if want := 1 + bytes.Count(whole[:p.From], []byte("\n")); p.Line != want {
					t.Errorf("%s in pieces of %d: line %d instead of %d", name, n, p.Line, want)
				}
			}
		}
	}
}

func TestASearchTellsSecretsApart(t *testing.T) {
	other := "dckr_pat_" + strings.Map(func(r rune) rune { return r ^ 1 }, "FAKE9zY8xW7vU6tS5rQ4pO3nM2l")
	r := redact.New(login(mixed), credential.Login{Username: "other", Token: credential.NewSecret(other)})
	var got []string
	for _, p := range places(r, []byte(mixed+other+mixed+"\n"+other[9:25]), 10) {
		got = append(got, fmt.Sprint(p.Login, p.Whole, p.Line))
	}
	slices.Sort(got)
	want := []string{"0 true 1", "0 true 1", "1 false 2", "1 true 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASearchSkipsHoles(t *testing.T) {
	var got []redact.Place
	s := redact.New(login(mixed)).NewSearch(func(p redact.Place) { got = append(got, p) })
	const hole = 3 << 30
	_, _ = s.Write([]byte("begin\n"))
	s.Skip(hole)
	_, _ = s.Write([]byte("x\n" + mixed))
	s.End()
	if len(got) != 1 || got[0].From != hole+6+2+9 || got[0].Line != 3 {
		t.Errorf("%+v", got)
	}
	got = nil
	s.Reset()
	_, _ = s.Write([]byte(inUTF16(mixed, false)))
	s.End()
	if len(got) != 1 || got[0].From != 18 || got[0].Line != 1 {
		t.Errorf("after a reset: %+v", got)
	}
}

func TestASearchFindsNothingInNoise(t *testing.T) {
	r := redact.New(login(mixed))
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 1<<20)
	for _, alphabet := range []string{"0123456789 ", "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\n", "\x00\x01\x02a b"} {
		for i := range noise {
			noise[i] = alphabet[rng.IntN(len(alphabet))]
		}
		if got := places(r, noise, 1<<16); len(got) > 0 {
			t.Errorf("in %q: %+v", alphabet, got)
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, benchSize)
	for i := range noise {
		noise[i] = byte(rng.UintN(256))
	}
	for _, n := range []int{1, 10, 30} {
		r := redact.New(fakes(n)...)
		for kind, data := range map[string][]byte{"log": buildLog(), "source": goSource(b), "noise": noise, "zeros": make([]byte, benchSize)} {
			b.Run(fmt.Sprintf("%d/%s", n, kind), func(b *testing.B) {
				s := r.NewSearch(func(redact.Place) { b.Fatal("found") })
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					_, _ = s.Write(data)
				}
			})
		}
	}
}

// fakes returns logins with synthetic tokens.
func fakes(n int) []credential.Login {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	rng := rand.New(rand.NewPCG(1, 1))
	var all []credential.Login
	for range n {
		token := []byte("dckr_pat_FAKE")
		for range 23 {
			token = append(token, letters[rng.IntN(len(letters))])
		}
		all = append(all, login(string(token)))
	}
	return all
}

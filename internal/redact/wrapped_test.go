package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/redact"
)

// prefixes are what precedes a line, by its number.
var prefixes = map[string]func(int) string{
	"nothing":    func(int) string { return "" },
	"a quote":    func(int) string { return "> " },
	"a tab":      func(int) string { return "\t" },
	"a margin":   func(int) string { return "        " },
	"nl":         func(n int) string { return fmt.Sprintf("%6d\t", n) },
	"grep -n":    func(n int) string { return fmt.Sprintf("%d:", n) },
	"a list":     func(n int) string { return fmt.Sprintf("  %d. ", n) },
	"buildkit":   func(n int) string { return fmt.Sprintf("#12 0.%03d ", n) },
	"timestamps": func(n int) string { return fmt.Sprintf("2024-01-01T12:00:00.%09dZ ", n) },
}

type wrapping struct {
	width       int
	prefix, end string
}

// apply wraps a text, and returns where the text between from and to went.
func (w wrapping) apply(text string, from, to int) (wrapped string, start, stop int) {
	var b strings.Builder
	for i := range len(text) {
		if i%w.width == 0 {
			if i > 0 {
				b.WriteString(w.end)
			}
			b.WriteString(prefixes[w.prefix](i/w.width + 1))
		}
		if i == from {
			start = b.Len()
		}
		b.WriteByte(text[i])
		if i == to-1 {
			stop = b.Len()
		}
	}
	b.WriteString(w.end)
	return b.String(), start, stop
}

// encoded returns texts with the secret's body after offset other characters, and where it
// is in them.
func encoded(offset int) map[string]struct {
	text     string
	from, to int
} {
	type place = struct {
		text     string
		from, to int
	}
	before, after := strings.Repeat(".", offset), strings.Repeat(".", 9)
	hexed := hex.EncodeToString([]byte(body))
	all := map[string]place{
		"raw": {before + body + after, offset, offset + len(body)},
		"hex": {before + hexed + after, offset, offset + len(hexed)},
	}
	for alignment := range 3 {
		n := offset/3*3 + alignment
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", n) + body + "\x00\x00\x00\x00"))
		all[fmt.Sprintf("base64, alignment %d", alignment)] = place{text, 8 * n / 6, (8*(n+len(body)) + 5) / 6}
	}
	return all
}

func TestAWrappedTokenIsRedactedAtEveryWidth(t *testing.T) {
	r := redact.New(login(token))
	chunks := []int{1, 2, 3, 5, 8, 13, 29, 64, 1 << 20}
	n := 0
	for width := 1; width <= 80; width++ {
		offsets := []int{0, 1, width / 2}
		if width > len(body) { // a single line break somewhere
			offsets = []int{width - 1 - width%len(body)}
		}
		for _, offset := range offsets {
			for name, e := range encoded(offset) {
				for prefix := range prefixes {
					for _, end := range []string{"\n", "\r\n", "\r"} {
						w := wrapping{width, prefix, end}
						text, start, stop := w.apply(e.text, e.from, e.to)
						n++
						chunk := chunks[n%len(chunks)]
						if got, want := passed(t, r, text, chunk), text[:start]+redact.Mark+text[stop:]; got != want {
							t.Fatalf("%s, offset %d, %+v, in writes of %d:\n%q\n became\n%q, want\n%q", name, offset, w, chunk, text, got, want)
						}
					}
				}
			}
		}
	}
}

// FuzzWritesDoNotMatter splits texts full of pieces of the secret into writes.
func FuzzWritesDoNotMatter(f *testing.F) {
	for _, e := range encoded(3) {
		for width := 1; width < 30; width += 4 {
			text, _, _ := wrapping{width, "a list", "\r\n"}.apply(e.text, e.from, e.to)
			f.Add(text, uint8(width))
		}
	}
	for _, w := range ways {
		if w.write != nil {
			f.Add(w.write(token), uint8(5))
		}
	}
	f.Add("00000000: 4641 4b45  FAKE\n00000004: 6661 6b65  fake\n00000008: 4641 4b45  FAKE\n0000000c: 6661 6b65  fake\n", uint8(3))
	f.Add("0000000 4146 454b 6166 656b 4146 454b 6166 656b\n0000020 4146 454b 6166 656b 3231 0033\n", uint8(3))
	r := redact.New(login(token))
	f.Fuzz(func(t *testing.T, text string, n uint8) {
		whole := passed(t, r, text, len(text)+1)
		if got := passed(t, r, text, int(n%64)+1); got != whole {
			t.Fatalf("%q became\n%q in writes of %d, and\n%q in one", text, got, int(n%64)+1, whole)
		}
	})
}

// TestOrdinaryTextPassesUnchanged writes Go's source code.
func TestOrdinaryTextPassesUnchanged(t *testing.T) {
	var logins []credential.Login
	for _, token := range append([]string{token, password}, others...) {
		logins = append(logins, login(token))
	}
	r := redact.New(logins...)
	root, size := goRoot(t), 0
	for _, pattern := range []string{"net/http/*", "crypto/*/*.go", "unicode/*.go", "encoding/*/*", "image/testdata/*"} {
		paths, _ := filepath.Glob(filepath.Join(root, "src", pattern))
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			if err != nil {
				continue // a folder
			}
			size += len(raw)
			if got := passed(t, r, string(raw), 64<<10); got != string(raw) {
				t.Errorf("%s has something taken out", path)
			}
		}
	}
	if size < 4<<20 {
		t.Errorf("there were only %d bytes", size)
	}
}

// TestWritesDoNotMatter covers what fuzzing takes long to find: pieces of the secret's
// forms between everything that can separate them.
func TestWritesDoNotMatter(t *testing.T) {
	r := redact.New(login(token), login(password))
	random := rand.New(rand.NewPCG(3, 4))
	sources := []string{body, body, password}
	for _, e := range encoded(0) {
		sources = append(sources, e.text)
	}
	for _, format := range []string{"%02x ", "%02x", "%d, ", "%03o ", "%c   ", `\x%02x`, "%02x:", "&#%d;", "%c ", "%02x\n", "0x%02x, "} {
		sources = append(sources, numbers(format)(body))
	}
	between := []string{
		"", "", "", " ", "\n", "\r\n", "\n> ", "\n  12 ", "\n\t", "12", "x", "4", "\n00000010: ", "  FAKE\n00000010  ", " |FAKEfake|\n", "\n\n",
		", ", strings.Repeat(" ", 30), strings.Repeat("\n", 120), "user", "=\n", "  ", "\r", "é", "0000020",
	}
	for range 3000 {
		var b strings.Builder
		for range 1 + random.IntN(12) {
			source := sources[random.IntN(len(sources))]
			from := random.IntN(len(source))
			b.WriteString(source[from : from+random.IntN(min(len(source)-from, 40))])
			b.WriteString(between[random.IntN(len(between))])
		}
		text, n := b.String(), 1+random.IntN(40)
		whole := passed(t, r, text, len(text)+1)
		if got := passed(t, r, text, n); got != whole {
			t.Fatalf("%q became\n%q in writes of %d, and\n%q in one", text, got, n, whole)
		}
	}
}

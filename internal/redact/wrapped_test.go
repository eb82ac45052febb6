package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"purser/internal/redact"
)

// prefixes are what stands before a line, by its number.
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

// wrapping is a way to wrap a text.
type wrapping struct {
	width       int
	prefix, end string
}

// apply wraps a text, and tells where what is between two places of it went.
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

// encoded are texts with the secret body after offset characters of something
// else, and where it is in them.
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

func TestATokenIsTakenOutAtEveryWidth(t *testing.T) {
	r := redact.New(login(token))
	chunks := []int{1, 2, 3, 5, 8, 13, 29, 64, 1 << 20}
	n := 0
	for width := 1; width <= 80; width++ {
		for _, offset := range []int{0, 1, 4, width / 2, width - 1, width + 3} {
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

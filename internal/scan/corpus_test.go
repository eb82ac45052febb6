package scan_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"

	"purser/internal/scan"
)

// password is synthetic, and most encodings change it.
const password = `FAKE'pass"word&<1>Zx9_Qy`

// spellings are the ways to write a secret in a text.
func spellings(secret string) map[string]string {
	in64, in32 := base64.StdEncoding.EncodeToString, base32.StdEncoding.EncodeToString
	each := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(secret) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
	backwards := []byte(secret)
	slices.Reverse(backwards)
	asJSON, _ := json.Marshal(map[string]string{"username": "mockserver", "token": secret}) // a map of strings always encodes
	inJSON, _ := json.Marshal(string(asJSON))
	state, _ := json.MarshalIndent(map[string]any{"version": 4, "resources": []any{map[string]any{"type": "aws_secretsmanager_secret_version", "instances": []any{map[string]any{"attributes": map[string]any{"secret_string": string(asJSON)}}}}}}, "", "  ")
	login := in64([]byte("mockserver:" + secret))
	config := `{"auths":{"https://index.docker.io/v1/":{"auth":"` + login + `"}}}`
	all := map[string]string{
		"as it is": secret, "in capitals": strings.ToUpper(secret), "in small letters": strings.ToLower(secret), "backwards": string(backwards),
		"in Go": strconv.Quote(secret), "in JSON": string(asJSON), "in HTML": html.EscapeString(secret), "in a query": url.QueryEscape(secret),
		"in a path": url.PathEscape(secret), "in a shell": "'" + strings.ReplaceAll(secret, "'", `'\''`) + "'",
		"base64 twice": in64([]byte(in64([]byte(secret)))), "base64 for addresses": base64.URLEncoding.EncodeToString([]byte(secret)),
		"hex": hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"basic": "Authorization: Basic " + login, "docker's configuration": config, "a Secret of Kubernetes": in64([]byte(config)),
		"a JWT":             "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"mockserver","token":`+strconv.Quote(secret)+`}`)) + ".",
		"Terraform's state": string(state),
		"JSON in JSON":      string(inJSON), "numbers": each("%d, "), "octal": each(`\%03o`), `\x`: each(`\x%02x`), `\u`: each(`\u%04x`), "%": each("%%%02X"), "&#": each("&#%d;"), "&#x": each("&#x%x;"),
		"hex with blanks": each("%02x "), "hex with colons": each("%02x:"), "in C": each("0x%02x, "), "characters": each("%c "), "a list of characters": each("'%c', "),
		"hexdump":       hex.Dump([]byte("user=x token=" + secret + " and more")),
		"in 64 columns": wrapped(in64([]byte(config)), 64, "\n"), "in 76 columns": wrapped(in64([]byte("user: mockserver, token: "+secret+" and more, to fill the line")), 76, "\r\n"),
		"in 20 columns": wrapped(secret, 20, "\n"), "quoted": wrapped("a text with "+secret+" in it", 25, "\n> "),
		"UTF-16": string(wide(secret, false)), "big-endian UTF-16": string(wide(secret, true)),
	}
	for n := range 3 {
		all[fmt.Sprintf("base64 after %d", n)] = in64([]byte("xyz"[:n] + secret + "zy"))
	}
	for n := range 5 {
		all[fmt.Sprintf("base32 after %d", n)] = in32([]byte("vwxyz"[:n] + secret + "zy"))
	}
	return all
}

func wrapped(text string, n int, end string) string {
	var b strings.Builder
	for len(text) > n {
		b.WriteString(text[:n] + end)
		text = text[n:]
	}
	return b.String() + text
}

func wide(text string, bigEndian bool) []byte {
	var b []byte
	for _, c := range utf16.Encode([]rune(text)) {
		if bigEndian {
			c = c<<8 | c>>8
		}
		b = append(b, byte(c), byte(c>>8))
	}
	return b
}

// box puts a file into something, and says where it then is.
type box struct {
	name   string
	inside []string // what leads to the file
	pack   func(t testing.TB, file []byte) []byte
}

func must[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func gzipped(t testing.TB, file []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	must[int](t)(z.Write(file))
	must[any](t)(nil, z.Close())
	return b.Bytes()
}

func tarred(format tar.Format) func(testing.TB, []byte) []byte {
	return func(t testing.TB, file []byte) []byte {
		t.Helper()
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, m := range []struct {
			name string
			data []byte
		}{{"a", []byte("before")}, {"file", file}, {"z", nil}} {
			must[any](t)(nil, w.WriteHeader(&tar.Header{Name: m.name, Mode: 0o600, Size: int64(len(m.data)), Format: format}))
			must[int](t)(w.Write(m.data))
		}
		must[any](t)(nil, w.Close())
		return b.Bytes()
	}
}

func zipped(method uint16) func(testing.TB, []byte) []byte {
	return func(t testing.TB, file []byte) []byte {
		t.Helper()
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		z.RegisterCompressor(zstd.ZipMethodWinZip, zstd.ZipCompressor())
		must[io.Writer](t)(z.Create("folder/"))
		w := must[io.Writer](t)(z.CreateHeader(&zip.FileHeader{Name: "file", Method: method}))
		must[int](t)(w.Write(file))
		must[any](t)(nil, z.Close())
		return b.Bytes()
	}
}

func around(before, after []byte) func(testing.TB, []byte) []byte {
	return func(_ testing.TB, file []byte) []byte { return slices.Concat(before, file, after) }
}

var boxes = []box{
	{"nothing", nil, around(nil, nil)},
	{"lines", nil, around([]byte(strings.Repeat("a line\r\n", 9)), []byte("\r\nand more\r\n"))},
	{"noise", nil, around(noise(5000), noise(5000))},
	{"a page of SQLite", nil, around([]byte("SQLite format 3\x00"+strings.Repeat("\x00", 4000)+"\x81\x2c\x07\x04"), make([]byte, 100))},
	{"gzip", nil, gzipped},
	{"gzip, in two members", nil, func(t testing.TB, file []byte) []byte {
		t.Helper()
		return slices.Concat(gzipped(t, file[:len(file)/2]), gzipped(t, file[len(file)/2:]))
	}},
	{"gzip without compression, and more after it", nil, func(t testing.TB, file []byte) []byte {
		t.Helper()
		var b bytes.Buffer
		z := must[*gzip.Writer](t)(gzip.NewWriterLevel(&b, gzip.NoCompression))
		must[int](t)(z.Write(file))
		must[any](t)(nil, z.Close())
		return append(b.Bytes(), "something else"...)
	}},
	{"zstd", nil, func(t testing.TB, file []byte) []byte {
		t.Helper()
		return must[*zstd.Encoder](t)(zstd.NewWriter(nil)).EncodeAll(file, nil)
	}},
	{"ustar", []string{"file"}, tarred(tar.FormatUSTAR)},
	{"pax", []string{"file"}, tarred(tar.FormatPAX)},
	{"GNU tar", []string{"file"}, tarred(tar.FormatGNU)},
	{"zip, stored", []string{"file"}, zipped(zip.Store)},
	{"zip, deflated", []string{"file"}, zipped(zip.Deflate)},
	{"zip, zstd", []string{"file"}, zipped(zstd.ZipMethodWinZip)},
	{"ar", []string{"file"}, func(_ testing.TB, file []byte) []byte {
		part := func(name string, data []byte) []byte {
			return append(fmt.Appendf(nil, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", name, 0, 0, 0, 0o100644, len(data)), append(data, "\n"[:len(data)%2]...)...)
		}
		return slices.Concat([]byte("!<arch>\n"), part("debian-binary", []byte("2.0\n")), part("file/", slices.Clone(file)), part("z", nil))
	}},
}

func noise(n int) []byte {
	random, b := rand.New(rand.NewPCG(5, 6)), make([]byte, n)
	for i := range b {
		b[i] = byte(random.UintN(256))
	}
	return b
}

// nested are boxes in boxes.
func nested(outer ...string) box {
	b := box{name: strings.Join(outer, " in "), pack: around(nil, nil)}
	for _, name := range outer {
		i := slices.IndexFunc(boxes, func(b box) bool { return b.name == name })
		inner := b.pack
		b.inside = append(slices.Clone(boxes[i].inside), b.inside...)
		b.pack = func(t testing.TB, file []byte) []byte {
			t.Helper()
			return boxes[i].pack(t, inner(t, file))
		}
	}
	return b
}

var allBoxes = append(boxes,
	nested("pax", "gzip"), nested("GNU tar", "zstd"), nested("zip, deflated", "pax", "gzip"), nested("gzip", "zip, stored", "ustar", "zstd"),
	nested("zip, stored", "zip, deflated", "zip, stored"), nested("pax", "gzip", "pax"), nested("pax", "gzip", "ar"), nested("gzip", "gzip", "gzip"),
	nested("noise", "zip, deflated"), nested("lines", "gzip", "pax", "zip, zstd"),
)

// TestEverySpellingIsFoundInEveryBox looks in files, and in the same as streams.
func TestEverySpellingIsFoundInEveryBox(t *testing.T) {
	t.Helper()
	for _, secret := range []string{token, password} {
		s, r := scanner(value("secret", secret), value("other", "dckr_pat_FAKE9zY8xW7vU6tS5rQ4pO3nM2l"))
		for _, b := range allBoxes {
			for how, text := range spellings(secret) {
				whole := bytes.NewReader(b.pack(t, []byte(text)))
				for kind, stream := range map[string]io.Reader{"file": whole, "stream": struct{ io.Reader }{whole}} {
					r.found, r.missed = nil, nil
					if _, err := whole.Seek(0, io.SeekStart); err != nil {
						t.Fatal(err)
					}
					if err := s.Look(context.Background(), scan.Where{Path: "place"}, stream); err != nil {
						t.Fatal(err)
					}
					want := strings.Join(append([]string{"place"}, b.inside...), "!") + ":"
					if len(r.found) != 1 || !strings.HasPrefix(r.found[0], want) || !strings.Contains(r.found[0], " secret ") || len(r.missed) > 0 {
						t.Errorf("%.4s… %s, in %s, as a %s: found %q, want one that begins with %q; missed %q", secret, how, b.name, kind, r.found, want, r.missed)
					}
				}
			}
		}
	}
}

// TestEverySpellingIsFoundAtBlockBorders puts each end of a spelling at each place around the
// end of a block, and the whole at the ends of a file.
func TestEverySpellingIsFoundAtBlockBorders(t *testing.T) {
	const block, near = 128 << 10, 40
	s, r := scanner(value("secret", token))
	filler := bytes.Repeat([]byte("some text without a secret, in lines\n"), 2*block/37)
	for how, text := range spellings(token) {
		for _, from := range []int{block, block - len(text)} {
			for at := from - near; at <= from+near; at += 7 {
				file := append(slices.Clone(filler[:at]), "\n"+text...)
				r.found = nil
				must[any](t)(nil, s.Look(context.Background(), scan.Where{Path: "place"}, bytes.NewReader(file)))
				if len(r.found) != 1 {
					t.Fatalf("%s at %d: found %q", how, at, r.found)
				}
			}
		}
		r.found = nil
		must[any](t)(nil, s.Look(context.Background(), scan.Where{Path: "place"}, strings.NewReader(text+"\n"+string(filler))))
		if len(r.found) != 1 {
			t.Errorf("%s at the start: found %q", how, r.found)
		}
	}
}

// TestAValueOnTwoPagesIsFoundInPart splits a token as SQLite does between a page and the
// first that overflows.
func TestAValueOnTwoPagesIsFoundInPart(t *testing.T) {
	const prefix = len("dckr_pat_")
	for at := prefix; at <= len(token); at++ {
		s, r := scanner(value("secret", token))
		whole := 0
		s.Found = func(f scan.Finding) {
			r.found = append(r.found, string(f.As))
			if f.Whole {
				whole++
			}
		}
		page := "SQLite format 3\x00" + strings.Repeat("\x00", 4000) + "\x81\x2c\x07\x04" + token[:at] + "\x00\x00\x00\x03" + strings.Repeat("\x00", 500) + "\x00\x00\x00\x09" + token[at:] + "\x00\x0d"
		must[any](t)(nil, s.Look(context.Background(), scan.Where{Path: "place"}, strings.NewReader(page)))
		if len(r.found) == 0 {
			t.Errorf("split after %d: not found", at)
		}
		if (at == prefix || at == len(token)) != (whole > 0) {
			t.Errorf("split after %d: %d whole of %q", at, whole, r.found)
		}
	}
}

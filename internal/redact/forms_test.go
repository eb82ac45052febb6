package redact_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"purser/internal/redact"
)

var update = flag.Bool("update", false, "write the table of docs/agents.md anew")

// The others are tokens as long as the first: a reader who cannot tell their outputs
// apart has learnt nothing.
var others = []string{"dckr_pat_FAKE2wGxu6RbFAKEs0Ty4-Mh_oN", "dckr_pat_0FAKEq7ZrFAKE-t5K_mX9vbFAKx", "dckr_pat_zFAKE-_FAKE8Hw3pLcFAKEnn2dJ"}

// way is how a command or program prints a token.
type way struct {
	what    string
	command string              // a shell command that reads the token; or
	write   func(string) string // a program's output
	shown   bool                // a known limit: the token is in the output
}

func numbers(format string) func(string) string {
	return func(text string) string {
		var b strings.Builder
		for _, c := range []byte(text) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
}

var ways = []way{
	{what: "the token as it is, or a piece of 12 characters", command: "cat"},
	{what: "wrapped at any width", command: "fold -w 1"},
	{what: "… with a quote's mark", command: "fold -w 5 | sed 's/^/> /'"},
	{what: "… with numbers or times before the lines", command: "fold -w 3 | nl"},
	{what: "backwards", command: "rev"},
	{what: "in capitals", command: "tr a-z A-Z"},
	{what: "base64, wrapped at any width", command: "base64 -w 7"},
	{what: "base64 of base64", command: "base64 -w 0 | base64 -w 9"},
	{what: "base32", command: "base32 -w 11"},
	{what: "hex, wrapped at any width", command: "xxd -p -c 5"},
	{what: "hex with blanks", command: "od -An -t x1"},
	{what: "hex with colons, commas or hyphens", write: numbers("%02x:")},
	{what: "dumps of bytes", command: "od -b"},
	{what: "… in hex", command: "od -t x1"},
	{what: "… in decimal", command: "od -t u1"},
	{what: "… in bits", command: "xxd -b"},
	{what: "dumps of characters", command: "od -c"},
	{what: "dumps of words", command: "od"},
	{what: "… in hex", command: "od -x"},
	{what: "… of four and eight bytes", command: "od -t x8"},
	{what: "dumps with characters beside the numbers", command: "xxd"},
	{what: "… of any width", command: "xxd -c 4"},
	{what: "… as `hexdump` makes them", command: "hexdump -C"},
	{what: "a C array", command: "xxd -i"},
	{what: "a list of numbers", command: "jq -R explode"},
	{what: "a list of characters", command: `jq -Rc 'split("")'`},
	{what: "single characters with blanks between", command: "sed 's/./& /g'"},
	{what: "`\\x46`", write: numbers(`\x%02x`)},
	{what: "`\\u0046`", write: numbers(`\u%04x`)},
	{what: "`\\106`", write: numbers(`\%03o`)},
	{what: "`&#70;`", write: numbers("&#%d;")},
	{what: "`&#x46;`", write: numbers("&#x%X;")},
	{what: "`%46`, in small letters too", write: numbers("%%%02x")},
	{what: "groups of 2 to 11 characters with blanks between", command: "sed 's/...../& /g'", shown: true},
	{what: "numbers of more than seven digits, in lines without an offset", command: "od -An -t x8", shown: true},
	{what: "compressed, encrypted, or with other letters", command: "tr a-zA-Z n-za-mN-ZA-M", shown: true},
	{what: "lines with words before them", command: "fold -w 3 | sed 's/^/output of web: x /'", shown: true},
}

func (w way) print(t *testing.T, token string) (string, bool) {
	t.Helper()
	text := "user:" + token + " and more\n"
	if w.write != nil {
		return w.write(text), true
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", w.command)
	cmd.Stdin = strings.NewReader(text)
	raw, err := cmd.Output()
	if err != nil {
		t.Logf("%s is not here: %v", w.command, err)
	}
	return string(raw), err == nil
}

// TestEveryListedFormIsRedacted compares what is left of several tokens: redaction leaves
// the same of each.
func TestEveryListedFormIsRedacted(t *testing.T) {
	var table strings.Builder
	table.WriteString("| what a command prints | for example | |\n|---|---|---|\n")
	for _, w := range ways {
		left := map[string]bool{}
		for i, token := range others {
			text, ok := w.print(t, token)
			if !ok {
				break
			}
			r := redact.New(login(token))
			got := passed(t, r, text, len(text))
			left[strings.Join(strings.Fields(got), " ")] = true // the number of blanks between columns varies
			if w.shown {
				continue
			}
			if !strings.Contains(got, redact.Mark) || len(left) != 1 {
				t.Errorf("%s of token %d:\n%s\nbecame\n%s\n%v", w.what, i, text, got, left)
			}
			for n := 1; n < 40; n++ {
				if again := passed(t, r, text, n); again != got {
					t.Fatalf("%s in writes of %d:\n%s\nnot\n%s", w.what, n, again, got)
				}
			}
		}
		if w.shown && len(left) == 1 {
			t.Errorf("%s is no limit any more", w.what)
		}
		table.WriteString(w.row())
	}
	checkTable(t, table.String())
}

func (w way) row() string {
	example, result := "`"+strings.ReplaceAll(w.command, "|", `\|`)+"`", "taken out"
	if w.command == "" {
		example = "`" + w.write("FAKE") + "`"
	}
	if w.shown {
		result = "**shown**"
	}
	return fmt.Sprintf("| %s | %s | %s |\n", w.what, example, result)
}

var inDocs = regexp.MustCompile(`(?s)\| what a command prints \|.*?\n\n`)

func checkTable(t *testing.T, table string) {
	t.Helper()
	const path = "../../docs/agents.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		page = inDocs.ReplaceAllLiteral(page, []byte(table+"\n"))
		if err := os.WriteFile(path, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(string(page), "\n"+table+"\n") {
		t.Error("the table of " + path + " is not what is taken out; write it anew with -update")
	}
}

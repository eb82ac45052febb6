package fingerprint

import (
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/redact"
)

var update = flag.Bool("update", false, "write the golden file anew")

var day = time.Date(2026, 11, 28, 10, 13, 46, 5, time.UTC)

const golden = "testdata/fingerprints.json"

// fixed is a file as purser wrote it, of mixed and github.
func fixed(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAFileThatPurserWroteKeepsItsMeaning(t *testing.T) {
	salt := strings.NewReader("sixteen bytes ok")
	previous := given("ghcr", github)
	previous.Stage = credential.Previous
	set, err := New(salt, day, nil, []Token{given("dockerhub", mixed), previous})
	if err != nil {
		t.Fatal(err)
	}
	text := set.Encode()
	if *update {
		if err := os.WriteFile(golden, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(text, fixed(t)) {
		t.Errorf("wrote\n%s\nbut %s has\n%s", text, golden, fixed(t))
	}
	read, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read.Encode(), text) || !read.Made.Equal(day.Truncate(time.Second)) {
		t.Errorf("read %+v", read)
	}
	got := places(t, read, "one "+mixed+" other "+mixed[:35]+"x", 10)
	if len(got) != 1 || read.Entries[got[0].Entry].Credential != "dockerhub" {
		t.Errorf("the file found %+v", got)
	}
}

func TestAnUnchangedTokenKeepsItsFingerprint(t *testing.T) {
	before, err := Parse(fixed(t))
	if err != nil {
		t.Fatal(err)
	}
	tokens := []Token{given("ghcr", gitlab), given("dockerhub", mixed)}
	after, err := New(rand.Reader, day, before, tokens)
	if err != nil {
		t.Fatal(err)
	}
	if after.Entries[1] != before.Entries[0] || after.Entries[0].Tag == before.Entries[1].Tag {
		t.Errorf("before %+v, after %+v", before.Entries, after.Entries)
	}
	fresh, err := New(rand.Reader, day, nil, tokens)
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Entries[1].Tag == before.Entries[0].Tag {
		t.Error("two files have the same salt")
	}
}

func TestWhatCanBeGuessedGetsNoFingerprint(t *testing.T) {
	for token, why := range map[string]string{
		mixed: "", github: "", gitlab: "",
		"github_pat_FAKE1aB2cD3eF4gH5iJ6kL_" + strings.Repeat("7mN8oP9q", 7) + "FAKEFAK": "",
		"":                                    "no prefix",
		"correct-horse-battery-staple-FAKE-1": "try passwords",
		"FAKE0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0": "no prefix",
		"eyJhbGciOiJub25lIn0.eyJGQUtFIjoxfQ.FAKE0aB1cD2eF3gH4iJ5kL6": "no prefix",
		"dckr_pat_FAKE0aB1cD2eF3gH4iJ":                               "only 19 characters follow its prefix",
		"dckr_pat_FAKEFAKEFAKEFAKEFAKEFAKEFAK":                       "only 4 different characters",
		"dckr_pat_FAKE0aB1cD2eF3gH4iJ5kL6 my password":               "characters that tokens don't have",
		"dckr_pat_FAKE0aB1cD2eF3gH4iJ5kL6mN7ø":                       "characters that tokens don't have",
		"dckr_pat_" + strings.Repeat("FAKE0aB1cD2eF3gH4", 16):        "characters that tokens don't have",
	} {
		got := unfit(credential.NewSecret(token))
		if !strings.Contains(got, why) || why == "" && got != "" {
			t.Errorf("%s: %q instead of %q", token, got, why)
		}
		_, err := newWith(func(string, []byte) []byte { return make([]byte, hashSize) }, rand.Reader, day, nil, []Token{given("one", mixed), given("dockerhub", token)})
		fault, _ := errors.AsType[*credential.Fault](err)
		if (fault == nil) != (got == "") || fault != nil && (fault.Credential != "dockerhub" || !strings.Contains(fault.Why, "purser scan dockerhub")) {
			t.Errorf("%s: New says %v", token, err)
		}
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	text := string(fixed(t))
	entry := text[strings.Index(text, "    {\n"):strings.Index(text, "    },\n")] + "    },\n"
	change := func(old, with string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("the file has no %s", old)
		}
		return strings.Replace(text, old, with, 1)
	}
	for name, c := range map[string]struct{ text, why string }{
		"empty":              {"", "isn't one that purser"},
		"another file":       {"credentials:\n", "isn't one that purser"},
		"other JSON":         {`{"name": "app"}`, "isn't one that purser"},
		"a list":             {"[]", "isn't one that purser"},
		"cut off":            {text[:len(text)/2], "isn't one that purser"},
		"two files":          {text + text, "isn't one that purser"},
		"a later version":    {change(`"version": 1`, `"version": 2`), "version 2, and this purser reads version 1; make the file again"},
		"version 0":          {change(`"version": 1`, `"version": 0`), "version 0"},
		"a version in words": {change(`"version": 1`, `"version": "1"`), "isn't one that purser"},
		"4 GB":               {change("64 MiB", "4096 MiB"), "version 1 means argon2id, 3 passes over 64 MiB"},
		"endless":            {change("3 passes", "2147483648 passes"), "version 1 means"},
		"a weak function":    {change("3 passes", "1 passes"), "version 1 means"},
		"a short salt":       {change(`"salt": "`, `"salt": "AAAA", "x": "`), "changed by hand"},
		"no salt":            {change(`"salt"`, `"Salt": "", "salt2"`), "changed by hand"},
		"an empty salt":      {change(`"salt": "c2l4dGVlbiBieXRlcyBvaw=="`, `"salt": ""`), "16 bytes"},
		"no date":            {change("2026-11-28T10:13:46Z", "0001-01-01T00:00:00Z"), "when it was made"},
		"a bad date":         {change("2026-11-28T10:13:46Z", "yesterday"), "changed by hand"},
		"more":               {change(`"prefix"`, `"token": "", "prefix"`), "changed by hand"},
		"no tokens":          {text[:strings.Index(text, "[")] + "[]}", "has 0 tokens"},
		"a million tokens":   {strings.Replace(text, entry, strings.Repeat(entry, 1_000_000), 1), "longer than 1048576 bytes"},
		"thousands":          {strings.Replace(text, entry, strings.Repeat(`{"length":36},`, 5_000)+entry, 1), "has 5002 tokens"},
		"a name with a hole": {change(`"dockerhub"`, `"docker\u001b[31mhub"`), "token 1: the name"},
		"a stage":            {change("AWSPREVIOUS", "EVIL"), "token 2: the stage"},
		"every word":         {change(`"prefix": "dckr_pat_"`, `"prefix": ""`), "token 1: this purser knows no tokens"},
		"other words":        {change(`"prefix": "dckr_pat_"`, `"prefix": "http://"`), "knows no tokens"},
		"a known start":      {change(`"prefix": "dckr_pat_"`, `"prefix": "dckr_pat_F"`), "knows no tokens"},
		"short":              {change(`"length": 36`, `"length": 28`), "length is impossible"},
		"negative":           {change(`"length": 36`, `"length": -36`), "length is impossible"},
		"long":               {change(`"length": 36`, `"length": 2147483647`), "length is impossible"},
		"few bits":           {change(`"fingerprint": "`, `"fingerprint": "", "fingerprint": "a`), "6 hexadecimal digits"},
		"capitals":           {strings.ReplaceAll(text, `"fingerprint": "`, `"fingerprint": "AAAAAA", "Fingerprint": "A`), "6 hexadecimal digits"},
	} {
		_, err := Parse([]byte(c.text))
		if fault, ok := errors.AsType[*credential.Fault](err); !ok || !strings.Contains(fault.Why, c.why) || fault.Reason != credential.Usage {
			t.Errorf("%s: %v instead of %q", name, err, c.why)
		} else if strings.ContainsRune(err.Error(), 0x1b) || len(err.Error()) > 200 {
			t.Errorf("%s: %q repeats the file", name, err)
		}
	}
	if _, err := newWith(nil, rand.Reader, day, nil, nil); err == nil {
		t.Error("a file of no tokens was made")
	}
	if _, err := New(strings.NewReader("short"), day, nil, []Token{given("dockerhub", mixed)}); err == nil {
		t.Error("a salt of too little randomness was accepted")
	}
}

// FuzzParse checks that Parse accepts only what Encode writes, whatever order or spaces it has.
func FuzzParse(f *testing.F) {
	f.Add(fixed(f))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(set.Encode())
		if err != nil || !bytes.Equal(again.Encode(), set.Encode()) {
			t.Errorf("read again: %v", err)
		}
	})
}

// What follows is what somebody tries who has the file.

func TestNoFormOfATokenIsInItsFile(t *testing.T) {
	for _, token := range []string{mixed, github} {
		s := redact.New(credential.Login{Username: "mockserver", Token: credential.NewSecret(token)}).NewSearch(func(p redact.Place) {
			t.Errorf("the file holds a part of %s: %+v", token, p)
		})
		_, _ = s.Write(fixed(t))
		s.End()
		if credential.Shows(string(fixed(t)), credential.NewSecret(token)) {
			t.Errorf("the file shows a part of %s", token)
		}
	}
}

// TestOnlyTheTagDependsOnTheSecret leaves no other way than to guess a token and to compute
// its tag.
func TestOnlyTheTagDependsOnTheSecret(t *testing.T) {
	without := func(token string) string {
		set, err := newWith(func(string, []byte) []byte { return make([]byte, hashSize) }, strings.NewReader("sixteen bytes ok"), day, nil, []Token{given("dockerhub", token)})
		if err != nil {
			t.Fatal(err)
		}
		return string(set.Encode())
	}
	if a, b := without(mixed), without("dckr_pat_"+strings.Repeat("FAKEzY9xW8v", 3)[:27]); a != b {
		t.Errorf("beside the fingerprints, two tokens differ in\n%s\n%s", a, b)
	}
	set, _ := counted(t, mixed)
	if len(set.Entries[0].Tag) != 24/4 {
		t.Errorf("a fingerprint has %d bits", 4*len(set.Entries[0].Tag))
	}
}

// TestEachGuessCostsASlowHash guesses the last three characters of a token whose rest was seen.
func TestEachGuessCostsASlowHash(t *testing.T) {
	const few = "abcdeN7og" // of the 62 characters, so that the test ends
	set, calls := counted(t, mixed)
	found, guesses := 0, 0
	for _, a := range few {
		for _, b := range few {
			for _, c := range few {
				guesses++
				guess := mixed[:33] + string([]rune{a, b, c})
				found += len(places(t, set, guess, len(guess)))
			}
		}
	}
	if *calls != guesses || guesses != len(few)*len(few)*len(few) || found != 1 {
		t.Errorf("%d guesses with %d slow hashes found %d", guesses, *calls, found)
	}
}

// TestAForgedFileFindsOnlyText shows that a file in somebody else's hands can miss or accuse,
// and can't make a search endless.
func TestAForgedFileFindsOnlyText(t *testing.T) {
	text := strings.ReplaceAll(string(fixed(t)), `"length": 36`, `"length": 29`)
	set, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	set.hash = func(string, []byte) []byte { calls++; return make([]byte, hashSize) }
	s := set.NewSearch(func(Place, credential.Secret) {})
	for i := range 5 * mostGuesses {
		_, _ = s.Write([]byte("dckr_pat_FAKE" + strconv.Itoa(1e15+i) + "\n"))
	}
	if err := s.End(); !errors.Is(err, ErrTooMany) || calls != mostGuesses {
		t.Errorf("%v after %d slow hashes", err, calls)
	}
}

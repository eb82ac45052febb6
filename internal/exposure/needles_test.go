package exposure

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"purser/internal/credential"
)

const body = "FAKE~b/ody+with=signs%0Qab"

func search1(text string) []needle {
	return newNeedles([]Canary{{"the token", credential.NewSecret("dckr_pat_" + body)}}).in(text)
}

func TestCanariesAreFoundInEveryEncoding(t *testing.T) {
	numbers := strings.Trim(fmt.Sprintf("%d", []byte(body)), "[]")
	quoted, _ := json.Marshal(map[string]string{"token": body})
	var unicode, octal, percent strings.Builder
	for _, c := range []byte(body) {
		fmt.Fprintf(&unicode, `\u%04x`, c)
		fmt.Fprintf(&octal, `\%03o`, c)
		fmt.Fprintf(&percent, "%%%02X", c)
	}
	for name, text := range map[string]string{
		"plain": "token dckr_pat_" + body, "six characters": "…" + body[8:14] + "…", "reversed": reversed(body),
		"hex": hex.EncodeToString([]byte(body)), "upper-case hex": strings.ToUpper(hex.EncodeToString([]byte(body))),
		"a register": "rax 0x" + hex.EncodeToString([]byte(reversed(body[4:12]))),
		"base64, 0":  base64.StdEncoding.EncodeToString([]byte(body)), "base64, 1": base64.StdEncoding.EncodeToString([]byte("a" + body)),
		"base64, 2": base64.RawURLEncoding.EncodeToString([]byte("ab" + body)),
		"URL":       url.QueryEscape(body), "URL, every byte": percent.String(), "JSON": string(quoted), "JSON, every byte": unicode.String(),
		"Go": strconv.Quote("x" + body), "octal": octal.String(), "shell": `'` + body[:9] + `'"` + body[9:11] + `"\` + body[11:13],
		"bytes": numbers, "JSON bytes": strings.ReplaceAll(numbers, " ", ","),
		"base64 in JSON in a URL": url.QueryEscape(`{"auth":"` + base64.StdEncoding.EncodeToString([]byte("user:"+body)) + `"}`),
	} {
		if len(search1(text)) == 0 {
			t.Errorf("not found: %s", name)
		}
	}
}

func TestOtherTextIsNotACanary(t *testing.T) {
	for _, text := range []string{"", "F", "dckr_pat_", body[:5], "a page of unrelated prose", `\`, `\x`, `\u12`, "%", "%4"} {
		if hits := search1(text); len(hits) > 0 {
			t.Errorf("%q counts as %v", text, hits)
		}
	}
}

func TestAShortSecretCountsOnlyAsAWhole(t *testing.T) {
	n := newNeedles([]Canary{{"the pin", credential.NewSecret("Zq7x")}, {"nothing", credential.Secret{}}})
	if len(n.in("it is Zq7x")) == 0 || len(n.in("Zq7")) > 0 {
		t.Error("a secret of four characters is missed as a whole, or matched in pieces")
	}
}

// FuzzNothingHidesACanary checks that surrounding text hides no token from this search, nor from
// purser's redaction.
func FuzzNothingHidesACanary(f *testing.F) {
	f.Add("before", "after", 3)
	f.Add(`\`, `"`, 9)
	f.Add("%4", "%", 0)
	f.Fuzz(func(t *testing.T, before, after string, at int) {
		at = min(max(at, 0), len(body)-run)
		text := before + body[at:at+run] + after
		if len(search1(text)) == 0 || !credential.Shows(text, credential.NewSecret("dckr_pat_"+body)) {
			t.Errorf("not found in %q", text)
		}
	})
}

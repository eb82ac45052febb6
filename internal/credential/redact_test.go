package credential_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"purser/internal/credential"
)

func TestShowsFindsASecretInEveryUsualEncoding(t *testing.T) {
	const secret = "dckr_pat_" + "FAKE~b/ody+with=signs%000ab"
	const body = "FAKE~b/ody+with=signs%000ab"
	reversed := []byte(body)
	for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
		reversed[i], reversed[j] = reversed[j], reversed[i]
	}
	forms := map[string]string{
		"plain": secret, "a piece of six": body[3:9], "reversed": string(reversed),
		"hex": hex.EncodeToString([]byte(secret)), "upper-case hex": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"URL-escaped": url.QueryEscape(secret), "path-escaped": url.PathEscape(secret),
		"basic auth 0":  base64.StdEncoding.EncodeToString([]byte("u:" + secret)),
		"basic auth 1":  base64.StdEncoding.EncodeToString([]byte("us:" + secret)),
		"basic auth 2":  base64.URLEncoding.EncodeToString([]byte("use:" + secret)),
		"in a sentence": "bad token " + secret + ", try again",
	}
	for name, text := range forms {
		if !credential.Shows(text, credential.NewSecret(secret)) {
			t.Errorf("Shows misses the secret: %s", name)
		}
		if got := credential.Quote(text, credential.NewSecret(secret)); strings.Contains(got, body[:6]) || got == text {
			t.Errorf("Quote lets it through: %s", name)
		}
	}
	for _, innocent := range []string{"", "incorrect username or password", "dckr_pat_", "FAKE~", "unauthorized: access token has insufficient scopes"} {
		if credential.Shows(innocent, credential.NewSecret(secret)) {
			t.Errorf("Shows(%q) = true, want false", innocent)
		}
	}
}

func TestQuoteIsOneBoundedLineWithoutControlCharacters(t *testing.T) {
	got := credential.Quote("a\x1b[31mred\x1b[0m\nb\x00c\u202e" + strings.Repeat("x", 1000))
	if strings.ContainsAny(got, "\x1b\n\x00\u202e") {
		t.Errorf("Quote keeps control characters: %q", got)
	}
	if n := len([]rune(got)); n > 300 {
		t.Errorf("Quote gave %d characters", n)
	}
}

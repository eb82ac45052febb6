package credential_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
)

var login = credential.Login{Username: "mockserver", Token: credential.NewSecret(canary)}

func TestEncodeWritesTheLoginAndKeepsEverythingElse(t *testing.T) {
	custom, err := credential.NewShape("user", "pat")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		shape        credential.Shape
		stored, want string
	}{
		"empty":             {credential.ShapeToken, ``, `{"username":"mockserver","token":"` + canary + `"}`},
		"the zero shape":    {credential.Shape{}, `{}`, `{"username":"mockserver","token":"` + canary + `"}`},
		"password":          {credential.ShapePassword, ``, `{"username":"mockserver","password":"` + canary + `"}`},
		"pull-through":      {credential.ShapeECRCache, ``, `{"username":"mockserver","accessToken":"` + canary + `"}`},
		"any two keys":      {custom, ``, `{"user":"mockserver","pat":"` + canary + `"}`},
		"replaced in place": {credential.ShapeToken, `{"token":"old","username":"x"}`, `{"token":"` + canary + `","username":"mockserver"}`},
		"other keys": {
			credential.ShapeToken, `{"note":{"a":[1, 2.50]},"token":"old","username":"x","big":12345678901234567890,"e":"\u00e9<&>"}`,
			`{"note":{"a":[1, 2.50]},"token":"` + canary + `","username":"mockserver","big":12345678901234567890,"e":"\u00e9<&>"}`,
		},
		"a secret with one key of ours": {credential.ShapeToken, `{"username":"x"}`, `{"username":"mockserver","token":"` + canary + `"}`},
	} {
		got, err := c.shape.Encode(credential.NewSecret(c.stored), "docker.io", login)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Reveal() != c.want {
			t.Errorf("%s: Encode gave another text than wanted:\n%s\n%s", name, got.Reveal(), c.want)
		}
		if back, err := c.shape.Decode(got, "docker.io"); err != nil || !back.Equal(login) {
			t.Errorf("%s: Decode of what Encode wrote: %v", name, err)
		}
	}
}

func TestDockerAuthsKeepOtherRegistriesAndAreReadUnderEveryNameOfDockerHub(t *testing.T) {
	stored := credential.NewSecret(`{"auths":{"ghcr.io":{"auth":"eDp5"}},"credsStore":"x"}`)
	got, err := credential.ShapeDocker.Encode(stored, "docker.io", login)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"ghcr.io":{"auth":"eDp5"}`, `"credsStore":"x"`, `"https://index.docker.io/v1/":{"username":"mockserver"`} {
		if !strings.Contains(got.Reveal(), want) {
			t.Errorf("Encode lost or lacks %s", want)
		}
	}
	for _, key := range credential.Host("docker.io").DockerKeys() {
		value := credential.NewSecret(`{"auths":{"` + key + `":{"auth":"bW9ja3NlcnZlcjpGQUtFOmE="}}}`) // mockserver:FAKE:a
		back, err := credential.ShapeDocker.Decode(value, "docker.io")
		if err != nil || back.Username != "mockserver" || back.Token.Reveal() != "FAKE:a" {
			t.Errorf("Decode under %s: %v", key, err)
		}
	}
}

func TestEncodeRefusesToOverwriteWhatItDoesNotUnderstand(t *testing.T) {
	for name, c := range map[string]struct {
		shape       credential.Shape
		stored, why string
	}{
		"plain text":       {credential.ShapeToken, canary, "not a JSON object"},
		"a list":           {credential.ShapeToken, `["a"]`, "not a JSON object"},
		"cut off":          {credential.ShapeToken, `{"username":"a","tok`, "damaged or cut off"},
		"something behind": {credential.ShapeToken, `{"username":"a"} x`, "follows"},
		"a key twice":      {credential.ShapeToken, `{"token":"a","token":"b"}`, "same key twice"},
		"another shape":    {credential.ShapeToken, `{"username":"a","password":"b"}`, `"password" and this credential writes "token"`},
		"docker's":         {credential.ShapeToken, `{"auths":{}}`, `"dockerconfigjson"`},
		"other case":       {credential.ShapeToken, `{"Username":"a","Token":"b"}`, `the key "Username" and this credential writes "username"`},
		"half other case":  {credential.ShapeToken, `{"username":"a","Token":"b"}`, `the key "Token" and this credential writes "token"`},
		"shape, in case":   {credential.ShapeToken, `{"user":"a","Password":"b"}`, `"password" and this credential writes "token"`},
		"docker's in case": {credential.ShapeDocker, `{"Auths":{}}`, `the key "Auths" and this credential writes "auths"`},
		"capitals wanted":  {capitals(t), `{"username":"a","token":"b"}`, `the key "username" and this credential writes "Username"`},
		"no docker's":      {credential.ShapeDocker, `{"username":"a","token":"b"}`, `"token"`},
	} {
		_, err := c.shape.Encode(credential.NewSecret(c.stored), "docker.io", login)
		if credential.ReasonOf(err) != credential.ValueStrange || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: error = %v, want %q", name, err, c.why)
		}
	}
}

func capitals(t *testing.T) credential.Shape {
	t.Helper()
	s, err := credential.NewShape("Username", "Token")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEncodeAddsNoSecondKeyThatDiffersOnlyInCase(t *testing.T) {
	const stored = `{"Username":"old","Token":"old","other":1}`
	got, err := capitals(t).Encode(credential.NewSecret(stored), "docker.io", login)
	if want := `{"Username":"mockserver","Token":"` + canary + `","other":1}`; err != nil || got.Reveal() != want {
		t.Errorf("the shape of what is stored: %v", err)
	}
	if _, err := capitals(t).Encode(credential.NewSecret(`{"Token":"old"}`), "docker.io", login); err != nil {
		t.Errorf("one of the two keys: %v", err)
	}
	_, err = credential.ShapeToken.Decode(credential.NewSecret(stored), "docker.io")
	if credential.ReasonOf(err) != credential.ValueStrange || !strings.Contains(err.Error(), `it has "Username" instead of "username"`) {
		t.Errorf("Decode: %v", err)
	}
}

func TestDecodeNamesWhatIsMissingAndNeverShowsTheValue(t *testing.T) {
	for stored, why := range map[string]string{
		`{}`: `no key "username"`, `{"username":"a"}`: `no key "token"`, `{"username":"a","token":""}`: `"token" is empty`,
		`{"username":"a","token":12345678}`: `"token" is not text`, `{"username":null,"token":"x"}`: `"username" is not text`,
		`{"username":"` + canary + `","token":"mockserver"}`: "its user name contains a token",
	} {
		_, err := credential.ShapeToken.Decode(credential.NewSecret(stored), "docker.io")
		if credential.ReasonOf(err) != credential.ValueStrange || !strings.Contains(err.Error(), why) {
			t.Errorf("Decode(%s): error = %v, want %q", stored, err, why)
		}
	}
}

func TestShapesHaveNames(t *testing.T) {
	for _, name := range append(credential.ShapeNames(), "user,pat") {
		s, err := credential.ParseShape(name)
		if err != nil || s.String() != name {
			t.Errorf("ParseShape(%q) = %s, %v", name, s, err)
		}
	}
	for _, name := range []string{"", "nope", "a,", "same,same", "1a,b", "a,b,c"} {
		if s, err := credential.ParseShape(name); err == nil {
			t.Errorf("ParseShape(%q) = %s, want an error", name, s)
		}
	}
}

func TestVersionIDsTellWhoMadeThemAndWhen(t *testing.T) {
	now := time.Date(2026, 11, 23, 13, 6, 59, 123e6, time.UTC)
	id, err := credential.NewVersionID(now, strings.NewReader("0123456789"), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(id) < 32 || len(id) > 64 {
		t.Errorf("%s has %d characters; Secrets Manager takes 32 to 64", id, len(id))
	}
	if !id.IsOurs() || !id.Time().Equal(now) {
		t.Errorf("%s: IsOurs %v, Time %v, want %v", id, id.IsOurs(), id.Time(), now)
	}
	other := credential.VersionID("0f9c1234-0000-4000-8000-000000000000")
	if other.IsOurs() || !other.Time().IsZero() {
		t.Errorf("%s is taken for one of purser's", other)
	}
	if _, err := credential.NewVersionID(now, strings.NewReader("short"), ""); err == nil {
		t.Error("a version id without randomness was made")
	}
}

func FuzzStoredJSON(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"username":"a","token":"b","x":[1,{"y":null}]}`, `{"auths":{"ghcr.io":{}}}`, `{"a":`, `[]`, `{"token":1}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stored string) {
		for _, shape := range []credential.Shape{credential.ShapeToken, credential.ShapeDocker} {
			value, err := shape.Encode(credential.NewSecret(stored), "docker.io", login)
			if err != nil {
				if credential.ReasonOf(err) != credential.ValueStrange {
					t.Fatalf("an error without a reason: %v", err)
				}
				continue
			}
			back, err := shape.Decode(value, "docker.io")
			if err != nil || !back.Equal(login) {
				t.Fatalf("what was encoded into %q does not decode: %v", stored, err)
			}
			again, err := shape.Encode(value, "docker.io", login)
			if err != nil || !again.Equal(value) {
				t.Fatalf("encoding twice differs for %q: %v", stored, err)
			}
		}
	})
}

func TestTheUserNameIsNotWithheldButEverythingElseIs(t *testing.T) {
	const token = "dckr_pat_FAKEfakeFAKEfakeFAKEfake000"
	for _, c := range []struct {
		shape  credential.Shape
		stored string
		shown  []string // texts that messages may repeat
		hidden []string
	}{
		{credential.ShapeToken, `{"username":"mockserver","token":"` + token + `","other":"s3cr3tvalue","pin":"1234","list":["inlist77"],"n":{"a":"nested88"},"number":12345678}`,
			[]string{"mockserver-build/dockerhub", "the username", "the 1234th"}, []string{token, "s3cr3tv", `"1234"`, "inlist77", "nested88", "12345678"}},
		{credential.ShapeDocker, `{"auths":{"https://index.docker.io/v1/":{"username":"mockserver","password":"` + token + `","auth":"bW9ja3NlcnZlcjpkY2tyX3BhdF9GQUtF"}}}`,
			[]string{"mockserver-build/dockerhub"}, []string{token, "bW9ja3NlcnZlcjpk"}},
		{credential.ShapeToken, `{"username":{"a":"mockserver1"},"token":"` + token + `"}`, nil, []string{"mockserver1", token}},
		{credential.ShapeToken, `{"username":"mockserver","token":"quo\"te\\d<>&pass"}`, []string{"mockserver"}, []string{`o"te\d`, `quo\"te\\d`, `d\u003c\u003e\u0026pass`}},
		{credential.ShapeToken, `not JSON`, nil, []string{`not JSON`}},
		{credential.ShapeToken, `{"username":"mockserver","token":"` + token, nil, []string{"mockserver", token}},
	} {
		secrets := c.shape.Withheld(credential.NewSecret(c.stored))
		for _, text := range c.shown {
			if got := credential.Quote(text, secrets...); got != text {
				t.Errorf("%s: %q became %q", c.stored, text, got)
			}
		}
		for _, text := range append(c.hidden, base64.StdEncoding.EncodeToString([]byte(c.stored)), hex.EncodeToString([]byte(c.stored)), c.stored) {
			if got := credential.Quote("AWS says "+text, secrets...); strings.Contains(got, text) {
				t.Errorf("%s: it shows %q", c.stored, got)
			}
		}
	}
}

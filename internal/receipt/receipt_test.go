package receipt_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"purser/internal/receipt"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func example() receipt.Receipt {
	return receipt.Receipt{
		Schema: receipt.Schema, ID: "purser-0195", Time: noon, Command: receipt.Rotate, Outcome: receipt.Failed,
		Reason: "not-dead", Who: []string{"arn:aws:sts::123456789012:assumed-role/ci/me", "me@desk"},
		Credential: "dockerhub", Registry: "docker.io", Account: "example", Kind: "personal access token",
		Token: &receipt.Token{ID: "t2", Label: "purser/dockerhub/2"},
		Ended: []receipt.Token{{ID: "t1", Label: "<é>"}},
		Places: []receipt.Place{{
			Where: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf", Region: "eu-west-1",
			Version: "v2", Replaced: "v1", Stages: []string{"AWSCURRENT"},
		}},
		Proofs: []receipt.Proof{{
			At: "read back", Verdict: "granted", Repositories: []receipt.Repository{{
				Repository: "docker.io/example/app", Actions: []string{"pull", "push"}, Upload: "opened and cancelled",
			}},
		}},
	}
}

// envelope parses a line without the package's own types.
type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     string              `json:"payload"`
	Signatures  []map[string]string `json:"signatures"`
}

func unpack(t testing.TB, line []byte) (envelope, []byte) {
	t.Helper()
	var e envelope
	if err := json.Unmarshal(line, &e); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return e, payload
}

func pack(t testing.TB, payloadType string, payload []byte, signatures ...map[string]string) []byte {
	t.Helper()
	if signatures == nil {
		signatures = []map[string]string{}
	}
	line, err := json.Marshal(envelope{payloadType, base64.StdEncoding.EncodeToString(payload), signatures})
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func signed(t testing.TB, s receipt.Signer, payloadType string, payload []byte) []byte {
	t.Helper()
	sig, err := s.Sign(t.Context(), receipt.PAE(payloadType, payload))
	if err != nil {
		t.Fatal(err)
	}
	return pack(t, payloadType, payload, signature(s.KeyID(), sig))
}

func signature(keyID string, sig []byte) map[string]string {
	return map[string]string{"keyid": keyID, "sig": base64.StdEncoding.EncodeToString(sig)}
}

func seal(t testing.TB, r receipt.Receipt, s receipt.Signer) []byte {
	t.Helper()
	line, err := receipt.Seal(t.Context(), r, s)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func wantError(t testing.TB, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got error %v, want one with %q", err, part)
	}
}

// The vectors are from DSSE's protocol.md and its Go implementation's tests.
func TestPAE(t *testing.T) {
	for want, in := range map[string][2]string{
		"DSSEv1 29 http://example.com/HelloWorld 11 hello world": {"http://example.com/HelloWorld", "hello world"},
		"DSSEv1 0  0 ":        {"", ""},
		"DSSEv1 1 t 2 \u00e9": {"t", "\u00e9"},
	} {
		if got := string(receipt.PAE(in[0], []byte(in[1]))); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// v1 is example as purser wrote it before receipts were chained.
const v1 = `{"schema":"purser/receipt/v1",` + exampleRest

const exampleRest = `"id":"purser-0195","time":"2026-03-04T12:00:00Z","command":"rotate","outcome":"failed","reason":"not-dead",` +
	`"who":["arn:aws:sts::123456789012:assumed-role/ci/me","me@desk"],"credential":"dockerhub","registry":"docker.io","account":"example","kind":"personal access token",` +
	`"token":{"id":"t2","label":"purser/dockerhub/2"},"ended":[{"id":"t1","label":"\u003cé\u003e"}],` +
	`"places":[{"where":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf","region":"eu-west-1","version":"v2","replaced":"v1","stages":["AWSCURRENT"]}],` +
	`"proofs":[{"at":"read back","verdict":"granted","repositories":[{"repository":"docker.io/example/app","actions":["pull","push"],"upload":"opened and cancelled"}]}]}`

// Receipts are kept for years and open only in the encoding that was signed: if
// this test fails, older receipts no longer open.
func TestTheEncodingOfReceiptsIsStable(t *testing.T) {
	hash := receipt.Hash(nil)
	for _, test := range []struct {
		name string
		r    receipt.Receipt
		want string
	}{
		{"full", example(), `{"schema":"purser/receipt/v2",` + exampleRest},
		{"least", receipt.Receipt{ID: "1", Time: noon.In(time.FixedZone("", 3600)), Command: receipt.Store, Outcome: receipt.Done},
			`{"schema":"purser/receipt/v2","id":"1","time":"2026-03-04T12:00:00Z","command":"store","outcome":"done",` +
				`"who":[],"credential":"","registry":"","account":"","kind":"","ended":[],"places":[],"proofs":[]}`},
		{"chained, with files", receipt.Receipt{ID: "1", Time: noon, Number: 2, Previous: hash, Command: receipt.Record, Outcome: receipt.Done, Files: []receipt.File{{Name: "x.md", SHA256: hash}}},
			`{"schema":"purser/receipt/v2","id":"1","time":"2026-03-04T12:00:00Z","number":2,"previous":"` + hash + `","command":"record","outcome":"done",` +
				`"who":[],"credential":"","registry":"","account":"","kind":"","ended":[],"places":[],"proofs":[],"files":[{"name":"x.md","sha256":"` + hash + `"}]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			line := seal(t, test.r, nil)
			e, payload := unpack(t, line)
			if diff := cmp.Diff(test.want, string(payload)); diff != "" {
				t.Error(diff)
			}
			if want := `{"payloadType":"application/vnd.purser.receipt+json","payload":"` + e.Payload + `","signatures":[]}`; string(line) != want {
				t.Errorf("got %s, want %s", line, want)
			}
		})
	}
}

func TestAReceiptWithoutAChainStillOpens(t *testing.T) {
	k := newSSH(t)
	got, err := receipt.Open(t.Context(), signed(t, k.signer, receipt.PayloadType, []byte(v1)), k.verifier)
	want := example()
	want.Schema, want.SignedBy = "purser/receipt/v1", k.by
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestAReceiptSurvivesARoundTrip(t *testing.T) {
	for name, k := range signers(t) {
		t.Run(name, func(t *testing.T) {
			line := seal(t, example(), k.signer)
			if bytes.ContainsAny(line, "\n") {
				t.Error("it is more than one line")
			}
			want := example()
			want.SignedBy = k.by
			for _, end := range []string{"", "\n"} {
				got, err := receipt.Open(t.Context(), append(slices.Clone(line), end...), k.verifier)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			}
			got, err := receipt.Unverified(line)
			if diff := cmp.Diff(example(), got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

func TestACutOffLineIsReportedAsSuch(t *testing.T) {
	line := seal(t, example(), nil)
	for n := 1; n < len(line); n++ {
		if _, err := receipt.Unverified(line[:n]); !errors.Is(err, receipt.ErrCutOff) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

func TestOpenRefusesUnsigned(t *testing.T) {
	line := seal(t, example(), nil)
	for _, v := range []receipt.Verifier{nil, receipt.Verifiers{}, newSSH(t).verifier} {
		if _, err := receipt.Open(t.Context(), line, v); !errors.Is(err, receipt.ErrUnsigned) {
			t.Errorf("got %v", err)
		}
	}
	if got, err := receipt.Unverified(line); err != nil || got.ID != example().ID {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestOpenNeedsATrustedKey(t *testing.T) {
	mine, other := newSSH(t), newSSH(t)
	line := seal(t, example(), mine.signer)
	for _, v := range []receipt.Verifier{nil, receipt.Verifiers{}, other.verifier, receipt.Verifiers{other.verifier, newKMS(t).verifier}} {
		if _, err := receipt.Open(t.Context(), line, v); !errors.Is(err, receipt.ErrUnknownKey) {
			t.Errorf("%v: got %v", v, err)
		}
	}
	all := receipt.Verifiers{newKMS(t).verifier, other.verifier, mine.verifier}
	if _, err := receipt.Open(t.Context(), line, all); err != nil {
		t.Error(err)
	}

	// One trusted signature is enough; without one, the error is about the most
	// telling signature.
	e, payload := unpack(t, line)
	stranger := signature("stranger", []byte("x"))
	if _, err := receipt.Open(t.Context(), pack(t, receipt.PayloadType, payload, stranger, e.Signatures[0], stranger), all); err != nil {
		t.Error(err)
	}
	wrong := signature(mine.signer.KeyID(), []byte("x"))
	_, err := receipt.Open(t.Context(), pack(t, receipt.PayloadType, payload, stranger, wrong, stranger), all)
	wantError(t, err, "it is not an SSH signature")
}

// altered yields every JSON value that differs from v in one place.
func altered(v any) []any {
	var all []any
	switch v := v.(type) {
	case string:
		all = append(all, v+"x", v[:max(0, len(v)-1)], nil)
	case []any:
		all = append(all, append(slices.Clone(v), "x"), []any{})
		for i := range v {
			for _, a := range altered(v[i]) {
				c := slices.Clone(v)
				c[i] = a
				all = append(all, c)
			}
		}
	case map[string]any:
		for key := range v {
			c := maps.Clone(v)
			delete(c, key)
			all = append(all, c)
			for _, a := range altered(v[key]) {
				c := maps.Clone(v)
				c[key] = a
				all = append(all, c)
			}
		}
	}
	return all
}

func TestTamperingIsRefused(t *testing.T) {
	for name, k := range signers(t) {
		t.Run(name, func(t *testing.T) {
			line := seal(t, example(), k.signer)
			e, payload := unpack(t, line)
			var record any
			if err := json.Unmarshal(payload, &record); err != nil {
				t.Fatal(err)
			}
			lines := map[string][]byte{}
			for i, a := range altered(record) {
				changed, err := json.Marshal(a)
				if err != nil {
					t.Fatal(err)
				}
				lines[fmt.Sprintf("record %d: %s", i, changed)] = pack(t, e.PayloadType, changed, e.Signatures...)
			}
			if len(lines) < 60 {
				t.Fatalf("only %d alterations", len(lines))
			}
			sig, err := base64.StdEncoding.DecodeString(e.Signatures[0]["sig"])
			if err != nil {
				t.Fatal(err)
			}
			for i := range sig {
				changed := slices.Clone(sig)
				changed[i] ^= 1
				lines[fmt.Sprint("signature, byte ", i)] = pack(t, e.PayloadType, payload, signature(k.signer.KeyID(), changed))
			}
			lines["signature, longer"] = pack(t, e.PayloadType, payload, signature(k.signer.KeyID(), append(slices.Clone(sig), 0)))
			lines["signature, none"] = pack(t, e.PayloadType, payload, signature(k.signer.KeyID(), nil))
			lines["keyid"] = pack(t, e.PayloadType, payload, signature(k.signer.KeyID()+"x", sig))
			lines["no keyid"] = pack(t, e.PayloadType, payload, signature("", sig))
			lines["payload type"] = pack(t, "application/json", payload, e.Signatures...)
			for what, changed := range lines {
				if r, err := receipt.Open(t.Context(), changed, k.verifier); err == nil {
					t.Errorf("%s: opened as %+v", what, r)
				}
			}
		})
	}
}

// A signature does not make an invalid record valid.
func TestASignedButInvalidReceiptIsRefused(t *testing.T) {
	k := newSSH(t)
	_, payload := unpack(t, seal(t, example(), nil))
	replace := func(old, with string) []byte {
		if !bytes.Contains(payload, []byte(old)) {
			t.Fatalf("%s is not there", old)
		}
		return bytes.Replace(payload, []byte(old), []byte(with), 1)
	}
	withFile := func(name, hash string) []byte {
		return replace(`"upload":"opened and cancelled"}]}]`, `"upload":"opened and cancelled"}]}],"files":[{"name":"`+name+`","sha256":"`+hash+`"}]`)
	}
	for _, test := range []struct {
		name    string
		payload []byte
		want    string
	}{
		{"not JSON", []byte("x"), "invalid character"},
		{"nothing", nil, "end of JSON"},
		{"null", []byte("null"), "its schema"},
		{"newer schema, new field", replace(`receipt/v2",`, `receipt/v3","new":1,`), `its schema is "purser/receipt/v3"`},
		{"unknown field", replace(`"id":`, `"value":"x","id":`), `unknown field "value"`},
		{"unknown field within", replace(`"region":`, `"value":"x","region":`), `unknown field "value"`},
		{"the signer as a field", replace(`"id":`, `"SignedBy":"x","id":`), "unknown field"},
		{"field twice", replace(`"id":`, `"id":"0","id":`), "not in the form"},
		{"field in capitals", replace(`"id":`, `"ID":`), "not in the form"},
		{"field missing", replace(`"kind":"personal access token",`, ``), "not in the form"},
		{"spaces", replace(`"id":`, `"id": `), "not in the form"},
		{"more after it", append(slices.Clone(payload), "{}"...), "invalid character"},
		{"null for a list", replace(`"stages":["AWSCURRENT"]`, `"stages":null`), "not in the form"},
		{"not UTF-8", replace(`"me@desk"`, "\"\xff\""), "not in the form"},
		{"no id", replace(`"id":"purser-0195"`, `"id":""`), "no id"},
		{"zone", replace(`12:00:00Z`, `12:00:00+02:00`), "not in UTC"},
		{"other zero", replace(`12:00:00Z`, `12:00:00+00:00`), "not in the form"},
		{"no time", replace(`2026-03-04T12`, `0001-01-01T00`), "no time"},
		{"command", replace(`"rotate"`, `"delete"`), "unknown command"},
		{"outcome", replace(`"failed"`, `"perhaps"`), "unknown outcome"},
		{"v1 with a number", replace(`v2","id":"purser-0195","time":"2026-03-04T12:00:00Z",`, `v1","id":"purser-0195","time":"2026-03-04T12:00:00Z","number":1,`), "it has fields that"},
		{"v1 with files", bytes.Replace(withFile("x.md", receipt.Hash(nil)), []byte("/v2"), []byte("/v1"), 1), "it has fields that"},
		{"number zero", replace(`00Z",`, `00Z","number":0,`), "not in the form"},
		{"negative number", replace(`00Z",`, `00Z","number":-1,`), "number is out of range"},
		{"number beyond JSON's", replace(`00Z",`, `00Z","number":9007199254740992,`), "number is out of range"},
		{"a second without a first", replace(`00Z",`, `00Z","number":2,`), "does not give its predecessor"},
		{"a hash of another length", replace(`00Z",`, `00Z","number":2,"previous":"e3b0",`), "does not give its predecessor"},
		{"a hash in capitals", replace(`00Z",`, `00Z","number":2,"previous":"`+strings.ToUpper(receipt.Hash(nil))+`",`), "does not give its predecessor"},
		{"a first behind one", replace(`00Z",`, `00Z","number":1,"previous":"`+receipt.Hash(nil)+`",`), "names a predecessor"},
		{"one before and no number", replace(`00Z",`, `00Z","previous":"`+receipt.Hash(nil)+`",`), "names a predecessor"},
		{"no files", replace(`"upload":"opened and cancelled"}]}]`, `"upload":"opened and cancelled"}]}],"files":[]`), "not in the form"},
		{"a file with a folder", withFile("../x.md", receipt.Hash(nil)), "its files need"},
		{"a file without a name", withFile("", receipt.Hash(nil)), "its files need"},
		{"a file without a hash", withFile("x.md", ""), "its files need"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := receipt.Open(t.Context(), signed(t, k.signer, receipt.PayloadType, test.payload), k.verifier)
			wantError(t, err, test.want)
		})
	}
	_, err := receipt.Open(t.Context(), signed(t, k.signer, "text/plain", payload), k.verifier)
	wantError(t, err, `it contains "text/plain"`)
}

func TestAnEnvelopeHasOneEncoding(t *testing.T) {
	k := newSSH(t)
	line := string(seal(t, example(), k.signer))
	evil := base64.StdEncoding.EncodeToString([]byte("{}"))
	for name, changed := range map[string]string{
		"nothing":       "",
		"null":          "null",
		"list":          "[]",
		"payload twice": strings.Replace(line, `"payload":`, `"payload":"`+evil+`","payload":`, 1),
		"field more":    strings.Replace(line, `"payload":`, `"note":"x","payload":`, 1),
		"capitals":      strings.Replace(line, `"payload":`, `"Payload":`, 1),
		"two lines":     line + "\n" + line,
		"two ends":      line + "\n\n",
		"cut off":       line[:len(line)-1],
		"broken base64": strings.Replace(line, `"payload":"`, `"payload":"\n`, 1),
	} {
		if _, err := receipt.Open(t.Context(), []byte(changed), k.verifier); err == nil {
			t.Errorf("%s: opened", name)
		}
		if _, err := receipt.Unverified([]byte(changed)); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

type failing struct{ error }

func (failing) KeyID() string                                        { return "key" }
func (f failing) Sign(context.Context, []byte) ([]byte, error)       { return nil, f.error }
func (f failing) SignDigest(context.Context, []byte) ([]byte, error) { return nil, f.error }

func TestSealRefusesInvalidReceipts(t *testing.T) {
	token := "dckr_pat_" + strings.Repeat("FAKE", 7)
	for name, test := range map[string]struct {
		change func(*receipt.Receipt)
		want   string
	}{
		"no id":       {func(r *receipt.Receipt) { r.ID = "" }, "no id"},
		"no time":     {func(r *receipt.Receipt) { r.Time = time.Time{} }, "no time"},
		"no year":     {func(r *receipt.Receipt) { r.Time = noon.AddDate(9000, 0, 0) }, "year outside of range"},
		"command":     {func(r *receipt.Receipt) { r.Command = "x" }, "unknown command"},
		"outcome":     {func(r *receipt.Receipt) { r.Outcome = "" }, "unknown outcome"},
		"not UTF-8":   {func(r *receipt.Receipt) { r.Account = "\xff" }, "not in the form"},
		"token":       {func(r *receipt.Receipt) { r.Token.Label = token }, "it contains a token"},
		"token after": {func(r *receipt.Receipt) { r.Who[1] = "x\n" + token }, "it contains a token"},
		"token in":    {func(r *receipt.Receipt) { r.Places[0].Where = "<" + token + ">" }, "it contains a token"},
	} {
		t.Run(name, func(t *testing.T) {
			r := example()
			test.change(&r)
			line, err := receipt.Seal(t.Context(), r, nil)
			wantError(t, err, test.want)
			if line != nil || strings.Contains(err.Error(), token) {
				t.Errorf("got %s, %v", line, err)
			}
		})
	}
	broken := errors.New("broken")
	if _, err := receipt.Seal(t.Context(), example(), failing{broken}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	k := newSSHForFuzz(f)
	line := seal(f, example(), k.signer)
	f.Add(line)
	f.Add(seal(f, example(), nil))
	f.Add(pack(f, receipt.PayloadType, []byte(v1)))
	f.Add(chainOf(f, "dockerhub", "dockerhub")[1])
	f.Add(line[:len(line)/2])
	f.Add([]byte(`{"payloadType":"","payload":"","signatures":[{"keyid":"","sig":""}]}`))
	_, payload := unpack(f, line)
	f.Add(pack(f, receipt.PayloadType, payload, signature(k.signer.KeyID(), []byte("SSHSIG\x00\x00\x00\x01"))))
	want := example()
	want.SignedBy = k.by
	f.Fuzz(func(t *testing.T, line []byte) {
		// Nobody can forge a different receipt.
		if got, err := receipt.Open(t.Context(), line, k.verifier); err == nil {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		// What opens can be sealed again.
		if got, err := receipt.Unverified(line); err == nil {
			again, err := receipt.Seal(t.Context(), got, nil)
			if err != nil && !strings.Contains(err.Error(), "it contains a token") {
				t.Fatal(err)
			}
			if err == nil {
				back, err := receipt.Unverified(again)
				got.Schema = receipt.Schema
				if diff := cmp.Diff(got, back, cmpopts.EquateEmpty()); diff != "" || err != nil {
					t.Error(diff, err)
				}
			}
		}
	})
}

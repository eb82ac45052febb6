package redact

import (
	"io"
	"strings"
	"testing"

	"purser/internal/credential"
)

// TestHeldBackDataIsBounded writes a quarter of a megabyte that is always about to become
// the secret.
func TestHeldBackDataIsBounded(t *testing.T) {
	const body, most = "FAKEfakeFAKEfakeFAKEfake123", 16 << 10
	r := New(credential.Login{Username: "mockserver", Token: credential.NewSecret("dckr_pat_" + body)})
	for _, text := range []string{
		body, "FAKEfake", "FAKEfakeFA\n", "F\n", "F\nA\nK\nE\nf\na\nk\ne\n", "46 41 4b 45 66 61 6b 65 ", "4", "4 ", "46", "70, 65, 75, 69, ", " ", "\n", "\r",
		"0000000 46 41 4b 45\n", "00000000: 4641 4b45  FAKE\n", "00000000: ", "F   A   K   E   ", "F                       ", "\t", "  12 ", "|", "F|", ">", "=", "\\",
	} {
		w := r.NewWriter(io.Discard)
		chunk := []byte(strings.Repeat(text, 1+4000/len(text)))
		for range 60 {
			if _, err := w.Write(chunk); err != nil {
				t.Fatal(err)
			}
			if len(w.data) > most {
				t.Fatalf("%q: %d bytes are held back", text, len(w.data))
			}
		}
	}
}

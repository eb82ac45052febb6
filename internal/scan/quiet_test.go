package scan_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purser/internal/scan"
)

var quietSize = flag.Int64("quiet", 64<<20, "how many bytes of the module cache and of Go to look through for nothing; -1: all")

// realistic are synthetic passwords of the kind that people choose.
var realistic = []string{"FAKE-Correct-Horse-9", "fakeSommer2024!", "Fake.Registry.Pass1", "fake_admin_password", "FakeP@ssw0rd1234"}

// fakes returns n synthetic tokens.
func fakes(n int) []string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	random := rand.New(rand.NewPCG(1, 1))
	var all []string
	for range n {
		b := []byte("dckr_pat_FAKE")
		for range 23 {
			b = append(b, letters[random.IntN(len(letters))])
		}
		all = append(all, string(b))
	}
	return all
}

// TestNothingIsFoundInRealCode looks through source, binaries and archives that hold none of
// the values.
func TestNothingIsFoundInRealCode(t *testing.T) {
	var values []scan.Value
	for i, secret := range append(fakes(10), realistic...) {
		values = append(values, value(fmt.Sprint("value-", i), secret))
	}
	s, r := scanner(values...)
	for _, name := range []string{"GOROOT", "GOMODCACHE"} {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Skip("go is not here: ", err)
		}
		folder := strings.TrimSpace(string(out))
		if *quietSize < 0 {
			must[any](t)(nil, s.Files(context.Background(), folder))
			continue
		}
		most := s.Totals().Bytes + *quietSize/2
		must[any](t)(nil, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if s.Totals().Bytes > most {
				return fs.SkipAll
			}
			if err == nil && d.Type().IsRegular() {
				err = s.Files(context.Background(), path)
			}
			return err
		}))
	}
	if total := s.Totals(); total.Bytes < *quietSize {
		t.Errorf("there were only %d bytes", total.Bytes)
	}
	if len(r.found) > 0 {
		t.Errorf("found %q", r.found)
	}
	slices.Sort(r.missed)
	t.Logf("%+v; not looked into:\n%s", s.Totals(), strings.Join(r.missed, "\n"))
}

package receipt_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"purser/internal/receipt"
)

func chainOf(t testing.TB, names ...string) [][]byte {
	t.Helper()
	type head struct {
		number int64
		hash   string
	}
	heads := map[string]head{}
	var lines [][]byte
	for i, name := range names {
		h := heads[name]
		r := receipt.Receipt{
			ID: fmt.Sprint("id-", i), Time: noon.Add(time.Duration(i) * time.Minute), Number: h.number + 1, Previous: h.hash,
			Command: receipt.Rotate, Outcome: receipt.Done, Credential: name,
		}
		line := seal(t, r, nil)
		heads[name] = head{r.Number, receipt.Hash(line)}
		lines = append(lines, line)
	}
	return lines
}

// entries opens a log with a verifier that trusts every line.
func entries(lines [][]byte) []receipt.Entry {
	var log []receipt.Entry
	for i, line := range lines {
		if r, err := receipt.Unverified(line); err == nil {
			log = append(log, receipt.Entry{Line: i + 1, Hash: receipt.Hash(line), Receipt: r})
		}
	}
	return log
}

func findings(lines [][]byte) string {
	log := entries(lines)
	receipt.CheckChains(log)
	var all []string
	for _, e := range log {
		if (e.Found == "") != (e.Why == "") {
			all = append(all, fmt.Sprintf("%d:half a finding %q %q", e.Line, e.Found, e.Why))
		} else if e.Found != "" {
			all = append(all, fmt.Sprintf("%d:%s", e.Line, e.Found))
		}
	}
	return strings.Join(all, " ")
}

func TestAChainRevealsTampering(t *testing.T) {
	a := chainOf(t, "a", "a", "a", "a", "a")
	mixed := chainOf(t, "a", "b", "a", "b", "a", "b")
	other := chainOf(t, "b", "a", "a") // another log: its receipts of a differ
	unchained := [][]byte{pack(t, receipt.PayloadType, []byte(v1)), seal(t, example(), nil)}
	edited := func(i int) []byte {
		r, err := receipt.Unverified(a[i])
		if err != nil {
			t.Fatal(err)
		}
		r.Account = "somebody"
		return seal(t, r, nil)
	}
	log := func(lines ...[]byte) [][]byte { return lines }
	for _, test := range []struct {
		name  string
		lines [][]byte
		want  string
	}{
		{"nothing", nil, ""},
		{"whole", a, ""},
		{"two credentials", mixed, ""},
		{"one of two credentials", log(mixed[0], mixed[2], mixed[4]), ""},
		{"the first is missing", a[1:], "1:missing"},
		{"one is missing", log(a[0], a[2], a[3]), "2:missing"},
		{"two are missing", log(a[0], a[3], a[4]), "2:missing"},
		{"one here, one there", log(a[0], a[2], a[4]), "2:missing 3:missing"},
		{"the last is missing, which does not show", a[:4], ""},
		{"once more, below", log(a[0], a[0], a[1]), "2:repeated"},
		{"once more, at the end", log(a[0], a[1], a[2], a[0]), "4:repeated"},
		{"the last once more", log(a[0], a[1], a[1]), "3:repeated"},
		{"two are swapped", log(a[1], a[0], a[2]), "2:reordered"},
		{"one is moved to the end", log(a[0], a[2], a[3], a[1]), "4:reordered"},
		{"one is moved up", log(a[3], a[0], a[1], a[2]), "2:reordered 3:reordered 4:reordered"},
		{"backwards", log(a[2], a[1], a[0]), "2:reordered 3:reordered"},
		{"two credentials are swapped, which are two chains", log(mixed[1], mixed[0]), ""},
		{"one is edited", log(a[0], edited(1), a[2]), "3:replaced"},
		{"one is edited and follows its first form", log(a[0], a[1], edited(1), a[2]), "3:forked"},
		{"two wrote at once", log(a[0], a[1], other[2]), "3:forked"},
		{"the end is of another log", log(a[0], other[2]), "2:replaced"},
		{"not chained", log(unchained[0], a[0], unchained[1], a[1]), ""},
		{"not chained, once more", log(unchained[0], a[0], unchained[0]), "3:repeated"},
		{"what is no receipt", log(a[0], []byte("x"), a[1][:40], nil, a[1]), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := findings(test.lines); got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

func TestHeadsAreTheLastOfEachChain(t *testing.T) {
	lines := chainOf(t, "a", "b", "a", "c", "a", "b")
	var got []int
	for _, h := range receipt.Heads(entries(append(lines, seal(t, example(), nil)))) {
		got = append(got, h.Line)
	}
	if want := []int{4, 5, 6}; !slices.Equal(got, want) {
		t.Errorf("heads in lines %v, want %v", got, want)
	}
}

func TestEveryRemovedRepeatedOrMovedReceiptIsFound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		names := make([]string, 2+random.IntN(12))
		for i := range names {
			names[i] = string(rune('a' + random.IntN(3)))
		}
		lines := chainOf(t, names...)
		if found := findings(lines); found != "" {
			t.Fatalf("a log as it was written: %s", found)
		}
		i := random.IntN(len(lines))
		next := slices.Index(names[i+1:], names[i]) + i + 1 // the credential's next receipt
		var damaged [][]byte
		what := ""
		switch damage := random.IntN(3); {
		case damage == 0:
			what, damaged = fmt.Sprintf("%d put in again", i), slices.Insert(slices.Clone(lines), random.IntN(len(lines)+1), lines[i])
		case next <= i:
			continue // the credential's last receipt
		case damage == 1:
			what, damaged = fmt.Sprintf("%d taken out", i), slices.Delete(slices.Clone(lines), i, i+1)
		default:
			what, damaged = fmt.Sprintf("%d and %d swapped", i, next), slices.Clone(lines)
			damaged[i], damaged[next] = lines[next], lines[i]
		}
		if findings(damaged) == "" {
			t.Errorf("%v, %s: nothing was found", names, what)
		}
	}
}

// FuzzCheckChains builds a log from lines of a good one. It is clean exactly if each
// credential's lines are its first ones, in order.
func FuzzCheckChains(f *testing.F) {
	lines := chainOf(f, "a", "b", "a", "a", "b", "c")
	f.Add([]byte{0, 1, 2, 3, 4, 5})
	f.Add([]byte{0, 2, 1, 1})
	f.Add([]byte{5, 3, 200})
	f.Fuzz(func(t *testing.T, order []byte) {
		var log [][]byte
		count, good := map[string]int64{}, true
		for _, n := range order[:min(len(order), 64)] {
			if int(n) >= len(lines) {
				log = append(log, order) // not a receipt
				continue
			}
			log = append(log, lines[n])
			r, err := receipt.Unverified(lines[n])
			if err != nil {
				t.Fatal(err)
			}
			count[r.Credential]++
			good = good && r.Number == count[r.Credential]
		}
		if found := findings(log); (found == "") != good {
			t.Errorf("%v: found %q", order, found)
		}
	})
}

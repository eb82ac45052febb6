package redact

import (
	"math/rand/v2"
	"testing"
)

// TestIsTextAgreesWithNoDump checks the quick test against the exact one.
func TestIsTextAgreesWithNoDump(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	texts := 0
	for range 1_000_000 {
		var x uint64
		for range dumpLook { // near the edges of letters and digits
			const edges = "afgzAFGZ09/:@[`{ \n,x\\u;&#\x00\x7f\x80\xc1\xe1\xff"
			x = x<<8 | uint64(edges[random.IntN(len(edges))])
		}
		if isText(x) {
			texts++
			if noDump(x) == 0 {
				t.Fatalf("%016x is text, and may be a dump", x)
			}
		}
	}
	if texts == 0 {
		t.Error("nothing was text")
	}
}

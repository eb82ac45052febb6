package arguments

import (
	"time"

	"github.com/spf13/pflag"
)

// BearerWait is how long to wait for the end of a bearer token: --wait and --wait-limit.
type BearerWait struct {
	wait  bool
	limit Limit
}

// Add adds the flags.
func (w *BearerWait) Add(to *pflag.FlagSet) {
	to.BoolVar(&w.wait, "wait", false, "wait until the last bearer token stops working, and say when")
	to.Var(&w.limit, "wait-limit", "wait for this `TIME` at most (default 15m)")
}

// Most returns the longest wait; 0: none.
func (w *BearerWait) Most() time.Duration {
	if w.wait && w.limit == 0 {
		return 15 * time.Minute
	}
	return time.Duration(w.limit)
}

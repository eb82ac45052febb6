package boundedfile

import (
	"errors"
	"io"
)

// ErrAllowance is the error of an Allowance that is used up.
var ErrAllowance = errors.New("one entry is too large")

// Allowance reads a list whose entries may have so many bytes each. A decoder that needs a whole
// entry in memory stays small, however long the list is.
type Allowance struct {
	from        io.Reader
	limit, left int64
}

// NewAllowance returns a reader that allows limit bytes until Renew.
func NewAllowance(from io.Reader, limit int64) *Allowance { return &Allowance{from, limit, limit} }

// Renew allows the next entry. The reader may have read the start of it already.
func (a *Allowance) Renew() { a.left = a.limit }

// Read reads, unless the entry has used up its allowance.
func (a *Allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, ErrAllowance
	}
	n, err := a.from.Read(p[:min(int64(len(p)), a.left)])
	a.left -= int64(n)
	return n, err
}

package receipt

import "fmt"

// Finding says what is wrong with a receipt's place in its log.
type Finding string

// The findings. Open finds an edited receipt, by its signature.
const (
	Missing   Finding = "missing"   // its predecessors are missing
	Repeated  Finding = "repeated"  // the log already has it
	Reordered Finding = "reordered" // it comes after a later one
	Forked    Finding = "forked"    // another receipt has its number
	Replaced  Finding = "replaced"  // its predecessor is not the one it was written after
)

// Entry is a receipt in a log. Pass CheckChains only receipts that Open accepted: one
// without a trusted signature belongs in no chain.
type Entry struct {
	Line    int    // counted from 1
	Hash    string // Hash of the line
	Receipt Receipt
	// CheckChains sets Found and Why; they stay "" if nothing is wrong.
	Found Finding
	Why   string
}

type chain struct {
	byNumber map[int64][]*Entry // several if the chain is forked
	newest   *Entry
}

// CheckChains checks the place of each entry; log must be in the log's order. A log does not
// show that a credential's last receipts are missing: compare Heads with hashes noted
// elsewhere.
func CheckChains(log []Entry) {
	chains := chainsOf(log)
	first := map[string]int{}      // the first line with a hash
	highest := map[string]*Entry{} // so far, by credential
	for i := range log {
		e := &log[i]
		name, number := e.Receipt.Credential, e.Receipt.Number
		if line, seen := first[e.Hash]; seen {
			e.Found, e.Why = Repeated, fmt.Sprintf("line %d is the same receipt", line)
			continue
		}
		first[e.Hash] = e.Line
		if number == 0 {
			continue
		}
		if h := highest[name]; h != nil && number < h.Receipt.Number {
			e.Found, e.Why = Reordered, fmt.Sprintf("receipt %d of %s comes after receipt %d, line %d", number, name, h.Receipt.Number, h.Line)
		} else {
			highest[name] = e
		}
		if found, why := chains[name].link(e); found != "" {
			e.Found, e.Why = found, why
		}
	}
}

// Heads returns the last receipt of each credential's chain, in the log's order. Whoever
// notes their hashes elsewhere can tell later that none was removed.
func Heads(log []Entry) []Entry {
	chains := chainsOf(log)
	var heads []Entry
	for i := range log {
		if c := chains[log[i].Receipt.Credential]; c != nil && c.newest == &log[i] {
			heads = append(heads, log[i])
		}
	}
	return heads
}

func chainsOf(log []Entry) map[string]*chain {
	chains := map[string]*chain{}
	for i := range log {
		e := &log[i]
		if e.Receipt.Number == 0 {
			continue
		}
		c := chains[e.Receipt.Credential]
		if c == nil {
			c = &chain{byNumber: map[int64][]*Entry{}}
			chains[e.Receipt.Credential] = c
		}
		c.byNumber[e.Receipt.Number] = append(c.byNumber[e.Receipt.Number], e)
		if c.newest == nil || e.Receipt.Number > c.newest.Receipt.Number {
			c.newest = e
		}
	}
	return chains
}

// link checks what an entry says of its predecessor, wherever that is in the log.
func (c *chain) link(e *Entry) (Finding, string) {
	name, number := e.Receipt.Credential, e.Receipt.Number
	if other := c.byNumber[number][0]; other.Hash != e.Hash {
		return Forked, fmt.Sprintf("line %d is also receipt %d of %s", other.Line, number, name)
	}
	if number == 1 {
		return "", ""
	}
	before := c.byNumber[number-1]
	if len(before) == 0 {
		return Missing, fmt.Sprintf("receipt %d of %s is missing", number-1, name)
	}
	for _, b := range before {
		if b.Hash == e.Receipt.Previous {
			return "", ""
		}
	}
	return Replaced, fmt.Sprintf("it follows another receipt %d of %s than line %d", number-1, name, before[0].Line)
}

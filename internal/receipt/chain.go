package receipt

import "fmt"

// Finding is what can be wrong with a receipt's place in its log.
type Finding string

// The findings. An edited receipt has no good signature, so that Open finds it.
const (
	Missing   Finding = "missing"   // receipts before this one are not there
	Repeated  Finding = "repeated"  // the same receipt is there already
	Reordered Finding = "reordered" // it stands behind a later one
	Forked    Finding = "forked"    // another receipt has its number
	Replaced  Finding = "replaced"  // the one before it is not the one that it was written after
)

// Entry is a receipt in a log. CheckChains takes only those that Open accepted: one
// that nobody vouches for has no place in a chain, and takes none away.
type Entry struct {
	Line    int    // counted from 1
	Hash    string // Hash of the line
	Receipt Receipt
	// Found and Why are filled in by CheckChains; "" where nothing is wrong.
	Found Finding
	Why   string
}

// chain is what is known of the receipts of one credential.
type chain struct {
	byNumber map[int64][]*Entry // several only where the chain is forked
	newest   *Entry
}

// CheckChains looks at the place of each entry of a log, which is in the log's order.
// That the last receipts of a credential are missing does not show in a log: compare
// Heads with those that were noted elsewhere.
func CheckChains(log []Entry) {
	chains := chainsOf(log)
	first := map[string]int{}      // the line at which a hash was seen first
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
			e.Found, e.Why = Reordered, fmt.Sprintf("it is receipt %d of %s and stands behind receipt %d, line %d", number, name, h.Receipt.Number, h.Line)
		} else {
			highest[name] = e
		}
		if found, why := chains[name].link(e); found != "" {
			e.Found, e.Why = found, why
		}
	}
}

// Heads are the last receipts of each credential's chain, in the order of the log.
// Whoever notes their hashes elsewhere can tell later that none was taken away.
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

// link looks at what an entry says of the one before it, wherever that one stands.
func (c *chain) link(e *Entry) (Finding, string) {
	name, number := e.Receipt.Credential, e.Receipt.Number
	if other := c.byNumber[number][0]; other.Hash != e.Hash {
		return Forked, fmt.Sprintf("line %d is receipt %d of %s as well", other.Line, number, name)
	}
	if number == 1 {
		return "", ""
	}
	before := c.byNumber[number-1]
	if len(before) == 0 {
		return Missing, fmt.Sprintf("it is receipt %d of %s, and the one before it is not there", number, name)
	}
	for _, b := range before {
		if b.Hash == e.Receipt.Previous {
			return "", ""
		}
	}
	return Replaced, fmt.Sprintf("it was written after another receipt %d of %s than line %d", number-1, name, before[0].Line)
}

package credential

// Denial is what a cloud says when it does not allow something.
type Denial struct {
	Action     string // as its policies spell it
	Resource   string // what it was to be done to, by its whole name
	Identity   string // who was to do it; "" when unknown
	Policy     string // the kind of policy that decided, such as "service control policy"; "" when it is not told
	PolicyName string // that policy's whole name; "" when it is not told
	Explicit   bool   // that policy denies it; otherwise it is one that does not allow it
	Exists     bool   // the resource was seen, so it is not missing
	Grant      string // the least statement that allows it, as JSON
}

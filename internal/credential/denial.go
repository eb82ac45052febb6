package credential

// Denial is a cloud's refusal to allow an action.
type Denial struct {
	Action     string // as policies spell it
	Resource   string // full name
	Identity   string // who asked; "" if unknown
	Policy     string // the kind of policy that decided, such as "service control policy"; "" if unknown
	PolicyName string // that policy's full name; "" if unknown
	Explicit   bool   // that policy denies the action, rather than not allowing it
	Exists     bool   // purser has seen the resource, so it is not missing
	Grant      string // the smallest statement that allows the action, as JSON
}

package credential

// Right is one thing that an identity needs to be allowed, and what is known
// about it.
type Right struct {
	Action  string // as AWS's policies spell it
	Verdict Verdict
	Fault   *Fault // why it is refused; nil otherwise
}

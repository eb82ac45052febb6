package audit

// LimitUses lowers the bound of a history until restore.
func LimitUses(n int) (restore func()) {
	before := mostUses
	mostUses = n
	return func() { mostUses = before }
}

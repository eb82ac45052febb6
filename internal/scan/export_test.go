package scan

// BlockSize is how much a Scanner reads at once.
const BlockSize = blockSize

// RuleNames are the names of all rules.
func RuleNames() (all []string) {
	f, err := NewForms()
	if err != nil {
		panic(err)
	}
	for _, rules := range f.anchors {
		for _, r := range rules {
			all = append(all, r.ID)
		}
	}
	for _, r := range f.literals {
		all = append(all, r.ID)
	}
	return all
}

// LimitRepositories lowers what a repository may unpack to, and returns what raises it again.
func LimitRepositories(n int64) (undo func()) {
	before := leastLimit
	leastLimit = n
	return func() { leastLimit = before }
}

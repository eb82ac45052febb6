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

// HasHoles reports whether a file has less than it seems to.
var HasHoles = hasHoles

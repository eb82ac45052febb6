package scan

import (
	"bufio"
	"bytes"
	"context"
)

// ReadObjects reads objects as git prints them, and returns how many there were.
func (s *Scanner) ReadObjects(printed []byte) (done int, err error) {
	r := &repository{s: s, git: &git{}, limit: 1 << 20}
	full, ended := make(chan *objects), make(chan bool)
	go func() {
		for o := range full {
			o.search(context.Background(), r)
		}
		close(ended)
	}()
	done, err = r.read(context.Background(), bufio.NewReader(bytes.NewReader(printed)), full)
	close(full)
	<-ended
	return done, err
}

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

// LimitRepositories lowers what a repository may unpack to, and returns what raises it again.
func LimitRepositories(n int64) (undo func()) {
	before := leastLimit
	leastLimit = n
	return func() { leastLimit = before }
}

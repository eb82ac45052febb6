package scan

import (
	"errors"
	"io"
	"time"

	"purser/internal/scan/fingerprint"
)

// Fingerprints makes fingerprints of values, to write over a file of them; before is what the
// file holds, if it exists. The faults are of values that get none.
func Fingerprints(random io.Reader, now time.Time, before []byte, values []Value) (set *fingerprint.Set, faults []error, err error) {
	if before != nil {
		if set, err = fingerprint.Parse(before); err != nil {
			return nil, nil, err // it may be a file of another kind
		}
	}
	var tokens []fingerprint.Token
	for _, v := range values {
		t := fingerprint.Token{Credential: v.Credential, Stage: v.Stage, Secret: v.Login.Token}
		if err := t.Refusal(); err != nil {
			faults = append(faults, err)
			continue
		}
		tokens = append(tokens, t)
	}
	if len(tokens) == 0 && len(faults) > 0 {
		return nil, nil, errors.Join(faults...)
	}
	set, err = fingerprint.New(random, now, set, tokens)
	return set, faults, err
}

package scope

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"

	"purser/internal/atomicfile"
	"purser/internal/boundedfile"
	"purser/internal/credential"
	"purser/internal/scan"
	"purser/internal/scan/fingerprint"
)

// fingerprints reads the file in the place of values.
func (p *Plan) fingerprints() (*fingerprint.Set, error) {
	text, err := boundedfile.Read(p.machine.path(p.request.Prints), fingerprint.LongestFile)
	if err != nil {
		return nil, &credential.Fault{Reason: credential.Usage, What: "purser can't read the fingerprints", Why: err.Error(), Err: err}
	}
	return fingerprint.Parse(text)
}

// Export writes fingerprints of the values into a file, and returns of how many. The faults are
// of values that get none, or could not be read.
func (p *Plan) Export(ctx context.Context, file string) (n int, faults []error, err error) {
	values, faults, err := p.values(ctx)
	if err != nil {
		return 0, nil, err
	}
	file = p.machine.path(file)
	before, err := boundedfile.Read(file, fingerprint.LongestFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, nil, &credential.Fault{Reason: credential.Usage, What: "purser can't write the fingerprints", Why: err.Error(), Err: err}
	}
	if len(values) == 0 && len(faults) > 0 {
		return 0, nil, errors.Join(faults...)
	}
	set, refused, err := scan.Fingerprints(rand.Reader, p.machine.Now(), before, values)
	if err != nil {
		return 0, nil, err
	}
	return len(set.Entries), append(faults, refused...), atomicfile.Replace(file, set.Encode(), 0o644)
}

package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"purser/internal/boundedfile"
	"purser/internal/credential"
)

const (
	// mostRecord bounds a record, mostUnpacked a file, in bytes. CloudTrail's records have at most
	// 256 KiB, and its files some 50 MiB.
	mostRecord   = 1 << 20
	mostUnpacked = 2 << 30
	mostMisses   = 1000
	// delay is how much later than an event CloudTrail may deliver its file: 15 minutes as a rule.
	delay = 48 * time.Hour
)

// ReadLogs reads the files of a trail below dir, as S3 has them: AWSLogs/…/*.json.gz. It adds what is
// about the subjects, and names files that it cannot read. It follows no link.
func (h *History) ReadLogs(ctx context.Context, dir string, subjects []Subject, now time.Time, tell func(files int)) error {
	if h.Until.IsZero() || h.Until.After(now) {
		h.Until = now
	}
	defer h.sort()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &credential.Fault{Reason: credential.Usage, What: "cannot read the trail's files in " + credential.Quote(dir), Why: credential.Innermost(err), Err: err}
	}
	defer root.Close() //nolint:errcheck // it was only read
	found := false
	err = fs.WalkDir(root.FS(), ".", func(at string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return credential.Stopped(ctx, "reading the trail's files")
		case err != nil:
			h.miss(at, credential.Innermost(err))
			return nil
		case d.IsDir() && (d.Name() == "CloudTrail-Digest" || d.Name() == "CloudTrail-Insight"):
			return fs.SkipDir // signatures and statistics
		case d.IsDir() || !strings.HasSuffix(at, ".json.gz") && !strings.HasSuffix(at, ".json"):
			return nil
		}
		found = true
		switch {
		case !d.Type().IsRegular():
			h.miss(at, "it is no regular file")
		case !h.mayHold(path.Base(at)):
			h.OtherFiles++
		default:
			h.Files++
			if err := h.readLog(ctx, root, at, subjects); err != nil && ctx.Err() == nil {
				h.miss(at, whyBroken(err))
			}
			if tell != nil {
				tell(h.Files)
			}
		}
		return nil
	})
	if err == nil && !found {
		return &credential.Fault{Reason: credential.Usage, What: "there are no files of a trail in " + credential.Quote(dir), Why: "their names end in .json.gz, below a folder AWSLogs"}
	}
	return err
}

func (h *History) miss(file, why string) {
	if len(h.Misses) < mostMisses {
		h.Misses = append(h.Misses, Miss{credential.Quote(file), why})
	}
}

// mayHold reads the time in a file's name: ACCOUNT_CloudTrail_REGION_20261123T1005Z_RANDOM.json.gz.
func (h *History) mayHold(name string) bool {
	for part := range strings.SplitSeq(name, "_") {
		if at, err := time.Parse("20060102T1504Z", part); err == nil {
			return at.After(h.Since.Add(-time.Minute)) && at.Before(h.Until.Add(delay))
		}
	}
	return true
}

func (h *History) readLog(ctx context.Context, root *os.Root, at string, subjects []Subject) error {
	file, err := root.Open(at)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	var text io.Reader = file
	if strings.HasSuffix(at, ".gz") {
		if text, err = gzip.NewReader(file); err != nil {
			return err
		}
	}
	allowance := boundedfile.NewAllowance(&io.LimitedReader{R: text, N: mostUnpacked}, mostRecord)
	dec := json.NewDecoder(allowance)
	if err := toRecords(dec); err != nil {
		return err
	}
	for dec.More() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		allowance.Renew()
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		if bytes.Contains(raw, []byte(eventSource)) { // few are, and parsing takes longest
			h.take(raw, subjects)
		}
	}
	_, err = dec.Token()
	return err
}

// toRecords moves to the first record of {"Records":[…]}.
func toRecords(dec *json.Decoder) error {
	for _, want := range []json.Token{json.Delim('{'), "Records", json.Delim('[')} {
		got, err := dec.Token()
		if err != nil {
			return err
		}
		if got != want {
			return errNoRecords
		}
	}
	return nil
}

var errNoRecords = errors.New("it is no file of CloudTrail: it does not begin with Records")

func whyBroken(err error) string {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the file is cut off: purser read what comes before the cut"
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return "the file's compression is damaged"
	case errors.Is(err, boundedfile.ErrAllowance):
		return fmt.Sprintf("a record is larger than %d MiB", mostRecord>>20)
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return "it is not JSON"
	}
	return credential.Quote(credential.Innermost(err))
}

// Package scan looks for the live values of credentials where they should not be: in files,
// histories, archives, images, logs and on this machine.
//
// Each kind of place is a file that turns the place into streams; Scanner.Look searches a
// stream, and opens the archives in it. What is found never holds a byte of a secret.
package scan

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"purser/internal/credential"
	"purser/internal/redact"
	"purser/internal/scan/fingerprint"
)

// Value is a value of a credential to look for.
type Value struct {
	Credential credential.Name
	Stage      credential.Stage
	Version    credential.VersionID
	Login      credential.Login
	// Since is when a fingerprint was made of the value, which may have changed; zero: read now.
	Since time.Time
}

// Live reports whether consumers read the value now.
func (v Value) Live() bool { return v.Stage == credential.Current }

// Where is a place in which something was found, or could not be looked for. The Scanner cleans
// its texts before it tells them, because a name can hold a secret too.
type Where struct {
	Path   string   `json:"path"`             // of a file or folder, or the address of an image, a log or a repository
	Inside []string `json:"inside,omitempty"` // members of archives and layers of images, the outermost first
	Line   int      `json:"line,omitempty"`   // the first is 1; 0: it has no lines
	Step   string   `json:"step,omitempty"`   // of a log

	// Of a git object, named by Object; Commit is the earliest that has it.
	Object string `json:"object,omitempty"`
	Commit string `json:"commit,omitempty"`
	Author string `json:"author,omitempty"`
	Date   string `json:"date,omitempty"` // RFC 3339
	Ref    string `json:"ref,omitempty"`

	// Of a process, in whose environment or arguments it is.
	Process int    `json:"process,omitempty"` // id
	Program string `json:"program,omitempty"`

	held *held // keeps what is found, until the commit is known
}

// String tells where something is, as a person would look for it.
func (w Where) String() string {
	var b strings.Builder
	b.WriteString(w.Path)
	for _, name := range w.Inside {
		b.WriteString(" > " + name)
	}
	if w.Line > 0 {
		fmt.Fprintf(&b, ":%d", w.Line)
	}
	if w.Step != "" {
		b.WriteString(", step " + w.Step)
	}
	if w.Commit != "" {
		fmt.Fprintf(&b, ", commit %.12s", w.Commit)
	} else if w.Object != "" {
		fmt.Fprintf(&b, ", object %.12s", w.Object)
	}
	var about []string
	for _, text := range []string{w.Author, w.Date, w.Ref} {
		if text != "" {
			about = append(about, text)
		}
	}
	if len(about) > 0 {
		b.WriteString(" (" + strings.Join(about, ", ") + ")")
	}
	if w.Process > 0 {
		fmt.Fprintf(&b, " of %s, process %d", w.Program, w.Process)
	}
	return b.String()
}

// Finding is a secret in a place: a credential's value, or a token known only by its form.
type Finding struct {
	Where Where
	Value *Value // nil: known only by its form
	As    redact.Form
	Whole bool // otherwise a part of the value: a dozen characters or more
	// Versions is how many other versions of a file in a history have it too. Where is the
	// earliest.
	Versions int

	Rule  string            // what recognizes the form; "" for a Value
	Token credential.Secret // what the rule matched
	// Works is whether a registry accepts the token, if somebody asked it.
	Works credential.Verdict
}

// Missed is a place that could not be looked into.
type Missed struct {
	Where Where  `json:"where"`
	Why   string `json:"why"`
}

// Totals count what a scan did.
type Totals struct {
	Streams int64 `json:"streams"` // files, members, objects, logs
	Bytes   int64 `json:"bytes"`
	Skipped int64 `json:"skipped"` // bytes that cannot hold text, such as holes of files
}

// Detector recognizes tokens by their form.
type Detector interface {
	// Detect calls found for each token in data.
	Detect(data []byte, found func(from, to int, rule string, token credential.Secret))
}

// Scanner searches streams for values. Its methods are safe for concurrent use.
type Scanner struct {
	// Found and Missed get what the scan finds, one call at a time.
	Found  func(Finding)
	Missed func(Missed)
	// Forms recognizes other tokens; nil: none.
	Forms Detector
	// Fingerprints recognize tokens whose values are unknown; nil: none.
	Fingerprints *fingerprint.Set

	values   []Value
	redactor *redact.Redactor
	searches sync.Pool
	decoders sync.Pool
	memory   chan *memory // has one
	blobs    sync.Map     // digests of the parts of images that were looked through
	places   sync.Map     // of files that are parts of images, by path

	mu     sync.Mutex // guards what follows, and calls of Found and Missed
	totals Totals
	seen   map[string]bool // folders of repositories that were looked through
}

// New returns a Scanner for values. Equal values of several credentials are all told.
func New(values []Value) *Scanner {
	logins := make([]credential.Login, len(values))
	for i, v := range values {
		logins[i] = v.Login
	}
	s := &Scanner{values: values, redactor: redact.New(logins...), memory: make(chan *memory, 1)}
	s.memory <- &memory{}
	return s
}

// Totals returns what was looked through so far.
func (s *Scanner) Totals() Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.totals
}

// Miss tells that a place could not be looked into.
func (s *Scanner) Miss(w Where, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Missed(Missed{s.clean(w), why})
}

// Skip counts bytes that need not be looked through.
func (s *Scanner) Skip(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.totals.Skipped += n
}

func (s *Scanner) tell(f Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Where.held.keep(f) {
		return
	}
	f.Where = s.clean(f.Where)
	s.Found(f)
}

// clean removes secrets from a place, and quotes it.
func (s *Scanner) clean(w Where) Where {
	for _, text := range []*string{&w.Path, &w.Step, &w.Commit, &w.Author, &w.Date, &w.Ref, &w.Program} {
		*text = s.shown(*text)
	}
	w.held, w.Inside = nil, slices.Clone(w.Inside)
	for i, name := range w.Inside {
		w.Inside[i] = s.shown(name)
	}
	return w
}

func (s *Scanner) shown(text string) string {
	if s.redactor != nil {
		var b strings.Builder
		clean := s.redactor.NewWriter(&b)
		_, _ = io.WriteString(clean, text)
		_ = clean.Close()
		text = b.String()
	}
	return credential.Quote(text)
}

// Look searches a stream, and the archives in it. It returns only the error of ctx: what
// cannot be read is missed.
func (s *Scanner) Look(ctx context.Context, w Where, r io.Reader) error {
	return s.look(ctx, w, r, nil)
}

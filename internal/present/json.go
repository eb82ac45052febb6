package present

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// SchemaVersion is the version of --output json. A version may gain fields; it never renames
// or removes any.
const SchemaVersion = "purser/v1"

// outputSchema describes Report and all parts. A test validates every command's output with it.
//
//go:embed output.schema.json
var outputSchema []byte

// OutputSchema returns the JSON Schema of --output json, draft 2020-12.
func OutputSchema() []byte { return bytes.Clone(outputSchema) }

// Report is every command's JSON: its exit code, its error, and the parts that it adds.
type Report struct {
	Schema string     `json:"schema"`
	Exit   int        `json:"exit"`
	Error  *ErrorJSON `json:"error,omitempty"`
	parts  []part
}

type part struct {
	name  string
	value any
}

// ReportOf returns the report for a command's error or nil.
func ReportOf(err error) Report {
	return Report{Schema: SchemaVersion, Exit: ExitCode(err), Error: ErrorReport(err)}
}

// Crashed returns the report for a bug.
func Crashed(what string) Report {
	return Report{Schema: SchemaVersion, Exit: ExitFailed, Error: &ErrorJSON{Reason: "failed", What: what, Next: []string{"please report it; a second run finishes what this one started"}}}
}

// Exited returns the report for an exit code that the parts explain.
func Exited(code int) Report { return Report{Schema: SchemaVersion, Exit: code} }

// With adds a part, unless it is empty.
func (r Report) With(name string, value any) Report {
	r.parts = append(slices.Clip(r.parts), part{name, value})
	return r
}

// MarshalJSON writes the parts after the other fields.
func (r Report) MarshalJSON() ([]byte, error) {
	type head Report
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(head(r)); err != nil {
		return nil, err
	}
	b.Truncate(b.Len() - len("}\n"))
	for _, p := range r.parts {
		if v := reflect.ValueOf(p.value); !v.IsValid() || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && (v.IsNil() || v.Kind() != reflect.Pointer && v.Len() == 0) {
			continue
		}
		_, _ = fmt.Fprintf(&b, ",%q:", p.name)
		if err := enc.Encode(p.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// ErrorJSON is a failure as JSON.
type ErrorJSON struct {
	Reason  string   `json:"reason"`
	What    string   `json:"what"`
	Why     string   `json:"why,omitempty"`
	Meaning string   `json:"meaning,omitempty"`
	Next    []string `json:"next,omitempty"`
	Denied  *Denied  `json:"denied,omitempty"`
}

// Denied is a cloud's denial, with the smallest statement that would allow the action.
type Denied struct {
	Action    string          `json:"action"`
	Resource  string          `json:"resource"`
	Identity  string          `json:"identity,omitempty"`
	Policy    string          `json:"policy,omitempty"`
	Name      string          `json:"policy_arn,omitempty"`
	Explicit  bool            `json:"explicit_deny"`
	Statement json.RawMessage `json:"statement,omitempty"`
}

func deniedReport(d *credential.Denial) *Denied {
	if d == nil {
		return nil
	}
	return &Denied{Action: d.Action, Resource: d.Resource, Identity: d.Identity, Policy: d.Policy, Name: d.PolicyName, Explicit: d.Explicit, Statement: json.RawMessage(d.Grant)}
}

// StoreJSON is the result of storing.
type StoreJSON struct {
	Credential string      `json:"credential"`
	Kind       string      `json:"kind,omitempty"`
	Source     string      `json:"source,omitempty"`
	DryRun     bool        `json:"dry_run"`
	Expires    *time.Time  `json:"expires,omitempty"`
	Proof      *proofJSON  `json:"proof,omitempty"`
	Places     []PlaceJSON `json:"places"`
}

type proofJSON struct {
	Verdict      string           `json:"verdict"`
	Kind         string           `json:"kind,omitempty"`
	Owner        string           `json:"owner,omitempty"`
	Level        string           `json:"level,omitempty"`
	Repositories []repositoryJSON `json:"repositories"`
	Excess       []string         `json:"excess,omitempty"`
	Notes        []string         `json:"notes,omitempty"`
}

type repositoryJSON struct {
	Repository string   `json:"repository"`
	Verdict    string   `json:"verdict"`
	Actions    []string `json:"actions,omitempty"`
	Upload     string   `json:"upload,omitempty"`
}

// PlaceJSON is a target and its state.
type PlaceJSON struct {
	Where     string     `json:"where"`
	Region    string     `json:"region,omitempty"`
	Shape     string     `json:"shape"`
	Outcome   string     `json:"outcome,omitempty"`
	Verdict   string     `json:"verdict,omitempty"`
	Version   string     `json:"version,omitempty"`
	Stages    []string   `json:"stages,omitempty"`
	Previous  string     `json:"previous,omitempty"`
	Keys      []string   `json:"keys,omitempty"`
	Length    int        `json:"token_length,omitempty"`
	Identical bool       `json:"identical,omitempty"`
	Since     *time.Time `json:"current_since,omitempty"`
	Exact     bool       `json:"current_since_exact,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
	Due       *time.Time `json:"rotation_due,omitempty"`
	Notes     []string   `json:"notes,omitempty"`
	Proof     *proofJSON `json:"proof,omitempty"`
	Error     *ErrorJSON `json:"error,omitempty"`
}

// CredentialJSON is a credential with its targets.
type CredentialJSON struct {
	Name     string      `json:"name"`
	Registry string      `json:"registry,omitempty"`
	Account  string      `json:"account,omitempty"`
	Verdict  string      `json:"verdict,omitempty"`
	Places   []PlaceJSON `json:"places"`
}

// Write prints the report.
func (r Report) Write(to io.Writer) {
	enc := json.NewEncoder(to)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	_ = enc.Encode(r) // the types always encode; the stream remembers write errors
}

// ErrorReport converts an error to JSON; nil for nil.
func ErrorReport(err error) *ErrorJSON {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		return &ErrorJSON{Reason: string(credential.Usage), What: "the configuration has mistakes", Why: err.Error()}
	}
	f, ok := AsFault(err)
	if !ok {
		return &ErrorJSON{Reason: "failed", What: credential.InWords(credential.Quote(err.Error()))}
	}
	adv := Advise(f)
	return &ErrorJSON{Reason: cmp.Or(string(f.Reason), "failed"), What: credential.InWords(f.What), Why: credential.InWords(f.Why), Meaning: adv.Meaning, Next: adv.Next, Denied: deniedReport(f.Denial)}
}

// StoreReport converts the result of storing to JSON.
func StoreReport(res lifecycle.StoreResult, dryRun bool) *StoreJSON {
	s := &StoreJSON{Credential: string(res.Name), Kind: string(res.Kind), Source: res.Source, DryRun: dryRun, Expires: Moment(res.Expires), Places: []PlaceJSON{}}
	if res.Source != "" {
		s.Proof = proofReport(res.Proof)
	}
	for _, p := range res.Places {
		s.Places = append(s.Places, PlaceJSON{
			Where: p.Target.String(), Region: p.Target.Region, Shape: p.Target.Shape.String(), Outcome: string(p.Outcome),
			Version: string(p.Version), Stages: Texts(p.Stages), Previous: string(p.Replaced), Keys: p.Keys, Length: p.Length, Identical: p.Identical,
		})
	}
	return s
}

func proofReport(p credential.Proof) *proofJSON {
	out := &proofJSON{
		Verdict: p.Verdict.String(), Kind: string(p.Kind), Owner: p.Owner, Level: p.Level,
		Repositories: []repositoryJSON{}, Excess: p.Excess, Notes: p.Notes,
	}
	for _, r := range p.Repositories {
		out.Repositories = append(out.Repositories, repositoryJSON{string(r.Repository), r.Verdict.String(), r.Actions, string(r.Upload)})
	}
	return out
}

// CheckReport converts checks to JSON.
func CheckReport(results []lifecycle.CheckResult) (all []CredentialJSON) {
	for _, res := range results {
		c := CredentialJSON{Name: string(res.Name), Verdict: res.Verdict.String(), Places: []PlaceJSON{}}
		for _, p := range res.Places {
			place := PlaceJSON{
				Where: p.Target.String(), Region: p.Target.Region, Shape: p.Target.Shape.String(), Verdict: p.Verdict.String(),
				Version: string(p.Version), Keys: p.Keys, Length: p.Length,
			}
			if p.Length > 0 {
				place.Proof = proofReport(p.Proof)
			}
			if p.Fault != nil {
				place.Error = ErrorReport(p.Fault)
			}
			c.Places = append(c.Places, place)
		}
		all = append(all, c)
	}
	return all
}

// StatusReport converts status to JSON.
func StatusReport(rows []lifecycle.StatusRow, given credential.Given) (all []CredentialJSON) {
	for _, r := range rows {
		last := len(all) - 1
		if last < 0 || all[last].Name != string(r.Name) {
			all = append(all, CredentialJSON{Name: string(r.Name), Registry: string(r.Registry), Account: r.Account})
			last++
		}
		all[last].Places = append(all[last].Places, statusPlace(r, given))
	}
	return all
}

func statusPlace(r lifecycle.StatusRow, given credential.Given) PlaceJSON {
	p := PlaceJSON{Where: r.Target.String(), Region: r.Target.Region, Shape: r.Target.Shape.String()}
	if r.Fault != nil {
		p.Error = ErrorReport(r.Fault)
		return p
	}
	current := r.Description.At(credential.Current)
	p.Version, p.Previous = string(current), string(r.Description.At(credential.Previous))
	for _, v := range r.Description.Versions {
		if v.ID == current {
			p.Stages = Texts(v.Stages)
		}
	}
	p.Since, p.Exact = Moment(r.Since), r.Exact
	p.Expires, p.Due, p.Notes = Moment(r.Description.Expires), Moment(r.Due), statusNotes(r, given)
	return p
}

// Moment returns nil for the zero time.
func Moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Texts converts a list to strings; never nil.
func Texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// Reported ends a command that has already printed what is wrong.
type Reported struct{ Code int }

func (*Reported) Error() string { return "reported" }

package main

import (
	"encoding/json"
	"errors"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// schemaVersion is the version of what --output json prints. Fields are added
// within a version, never renamed or taken away.
const schemaVersion = "purser/v1"

// report is what every command prints as JSON. Exit is the process's exit code.
type report struct {
	Schema      string           `json:"schema"`
	Exit        int              `json:"exit"`
	Error       *errorJSON       `json:"error,omitempty"`
	Store       *storeJSON       `json:"store,omitempty"`
	Credentials []credentialJSON `json:"credentials,omitempty"`
	Clients     []clientJSON     `json:"clients,omitempty"`
	// Variables are to be set, those without a value to be unset.
	Variables map[string]string `json:"variables,omitempty"`
	Tokens    []tokenJSON       `json:"tokens,omitempty"`
	Rotations []rotationJSON    `json:"rotations,omitempty"`
	Sandbox   *sandboxJSON      `json:"sandbox,omitempty"`
	Rehearsal []rehearsedJSON   `json:"rehearsal,omitempty"`
	Incident  *incident         `json:"incident,omitempty"`
	// Receipts are those that were written, where they go to standard output.
	Receipts  []json.RawMessage `json:"receipts,omitempty"`
	Verified  []receiptJSON     `json:"verified,omitempty"`
	Heads     []headJSON        `json:"heads,omitempty"`
	Compared  []besideJSON      `json:"compared,omitempty"`
	Init      *initJSON         `json:"init,omitempty"`
	Terraform *terraformJSON    `json:"terraform,omitempty"`
	Session   *sessionJSON      `json:"session,omitempty"`
	Doctor    []doctorJSON      `json:"doctor,omitempty"`
	Exposure  *exposureJSON     `json:"exposure,omitempty"`
}

type errorJSON struct {
	Reason  string   `json:"reason"`
	What    string   `json:"what"`
	Why     string   `json:"why,omitempty"`
	Meaning string   `json:"meaning,omitempty"`
	Next    []string `json:"next,omitempty"`
}

type storeJSON struct {
	Credential string      `json:"credential"`
	Kind       string      `json:"kind,omitempty"`
	Source     string      `json:"source,omitempty"`
	DryRun     bool        `json:"dry_run"`
	Proof      *proofJSON  `json:"proof,omitempty"`
	Places     []placeJSON `json:"places"`
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

type placeJSON struct {
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
	Error     *errorJSON `json:"error,omitempty"`
}

type credentialJSON struct {
	Name     string      `json:"name"`
	Registry string      `json:"registry,omitempty"`
	Account  string      `json:"account,omitempty"`
	Verdict  string      `json:"verdict,omitempty"`
	Places   []placeJSON `json:"places"`
}

func (a *app) writeJSON(r report) {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	_ = enc.Encode(r) // the types always encode; a closed pipe is the reader's business
}

// printJSON prints a command's report and ends it with the error's exit code.
func (a *app) printJSON(r report, err error) error {
	a.writeJSON(r)
	if err != nil {
		return &reportedError{exitCode(err)}
	}
	return nil
}

func errorReport(err error) *errorJSON {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		return &errorJSON{Reason: string(credential.Usage), What: "the configuration is not right", Why: err.Error()}
	}
	f, ok := asFault(err)
	if !ok {
		return &errorJSON{Reason: "failed", What: credential.Quote(err.Error())}
	}
	adv := advise(f)
	return &errorJSON{Reason: or(string(f.Reason), "failed"), What: f.What, Why: f.Why, Meaning: adv.Meaning, Next: adv.Next}
}

func storeReport(res lifecycle.StoreResult, dryRun bool, err error) report {
	s := &storeJSON{Credential: string(res.Name), Kind: string(res.Kind), Source: res.Source, DryRun: dryRun, Places: []placeJSON{}}
	if res.Source != "" {
		s.Proof = proofReport(res.Proof)
	}
	for _, p := range res.Places {
		s.Places = append(s.Places, placeJSON{
			Where: p.Target.String(), Region: p.Target.Region, Shape: p.Target.Shape.String(), Outcome: string(p.Outcome),
			Version: string(p.Version), Stages: texts(p.Stages), Previous: string(p.Replaced), Keys: p.Keys, Length: p.Length, Identical: p.Identical,
		})
	}
	return report{Schema: schemaVersion, Exit: exitCode(err), Error: errorReport(err), Store: s}
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

func checkReport(results []lifecycle.CheckResult, code int) report {
	out := report{Schema: schemaVersion, Exit: code, Credentials: []credentialJSON{}}
	for _, res := range results {
		c := credentialJSON{Name: string(res.Name), Verdict: res.Verdict.String(), Places: []placeJSON{}}
		for _, p := range res.Places {
			place := placeJSON{
				Where: p.Target.String(), Region: p.Target.Region, Shape: p.Target.Shape.String(), Verdict: p.Verdict.String(),
				Version: string(p.Version), Keys: p.Keys, Length: p.Length,
			}
			if p.Length > 0 {
				place.Proof = proofReport(p.Proof)
			}
			if p.Fault != nil {
				place.Error = errorReport(p.Fault)
			}
			c.Places = append(c.Places, place)
		}
		out.Credentials = append(out.Credentials, c)
	}
	return out
}

func statusReport(rows []lifecycle.StatusRow, code int) report {
	out := report{Schema: schemaVersion, Exit: code, Credentials: []credentialJSON{}}
	for _, r := range rows {
		last := len(out.Credentials) - 1
		if last < 0 || out.Credentials[last].Name != string(r.Name) {
			out.Credentials = append(out.Credentials, credentialJSON{Name: string(r.Name), Registry: string(r.Registry), Account: r.Account})
			last++
		}
		out.Credentials[last].Places = append(out.Credentials[last].Places, statusPlace(r))
	}
	return out
}

func statusPlace(r lifecycle.StatusRow) placeJSON {
	p := placeJSON{Where: r.Target.String(), Region: r.Target.Region, Shape: r.Target.Shape.String()}
	if r.Fault != nil {
		p.Error = errorReport(r.Fault)
		return p
	}
	current := r.Description.At(credential.Current)
	p.Version, p.Previous = string(current), string(r.Description.At(credential.Previous))
	for _, v := range r.Description.Versions {
		if v.ID == current {
			p.Stages = texts(v.Stages)
		}
	}
	p.Since, p.Exact = moment(r.Since), r.Exact
	p.Expires, p.Due, p.Notes = moment(r.Description.Expires), moment(r.Due), r.Notes
	return p
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

package present

import (
	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// Rotation is what became of one credential's.
type Rotation struct {
	Name   credential.Name
	Result lifecycle.RotateResult
	Err    error
	DryRun bool
	Silent bool // the run was ended before it was begun, or while it was waited for, and nothing was told of that
}

// Rotations is the last line about many, and on errs what the run did not come to.
func (o Out) Rotations(all []Rotation, errs Out) {
	var renewed, failed, unbegun int
	var cut error
	var left []string
	how := "renewed"
	for _, r := range all {
		if r.DryRun {
			how = "to be renewed"
		}
		if r.Silent {
			cut, left = r.Err, append(left, string(r.Name))
		}
		switch {
		case r.Silent && len(r.Result.Store.Places) == 0:
			unbegun++
		case r.Err != nil && !r.Silent:
			failed++
		case len(r.Result.Store.Places) > 0 || r.DryRun && r.Result.Due:
			renewed++
		}
	}
	o.Sums(len(all), "credentials", Count{renewed, how}, Count{len(all) - renewed - failed - unbegun, "as they were"}, Count{failed, "failed"}, Count{unbegun, "not begun"})
	errs.Unfinished(cut, "finished", len(all), left)
}

// RotationJSON is a credential's rotation as JSON.
type RotationJSON struct {
	Credential string `json:"credential"`
	Due        bool   `json:"due"`
	Why        string `json:"why"`
	Renewed    bool   `json:"renewed"`
	Retired    bool   `json:"retired"`
	CaughtUp   bool   `json:"caught_up,omitempty"` // places that lagged behind have the token now
	// Proof says how the retired token is known to be dead: refused or not-listed.
	Proof   string     `json:"retired_proof,omitempty"`
	Wait    float64    `json:"wait_seconds,omitempty"`
	Waiting string     `json:"waiting,omitempty"`
	Store   *StoreJSON `json:"store,omitempty"`
	Error   *ErrorJSON `json:"error,omitempty"`
}

// RotationReport is what became of each.
func RotationReport(all []Rotation) []RotationJSON {
	rows := []RotationJSON{}
	for _, r := range all {
		res := r.Result
		row := RotationJSON{
			Credential: string(r.Name), Due: res.Due, Why: res.Why, Renewed: len(res.Store.Places) > 0, CaughtUp: len(res.Caught.Places) > 0, Retired: res.Retired, Proof: string(res.Ending),
			Wait: res.Wait.Seconds(), Waiting: res.Waiting, Error: ErrorReport(r.Err),
		}
		if res.Store.Source != "" {
			row.Store = StoreReport(res.Store, r.DryRun)
		}
		rows = append(rows, row)
	}
	return rows
}

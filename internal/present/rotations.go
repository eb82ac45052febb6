package present

import (
	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// Rotation is the outcome for one credential.
type Rotation struct {
	Name   credential.Name
	Result lifecycle.RotateResult
	Err    error
	DryRun bool
	Silent bool // the run stopped before or during it, and nothing was printed about that
}

// Rotations prints the last line about several, and on errs which ones did not finish.
func (o Out) Rotations(all []Rotation, errs Out) {
	var renewed, failed, unbegun int
	var cut error
	var left []string
	how := "renewed"
	for _, r := range all {
		if r.DryRun {
			how = "due"
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
	o.Sums(len(all), "credentials", Count{renewed, how}, Count{len(all) - renewed - failed - unbegun, "unchanged"}, Count{failed, "failed"}, Count{unbegun, "not started"})
	errs.Unfinished(cut, "finished", len(all), left)
}

// RotationJSON is a credential's rotation as JSON.
type RotationJSON struct {
	Credential string `json:"credential"`
	Due        bool   `json:"due"`
	Why        string `json:"why"`
	Renewed    bool   `json:"renewed"`
	Retired    bool   `json:"retired"`
	CaughtUp   bool   `json:"caught_up,omitempty"` // places that lagged now have the token
	// Proof says how purser knows that the retired token is dead: refused or not-listed.
	Proof   string       `json:"retired_proof,omitempty"`
	Bearers *BearersJSON `json:"bearers,omitempty"`
	Wait    float64      `json:"wait_seconds,omitempty"`
	Waiting string       `json:"waiting,omitempty"`
	Store   *StoreJSON   `json:"store,omitempty"`
	Error   *ErrorJSON   `json:"error,omitempty"`
}

// RotationReport converts rotations to JSON.
func RotationReport(all []Rotation) []RotationJSON {
	rows := []RotationJSON{}
	for _, r := range all {
		res := r.Result
		row := RotationJSON{
			Credential: string(r.Name), Due: res.Due, Why: res.Why, Renewed: len(res.Store.Places) > 0, CaughtUp: len(res.Caught.Places) > 0, Retired: res.Retired, Proof: string(res.Ending),
			Wait: res.Wait.Seconds(), Waiting: res.Waiting, Bearers: BearersReport(res.Bearers), Error: ErrorReport(r.Err),
		}
		if res.Store.Source != "" {
			row.Store = StoreReport(res.Store, r.DryRun)
		}
		rows = append(rows, row)
	}
	return rows
}

// Package saved has how a secret is written into the folder in which a sandbox keeps its state.
package saved

import (
	"encoding/json"

	"purser/internal/credential"
)

// Secret is a secret on its way to the folder: the stand-ins' own are made up, and a
// sandbox that is started again must know them.
type Secret struct{ Value credential.Secret }

// MarshalJSON writes the text.
func (w Secret) MarshalJSON() ([]byte, error) { return json.Marshal(w.Value.Reveal()) }

// UnmarshalJSON reads it.
func (w *Secret) UnmarshalJSON(raw []byte) error {
	var text string
	err := json.Unmarshal(raw, &text)
	w.Value = credential.NewSecret(text)
	return err
}

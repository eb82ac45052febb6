// Package saved writes the sandbox's secrets into its state file.
package saved

import (
	"encoding/json"

	"purser/internal/credential"
)

// Secret is a secret in the state file. The sandbox's secrets are fake, and the next run must know them.
type Secret struct{ Value credential.Secret }

// MarshalJSON writes the secret in clear text.
func (w Secret) MarshalJSON() ([]byte, error) { return json.Marshal(w.Value.Reveal()) }

// UnmarshalJSON reads it back.
func (w *Secret) UnmarshalJSON(raw []byte) error {
	var text string
	err := json.Unmarshal(raw, &text)
	w.Value = credential.NewSecret(text)
	return err
}

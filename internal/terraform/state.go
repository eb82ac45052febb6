package terraform

import (
	"encoding/json"
	"path/filepath"

	"purser/internal/boundedfile"
)

// State is what a folder's local state file says about a secret. It is empty for remote states.
type State struct {
	Local   bool   // a state file exists beside the configuration
	Applied bool   // it has the secret
	Value   bool   // it has the secret's value as readable text
	ARN     string // the applied secret's; "" if unknown
	Path    string
}

// stateLimit limits the state file, in bytes.
const stateLimit = 64 << 20

// ReadState looks for a secret in terraform.tfstate. It keeps no value.
func ReadState(dir, secret string) State {
	s := State{Path: filepath.Join(dir, "terraform.tfstate")}
	raw, err := boundedfile.Read(s.Path, stateLimit)
	if err != nil {
		return s
	}
	var state struct {
		Resources []struct {
			Mode, Type string
			Instances  []struct {
				Attributes struct {
					Name   string
					ARN    string
					Secret string    `json:"secret_id"`
					Text   *presence `json:"secret_string"`
				}
			}
		}
	}
	if json.Unmarshal(raw, &state) != nil {
		return s
	}
	s.Local = true
	var arn string
	for _, r := range state.Resources {
		for _, i := range r.Instances {
			if r.Type == "aws_secretsmanager_secret" && i.Attributes.Name == secret {
				s.Applied, arn = s.Applied || r.Mode == "managed", i.Attributes.ARN
				if r.Mode == "managed" {
					s.ARN = arn
				}
			}
		}
	}
	for _, r := range state.Resources {
		for _, i := range r.Instances {
			if r.Type == "aws_secretsmanager_secret_version" && i.Attributes.Text != nil && (i.Attributes.Secret == arn || i.Attributes.Secret == secret) {
				s.Value = s.Value || i.Attributes.Text.there
			}
		}
	}
	return s
}

// presence records whether a text exists, but not the text.
type presence struct{ there bool }

// UnmarshalJSON checks for non-empty text.
func (p *presence) UnmarshalJSON(raw []byte) error {
	p.there = string(raw) != "null" && string(raw) != `""`
	return nil
}

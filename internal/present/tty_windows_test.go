package present_test

import (
	"testing"

	"purser/internal/credential"
	"purser/internal/present"
)

func TestAConsoleIsNotAsked(t *testing.T) {
	if _, err := (present.Terminal{Path: present.ControllingTerminal}).Open(); credential.ReasonOf(err) != credential.NoTerminal {
		t.Error(err)
	}
}

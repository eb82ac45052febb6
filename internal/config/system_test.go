package config

import (
	"path/filepath"
	"testing"
)

func TestTheSystemsConfigurationIsWhereNoCheckoutIs(t *testing.T) {
	path := SystemPath()
	if !filepath.IsAbs(path) || filepath.Base(path) != FileName {
		t.Errorf("it is at %s", path)
	}
	why, err := othersHand(filepath.Dir(filepath.Dir(path)), false)
	if why != "" || err != nil {
		t.Errorf("its folder: %s, %v", why, err)
	}
}

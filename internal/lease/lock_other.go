//go:build !unix || aix || (solaris && !illumos)

package lease

import (
	"errors"
	"os"
)

func create(string, string) (*os.File, error) { return nil, errors.ErrUnsupported }

func free(*os.File) bool { return false }

package present

import (
	"os"
)

// Waiting is what standard input has for somebody who does not read it.
type Waiting int

// What there is.
const (
	InputOpen  Waiting = iota // nothing yet, and there may be something later
	InputOver                 // nothing, and there will be nothing
	InputWaits                // something
)

// InputOf looks at a stream without reading it: what is there may be a token.
func InputOf(f *os.File) Waiting {
	info, err := f.Stat()
	if err != nil {
		return InputOver // it is closed
	}
	null, _ := os.Stat(os.DevNull) // without one, nothing is the same
	switch mode := info.Mode(); {
	case os.SameFile(info, null):
		return InputOver
	case mode.IsRegular():
		if at, err := f.Seek(0, 1); err == nil && at < info.Size() {
			return InputWaits
		}
		return InputOver
	case mode&(os.ModeNamedPipe|os.ModeSocket) != 0:
		return inputOfPipe(f)
	}
	return InputOpen
}

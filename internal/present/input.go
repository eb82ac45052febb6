package present

import (
	"os"
)

// Waiting is the state of standard input.
type Waiting int

// States.
const (
	InputOpen  Waiting = iota // no data yet
	InputOver                 // at its end
	InputWaits                // data waits
)

// InputOf looks at a stream without reading from it: the data may be a token.
func InputOf(f *os.File) Waiting {
	info, err := f.Stat()
	if err != nil {
		return InputOver // closed
	}
	null, _ := os.Stat(os.DevNull) // nil equals no file
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

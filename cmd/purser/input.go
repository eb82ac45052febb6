package main

import (
	"os"

	"purser/internal/credential"
	"purser/internal/wire"
)

// waiting is what standard input has for somebody who does not read it.
type waiting int

const (
	inputOpen  waiting = iota // nothing yet, and there may be something later
	inputOver                 // nothing, and there will be nothing
	inputWaits                // something
)

// inputOf looks at a stream without reading it: what is there may be a token.
func inputOf(f *os.File) waiting {
	info, err := f.Stat()
	if err != nil {
		return inputOver // it is closed
	}
	null, _ := os.Stat(os.DevNull) // without one, nothing is the same
	switch mode := info.Mode(); {
	case os.SameFile(info, null):
		return inputOver
	case mode.IsRegular():
		if at, err := f.Seek(0, 1); err == nil && at < info.Size() {
			return inputWaits
		}
		return inputOver
	case mode&(os.ModeNamedPipe|os.ModeSocket) != 0:
		return inputOfPipe(f)
	}
	return inputOpen
}

// input is what standard input has; a stream of another program's is left alone.
func (a *app) input() waiting {
	if f, ok := a.in.(*os.File); ok {
		return inputOf(f)
	}
	return inputOpen
}

// unread refuses to look elsewhere for a token where one may have been piped in.
func (a *app) unread(c credential.Credential, f storeFlags) error {
	if f.from != "" || f.stdin || f.mint || a.input() != inputWaits {
		return nil
	}
	return &credential.Fault{
		Reason: credential.SourceUnclear, Registry: c.Registry, Account: c.Username,
		What: "something is on standard input, and nothing says that it is the token", Why: "purser reads it with --token-stdin only",
	}
}

// somebody fails where a page would wait for nobody.
func (a *app) somebody(w *wire.Wire, c credential.Credential) error {
	if w.Browser() == nil || a.input() != inputOver {
		return nil
	}
	return &credential.Fault{
		Reason: credential.NoTerminal, Registry: c.Registry, Account: c.Username,
		What: "there is nobody to ask for a token", Why: "there is no terminal, no browser that could be opened, and nothing on standard input",
	}
}

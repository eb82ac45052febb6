// Package practice is what people try purser with, on stand-ins: the sandbox and its commands
// (stage.go, run.go, up.go, fault.go), guided tours (try.go, scenarios.go) and rehearsals.
package practice

import (
	"context"
	"io"
	"net/http"
	"time"

	"purser/internal/childproc"
	"purser/internal/config"
)

// Host is what the commands of practice get of the program that they are part of.
type Host struct {
	Env      config.Environment
	Out, Err io.Writer
	Now      func() time.Time
	Random   io.Reader
	Dir      string        // the working directory; "": the process's
	JSON     func() bool   // whether JSON is printed, once the flags are known
	Config   func() string // the file of --config
	// Project reads the purser.yaml of the working directory; none is nil where none is needed.
	Project func(needed bool) (*config.File, error)
	Self    func() (path string, err error) // purser itself, to start it again
	Run     func(ctx context.Context, cmd childproc.Command) (code int, err error)
	// Purser runs a command line of purser's as a person would.
	Purser func(ctx context.Context, args []string, on Scene) (code int)
}

// Scene is where a command of a tour runs: among stand-ins, which hold nobody's token.
type Scene struct {
	Env       config.Environment
	In        io.Reader
	Out       io.Writer // for all that it prints
	Now       func() time.Time
	Transport http.RoundTripper
	AWS       string // the address of the stand-in
	Dir       string
	Wait      func(context.Context, time.Duration) error
}

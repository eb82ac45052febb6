// Package practice lets people try purser on stand-ins: the sandbox commands (stage.go, run.go, up.go,
// fault.go), guided tours (try.go, scenarios.go) and rehearsals.
package practice

import (
	"context"
	"io"
	"net/http"
	"time"

	"purser/internal/childproc"
	"purser/internal/config"
)

// Host is what the practice commands need from their program.
type Host struct {
	Env      config.Environment
	Out, Err io.Writer
	Now      func() time.Time
	Random   io.Reader
	Dir      string        // working directory; "": the process's
	JSON     func() bool   // whether to print JSON; valid once flags are parsed
	Config   func() string // returns --config
	// Project reads the purser.yaml of the working directory. It may return nil unless needed.
	Project func(needed bool) (*config.File, error)
	Self    func() (path string, err error) // purser's executable
	Run     func(ctx context.Context, cmd childproc.Command) (code int, err error)
	// Purser runs a purser command line as a person would.
	Purser func(ctx context.Context, args []string, on Scene) (code int)
}

// Scene is where a tour's command runs: among stand-ins with fake tokens.
type Scene struct {
	Env       config.Environment
	In        io.Reader
	Out       io.Writer // for all that it prints
	Now       func() time.Time
	Transport http.RoundTripper
	AWS       string // the stand-in's URL
	Dir       string
	Wait      func(context.Context, time.Duration) error
}

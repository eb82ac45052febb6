package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/runner"
	"purser/internal/sandbox"
)

func (a *app) sandboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Try and rehearse against stand-ins on this machine",
		Long: `sandbox starts stand-ins on loopback: Docker Hub with its registry, token service and
management of tokens, AWS Secrets Manager and what belongs to it. Nothing of it leaves
this machine, and no account is needed.

run and shell have a command, or a shell, see them as the real ones by their own names.
up leaves them running for scripts and tests, until down.`,
		Example: `  purser sandbox try
  purser sandbox run -- purser status
  purser sandbox up`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.tryCommand(), a.sandboxRunCommand(), a.sandboxShellCommand(), a.sandboxUpCommand(), a.sandboxDownCommand(), a.sandboxFaultCommand(), a.sandboxServeCommand())
	return cmd
}

func (a *app) sandboxRunCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run -- COMMAND [ARGUMENT…]",
		Short: "Run a command that takes the stand-ins for the real ones",
		Long: `run starts the stand-ins, runs a command with variables that lead it to them, and stops
them. Docker Hub answers by its own names to clients that use HTTPS_PROXY and SSL_CERT_FILE,
as purser, skopeo, crane, helm, oras and curl do; AWS to its SDKs and its CLI. The exit
code is the command's.

Made-up tokens are in files: $PURSER_SANDBOX/push.token and others.`,
		Example: `  purser sandbox run -- purser status`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &credential.Fault{Reason: credential.Usage, What: "run needs a command behind --", Why: "such as purser sandbox run -- purser status"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.sandboxRun(cmd.Context(), args) },
	}
}

func (a *app) sandboxShellCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "shell",
		Short:   "Open a shell that takes the stand-ins for the real ones",
		Long:    `shell is run with your own shell. Leaving it stops the stand-ins.`,
		Example: `  purser sandbox shell`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			shell := or(a.env.Shell, "/bin/sh")
			_, _ = fmt.Fprintf(a.err, "Docker Hub and AWS are stand-ins in this shell; made-up tokens are in $PURSER_SANDBOX. exit stops them.\n")
			return a.sandboxRun(cmd.Context(), []string{shell})
		},
	}
}

// stage is a running sandbox with its folder.
type stage struct {
	box  *sandbox.Sandbox
	dir  string
	vars map[string]string
	skew atomic.Int64 // by how much AWS's clock is ahead, in nanoseconds
}

// openStage starts the stand-ins. Their folder holds the certificate and made-up tokens.
func (a *app) openStage(ctx context.Context, dir string) (*stage, error) {
	s := &stage{dir: dir}
	box, err := sandbox.Start(ctx, sandbox.Options{
		Now: a.now, Random: a.random, AWSNow: func() time.Time { return a.now().Add(time.Duration(s.skew.Load())) },
	})
	if err != nil {
		return nil, fmt.Errorf("start the stand-ins: %w", err)
	}
	s.box, s.vars = box, map[string]string{"PURSER_SANDBOX": dir, "AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-2"}
	vars, err := box.Environment(dir)
	if err != nil {
		return nil, errors.Join(err, box.Close())
	}
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		s.vars[name] = value
	}
	for _, name := range []string{"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"} {
		s.vars[name] = s.vars["SSL_CERT_FILE"]
	}
	s.vars["https_proxy"], s.vars["no_proxy"] = s.vars["HTTPS_PROXY"], s.vars["NO_PROXY"]
	for name, token := range map[string]credential.Secret{
		"push.token": box.PushToken, "readonly.token": box.ReadOnlyToken, "revoked.token": box.RevokedToken, "other.token": box.OtherToken,
	} {
		const mode = 0o600
		if err := os.WriteFile(filepath.Join(dir, name), []byte(token.Reveal()+"\n"), mode); err != nil {
			return nil, errors.Join(err, box.Close())
		}
	}
	return s, nil
}

func (a *app) sandboxRun(ctx context.Context, args []string) (err error) {
	program, err := exec.LookPath(args[0])
	if err != nil {
		return &credential.Fault{Reason: credential.Usage, What: "there is no program " + credential.Quote(args[0]), Why: "it is not on the PATH"}
	}
	dir, err := os.MkdirTemp("", "purser-sandbox-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := a.openStage(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.box.Close()) }()
	code, err := a.runCommand(ctx, runner.Command{Program: program, Args: args[1:], Env: config.Inherited(s.vars)})
	if err != nil {
		return fmt.Errorf("run %s: %w", credential.Quote(args[0]), err)
	}
	if code != exitOK {
		return &reportedError{code}
	}
	return nil
}

func (a *app) sandboxUpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Leave the stand-ins running, for scripts and tests",
		Long: `up starts the stand-ins, and returns when they answer: with lines for a shell to evaluate,
or with --output json. They run until purser sandbox down, which finds them by the variable
PURSER_SANDBOX. Several may run at once.`,
		Example: `  purser sandbox up
  purser sandbox up --output json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sandboxUp(cmd.Context()) },
	}
}

// sandboxJSON is a running sandbox.
type sandboxJSON struct {
	Folder    string            `json:"folder"`
	Process   int               `json:"process"`
	Variables map[string]string `json:"variables"`
}

func (a *app) sandboxUp(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "purser-sandbox-")
	if err != nil {
		return err
	}
	program, err := a.self()
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	// It outlives this process, so nothing of it is tied to ctx.
	cmd := exec.Command(program, "sandbox", "serve", dir) //nolint:gosec,noctx // purser itself
	cmd.Env, cmd.Dir = config.Inherited(nil), string(filepath.Separator)
	runner.Detach(cmd)
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start the stand-ins: %w", err), os.RemoveAll(dir))
	}
	var up sandboxJSON
	told := make(chan error, 1)
	go func() { told <- json.NewDecoder(ready).Decode(&up) }()
	select {
	case err = <-told:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start the stand-ins: they did not come up: %w", err), cmd.Process.Kill(), os.RemoveAll(dir))
	}
	if a.output.json {
		a.writeJSON(report{Schema: schemaVersion, Sandbox: &up})
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(up.Variables)) {
		_, _ = fmt.Fprintf(a.out, "export %s=%s\n", name, quoteShell(up.Variables[name]))
	}
	return nil
}

// controlSocket is where a running sandbox is told to stop, in its folder.
const controlSocket = "control"

func (a *app) sandboxServeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve FOLDER", Hidden: true, Args: cobra.ExactArgs(1),
		Short:   "Be the stand-ins that up leaves running",
		Example: `  purser sandbox up`,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.sandboxServe(cmd.Context(), args[0]) },
	}
}

func (a *app) sandboxServe(ctx context.Context, dir string) (err error) {
	s, err := a.openStage(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.box.Close(), os.RemoveAll(dir)) }()
	socket, err := (&net.ListenConfig{}).Listen(ctx, "unix", filepath.Join(dir, controlSocket))
	if err != nil {
		return fmt.Errorf("listen in %s: %w", dir, err)
	}
	stopped := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{}")
		close(stopped)
	})
	mux.HandleFunc("POST /fault", s.takeFault)
	control := &http.Server{Handler: mux, ReadHeaderTimeout: controlPatience}
	go func() { _ = control.Serve(socket) }() // ends with Shutdown
	if err := json.NewEncoder(a.out).Encode(sandboxJSON{dir, os.Getpid(), s.vars}); err != nil {
		return err
	}
	select {
	case <-stopped:
	case <-ctx.Done():
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), controlPatience)
	defer done()
	return control.Shutdown(ctx)
}

const controlPatience = 5 * time.Second

func (a *app) sandboxDownCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "down",
		Short:   "Stop the stand-ins that up left running",
		Long:    `down stops the sandbox of the variable PURSER_SANDBOX, and removes its folder.`,
		Example: `  purser sandbox down`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.sandboxDown(cmd.Context()) },
	}
}

func (a *app) sandboxDown(ctx context.Context) error {
	if err := a.control(ctx, "/stop", nil); err != nil {
		return err
	}
	if err := a.gone(ctx, a.env.Sandbox); err != nil {
		return err
	}
	if a.output.json {
		a.writeJSON(report{Schema: schemaVersion})
	}
	return nil
}

// gone waits until a folder is removed, which is the last that a sandbox does.
func (a *app) gone(ctx context.Context, dir string) error {
	ctx, stop := context.WithTimeout(ctx, controlPatience)
	defer stop()
	const look = 5 * time.Millisecond
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop the sandbox in %s: it does not end: %w", dir, ctx.Err())
		case <-ticker.C:
		}
	}
}

// control tells the sandbox of PURSER_SANDBOX something. What it does not take is a fault
// with its reason.
func (a *app) control(ctx context.Context, path string, what any) error {
	if a.env.Sandbox == "" {
		return &credential.Fault{Reason: credential.Usage, What: "it is not said which sandbox is meant", Why: "PURSER_SANDBOX is not set; purser sandbox up prints it"}
	}
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	socket := filepath.Join(a.env.Sandbox, controlSocket)
	client := &http.Client{Timeout: controlPatience, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sandbox"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return &credential.Fault{Reason: credential.Usage, What: "no sandbox answers in " + credential.Quote(a.env.Sandbox), Why: "it is stopped already"}
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, inOneAnswer)) // what cannot be read is empty
	return &credential.Fault{Reason: credential.Usage, What: "the sandbox does not take that", Why: credential.Quote(string(said))}
}

// inOneAnswer bounds what is read of a sandbox's refusal.
const inOneAnswer = 4 << 10

package practice

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
	"sync"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/childproc"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/present"
)

func (h *Host) sandboxUpCommand() *cobra.Command {
	var o stageOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Leave the stand-ins running, for scripts and tests",
		Long: `up starts the stand-ins, and returns when they answer. It prints lines for a
shell to evaluate, or JSON with --output json. They run until purser sandbox
down, which finds them by the variable PURSER_SANDBOX. Several can run at once.`,
		Example: `  purser sandbox up
  purser sandbox up --output json
  purser sandbox up --data practice`,
		Args: arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.sandboxUp(cmd.Context(), o) },
	}
	o.flags(cmd)
	o.listenFlags(cmd)
	return cmd
}

// listenFlags adds flags for sandboxes that others may reach.
func (o *stageOptions) listenFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.listen, "listen", "", "also serve everything on one port at this `ADDRESS`, such as 0.0.0.0:443")
	cmd.Flags().StringVar(&o.name, "name", "", "the `HOST` name by which clients reach it")
}

// Running is a running sandbox.
type Running struct {
	Folder    string            `json:"folder"`
	Process   int               `json:"process"`
	Variables map[string]string `json:"variables"`
	Accounts  accounts          `json:"accounts"`
}

func (h *Host) sandboxUp(ctx context.Context, o stageOptions) error {
	if err := o.checkListen(h.Err); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "purser-sandbox-")
	if err != nil {
		return err
	}
	up, err := h.startServing(ctx, dir, o)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	h.tellSandbox(up)
	return nil
}

// tellSandbox prints the variables that programs need.
func (h *Host) tellSandbox(up Running) {
	if h.JSON() {
		present.ReportOf(nil).With("sandbox", &up).Write(h.Out)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(up.Variables)) {
		_, _ = fmt.Fprintf(h.Out, "export %s=%s\n", name, credential.QuoteShell(up.Variables[name]))
	}
	_, _ = fmt.Fprint(h.Err, up.Accounts.String())
}

// startServing starts a purser that outlives this one, so ctx does not cancel it, and waits until its
// stand-ins answer.
func (h *Host) startServing(ctx context.Context, dir string, o stageOptions) (up Running, err error) {
	program, err := h.Self()
	if err != nil {
		return up, err
	}
	args := append([]string{"sandbox", "serve", "--folder", dir, "--temporary", "--output", "json"}, h.repeated(o)...)
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // purser itself
	cmd.Env, cmd.Dir = config.Inherited(nil), h.Dir
	childproc.Detach(cmd)
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return up, err
	}
	if err := cmd.Start(); err != nil {
		return up, fmt.Errorf("start the stand-ins: %w", err)
	}
	told := make(chan error, 1)
	var answer struct {
		Sandbox *Running `json:"sandbox"`
		Error   *struct {
			Reason credential.Reason `json:"reason"`
			What   string            `json:"what"`
			Why    string            `json:"why"`
		} `json:"error"`
	}
	go func() { told <- json.NewDecoder(ready).Decode(&answer) }()
	select {
	case err = <-told:
	case <-ctx.Done():
		err = credential.Stopped(ctx, "waiting for the stand-ins to come up")
	}
	switch {
	case err == nil && answer.Sandbox != nil:
		return *answer.Sandbox, nil
	case err == nil && answer.Error != nil:
		_ = cmd.Wait() // its answer says why
		return up, &credential.Fault{Reason: answer.Error.Reason, What: answer.Error.What, Why: answer.Error.Why}
	}
	return up, errors.Join(fmt.Errorf("start the stand-ins: they did not come up: %w", err), cmd.Process.Kill())
}

// controlSocket receives commands for a running sandbox, in its folder.
const controlSocket = "control"

func (h *Host) sandboxServeCommand() *cobra.Command {
	var o stageOptions
	var folder string
	var temporary bool
	cmd := &cobra.Command{
		Use: "serve", Args: arguments.None,
		Short: "Run the stand-ins until a signal, for containers",
		Long: `serve prints what up prints, and runs until SIGINT or SIGTERM. With --listen,
other machines reach it on one port: by Docker Hub's own names if these lead to
this machine, through the proxy on the same port, and AWS by AWS_ENDPOINT_URL.`,
		Example: `  purser sandbox serve --folder practice`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.checkListen(h.Err); err != nil {
				return err
			}
			return h.sandboxServe(cmd.Context(), folder, temporary, o)
		},
	}
	o.flags(cmd)
	o.listenFlags(cmd)
	cmd.Flags().StringVar(&folder, "folder", "", "put the certificate and the made-up tokens into this `FOLDER` (default a temporary one)")
	cmd.Flags().BoolVar(&temporary, "temporary", false, "remove the folder at the end")
	_ = cmd.Flags().MarkHidden("temporary") // the flag exists
	return cmd
}

func (h *Host) sandboxServe(ctx context.Context, folder string, temporary bool, o stageOptions) (err error) {
	if folder == "" {
		temporary = true
		if folder, err = os.MkdirTemp("", "purser-sandbox-"); err != nil {
			return err
		}
	}
	dir, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if temporary {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	s, err := h.openStage(ctx, dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	c, err := s.listen(ctx, temporary)
	if err != nil {
		return err
	}
	h.tellSandbox(Running{dir, os.Getpid(), s.vars, s.accounts})
	select {
	case <-c.stopped:
	case <-ctx.Done():
	}
	return c.end(ctx)
}

// control is where sandbox fault and sandbox down reach a running sandbox.
type control struct {
	server  *http.Server
	stopped chan struct{} // closed to stop it
	stop    func()
}

// listen opens the control of a stage, in its folder. A temporary folder is what is gone last
// when the stage is closed, else the socket is.
func (s *stage) listen(ctx context.Context, temporary bool) (*control, error) {
	path, last := filepath.Join(s.dir, controlSocket), s.dir
	_ = os.Remove(path) // of a sandbox that was killed; one that lives has another folder
	socket, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen in %s: %w", s.dir, err)
	}
	if !temporary {
		last = path
		if l, ok := socket.(*net.UnixListener); ok {
			l.SetUnlinkOnClose(false)
		}
		s.last = path
	}
	mux := http.NewServeMux()
	c := &control{server: &http.Server{Handler: mux, ReadHeaderTimeout: controlPatience}, stopped: make(chan struct{})}
	c.stop = sync.OnceFunc(func() { close(c.stopped) })
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(stoppedJSON{last})
		c.stop()
	})
	mux.HandleFunc("POST /fault", s.takeFault)
	go func() { _ = c.server.Serve(socket) }() // ends with Shutdown
	return c, nil
}

// end takes no more orders; who has given the last one gets its answer.
func (c *control) end(ctx context.Context) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), controlPatience)
	defer done()
	return c.server.Shutdown(ctx)
}

const controlPatience = 5 * time.Second

func (h *Host) sandboxDownCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the stand-ins that up left running",
		Long: `down stops the sandbox that PURSER_SANDBOX names, and removes its folder. It
also works in run and shell: the command then goes on without stand-ins.`,
		Example: `  purser sandbox down`,
		Args:    arguments.None,
		RunE:    func(cmd *cobra.Command, _ []string) error { return h.sandboxDown(cmd.Context()) },
	}
}

func (h *Host) sandboxDown(ctx context.Context) error {
	said, err := h.control(ctx, "/stop", nil)
	if err != nil {
		return err
	}
	var stop stoppedJSON
	if err := json.Unmarshal(said, &stop); err != nil || stop.Last == "" {
		return fmt.Errorf("stop the sandbox in %s: its answer is not understood", h.Env.Sandbox)
	}
	return h.gone(ctx, stop.Last)
}

// stoppedJSON says what a sandbox removes last.
type stoppedJSON struct {
	Last string `json:"last"`
}

// gone waits until path is removed, the last step of a shutdown.
func (h *Host) gone(ctx context.Context, last string) error {
	ctx, stop := context.WithTimeout(ctx, controlPatience)
	defer stop()
	const look = 5 * time.Millisecond
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(last); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		select {
		case <-ctx.Done():
			if ended := credential.Ended(ctx, "waiting for the sandbox to end"); ended != nil {
				return ended
			}
			return fmt.Errorf("stop the sandbox in %s: it does not end", h.Env.Sandbox)
		case <-ticker.C:
		}
	}
}

// control sends a request to the sandbox in PURSER_SANDBOX, and returns its refusal as a fault.
func (h *Host) control(ctx context.Context, path string, what any) ([]byte, error) {
	if h.Env.Sandbox == "" {
		return nil, &credential.Fault{Reason: credential.Usage, What: "purser does not know which sandbox you mean", Why: "PURSER_SANDBOX is not set; purser sandbox up prints it"}
	}
	body, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(h.Env.Sandbox, controlSocket)
	client := &http.Client{Timeout: controlPatience, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sandbox"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, &credential.Fault{Reason: credential.Usage, What: "no sandbox answers in " + credential.Quote(h.Env.Sandbox), Why: "it is stopped already"}
	}
	defer func() { _ = resp.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, inOneAnswer)) // an unreadable answer counts as empty
	if resp.StatusCode == http.StatusOK {
		return said, nil
	}
	return nil, &credential.Fault{Reason: credential.Usage, What: "the sandbox rejects that", Why: credential.Quote(string(said))}
}

// inOneAnswer limits a sandbox's answer, in bytes.
const inOneAnswer = 4 << 10

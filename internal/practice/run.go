package practice

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/childproc"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/namespace"
	"purser/internal/present"
	"purser/internal/sandbox"
)

// runOptions are the flags of run and shell.
type runOptions struct {
	stageOptions
	shared bool // use the machine's network
	greet  bool // show the accounts to practise with
}

func (o *runOptions) flags(cmd *cobra.Command) {
	o.stageOptions.flags(cmd)
	cmd.Flags().BoolVar(&o.shared, "no-namespace", false, "give the command no network of its own, and point it to the stand-ins with variables alone")
}

func (h *Host) sandboxRunCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run -- COMMAND [ARGUMENT…]",
		Short: "Run a command that sees the stand-ins as the real services",
		Long: `run starts the stand-ins, runs a command that sees them as the real services,
and stops them. On Linux the command has a network of its own: the names of
Docker Hub and ghcr.io lead to the stand-ins, and no other name leads anywhere.
If that is impossible, run says so and sets HTTPS_PROXY and SSL_CERT_FILE
instead, which purser, docker, skopeo, crane, helm, oras and curl obey. AWS's
SDKs and CLI find the stand-ins by AWS_ENDPOINT_URL. The exit code is the
command's.

Files hold made-up tokens: $PURSER_SANDBOX/push.token and others, and
NAME.token for each credential of your purser.yaml. Secrets named
purser-sandbox/ACCOUNT, such as purser-sandbox/schedules, hold what
PURSER_MANAGEMENT_SECRET_ID needs.`,
		Example: `  purser sandbox run -- purser status
  purser sandbox run --data practice -- ./release.sh`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &credential.Fault{Reason: credential.Usage, What: "run needs a command after --", Why: "such as purser sandbox run -- purser status"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return h.sandboxRun(cmd.Context(), o, args) },
	}
	o.flags(cmd)
	return cmd
}

func (h *Host) sandboxShellCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:     "shell",
		Short:   "Open a shell that sees the stand-ins as the real services",
		Long:    `shell starts your own shell. The stand-ins stop when you leave it.`,
		Example: `  purser sandbox shell`,
		Args:    arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.greet = true
			return h.sandboxRun(cmd.Context(), o, []string{cmp.Or(h.Env.Shell, "/bin/sh")})
		},
	}
	o.flags(cmd)
	return cmd
}

// sandboxRun runs a command in namespaces if possible, or in the machine's network.
func (h *Host) sandboxRun(ctx context.Context, o runOptions, args []string) error {
	if _, err := exec.LookPath(args[0]); err != nil {
		return &credential.Fault{Reason: credential.Usage, What: "cannot find the program " + credential.Quote(args[0]), Why: "it is not on the PATH"}
	}
	self, err := h.Self()
	if err != nil {
		return err
	}
	if !o.shared {
		why := h.tryNamespace(ctx, self)
		if why == "" {
			inside := slices.Concat([]string{"sandbox", "inside", "--greet=" + strconv.FormatBool(o.greet)}, h.repeated(o.stageOptions), []string{"--"}, args)
			code, err := h.Run(ctx, childproc.Command{Program: self, Args: inside, Env: config.Inherited(nil), Prepare: namespace.Own})
			return ended(args[0], code, err)
		}
		_, _ = fmt.Fprintf(h.Err, "The command cannot have its own network (%s), so purser sets environment variables. A program that ignores HTTPS_PROXY reaches the real Docker Hub.\n", why)
	}
	return h.runOnStage(ctx, o, false, args)
}

// ended turns the command's exit into purser's.
func ended(program string, code int, err error) error {
	if err != nil {
		return fmt.Errorf("run %s: %w", credential.Quote(program), err)
	}
	if code != present.ExitOK {
		return &present.Reported{Code: code}
	}
	return nil
}

// tryNamespace returns why a command cannot have its own network here, or "".
func (h *Host) tryNamespace(ctx context.Context, self string) (why string) {
	cmd := exec.CommandContext(ctx, self, "sandbox", "inside", "--probe")
	cmd.Env = config.Inherited(nil)
	namespace.Own(cmd)
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	if err == nil {
		return ""
	}
	if first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n"); first != "" {
		return credential.Quote(first)
	}
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		err = failed.Err // the path is purser's
	}
	return credential.Quote(err.Error())
}

// sandboxInsideCommand is what run starts in the namespaces.
func (h *Host) sandboxInsideCommand() *cobra.Command {
	var o runOptions
	var probe bool
	cmd := &cobra.Command{
		Use: "inside -- COMMAND [ARGUMENT…]", Hidden: true,
		Short:   "Run a command in the namespaces that run made",
		Example: `  purser sandbox run -- purser status`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := namespace.Open(); err != nil {
				return err
			}
			if probe {
				return h.probe()
			}
			o.listen = "127.0.0.1:443"
			return h.runOnStage(cmd.Context(), o, true, args)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&probe, "probe", false, "only check that it works")
	cmd.Flags().BoolVar(&o.greet, "greet", false, "say what to practise with")
	return cmd
}

func (h *Host) probe() (err error) {
	dir, err := os.MkdirTemp("", "purser-sandbox-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return namespace.Arrange(dir, sandbox.Names(nil), nil)
}

// runOnStage runs a command with the stand-ins. Inside a namespace, their names resolve to them.
func (h *Host) runOnStage(ctx context.Context, o runOptions, inside bool, args []string) (err error) {
	dir, err := os.MkdirTemp("", "purser-sandbox-")
	if err != nil {
		return err
	}
	s, err := h.openStage(ctx, dir, o.stageOptions)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	end := sync.OnceValue(func() error { return errors.Join(s.close(), os.RemoveAll(dir)) })
	defer func() { err = errors.Join(err, end()) }()
	if c, err := s.listen(ctx, true); err != nil {
		_, _ = fmt.Fprintf(h.Err, "You cannot use sandbox fault and sandbox down here: %s\n", credential.Quote(because(err)))
	} else {
		go func() { // ends with c.stop or with sandbox down
			<-c.stopped
			_ = errors.Join(c.end(ctx), end())
		}()
		defer c.stop()
	}
	if inside {
		if err := s.arrange(); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	if o.greet {
		_, _ = fmt.Fprint(h.Err, "Docker Hub, ghcr.io and AWS are stand-ins in this shell, until you exit it.\n", s.accounts)
	}
	code, err := h.Run(ctx, childproc.Command{Program: program, Args: args[1:], Env: config.Inherited(s.vars)})
	return ended(args[0], code, err)
}

// arrange makes the names resolve to the stand-ins in this process's namespaces, without a proxy.
func (s *stage) arrange() error {
	roots, err := os.ReadFile(s.vars["SSL_CERT_FILE"])
	if err != nil {
		return err
	}
	if err := namespace.Arrange(s.dir, s.box.Names(), roots); err != nil {
		return err
	}
	namespace.Drop()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"} {
		s.vars[name] = "" // the person's proxy is not reachable in this network
	}
	return nil
}

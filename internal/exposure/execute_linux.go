package exposure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"purser/internal/credential"
)

// execution is the record of a run.
type execution struct {
	out, err, terminal []byte
	outPipe, errPipe   string // as strace names them
	tty                string // the terminal's path; "" without one
	trace              []byte
	code               int
}

// limit stops programs that hang.
const limit = time.Minute

// ready returns strace's path, or why it cannot watch programs. Without the right to trace protected
// processes, strace prints addresses instead of bytes.
func ready() (strace string, err error) {
	path, err := exec.LookPath("strace")
	if err != nil {
		return "", cannot("strace is not installed; Debian's package is strace")
	}
	if unix.Geteuid() != 0 {
		return "", cannot("this needs root: purser keeps other processes of its user, strace included, from tracing it")
	}
	// Containers can forbid root to trace.
	if out, err := exec.CommandContext(context.Background(), path, "-o", os.DevNull, "/bin/true").CombinedOutput(); err != nil { //nolint:gosec // root chose PATH
		return "", cannot("strace cannot trace here: " + credential.Quote(string(out)))
	}
	return path, nil
}

func (w *Watcher) execute(ctx context.Context, r Run, scratch string) (execution, error) {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	trace := filepath.Join(scratch, "trace")
	args := append(straceArguments(trace), "--", r.Program)
	cmd := exec.CommandContext(ctx, w.strace, append(args, r.Args...)...) //nolint:gosec // it runs what the caller names
	cmd.Env, cmd.Dir = r.Env, r.Dir
	allowCores()
	var seen execution
	var wait func() error
	var err error
	if len(r.Terminal) > 0 {
		wait, err = onTerminal(cmd, r.Terminal, &seen)
	} else {
		wait, err = onPipes(cmd, r.Input.Reveal(), r.Until, &seen)
	}
	if err != nil {
		return seen, fmt.Errorf("start strace: %w", err)
	}
	done := make(chan struct{})
	var signals sync.WaitGroup
	if r.When != nil {
		signals.Go(func() { sendWhenReady(r, trace, done) })
	}
	err = wait()
	close(done)
	signals.Wait()
	if ctx.Err() != nil {
		return seen, fmt.Errorf("%s %s did not exit: %w", filepath.Base(r.Program), strings.Join(r.Args, " "), ctx.Err())
	}
	if seen.code, err = exitCode(err); err != nil {
		return seen, err
	}
	seen.trace, err = os.ReadFile(trace) //nolint:gosec // our own
	if err != nil {
		return seen, fmt.Errorf("%w: %s", err, bytes.TrimSpace(seen.err))
	}
	return seen, nil
}

// allowCores restores the core limit that this process lowered, so that the programs it starts must
// set their own.
func allowCores() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		limit.Cur = limit.Max
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit) // if it stays 0, no program can dump core
	}
}

// CoresPossible reports whether programs can leave core files here.
func CoresPossible() bool {
	var limit unix.Rlimit
	return unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil && limit.Max > 0
}

// exitCode is the traced program's; strace exits with the same.
func exitCode(err error) (int, error) {
	if err == nil {
		return 0, nil
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0, fmt.Errorf("run strace: %w", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return -int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// onPipes runs cmd like a script or an agent does.
func onPipes(cmd *exec.Cmd, input, until string, seen *execution) (wait func() error, err error) {
	said := &awaited{text: []byte(until), seen: make(chan struct{})}
	cmd.Stdin = io.MultiReader(strings.NewReader(input), said)
	var readers sync.WaitGroup
	var ends []*os.File // the child's
	for _, stream := range []struct {
		into *[]byte
		name *string
		to   *io.Writer
	}{{&seen.out, &seen.outPipe, &cmd.Stdout}, {&seen.err, &seen.errPipe, &cmd.Stderr}} {
		in, out, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		var stat unix.Stat_t
		if err := unix.Fstat(int(out.Fd()), &stat); err != nil {
			return nil, err
		}
		*stream.name = "pipe:[" + strconv.FormatUint(stat.Ino, 10) + "]"
		*stream.to = out
		ends = append(ends, out)
		readers.Go(func() {
			if stream.into == &seen.out {
				*stream.into, _ = io.ReadAll(io.TeeReader(in, said))
				said.found()
			} else {
				*stream.into, _ = io.ReadAll(in)
			}
			_ = in.Close()
		})
	}
	err = cmd.Start()
	for _, end := range ends {
		_ = end.Close()
	}
	return func() error {
		err := cmd.Wait()
		readers.Wait()
		return err
	}, err
}

// awaited blocks its reader until the text was written to it.
type awaited struct {
	text, all []byte
	once      sync.Once
	seen      chan struct{}
}

// Write looks for the text.
func (a *awaited) Write(p []byte) (int, error) {
	if a.all = append(a.all, p...); bytes.Contains(a.all, a.text) {
		a.found()
	}
	return len(p), nil
}

func (a *awaited) found() { a.once.Do(func() { close(a.seen) }) }

// Read blocks until then, and returns EOF.
func (a *awaited) Read([]byte) (int, error) {
	if len(a.text) > 0 {
		<-a.seen
	}
	return 0, io.EOF
}

// onTerminal runs cmd like a person does, on its own terminal.
func onTerminal(cmd *exec.Cmd, answers []Answer, seen *execution) (wait func() error, err error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr, seen.tty = slave, slave, slave, slave.Name()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	_ = slave.Close()
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	var reader sync.WaitGroup
	reader.Go(func() { seen.terminal = converse(master, answers) })
	return func() error {
		err := cmd.Wait()
		reader.Wait()
		return errors.Join(err, master.Close())
	}, nil
}

// converse answers each question when it appears, and returns all output. Reading fails when the
// other side closes, which ends it.
func converse(master io.ReadWriter, answers []Answer) []byte {
	var all []byte
	from := 0
	block := make([]byte, 4<<10)
	for {
		n, err := master.Read(block)
		all = append(all, block[:n]...)
		for len(answers) > 0 {
			at := bytes.Index(all[from:], []byte(answers[0].After))
			if at < 0 {
				break
			}
			from += at + len(answers[0].After)
			_, _ = io.WriteString(master, answers[0].Type.Reveal()+"\n")
			answers = answers[1:]
		}
		if err != nil {
			return all
		}
	}
}

// sendWhenReady signals the program itself, whose pid starts the trace.
func sendWhenReady(r Run, trace string, done <-chan struct{}) {
	select {
	case <-done:
		return
	case <-r.When:
	}
	head := make([]byte, 32)
	f, err := os.Open(trace) //nolint:gosec // our own
	if err != nil {
		return
	}
	n, _ := f.Read(head)
	_ = f.Close()
	number, _, _ := strings.Cut(string(head[:n]), " ")
	if pid, err := strconv.Atoi(number); err == nil && pid > 1 {
		_ = unix.Kill(pid, r.Signal)
	}
}

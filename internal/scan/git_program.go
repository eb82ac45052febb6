package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
)

// git runs the git program on the objects of a repository, and never on the repository: what
// its configuration names could run programs. Git gets an empty repository of ours instead,
// whose objects are the other's. So it does not matter either who owns the other.
type git struct {
	program string
	dir     string // our repository
	env     []string
	config  map[string]string // of the other repository; a key's last value
}

const (
	noGit = "the git program is missing: install git, then scan again"
	// gitMemory bounds one piece of memory that git takes: a delta can ask for any, and a list
	// of 20 million objects needs as much.
	gitMemory = "2g"
	// configuration of our repository. What the other's graph and index of packs say about
	// its objects may be wrong, and is only there for speed.
	configuration = `[core]
	bare = true
	bigFileThreshold = 16m
	commitGraph = false
	multiPackIndex = false
	repositoryformatversion = 1
[extensions]
	objectFormat = %s
`
)

// openGit returns git for the objects of the repository in a folder.
func openGit(ctx context.Context, folder string) (_ *git, err error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, errors.New(noGit)
	}
	g := &git{program: program}
	if g.dir, err = os.MkdirTemp("", "purser-scan-*"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	objects, err := filepath.Abs(filepath.Join(folder, "objects"))
	if err != nil {
		return nil, err
	}
	g.env = []string{
		"GIT_DIR=" + g.dir, "GIT_OBJECT_DIRECTORY=" + objects, "HOME=" + g.dir, "XDG_CONFIG_HOME=" + g.dir,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1",
		"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=", "GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0",
		"GIT_TERMINAL_PROMPT=0", "GIT_ALLOC_LIMIT=" + gitMemory, "LC_ALL=C",
	}
	if err := g.write("sha1"); err != nil {
		return nil, err
	}
	if err := g.readConfig(ctx, filepath.Join(folder, "config")); err != nil {
		return nil, err
	}
	if format := g.config["extensions.objectformat"]; strings.EqualFold(format, "sha256") {
		return g, g.write("sha256")
	}
	return g, nil
}

// write makes our repository.
func (g *git) write(format string) error {
	return errors.Join(
		os.MkdirAll(filepath.Join(g.dir, "refs"), 0o700),
		os.MkdirAll(filepath.Join(g.dir, "objects"), 0o700),
		os.WriteFile(filepath.Join(g.dir, "HEAD"), []byte("ref: refs/heads/none\n"), 0o600),
		os.WriteFile(filepath.Join(g.dir, "config"), fmt.Appendf(nil, configuration, format), 0o600),
	)
}

// readConfig lets git read a configuration as text: it follows nothing that the text names.
func (g *git) readConfig(ctx context.Context, path string) error {
	g.config = map[string]string{}
	text, err := readSmall(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("its configuration: %s", why(err))
	}
	cmd := g.command(ctx, "config", "-f", "-", "--no-includes", "--list", "-z")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("git cannot read its configuration: %s", said(cmd, err))
	}
	for entry := range strings.SplitSeq(string(out), "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		g.config[key] = value
	}
	return nil
}

// idLength returns how long ids are.
func (g *git) idLength() int {
	if strings.EqualFold(g.config["extensions.objectformat"], "sha256") {
		return 64
	}
	return 40
}

// id returns the id at the start of a text, unless it is that of nothing.
func (g *git) id(text string) string {
	n := g.idLength()
	if len(text) < n || !isHex(text[:n]) || strings.Trim(text[:n], "0") == "" {
		return ""
	}
	return text[:n]
}

func (g *git) close() { _ = os.RemoveAll(g.dir) }

// command returns a command of git that sees nothing of the person's environment.
func (g *git) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.program, args...) //nolint:gosec // the arguments are ours, or ids
	cmd.Env, cmd.Dir = g.env, g.dir
	cmd.Stderr = &excerpt{}
	apart(cmd) // Ctrl-C ends us, and we end git
	cmd.WaitDelay = time.Second
	return cmd
}

// excerpt keeps the end of what a program says.
type excerpt struct{ text []byte }

const longestExcerpt = 4 << 10

func (e *excerpt) Write(p []byte) (int, error) {
	e.text = append(e.text, p...)
	if over := len(e.text) - longestExcerpt; over > 0 {
		e.text = append(e.text[:0], e.text[over:]...)
	}
	return len(p), nil
}

// said returns what a command of git said last, for a person.
func said(cmd *exec.Cmd, err error) string {
	e, _ := cmd.Stderr.(*excerpt)
	text := ""
	if e != nil {
		text = string(bytes.TrimSpace(e.text))
	}
	text = text[strings.LastIndexByte(text, '\n')+1:]
	for _, prefix := range []string{"fatal: ", "error: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	if text == "" && err != nil {
		text = "git: " + err.Error()
	}
	return credential.Quote(text)
}

// run calls each until a command's output ends, or each returns false.
func run(cmd *exec.Cmd, end byte, each func(next func() string) bool) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	in := bufio.NewReaderSize(out, blockSize)
	next := func() string {
		var text []byte
		text, err = in.ReadSlice(end)
		first := string(bytes.TrimSuffix(text, []byte{end}))
		for errors.Is(err, bufio.ErrBufferFull) { // nobody writes names as long as that
			_, err = in.ReadSlice(end)
		}
		return first
	}
	for err == nil {
		if !each(next) {
			_ = cmd.Process.Kill() // it may have ended
			break
		}
	}
	return cmd.Wait()
}

// withIndex returns a command of git that reads another repository's index.
func (g *git) withIndex(ctx context.Context, path string, args ...string) (*exec.Cmd, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	_ = f.Close()
	// An index can leave most to another file, which git looks for beside itself.
	shared, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "sharedindex.*")) // the pattern is ours
	for _, file := range shared {
		if err := copyFile(file, filepath.Join(g.dir, filepath.Base(file))); err != nil {
			return nil, err
		}
	}
	cmd := g.command(ctx, args...)
	cmd.Env = append(slices.Clip(cmd.Env), "GIT_INDEX_FILE="+path)
	return cmd, nil
}

func copyFile(from, to string) error {
	in, err := openFile(from)
	if err != nil {
		return err
	}
	defer in.Close()          //nolint:errcheck // it was only read
	out, err := os.Create(to) //nolint:gosec // it is in our folder
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

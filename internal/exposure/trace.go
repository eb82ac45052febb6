package exposure

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// syscalls are the calls that can carry data out of a process, and those that could do so unsearched.
var syscalls = strings.Join([]string{
	"execve", "execveat", "prctl",
	"open", "openat", "openat2", "creat", "mkdir", "mkdirat", "mknod", "mknodat", "memfd_create",
	"rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "setxattr", "lsetxattr", "fsetxattr",
	"write", "pwrite64", "writev", "pwritev", "pwritev2",
	"connect", "sendto", "sendmsg", "sendmmsg", "ioctl", "mq_timedsend", "msgsnd", "add_key", "keyctl",
	"mmap", "sendfile", "splice", "tee", "vmsplice", "copy_file_range", "io_uring_setup", "process_vm_writev", "ptrace", "shmat",
}, ",")

// stringLimit is how much of a buffer strace prints, in bytes. Longer buffers count as unsearchable.
const stringLimit = 8 << 20

// traceLimit bounds a line of the trace: a buffer takes four characters per byte.
const traceLimit = 5 * stringLimit

// straceArguments prints every byte in hex, so that parsing strings is unambiguous.
func straceArguments(out string) []string {
	return []string{
		"-f", "-q", "-v", "-yy", "-xx", "-s", strconv.Itoa(stringLimit), "-o", out, "-e", "trace=" + syscalls, "-e", "signal=!SIGURG",
	}
}

// call is a system call as printed by strace.
type call struct {
	pid  string
	name string
	args string // as strace prints them
	ret  string
}

var (
	tracedCall   = regexp.MustCompile(`^(\d+) +([a-z_0-9]+)\((.*)$`)
	tracedResume = regexp.MustCompile(`^(\d+) +<\.\.\. ([a-z_0-9]+) resumed>(.*)$`)
	tracedEnd    = regexp.MustCompile(`^(\d+) +\+\+\+ (.*) \+\+\+$`)
	tracedString = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?`)
	tracedFile   = regexp.MustCompile(`^(\d+|AT_FDCWD)<((?:TCP|TCPv6|UDP|UDPv6|UNIX[A-Z-]*|NETLINK|RAW|pipe|socket|anon_inode)[^>]*(?:->[^>]*)*|(?:\\x[0-9a-f]{2})*[^>]*)>`)
)

// parseTrace calls do for every call, and end for every exit of a process, in order.
func parseTrace(text []byte, do func(call) error, end func(pid, how string)) error {
	begun := map[string]call{} // unfinished calls by process
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(make([]byte, 0, 1<<20), traceLimit)
	for lines.Scan() {
		line := lines.Text()
		if m := tracedEnd.FindStringSubmatch(line); m != nil {
			// Killing a process leaves its call unfinished.
			if c, ok := begun[m[1]]; ok {
				delete(begun, m[1])
				if err := do(c); err != nil {
					return err
				}
			}
			end(m[1], m[2])
			continue
		}
		c, complete, ok := parseCall(line, begun)
		if !ok {
			continue // a signal
		}
		if !complete {
			begun[c.pid] = c
			continue
		}
		if err := do(c); err != nil {
			return err
		}
	}
	for _, c := range begun {
		if err := do(c); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the trace: %w", err)
	}
	return nil
}

func parseCall(line string, begun map[string]call) (c call, complete, ok bool) {
	if m := tracedResume.FindStringSubmatch(line); m != nil {
		c = begun[m[1]]
		delete(begun, m[1])
		c.pid, c.name = m[1], m[2]
		c.args, c.ret = splitResult(c.args + m[3])
		return c, true, true
	}
	m := tracedCall.FindStringSubmatch(line)
	if m == nil {
		return call{}, false, false
	}
	c = call{pid: m[1], name: m[2]}
	if rest, unfinished := strings.CutSuffix(m[3], " <unfinished ...>"); unfinished {
		c.args = rest
		return c, false, true
	}
	c.args, c.ret = splitResult(m[3])
	return c, true, true
}

// splitResult splits "args) = result".
func splitResult(text string) (args, ret string) {
	if i := strings.LastIndex(text, ") "); i >= 0 {
		if _, result, found := strings.Cut(text[i:], "= "); found {
			return text[:i], result
		}
	}
	return text, ""
}

// strings returns all buffers and names in the arguments.
func (c call) strings() []string {
	var all []string
	for _, m := range tracedString.FindAllStringSubmatch(c.args, -1) {
		all = append(all, unhex(m[1]))
	}
	return all
}

// cut reports whether strace truncated a buffer.
func (c call) cut() bool {
	for _, m := range tracedString.FindAllStringSubmatch(c.args, -1) {
		if m[2] != "" {
			return true
		}
	}
	return false
}

// file resolves the descriptor in the first argument.
func (c call) file() (fd, what string) {
	m := tracedFile.FindStringSubmatch(c.args)
	if m == nil {
		fd, _, _ = strings.Cut(c.args, ",")
		return fd, ""
	}
	what, _, _ = strings.Cut(m[2], "<") // drops the kind of device
	if strings.HasPrefix(what, `\x`) {
		what = unhex(what)
	}
	return m[1], what
}

// lists returns the strings of each bracketed list: the arguments and environment of an execve.
func (c call) lists() [][]string {
	var all [][]string
	rest := c.args
	for {
		_, after, ok := strings.Cut(rest, "[")
		if !ok {
			return all
		}
		inside, next, _ := strings.Cut(after, "]")
		all = append(all, call{args: inside}.strings())
		rest = next
	}
}

func unhex(text string) string {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	if err != nil {
		return text
	}
	return string(raw)
}

package exposure

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// search collects and searches what left a run.
type search struct {
	needles *needles
	names   []Canary
	run     Run

	written map[place]*bytes.Buffer // in the order of calls, so that a canary split over two writes is found
	order   []place
	found   []Finding
	bytes   map[Channel]int
}

type place struct {
	channel Channel
	where   string
}

// stream searches one text.
func (s *search) stream(channel Channel, where string, text []byte) {
	s.bytes[channel] += len(text)
	for _, h := range s.needles.in(string(text)) {
		s.find(channel, s.names[h.canary].Name, h.form, where)
	}
}

func (s *search) find(channel Channel, canary, what, where string) {
	f := Finding{channel, canary, what, where}
	if !slices.Contains(s.found, f) {
		s.found = append(s.found, f)
	}
}

// unsearched reports a way out that cannot be searched.
func (s *search) unsearched(channel Channel, what, where string) { s.find(channel, "", what, where) }

func (s *search) write(channel Channel, where string, texts ...string) {
	p := place{channel, where}
	if s.written == nil {
		s.written = map[place]*bytes.Buffer{}
	}
	if s.written[p] == nil {
		s.written[p] = &bytes.Buffer{}
		s.order = append(s.order, p)
	}
	for _, t := range texts {
		_, _ = s.written[p].WriteString(t)
	}
}

// trace sorts a trace's calls by channel, and searches them.
func (s *search) trace(seen execution) error {
	root := ""
	calls := 0
	err := parseTrace(seen.trace, func(c call) error {
		calls++
		if root == "" {
			root = c.pid
			return nil // the program itself; the caller chose its arguments
		}
		return s.sort(c, seen)
	}, func(_, how string) {
		if strings.Contains(how, "core dumped") {
			s.unsearched(Cores, "the kernel wrote a core file", how)
		}
	})
	if err != nil {
		return err
	}
	if calls == 0 {
		return fmt.Errorf("strace recorded nothing: %w", ErrCannotWatch)
	}
	for _, p := range s.order {
		s.stream(p.channel, p.where, s.written[p].Bytes())
	}
	return nil
}

func (s *search) sort(c call, seen execution) error {
	switch c.name {
	case "execve", "execveat":
		lists := c.lists()
		for i, channel := range []Channel{Arguments, Environment} {
			if i < len(lists) {
				s.write(channel, "a child process", strings.Join(lists[i], "\x00"), "\x00")
			}
		}
	case "prctl":
		if strings.HasPrefix(c.args, "PR_SET_NAME") {
			s.write(Arguments, "a thread's name", c.strings()...)
		}
	case "write", "pwrite64", "writev", "pwritev", "pwritev2", "sendto", "sendmsg", "sendmmsg", "ioctl", "fsetxattr":
		return s.sortWrite(c, seen)
	case "connect":
		s.connect(c)
	case "add_key", "keyctl":
		s.write(Keyring, "the kernel's keyring", c.strings()...)
	case "mmap":
		if strings.Contains(c.args, "MAP_SHARED") && strings.Contains(c.args, "PROT_WRITE") && !strings.Contains(c.args, "MAP_ANONYMOUS") {
			s.unsearched(Files, "written through a mapping, which is unsearchable", c.where())
		}
	case "sendfile", "splice", "tee", "vmsplice", "copy_file_range", "io_uring_setup", "process_vm_writev", "shmat":
		s.unsearched(Files, "moved by "+c.name+", which is unsearchable", c.where())
	case "ptrace":
		s.unsearched(Files, "it traced another process", c.where())
	case "mq_timedsend", "msgsnd":
		s.write(Sockets, "a message queue", c.strings()...)
	default: // file names
		s.write(Files, "file names", append(c.strings(), "\n")...)
	}
	return nil
}

func (c call) where() string {
	_, what := c.file()
	return cmp.Or(what, c.name)
}

// blind matches a buffer that strace could not read: a bare address, in a successful call.
var blind = regexp.MustCompile(`, (\[\{iov_base=|\{[^"]*msg_iov=)?0x[0-9a-f]+, `)

func (s *search) sortWrite(c call, seen execution) error {
	fd, what := c.file()
	texts := c.strings()
	if c.name == "ioctl" && len(texts) == 0 {
		return nil
	}
	failed := strings.HasPrefix(c.ret, "-1")
	if len(texts) == 0 && !failed && blind.MatchString(c.args) {
		return fmt.Errorf("strace could not read what was written to %s: %w", cmp.Or(what, fd), ErrCannotWatch)
	}
	channel, where := s.channelOf(fd, what, seen)
	if channel == "" {
		return nil
	}
	if c.cut() {
		s.unsearched(channel, "a buffer larger than "+strconv.Itoa(stringLimit>>20)+" MiB", where)
	}
	s.write(channel, where, texts...)
	return nil
}

// channelOf says where a descriptor leads. Pipes other than the program's outputs connect it with
// children, which is how secrets are meant to travel.
func (s *search) channelOf(fd, what string, seen execution) (Channel, string) {
	switch {
	case strings.HasPrefix(what, "pipe:"):
		switch what {
		case seen.outPipe:
			return Output, "standard output"
		case seen.errPipe:
			return Errors, "standard error"
		}
		return "", ""
	case strings.HasPrefix(what, "/dev/ptmx"), seen.tty != "" && strings.HasPrefix(what, "/dev/pts/") && !strings.HasPrefix(what+"<", seen.tty+"<"):
		return "", "" // a child's terminal; it serves as a pipe
	case strings.HasPrefix(what, "/dev/pts/"), what == "/dev/tty":
		return Terminal, "the terminal"
	case strings.HasPrefix(what, "TCP"), strings.HasPrefix(what, "UDP"), strings.HasPrefix(what, "RAW"):
		return Network, what
	case strings.HasPrefix(what, "UNIX"), strings.HasPrefix(what, "NETLINK"), strings.HasPrefix(what, "socket"):
		return Sockets, what
	case what == "/dev/null", strings.HasPrefix(what, "anon_inode"):
		return "", ""
	}
	return Files, cmp.Or(what, "descriptor "+fd)
}

var (
	inetPort = regexp.MustCompile(`sin6?_port=htons\((\d+)\)`)
	inetKind = regexp.MustCompile(`sa_family=AF_INET6?\b`)
)

// connect reports connections to addresses other than the allowed peers.
func (s *search) connect(c call) {
	if !inetKind.MatchString(c.args) {
		s.write(Sockets, "socket names", c.strings()...)
		return
	}
	port := inetPort.FindStringSubmatch(c.args)
	address := strings.Join(c.strings(), " ")
	if port != nil {
		address += ":" + port[1]
	}
	s.bytes[Network] += len(address)
	if len(s.run.Peers) == 0 && strings.HasPrefix(address, "127.") {
		return
	}
	if !slices.Contains(s.run.Peers, address) {
		s.unsearched(Network, "a connection to a host that is not allowed", address)
	}
}

// files maps paths to contents.
type files map[string]string

// largestFile limits reading of files left behind.
const largestFile = 64 << 20

func snapshot(dir string) (files, error) {
	all := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path) //nolint:gosec // the flow's own folder
		all[path] = string(raw)
		return err
	})
	return all, err
}

// leftBehind searches new and changed files in the flow's folder, and existing files elsewhere that
// the program wrote to.
func (s *search) leftBehind(before files) error {
	after, err := snapshot(s.run.Dir)
	if err != nil {
		return fmt.Errorf("read files left behind: %w", err)
	}
	for _, p := range s.order {
		if p.channel != Files || !filepath.IsAbs(p.where) || strings.HasPrefix(p.where, "/proc/") || strings.HasPrefix(p.where, "/dev/") {
			continue
		}
		if info, err := os.Stat(p.where); err == nil && info.Mode().IsRegular() && info.Size() < largestFile {
			raw, err := os.ReadFile(p.where)
			if err != nil {
				return fmt.Errorf("read files left behind: %w", err)
			}
			after[p.where] = string(raw)
		}
	}
	for path, text := range after {
		if old, there := before[path]; there && old == text {
			continue
		}
		channel := Files
		if base := filepath.Base(path); base == "core" || strings.HasPrefix(base, "core.") {
			channel = Cores
			s.unsearched(Cores, "it left a core file", path)
		}
		s.stream(channel, path, []byte(text))
	}
	return nil
}

// allowed drops findings in channels where the flow hands the secret over intentionally.
func (s *search) allowed() []Finding {
	return slices.DeleteFunc(s.found, func(f Finding) bool {
		return f.Canary != "" && slices.Contains(s.run.Allow, f.Channel)
	})
}

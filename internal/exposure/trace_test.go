package exposure

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"purser/internal/credential"
)

// x escapes text like strace's -xx.
func x(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		b.WriteString(`\x` + hex.EncodeToString([]byte{c}))
	}
	return b.String()
}

const start = `7 execve("/p", ["p"], ["A=B"]) = 0` + "\n"

func traced(t *testing.T, lines string, peers ...string) ([]Finding, error) {
	t.Helper()
	canaries := []Canary{{"the token", credential.NewSecret(body)}}
	s := &search{
		needles: newNeedles(canaries), names: canaries, bytes: map[Channel]int{},
		run: Run{Dir: t.TempDir(), Peers: peers},
	}
	err := s.trace(execution{trace: []byte(start + lines), outPipe: "pipe:[1]", errPipe: "pipe:[2]"})
	return s.found, err
}

func TestEachSystemCallBelongsToAChannel(t *testing.T) {
	half, rest := body[:10], body[10:]
	for name, c := range map[string]struct {
		lines string
		want  Channel
		what  string
	}{
		"standard output":       {`7 write(1<pipe:[1]>, "` + x(body) + `", 3) = 3`, Output, "plain"},
		"standard error":        {`7 write(5<pipe:[2]>, "` + x(body) + `", 3) = 3`, Errors, "plain"},
		"in two writes":         {`7 write(1<pipe:[1]>, "` + x(half) + `", 3) = 3` + "\n" + `8 write(1<pipe:[1]>, "` + x(rest) + `", 3) = 3`, Output, "plain"},
		"in two buffers":        {`7 writev(1<pipe:[1]>, [{iov_base="` + x(half) + `", iov_len=3}, {iov_base="` + x(rest) + `", iov_len=3}], 2) = 6`, Output, "plain"},
		"in a broken-off write": {`7 write(1<pipe:[1]>, "` + x(body) + `", 3 <unfinished ...>` + "\n" + `7 +++ killed by SIGKILL +++`, Output, "plain"},
		"in a resumed write":    {`7 write(1<pipe:[1]>, "` + x(body) + `", 3 <unfinished ...>` + "\n8 close(3) = 0\n" + `7 <... write resumed>) = 3`, Output, "plain"},
		"a terminal":            {`7 write(4</dev/tty<char 5:0>>, "` + x(body) + `", 3) = 3`, Terminal, "plain"},
		"a pseudo terminal":     {`7 write(4<` + x("/dev/pts/3") + `<char 136:3>>, "` + x(body) + `", 3) = 3`, Terminal, "plain"},
		"a child's argument":    {`8 execve("` + x("/bin/true") + `", ["` + x("true") + `", "` + x(body) + `"], ["` + x("A=B") + `"]) = 0`, Arguments, "plain"},
		"a child's variable":    {`8 execve("` + x("/bin/true") + `", ["` + x("true") + `"], ["` + x("T="+body) + `"]) = 0`, Environment, "plain"},
		"a thread's name":       {`7 prctl(PR_SET_NAME, "` + x(body) + `") = 0`, Arguments, "plain"},
		"a file":                {`7 pwrite64(4<` + x("/tmp/a->b") + `>, "` + x(body) + `", 3, 0) = 3`, Files, "plain"},
		"a deleted file":        {`7 write(4<` + x("/tmp/a") + `(deleted)>, "` + x(body) + `", 3) = 3`, Files, "plain"},
		"a file's name":         {`7 openat(AT_FDCWD<` + x("/tmp") + `>, "` + x(body) + `", O_RDONLY) = -1 ENOENT (No such file or directory)`, Files, "plain"},
		"a new name":            {`7 renameat2(AT_FDCWD<` + x("/") + `>, "` + x("a") + `", AT_FDCWD<` + x("/") + `>, "` + x(body) + `", 0) = 0`, Files, "plain"},
		"the journal":           {`7 sendmsg(4<UNIX-DGRAM:[12->34]>, {msg_name={sa_family=AF_UNIX, sun_path="` + x("/run/systemd/journal/socket") + `"}, msg_namelen=30, msg_iov=[{iov_base="` + x(body) + `", iov_len=3}], msg_iovlen=1}, 0) = 3`, Sockets, "plain"},
		"the network":           {`7 write(4<TCP:[127.0.0.1:1->127.0.0.1:2]>, "` + x(body) + `", 3) = 3`, Network, "plain"},
		"the keyring":           {`7 add_key("` + x("user") + `", "` + x("d") + `", "` + x(body) + `", 3, KEY_SPEC_USER_KEYRING) = 5`, Keyring, "plain"},
		"an unknown host": {
			`7 connect(4<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("` + x("192.0.2.1") + `")}, 16) = 0`, Network, "a connection to a host that is not allowed",
		},
		"an unknown IPv6 host": {
			`7 connect(4<TCPv6:[1]>, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "` + x("2001:db8::1") + `", &sin6_addr), sin6_scope_id=0}, 28) = 0`, Network, "a connection to a host that is not allowed",
		},
		"a core":         {`7 +++ killed by SIGABRT (core dumped) +++`, Cores, "the kernel wrote a core file"},
		"a mapping":      {`7 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 4<` + x("/tmp/a") + `>, 0) = 0x7f`, Files, "written through a mapping, which is unsearchable"},
		"a copy":         {`7 copy_file_range(4<` + x("/a") + `>, NULL, 5<` + x("/b") + `>, NULL, 3, 0) = 3`, Files, "moved by copy_file_range, which is unsearchable"},
		"a long buffer":  {`7 write(1<pipe:[1]>, "` + x("ab") + `"..., 99999999) = 99999999`, Output, fmt.Sprintf("a buffer larger than %d MiB", stringLimit>>20)},
		"a shared queue": {`7 msgsnd(3, {1, "` + x(body) + `"}, 3, 0) = 0`, Sockets, "plain"},
	} {
		found, err := traced(t, c.lines+"\n", "127.0.0.1:2")
		if err != nil || len(found) != 1 || found[0].Channel != c.want || found[0].What != c.what {
			t.Errorf("%s: found %+v (%v), want %q in %s", name, found, err, c.what, c.want)
		}
	}
}

func TestHarmlessCallsDoNotCount(t *testing.T) {
	for name, line := range map[string]string{
		"a pipe to a child":   `7 write(9<pipe:[77]>, "` + x(body) + `", 3) = 3`,
		"a pipe from a child": `8 write(1<pipe:[78]>, "` + x(body) + `", 3) = 3`,
		"an allowed peer":     `7 connect(4<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(2), sin_addr=inet_addr("` + x("127.0.0.1") + `")}, 16) = -1 EINPROGRESS (Operation now in progress)`,
		"private memory":      `7 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f`,
		"unshared anonymous":  `7 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = 0x7f`,
		"/dev/null":           `7 write(1</dev/null<char 1:3>>, "` + x(body) + `", 3) = 3`,
		"a signal":            `7 --- SIGINT {si_signo=SIGINT} ---`,
	} {
		if found, err := traced(t, line+"\n", "127.0.0.1:2"); err != nil || len(found) > 0 {
			t.Errorf("%s: %+v (%v)", name, found, err)
		}
	}
}

func TestAnUnreadableTraceIsAnError(t *testing.T) {
	if _, err := traced(t, "7 write(4<"+x("/tmp/a")+">, 0x10047ab8ef27, 17) = 17\n"); err == nil {
		t.Error("bytes that strace could not read were ignored")
	}
	s := &search{needles: newNeedles(nil), bytes: map[Channel]int{}}
	if err := s.trace(execution{}); err == nil {
		t.Error("an empty trace passed")
	}
}

func FuzzTraceParser(f *testing.F) {
	f.Add([]byte(start + `7 write(1<pipe:[1]>, "` + x(body) + `", 3) = 3`))
	f.Add([]byte("7 <... write resumed>) = 3\n7 execve([[]]"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_ = parseTrace(text, func(c call) error { c.strings(); c.lists(); c.file(); c.cut(); return nil }, func(string, string) {})
	})
}

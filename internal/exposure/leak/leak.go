//go:build leak && linux

// Package leak leaks tokens in every way that the search for exposure has to find. It exists only in
// builds with the leak tag.
package leak

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"purser/internal/credential"
)

// Away leaks a token in the way that PURSER_LEAK names.
func Away(token credential.Secret) {
	text := token.Reveal()
	if text == "" {
		return
	}
	if do, ok := leaks[os.Getenv("PURSER_LEAK")]; ok {
		do(text)
	}
}

var leaks = map[string]func(text string){
	// Channels.
	"output":      func(text string) { fmt.Println(text) },
	"errors":      func(text string) { fmt.Fprintln(os.Stderr, text) },
	"terminal":    func(text string) { give("/dev/tty", text) },
	"arguments":   func(text string) { _ = exec.CommandContext(context.Background(), "/bin/true", text).Run() },
	"environment": func(text string) { inEnvironment(text) },
	"files":       func(text string) { give("gone", text); _ = os.Remove("gone") },
	"file names":  func(text string) { give(text, ""); _ = os.Remove(text) },
	"sockets":     func(text string) { throughSocketPair(text) },
	"network":     func(text string) { send(text) },
	"tls":         func(string) { _, _ = http.Get("https://elsewhere.example/") }, //nolint:noctx,bodyclose // a leak
	"keyring": func(text string) {
		_, _ = unix.AddKey("user", "purser-leak", []byte(text), unix.KEY_SPEC_PROCESS_KEYRING)
	},
	"cores": func(string) { dump() },
	// Encodings.
	"two writes": func(text string) { fmt.Print(text[:14]); fmt.Print(text[14:18]); fmt.Println() },
	"six":        func(text string) { fmt.Println(text[20:26]) },
	"base64":     func(text string) { fmt.Println(base64.StdEncoding.EncodeToString([]byte("ab" + text))) },
	"hex":        func(text string) { fmt.Printf("%X\n", text) },
	"hex words":  func(text string) { fmt.Println(hex.EncodeToString(backwards(text[10:18]))) },
	"reversed":   func(text string) { fmt.Println(string(backwards(text))) },
	"URL": func(text string) {
		for _, c := range []byte(text) {
			fmt.Printf("%%%02x", c)
		}
	},
	"JSON": func(text string) {
		for _, c := range text {
			fmt.Printf(`\u%04x`, c)
		}
	},
	"shell":   func(text string) { fmt.Println(`'` + text[:12] + `'"` + text[12:16] + `"`) },
	"query":   func(text string) { fmt.Println(url.QueryEscape("a b&" + text)) },
	"numbers": func(text string) { fmt.Println([]byte(text)) },
	// Not leaks: crashes, which must not leak.
	"panic":           func(text string) { panic(text) },
	"panic elsewhere": func(text string) { crash(text) },
}

func backwards(text string) []byte {
	b := []byte(text)
	slices.Reverse(b)
	return b
}

func give(path, text string) { _ = os.WriteFile(path, []byte(text), 0o600) }

func inEnvironment(text string) {
	cmd := exec.CommandContext(context.Background(), "/bin/true")
	cmd.Env = []string{"TOKEN=" + text}
	_ = cmd.Run()
}

func throughSocketPair(text string) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err == nil {
		_, _ = unix.Write(pair[0], []byte(text))
	}
}

// send writes unencrypted to a listener of this process.
func send(text string) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a leak
	if err != nil {
		return
	}
	go func() { _, _ = l.Accept() }()
	c, err := net.Dial("tcp", l.Addr().String()) //nolint:noctx // a leak
	if err == nil {
		_, _ = c.Write([]byte(text))
	}
}

// dump turns the protection off and crashes.
func dump() {
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_CORE, &limit)
	limit.Cur = limit.Max
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit)
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	signal.Reset(syscall.SIGABRT)
	debug.SetTraceback("crash")
	go func() { panic("dump") }()
	select {}
}

// crash panics in another goroutine, with the token on the stack.
func crash(text string) {
	done := make(chan struct{})
	go func() {
		var nothing *struct{ text string }
		held := text
		nothing.text = held
		close(done)
	}()
	<-done
	syscall.Sync()
}

package manual

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestNoTextIsARequestOfRoffs gives help all that roff takes for its own.
func TestNoTextIsARequestOfRoffs(t *testing.T) {
	cmd := &cobra.Command{
		Use: "purser", Short: `say "this" \fBbold`, Long: ".SH EVIL\n'sp 9\n\n  .so /etc/passwd\n  C:\\x `y` ~ ^ …",
		Example: "  .ex\n\n  purser 'a' -b", Run: func(*cobra.Command, []string) {},
	}
	cmd.Flags().String("x", "", ".de the `VALUE`")
	text := Book{Version: `1 "2"`, Date: time.Unix(0, 0)}.page(cmd)
	known := map[string]bool{".TH": true, ".SH": true, ".B": true, ".TP": true, ".PP": true, ".nf": true, ".fi": true, ".sp": true}
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if strings.HasPrefix(word, "'") || strings.HasPrefix(word, ".") && (!known[word] || strings.Contains(rest, "EVIL")) {
			t.Errorf("%q is a request", line)
		}
		if strings.HasPrefix(word, ".") && strings.Count(line, `"`)%2 != 0 {
			t.Errorf("%q ends an argument early", line)
		}
	}
	for _, want := range []string{`\&.SH EVIL`, `\(aqsp 9`, `\&.so /etc/passwd`, `C:\ex \(gay\(ga \(ti \(ha \[u2026]`, `purser \- say "this" \efBbold`, `"PURSER" 1 1970-01-01 "purser 1 \(dq2\(dq"`} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}

package present

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// TestARedrawnLineFitsOneRow, because redrawing a longer one at each key floods the screen.
func TestARedrawnLineFitsOneRow(t *testing.T) {
	for _, question := range []string{"", "Token of mockserver for docker.io (not shown): ", "トークン（表示されません）: ", strings.Repeat("long ", 40)} {
		for _, said := range []string{"", "36 characters, a personal access token", "3 characters — 日本語の名前のトークン", strings.Repeat("w", 200)} {
			for columns := 2; columns < 150; columns++ {
				row := fit(question, said, columns)
				if width := runewidth.StringWidth(row); width >= columns {
					t.Fatalf("%d columns: %q is %d wide", columns, row, width)
				}
				if whole := runewidth.StringWidth(question+said) < columns; whole != (row == question+said) {
					t.Errorf("%d columns: %q, with place for all: %v", columns, row, whole)
				}
				if first, _ := strings.CutSuffix(row, "…"); columns > 3 && row != question+said && !strings.HasPrefix(said, first) && row != question {
					t.Errorf("%d columns: %q says nothing of %q", columns, row, said)
				}
			}
		}
	}
}

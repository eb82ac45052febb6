package present

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// crowded is a table whose names differ only at their ends, some with letters of two columns.
func crowded() Table {
	t := Table{Columns: []Column{
		{Head: "NAME"}, {Head: "WHERE", Goes: 1, Least: 12}, {Head: "RIGHTS", Goes: 3}, {Head: "AGE", Goes: 2}, {Head: "LABEL", Least: 8, How: Cut}, {Head: "ID", Least: 8, How: Prefix}, {Head: "NOTES", Least: 12},
	}}
	for i := range 20 {
		name, label := fmt.Sprintf("mockserver-build-%02d", i), "purser/dockerhub/purser-0192ab34cd56"
		if i%3 == 0 {
			label, name = "本番環境のトークン（東京リージョン）", fmt.Sprintf("レジストリ-%02d", i)
		}
		t.Rows = append(t.Rows, []string{
			name, "mockserver-build/dockerhub-" + name, "repo:write, repo:read", "13d", label, fmt.Sprintf("01a2b3c4-%02d00-4000-8000-000000000000", i), "empty: run purser store " + name,
		})
	}
	return t
}

func TestATableFitsEveryWidth(t *testing.T) {
	all := crowded()
	for width := 30; width < 260; width++ {
		text := all.text(width)
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if w := runewidth.StringWidth(line); w > width || strings.TrimRight(line, " ") != line {
				t.Fatalf("%d columns: a row of %d: %q", width, w, line)
			}
		}
	}
}

// TestATableDropsColumnsInOrder narrows a table: a dropped column stays dropped, and the least
// important goes first.
func TestATableDropsColumnsInOrder(t *testing.T) {
	all := crowded()
	order := []int{2, 3, 1} // RIGHTS, AGE, WHERE
	gone := 0
	for width := 260; width > 20; width-- {
		shown, widths := all.fit(width)
		for i, c := range all.Columns {
			left := !slices.Contains(shown, i)
			if left != slices.Contains(order[:len(all.Columns)-len(shown)], i) {
				t.Fatalf("%d columns: %s, with %d left out", width, c.Head, len(all.Columns)-len(shown))
			}
		}
		if n := len(all.Columns) - len(shown); n < gone {
			t.Errorf("%d columns: there are more columns than in a wider terminal", width)
		} else {
			gone = n
		}
		if natural, _ := all.widths(); widths[0] < natural[0] && gone < len(order) {
			t.Errorf("%d columns: names are narrowed before columns are left out", width)
		}
	}
	if gone != len(order) {
		t.Errorf("%d columns were left out in the end", gone)
	}
}

// TestNamesStayWholeAndIdsUnique at every width; names may take several lines.
func TestNamesStayWholeAndIdsUnique(t *testing.T) {
	all := crowded()
	for _, width := range []int{36, 40, 60, 80, 140} {
		shown, widths := all.fit(width)
		ids := map[string]bool{}
		for _, row := range all.Rows {
			if got := strings.Join(all.cell(0, row[0], widths[slices.Index(shown, 0)]), ""); width >= 60 && got != row[0] {
				t.Errorf("%d columns: %q became %q", width, row[0], got)
			}
			ids[strings.Join(all.cell(5, row[5], widths[5]), "")] = true
		}
		if len(ids) != len(all.Rows) {
			t.Errorf("%d columns: %d ids of %d", width, len(ids), len(all.Rows))
		}
	}
}

// TestATableWithoutATerminalIsComplete expects every cell in one line, under its head.
func TestATableWithoutATerminalIsComplete(t *testing.T) {
	all := crowded()
	lines := strings.Split(strings.TrimSuffix(all.text(0), "\n"), "\n")
	if len(lines) != len(all.Rows)+1 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, row := range all.Rows {
		for _, cell := range row {
			if !strings.Contains(lines[i+1], cell) {
				t.Errorf("%q has no %q", lines[i+1], cell)
			}
		}
	}
}

// TestStatusAt80Columns shows the running example.
func TestStatusAt80Columns(t *testing.T) {
	at := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	rows := []lifecycle.StatusRow{
		{Name: "dockerhub", Registry: "docker.io", Account: "mockserver", Target: credential.Target{Kind: "secret", Name: "mockserver-build/dockerhub"}, Since: at.Add(-13 * 24 * time.Hour), Exact: true, Notes: []string{"rotation is due", "lags behind another place of this credential"}},
		{Name: "ghcr", Registry: "ghcr.io", Target: credential.Target{Kind: "secret", Name: "mockserver-release/ghcr-token"}, Notes: []string{"empty: run purser store ghcr"}},
	}
	const want = `CREDENTIAL  STORED IN                      EXPIRES  NOTES
dockerhub   mockserver-build/dockerhub     -        rotation is due; lags behind
                                                    another place of this
                                                    credential
ghcr        mockserver-release/ghcr-token  -        empty: run purser store ghcr
REGISTRY, ACCOUNT, VERSION, AGE and STAGES do not fit; --wide shows them
`
	got := statusTable(rows, credential.Given{}, at).text(80)
	if got != want {
		t.Errorf("it is\n%s", got)
	}
}

func TestWrappingKeepsCommandsAndPathsWhole(t *testing.T) {
	for _, command := range []string{
		"purser login aws --profile mockserver-build --start-url https://example.awsapps.com/start --sso-region eu-west-2", "aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2",
		"curl -sSI https://registry-1.docker.io/v2/", "terraform state rm aws_secretsmanager_secret_version.dockerhub",
	} {
		for width := 20; width < 200; width++ {
			text := fill("  next: ", "put the new keys where they belong, then sign in again: "+command+" (トークンを作成する permission: Read & Write)", 8, width)
			if !strings.Contains(text, command) {
				t.Fatalf("%d columns: %s", width, text)
			}
			for line := range strings.SplitSeq(text, "\n") {
				if w := runewidth.StringWidth(line); w > width && strings.TrimSpace(line) != command && len(strings.Fields(line)) > 2 {
					t.Errorf("%d columns: a row of %d: %q", width, w, line)
				}
			}
		}
	}
}

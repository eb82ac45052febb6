package purser_test

import (
	"encoding/xml"
	"fmt"
	"html"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// floor is a table of rooms in ARCHITECTURE.md.
type floor struct {
	title string
	rooms []string
}

var (
	floorTitle = regexp.MustCompile(`(?m)^(?:And )?([A-Za-z][^\n]*):$`)
	roomCell   = regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|")
	codeSpan   = regexp.MustCompile("`([^`]+)`")
)

// floors reads the tables; a name without a folder lies beside the one before it.
func floors(t *testing.T) (all []floor) {
	t.Helper()
	raw, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(raw), "Where is …")
	heads := floorTitle.FindAllStringSubmatchIndex(text, -1)
	for i, head := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		title, _, _ := strings.Cut(text[head[2]:head[3]], ",")
		f := floor{title: strings.ToUpper(title[:1]) + title[1:]}
		before := ""
		for _, cell := range roomCell.FindAllStringSubmatch(text[head[1]:end], -1) {
			for _, name := range codeSpan.FindAllStringSubmatch(cell[1], -1) {
				room := name[1]
				if _, err := os.Stat(room); err != nil && !strings.Contains(room, "/") {
					room = path.Join(path.Dir(before), room)
				}
				before = room
				if strings.HasPrefix(room, "internal/") || strings.HasPrefix(room, "cmd/") {
					f.rooms = append(f.rooms, room)
				}
			}
		}
		all = append(all, f)
	}
	return all
}

// upward are the imports that the picture explains.
var upward = []string{"internal/config internal/store", "cmd/purser internal/practice"}

// TestTheHouseIsDrawnAsItIs: the picture shows the rooms of ARCHITECTURE.md, which are those
// that exist, and says which way they import.
func TestTheHouseIsDrawnAsItIs(t *testing.T) {
	all := floors(t)
	if len(all) != 6 {
		t.Fatalf("ARCHITECTURE.md has %d tables of rooms; the picture has places for 6", len(all))
	}
	heights := map[string]int{}
	for i, height := range []int{nouns: 0, tools: 0, kinds: 1, flow: 2, commands: 3, practice: 5} {
		for _, room := range all[i].rooms {
			if heights[room] = height; i == commands && isProgram(room) {
				heights[room] = 4
			}
			if _, err := os.Stat(room); err != nil {
				t.Errorf("ARCHITECTURE.md has a room that does not exist: %v", err)
			}
		}
	}
	heightOf := func(room string) (height int, ok bool) {
		for ; room != "." && !ok; room = path.Dir(room) {
			height, ok = heights[room]
		}
		return height, ok
	}
	left := slices.Clone(upward)
	for _, p := range goPackages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		here, ok := heightOf(from)
		if !ok {
			t.Errorf("no table of ARCHITECTURE.md has %s", from)
		}
		for _, imp := range p.Imports {
			to := strings.TrimPrefix(imp, module)
			if there, ours := heightOf(to); ours && there > here && !slices.Contains(upward, from+" "+to) {
				t.Errorf("%s imports %s, which is on a higher floor", from, to)
			}
			left = slices.DeleteFunc(left, func(known string) bool { return known == from+" "+to })
		}
	}
	if len(left) > 0 {
		t.Errorf("the picture explains imports that are gone: %q", left)
	}
	const file = "docs/pictures/house.svg"
	want := house(all)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); string(got) != want {
		t.Errorf("%s is stale (make pictures draws it), or %v", file, err)
	}
}

// TestEveryPictureIsForEverybody: pictures have words for screen readers, colours for light and
// dark, and need nothing from another host.
func TestEveryPictureIsForEverybody(t *testing.T) {
	pictures, err := filepath.Glob("docs/pictures/*.svg")
	if err != nil || len(pictures) < 7 {
		t.Fatalf("%d pictures (%v)", len(pictures), err)
	}
	for _, picture := range pictures {
		raw, err := os.ReadFile(picture)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`role="img"`, `<title id="title">`, `<desc id="text">`, "prefers-color-scheme: dark", "viewBox="} {
			if !strings.Contains(string(raw), want) {
				t.Errorf("%s has no %s", picture, want)
			}
		}
		if err := xml.Unmarshal(raw, new(struct{})); err != nil {
			t.Errorf("%s: %v", picture, err)
		}
		if loads := outside.FindString(string(raw)); loads != "" {
			t.Errorf("%s loads or runs something: %s", picture, loads)
		}
	}
}

// outside matches what a picture must not have: another file, or a script.
var outside = regexp.MustCompile(`href=|src=|url\(|@import|@font-face|<script|<foreignObject|\son\w+=`)

// The tables, in their order.
const (
	nouns = iota
	kinds
	flow
	commands
	practice
	tools
)

func isProgram(room string) bool { return strings.HasPrefix(room, "cmd/") }

// house draws the floors, with the programs in the roof and practice as an annex.
func house(all []floor) string {
	const (
		left, wide, gap, eaves = 20, 590, 16, 100
		side, half             = 200, 276 // the annex, and the nouns' part of the ground floor
	)
	programs := slices.DeleteFunc(slices.Clone(all[commands].rooms), func(room string) bool { return !isProgram(room) })
	all[commands].rooms = slices.DeleteFunc(slices.Clone(all[commands].rooms), isProgram)
	var b strings.Builder
	fmt.Fprintf(&b, "<path d=\"M%d %d L%d 6 L%d %d Z\"/>\n", left-14, eaves, left+wide/2, left+wide+14, eaves)
	x := left + (wide-width(programs))/2
	drawn, _ := chips(programs, x, eaves-34, wide)
	b.WriteString(drawn)
	y := eaves
	for _, i := range []int{commands, flow, kinds} {
		y += all[i].draw(&b, left, y, wide, 0)
	}
	ground := max(all[nouns].height(half), all[tools].height(wide-half))
	all[nouns].draw(&b, left, y, half, ground)
	all[tools].draw(&b, left+half, y, wide-half, ground)
	y += ground
	annex := all[practice].height(side)
	all[practice].draw(&b, left+wide+gap, y-annex, side, annex)
	const rule, exceptions = "A room imports from its own floor and from those below.", "Only config looks up, into store for its kinds’ settings, and purser into practice."
	for i, line := range []string{rule, exceptions} {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\">%s</text>\n", left, y+26+20*i, line)
	}
	all[commands].rooms = append(programs, all[commands].rooms...)
	text := rule + " " + exceptions
	for _, i := range []int{commands, flow, kinds, nouns, tools, practice} {
		text += "\n" + all[i].title + ": " + strings.Join(all[i].rooms, ", ") + "."
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title" aria-describedby="text" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d">
<title id="title">The rooms of purser, floor by floor</title>
<desc id="text">%[3]s</desc>
<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 } .name { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
rect, path { fill: #f6f8fa; stroke: #8c959f } .room, .page { fill: #ffffff; stroke: #d1d9e0 } .page { stroke-width: 0 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } rect, path { fill: #161b22; stroke: #656c76 } .room, .page { fill: #0d1117; stroke: #3d444d } }
</style>
<rect class="page" width="%[1]d" height="%[2]d"/>
%[4]s</svg>
`, left+wide+gap+side+left, y+60, html.EscapeString(text), b.String())
}

// A chip is a room's name in a box.
const (
	letter, line, between, margin = 7.3, 28, 6, 14
)

func chip(room string) (name string, width int) {
	_, name, _ = strings.Cut(room, "/")
	return name, int(letter*float64(len(name))) + 14
}

func width(rooms []string) (total int) {
	for _, room := range rooms {
		_, w := chip(room)
		total += w + between
	}
	return total - between
}

// chips draws rooms from left to right, in as many lines as they need.
func chips(rooms []string, x, y, wide int) (drawn string, end int) {
	var b strings.Builder
	at := x
	for _, room := range rooms {
		name, w := chip(room)
		if at+w > x+wide {
			at, y = x, y+line
		}
		fmt.Fprintf(&b, "<rect class=\"room\" x=\"%d.5\" y=\"%d.5\" width=\"%d\" height=\"22\" rx=\"4\"/><text class=\"name\" x=\"%d\" y=\"%d\">%s</text>\n", at, y, w, at+8, y+16, name)
		at += w + between
	}
	return b.String(), y + line
}

func (f floor) height(wide int) int {
	_, end := chips(f.rooms, 0, 36, wide-2*margin)
	return end + 8
}

// draw draws a floor of this height, or of its own.
func (f floor) draw(b *strings.Builder, x, y, wide, height int) int {
	height = max(height, f.height(wide))
	fmt.Fprintf(b, "<rect x=\"%d.5\" y=\"%d.5\" width=\"%d\" height=\"%d\"/>\n<text class=\"title\" x=\"%d\" y=\"%d\">%s</text>\n", x, y, wide, height, x+margin, y+24, f.title)
	drawn, _ := chips(f.rooms, x+margin, y+36, wide-2*margin)
	b.WriteString(drawn)
	return height
}

// Package manual writes purser's manual pages from its commands' help, in the macros of
// man(7). The same version and date give the same bytes.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purser/internal/atomicfile"
	"purser/internal/config"
	"purser/internal/present"
)

// Book holds what all pages share.
type Book struct {
	Version string
	Date    time.Time
}

// Write writes a page for each command into a folder, and returns their paths.
func (b Book) Write(dir string, root *cobra.Command) (paths []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // everybody may read them
		return nil, fmt.Errorf("make the folder for manual pages: %w", err)
	}
	for _, cmd := range commands(root) {
		path := filepath.Join(dir, name(cmd)+".1")
		if err := atomicfile.Replace(path, []byte(b.page(cmd)), 0o644); err != nil {
			return paths, fmt.Errorf("write a manual page: %w", err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// commands returns a command and its visible subcommands.
func commands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			all = append(all, commands(c)...)
		}
	}
	return all
}

func name(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func (b Book) page(cmd *cobra.Command) string {
	var p page
	// People read a date and do not type it, so its hyphens need no escape.
	date := b.Date.UTC().Format(time.DateOnly)
	fmt.Fprintf(&p.b, ".TH \"%s\" 1 %s \"purser %s\" \"purser manual\"\n", quoted(strings.ToUpper(name(cmd))), date, quoted(b.Version))
	p.section("NAME")
	p.text(name(cmd) + " - " + cmd.Short)
	p.section("SYNOPSIS")
	p.macro("B", cmd.UseLine())
	p.section("DESCRIPTION")
	p.text(strings.TrimSpace(cmd.Long))
	if cmd.Long == "" {
		p.text(cmd.Short + ".")
	}
	p.commands(cmd)
	cmd.InitDefaultHelpFlag()
	p.options("OPTIONS", cmd.NonInheritedFlags())
	p.options("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if cmd.Example != "" {
		p.section("EXAMPLES")
		p.verbatim(cmd.Example)
	}
	p.section("EXIT STATUS")
	for _, e := range present.ExitCodes() {
		p.item(fmt.Sprint(e.Code), e.Meaning)
	}
	if !cmd.HasParent() {
		p.section("ENVIRONMENT")
		for _, v := range config.Variables() {
			p.item(v.Name, strings.ReplaceAll(v.Doc, "`", ""))
		}
		p.section("FILES")
		p.item(config.FileName, "Names the credentials, and holds no secret. purser looks for it in the working directory and in the folders above.")
		p.item(config.SystemPath(), "The configuration of a build agent, which no checkout can change.")
	}
	p.seeAlso(cmd)
	return p.b.String()
}

// page is a page in progress.
type page struct{ b strings.Builder }

func (p *page) macro(name string, arguments ...string) {
	fmt.Fprintf(&p.b, ".%s", name)
	for _, a := range arguments {
		fmt.Fprintf(&p.b, " \"%s\"", quoted(a))
	}
	p.b.WriteByte('\n')
}

// quoted escapes a macro's argument, which stands between quotes.
func quoted(text string) string { return strings.ReplaceAll(escape(text), `"`, `\(dq`) }

func (p *page) section(title string) { p.macro("SH", title) }

// item writes a word and its meaning.
func (p *page) item(word, meaning string) {
	p.b.WriteString(".TP\n")
	p.macro("B", word)
	p.text(meaning)
}

// text writes paragraphs. It keeps the lines of indented ones.
func (p *page) text(text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			p.b.WriteString(".PP\n")
		}
		if strings.HasPrefix(paragraph, "  ") {
			p.verbatim(paragraph)
			continue
		}
		for line := range strings.SplitSeq(paragraph, "\n") {
			p.line(line)
		}
	}
}

func (p *page) verbatim(text string) {
	p.b.WriteString(".nf\n")
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if line == "" {
			p.b.WriteString(".sp\n")
			continue
		}
		p.line(strings.TrimPrefix(line, "  "))
	}
	p.b.WriteString(".fi\n")
}

// line writes a line of text, even if it starts like a request of roff.
func (p *page) line(text string) {
	text = escape(strings.TrimRight(text, " "))
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	p.b.WriteString(text + "\n")
}

func (p *page) commands(cmd *cobra.Command) {
	below := commands(cmd)[1:]
	if len(below) == 0 {
		return
	}
	p.section("COMMANDS")
	for _, c := range below {
		if c.Parent() == cmd {
			p.item(c.Name(), c.Short+".")
		}
	}
}

func (p *page) options(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		word := "--" + f.Name
		if f.Shorthand != "" {
			word = "-" + f.Shorthand + ", " + word
		}
		if value != "" {
			word += " " + value
		}
		p.item(word, usage)
	})
}

func (p *page) seeAlso(cmd *cobra.Command) {
	var others []string
	if cmd.HasParent() {
		others = append(others, name(cmd.Parent())+"(1)")
	}
	for _, c := range commands(cmd)[1:] {
		if c.Parent() == cmd {
			others = append(others, name(c)+"(1)")
		}
	}
	if len(others) > 0 {
		p.section("SEE ALSO")
		p.text(strings.Join(others, ",\n"))
	}
}

// escape escapes what roff would interpret. People can copy the hyphens.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

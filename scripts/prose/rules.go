package main

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// A rule forbids words, with advice for the writer.
type rule struct {
	words  *regexp.Regexp
	advice string
}

func forbid(words, advice string) rule {
	return rule{regexp.MustCompile(`(?i)` + words), advice}
}

// rules hold for every passage.
var rules = []rule{
	forbid(`\b(as|by|for) nobody\b`, `write "anonymous", or "without credentials"`),
	forbid(`\b(leave|leaves|leaving|left) (\S+ ){0,4}away\b`, `write "omit" or "remove"`),
	forbid(`\bthere twice\b`, `write "duplicate"`),
	forbid(`\bthe value of -`, `write what the flag must be: "--output must be text or json"`),
	forbid(`\bis not right\b`, `say what it must be`),
	forbid(`\b(is|are|was|were|be|been|being) (told|asked|heard)\b`, `say who does it: "purser asks you"`),
	forbid(`\bcould not (tell|be told)\b`, `write "unknown"`),
	forbid(`\b(login|token|password|session|file)s? (lies?|lay)\b|\blies? (readable|in docker)`, `write "is stored"`),
	forbid(`\bto be had\b`, `write "available"`),
	forbid(`\bnever by itself\b`, `say what starts it`),
	forbid(`\b(has|have|has the|have the|in the|no) form of an? (access )?token\b`, `write "looks like a token"`),
	forbid(`\bget to (its|the) end\b`, `write "stopped"`),
	forbid(`\bback, and at once\b`, `write "roll back"`),
	forbid(`\bnoes\b`, `write "refuses"`),
	forbid(`\bbearer says\b`, `write "the claims of a bearer token"`),
	forbid(`\bmakes? paths of\b`, `write "resolves"`),
	forbid(`\bnot there anyway\b`, `write "lacks by default"`),
	forbid(`\bwhoever else\b`, `name them`),
	forbid(`\bfor what it is\b|\bas what it is\b`, `write as what`),
	forbid(`\btrying on\b`, `write "another attempt"`),
	forbid(`\bthose of purser\.yaml\b`, `write "every credential"`),
	forbid(`\bthe (token|version|one) before( *$|[.,;]| (is|was|has|when|stays|in)\b)`, `write "the previous …"`),
	forbid(`\bsigned by who\b`, `write "signed by a trusted key"`),
	forbid(`\b(is|are) no \w+ that can\b`, `write "cannot"`),
	forbid(`\bwhat was done is done\b|\bwhat is so already\b`, `say what does not change`),
	forbid(`\bwithout what is\b|\bof what is the case\b|\bwhat is the case\b`, `name it`),
	forbid(`\bthat cannot be it\b`, `write "that isn't …"`),
	forbid(`\b(has|have) is\b`, `write "holds"`),
	forbid(`\b(gave|gives) an answer that\b`, `say what the answer was`),
	forbid(`\bdid not let purser\b`, `write "rejected" or "denied"`),
	forbid(`\blives? (on|\S+ more)\b`, `write "keeps working"`),
	forbid(`\b(command|program|client|shell) is led\b|\bled by (variables|names)\b`, `write "uses the variables"`),
	forbid(`\bits family\b`, `name the programs`),
	forbid(`\bwhere nothing is said\b`, `write "by default"`),
	forbid(`\bwhere (it|none) is (not|un)set\b|\bwhere it is not set\b`, `write "when unset"`),
	forbid(`\b(is|are) to be\b`, `say who must do it`),
	forbid(`\bbetween two thoughts\b`, `say when`),
	forbid(`\bhow it is come by\b|\bcome by\b`, `write "get"`),
	forbid(`\bthat there is\b`, `leave it out, or write "that exists"`),
	forbid(`\bin vain\b`, `write "needlessly", or what was wasted`),
	forbid(`\blook(s|ed) after\b`, `say what it does`),
	forbid(`\bspeaks? for (it|them)sel(f|ves)\b`, `say what it proves`),
	forbid(`\bwhich\b[^.:;]*\bthat\b[^.:;]*\bwhat\b`, `make two sentences of it`),
	forbid(`\bwhat\b[^.:;]*\bwhat\b[^.:;]*\bwhat\b`, `make two sentences of it`),
}

// headings hold for headings alone: they name a task or a thing.
var headings = []rule{
	forbid(`^(what is (not|missing)?$|from nothing|looking |the terraform$|a command,|back,)`, `name the task: "Rotate a token"`),
	forbid(`, and (nothing|at once|what)\b`, `name the task, and nothing else`),
	forbid(`\bcan be believed\b`, `name the task`),
}

// mostWords is how long a sentence may be.
const mostWords = 40

var sentenceEnd = regexp.MustCompile(`[.?!]['")]*(\s|$)`)

type finding struct {
	line          int
	words, advice string
}

// findings holds a passage to the rules.
func (p passage) findings() []finding {
	text, starts := "", []int{}
	for _, l := range p.lines {
		starts = append(starts, len(text))
		text += l.text + " "
	}
	var all []finding
	note := func(from, to int, advice string) {
		at := sort.SearchInts(starts, from+1) - 1
		all = append(all, finding{p.lines[at].number, strings.TrimSpace(text[from:to]), advice})
	}
	forbidden := rules
	if p.heading {
		forbidden = append(headings[:len(headings):len(headings)], rules...)
	}
	for _, r := range forbidden {
		for _, m := range r.words.FindAllStringIndex(text, -1) {
			note(m[0], m[1], r.advice)
		}
	}
	from := 0
	for from < len(text) {
		to := len(text)
		if m := sentenceEnd.FindStringIndex(text[from:]); m != nil {
			to = from + m[1]
		}
		if words := strings.Fields(text[from:to]); len(words) > mostWords {
			note(from, from+len(words[0]), fmt.Sprintf("a sentence of %d words: make two of it", len(words)))
		}
		from = to
	}
	return all
}

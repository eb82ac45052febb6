package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// sizeLimit and tokenLimit bound what is parsed. The parser's time grows
	// with the square of the number of keys: at this limit it is half a second.
	sizeLimit  = 1 << 20
	tokenLimit = 100_000
	// depthLimit and indentLimit bound nesting. The parser calls itself for
	// every level, and a stack that is used up cannot be recovered from.
	depthLimit  = 20
	indentLimit = 200
)

// kind is what a node of the file is.
type kind int

const (
	null    kind = iota
	word         // text in quotes or not
	boolean      // true or false
	number
	mapping
	list
	other // what the file never needs, such as text of several lines
)

// node is a piece of the file, free of what YAML can do beyond JSON.
type node struct {
	kind  kind
	at    position
	text  string // of a word, a flag and a number as it is written
	pairs []pair // of a mapping, in order, a key possibly twice
	items []node // of a list
}

type pair struct{ key, value node }

const brokenYAML = "this is not valid YAML: look here and in the line above for a missing colon, quote or bracket, or a wrong indentation"

// parseSyntax reads YAML. A problem is described in words of our own: the
// parser's messages repeat the source.
func parseSyntax(data []byte) (root node, bad *problem) {
	if bad := checkBytes(data); bad != nil {
		return node{}, bad
	}
	// The parser has panicked on odd input before, and nobody can use a stack trace.
	defer func() {
		if recover() != nil {
			root, bad = node{}, &problem{text: "this is not valid YAML"}
		}
	}()
	text := strings.TrimPrefix(string(data), "\ufeff")
	// The lexer counts the end of a line twice when it is that of Windows and follows a
	// comment.
	text = strings.ReplaceAll(text, "\r\n", "\n")
	tokens := lexer.Tokenize(text)
	if bad := checkTokens(tokens); bad != nil {
		return node{}, bad
	}
	// Keys that come twice are reported by the decoder, which knows which of
	// them may be shown.
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return node{}, &problem{at: positionOf(err), text: brokenYAML}
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return convert(doc.Body), nil
		}
	}
	return node{}, nil
}

func positionOf(err error) position {
	type positioned interface {
		error
		GetToken() *token.Token
	}
	if e, ok := errors.AsType[positioned](err); ok {
		return place(e.GetToken())
	}
	return position{}
}

func place(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{}
	}
	return position{t.Position.Line, t.Position.Column}
}

func checkBytes(data []byte) *problem {
	if len(data) > sizeLimit {
		return &problem{text: "the file is larger than 1 MiB; this cannot be a purser.yaml"}
	}
	at := position{1, 1}
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			return &problem{at: at, text: "the file is not text in UTF-8"}
		case r == '\n':
			at = position{at.line + 1, 0}
		case unicode.IsControl(r) && r != '\t' && r != '\r':
			return &problem{at: at, text: "the file has a control character here"}
		}
		at.column++
		rest = rest[size:]
	}
	return nil
}

// unwanted are the parts of YAML that purser.yaml does without: they make a file
// mean something else than it seems to, and none of them is needed.
var unwanted = map[token.Type]string{
	token.AnchorType:      "anchors are not used here; text that begins with & goes in quotes",
	token.AliasType:       "aliases are not used here; text that begins with * goes in quotes",
	token.MergeKeyType:    "merge keys are not used here; write the settings out",
	token.TagType:         "tags are not used here; text that begins with ! goes in quotes",
	token.DirectiveType:   "directives are not used here; text that begins with % goes in quotes",
	token.MappingKeyType:  "keys that begin with ? are not used here; text that begins so goes in quotes",
	token.LiteralType:     "text of several lines is not used here; text that begins with | goes in quotes",
	token.FoldedType:      "text of several lines is not used here; text that begins with > goes in quotes",
	token.DocumentEndType: "a file has one document; leave this mark out",
}

func checkTokens(tokens token.Tokens) *problem {
	if len(tokens) > tokenLimit {
		return &problem{text: "the file has too many parts; this cannot be a purser.yaml"}
	}
	depth, content := 0, false
	for _, t := range tokens {
		at := place(t)
		if text, ok := unwanted[t.Type]; ok {
			return &problem{at: at, text: text}
		}
		switch t.Type {
		case token.InvalidType:
			return &problem{at: at, text: invalidText(t)}
		case token.DocumentHeaderType:
			if content {
				return &problem{at: at, text: "a file has one document; a second one begins here"}
			}
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		}
		if t.Type != token.CommentType {
			content = true
		}
		if depth > depthLimit || tooDeep(t) {
			return &problem{at: at, text: "the nesting is too deep; this cannot be a purser.yaml"}
		}
	}
	return nil
}

func tooDeep(t *token.Token) bool {
	return t.Type == token.SequenceEntryType && t.Position.Column > indentLimit ||
		t.Type == token.MappingValueType && t.Position.IndentNum > indentLimit
}

func invalidText(t *token.Token) string {
	if bytes.ContainsRune([]byte(t.Origin), '\t') {
		return "YAML takes no tabs for indentation; use spaces"
	}
	return brokenYAML
}

// convert copies what the parser made, in our terms.
func convert(n ast.Node) node {
	switch n := n.(type) {
	case *ast.MappingNode:
		made := node{kind: mapping, at: place(n.GetToken())}
		for _, v := range n.Values {
			made.pairs = append(made.pairs, pair{convert(v.Key), convert(v.Value)})
		}
		if len(made.pairs) > 0 && !n.IsFlowStyle {
			made.at = made.pairs[0].key.at // the parser has the colon's place
		}
		return made
	case *ast.MappingValueNode:
		key := convert(n.Key)
		return node{kind: mapping, at: key.at, pairs: []pair{{key, convert(n.Value)}}}
	case *ast.SequenceNode:
		made := node{kind: list, at: place(n.GetToken())}
		for _, v := range n.Values {
			made.items = append(made.items, convert(v))
		}
		return made
	case *ast.StringNode:
		return node{kind: word, at: place(n.Token), text: n.Value}
	case *ast.BoolNode:
		return node{kind: boolean, at: place(n.Token), text: n.Token.Value}
	case *ast.IntegerNode:
		return node{kind: number, at: place(n.Token), text: n.Token.Value}
	case *ast.FloatNode:
		return node{kind: number, at: place(n.Token), text: n.Token.Value}
	case *ast.NullNode:
		return node{kind: null, at: place(n.Token)}
	}
	return node{kind: other, at: place(n.GetToken())}
}

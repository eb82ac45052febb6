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
	// sizeLimit and tokenLimit limit the parser's time, which grows with the square of the
	// number of keys. It is half a second at this limit.
	sizeLimit  = 1 << 20
	tokenLimit = 100_000
	// depthLimit and indentLimit limit nesting. The parser is recursive, and Go cannot recover
	// from a full stack.
	depthLimit  = 20
	indentLimit = 200
)

// kind is a node's kind.
type kind int

const (
	null    kind = iota
	word         // text, quoted or not
	boolean      // true or false
	number
	mapping
	list
	other // unused, such as multi-line text
)

// node is a piece of the file, reduced to what JSON has.
type node struct {
	kind  kind
	at    position
	text  string // of a word, a boolean or a number, as written
	pairs []pair // of a mapping, in order, with duplicates
	items []node // of a list
}

type pair struct{ key, value node }

const brokenYAML = "this is not valid YAML; look here and in the line above for a missing colon, quote or bracket, or a wrong indentation"

// parseSyntax reads YAML. It words problems itself, because the parser's messages repeat the
// source.
func parseSyntax(data []byte) (root node, bad *problem) {
	if bad := checkBytes(data); bad != nil {
		return node{}, bad
	}
	// The parser has panicked on odd input before.
	defer func() {
		if recover() != nil {
			root, bad = node{}, &problem{text: "this is not valid YAML"}
		}
	}()
	text := strings.TrimPrefix(string(data), "\ufeff")
	// The lexer counts a Windows line end after a comment twice.
	text = strings.ReplaceAll(text, "\r\n", "\n")
	tokens := lexer.Tokenize(text)
	if bad := checkTokens(tokens); bad != nil {
		return node{}, bad
	}
	// The decoder reports duplicate keys, because it knows which it may show.
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
		return &problem{text: "this cannot be a purser.yaml: it is larger than 1 MiB"}
	}
	at := position{1, 1}
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			return &problem{at: at, text: "the file is not UTF-8 text"}
		case r == '\n':
			at = position{at.line + 1, 0}
		case unicode.IsControl(r) && r != '\t' && r != '\r':
			return &problem{at: at, text: "the file contains a control character here; remove it"}
		}
		at.column++
		rest = rest[size:]
	}
	return nil
}

// unwanted lists parts of YAML that purser.yaml does not need, and that make a file mean
// something else than it seems to.
var unwanted = map[token.Type]string{
	token.AnchorType:      "purser.yaml has no anchors; put text that begins with & in quotes",
	token.AliasType:       "purser.yaml has no aliases; put text that begins with * in quotes",
	token.MergeKeyType:    "purser.yaml has no merge keys; write the settings out",
	token.TagType:         "purser.yaml has no tags; put text that begins with ! in quotes",
	token.DirectiveType:   "purser.yaml has no directives; put text that begins with % in quotes",
	token.MappingKeyType:  "purser.yaml has no keys that begin with ?; put text that begins with ? in quotes",
	token.LiteralType:     "purser.yaml has no multi-line text; put text that begins with | in quotes",
	token.FoldedType:      "purser.yaml has no multi-line text; put text that begins with > in quotes",
	token.DocumentEndType: "purser.yaml has one document; remove this mark",
}

func checkTokens(tokens token.Tokens) *problem {
	if len(tokens) > tokenLimit {
		return &problem{text: "this cannot be a purser.yaml: it has too many parts"}
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
				return &problem{at: at, text: "purser.yaml has one document; a second one begins here"}
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
			return &problem{at: at, text: "this cannot be a purser.yaml: its nesting is too deep"}
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
		return "YAML does not allow tabs for indentation; use spaces"
	}
	return brokenYAML
}

// convert turns the parser's tree into nodes.
func convert(n ast.Node) node {
	switch n := n.(type) {
	case *ast.MappingNode:
		made := node{kind: mapping, at: place(n.GetToken())}
		for _, v := range n.Values {
			made.pairs = append(made.pairs, pair{convert(v.Key), convert(v.Value)})
		}
		if len(made.pairs) > 0 && !n.IsFlowStyle {
			made.at = made.pairs[0].key.at // the parser's position is the colon's
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

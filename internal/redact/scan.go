package redact

import "encoding/binary"

// match is a piece of a secret in a text. An open one reaches the end of the text
// and may go on.
type match struct {
	from, to int
	open     bool
}

// next finds the first piece at or after from.
func (r *Redactor) next(data []byte, from int) (m match, ok bool) {
	for i := from + r.least - gramLength; i+gramLength <= len(data); i += r.stride {
		g := binary.LittleEndian.Uint32(data[i:])
		s := slot(g)
		if r.bloom[s/64]&(1<<(s%64)) == 0 {
			continue
		}
		for _, place := range r.grams[g] {
			if found, yes := r.extend(data, from, i, place); yes && (!ok || found.from < m.from || found.from == m.from && found.to > m.to) {
				m, ok = found, true
			}
		}
		if ok {
			return m, true
		}
	}
	return match{}, false
}

// extend follows a form to both sides of a gram, over the ends of lines.
func (r *Redactor) extend(data []byte, from, i int, place at) (match, bool) {
	f := r.forms[place.form]
	m := match{from: i, to: i + gramLength}
	length := gramLength
	o := place.offset
	for o > 0 {
		p := max(beforeBreak(data, m.from), from)
		if p == from || data[p-1] != f.text[o-1] {
			break
		}
		m.from, o, length = p-1, o-1, length+1
	}
	if o == 0 && f.wildBefore && m.from > from && isBase64(data[m.from-1]) {
		m.from--
	}
	return f.follow(data, m, place.offset+gramLength, length)
}

// follow goes on to the right, from an offset of the form.
func (f form) follow(data []byte, m match, o, length int) (match, bool) {
	for {
		p := afterBreak(data, m.to)
		switch {
		case o == len(f.text) && !f.wildAfter:
			return m, length >= f.piece
		case p == len(data):
			m.open = true
			return m, length >= f.piece
		case o == len(f.text):
			if p == m.to && isBase64(data[p]) {
				m.to++
			}
			return m, length >= f.piece
		case data[p] != f.text[o]:
			return m, length >= f.piece
		}
		m.to, o, length = p+1, o+1, length+1
	}
}

// longestBreak bounds what may stand between two lines of wrapped text: the end
// of the line and the indentation of the next, in bytes.
const longestBreak = 16

// afterBreak goes to the right over the end of a line, where there is one.
func afterBreak(data []byte, from int) int {
	p := from
	if p < len(data) && data[p] == '\r' {
		p++
	}
	if p == len(data) {
		return p // what comes decides
	}
	if data[p] != '\n' {
		return from
	}
	for p++; p < len(data) && p-from < longestBreak && isBlank(data[p]); p++ {
	}
	return p
}

// beforeBreak goes to the left in the same way.
func beforeBreak(data []byte, from int) int {
	p := from
	for p > 0 && from-p < longestBreak && isBlank(data[p-1]) {
		p--
	}
	if p == 0 || data[p-1] != '\n' {
		return from
	}
	if p--; p > 0 && data[p-1] == '\r' {
		p--
	}
	return p
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

func isBase64(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '+' || b == '/' || b == '-' || b == '_'
}

// tail is what may be the beginning of a piece at the end of a text: how many
// bytes, and how many of those are a form's characters.
func (r *Redactor) tail(data []byte) (bytes, characters int) {
	end := beforeBreak(data, len(data))
	if end > 0 && data[end-1] == '\r' {
		end--
	}
	if end == 0 {
		return 0, 0
	}
	last := data[end-1]
	for i := range r.forms {
		f := &r.forms[i]
		for o := range len(f.text) {
			if f.text[o] != last {
				continue
			}
			if b, c := f.endsAt(data, end, o); b > bytes {
				bytes, characters = b, c
			}
		}
	}
	return bytes, characters
}

// endsAt follows the form to the left from the last character of a text.
func (f *form) endsAt(data []byte, end, o int) (bytes, characters int) {
	p := end - 1
	for characters = 1; o > 0 && characters < f.piece; characters++ {
		q := beforeBreak(data, p)
		if q == 0 || data[q-1] != f.text[o-1] {
			break
		}
		p, o = q-1, o-1
	}
	if o == 0 && f.wildBefore && p > 0 && isBase64(data[p-1]) {
		p--
	}
	return len(data) - p, characters
}

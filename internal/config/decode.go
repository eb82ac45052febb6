package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"purser/internal/credential"
)

// textLimit limits a text, in bytes. The longest useful ones are ARNs and paths.
const textLimit = 2048

const tokenFound = "this looks like a token, and purser.yaml must hold no secrets; remove it, and revoke it if you shared the file"

// value is a node with the path that leads to it.
type value struct {
	node
	path string
	from position // of the key, or of the item of a list
}

// child returns the value under a key; errors show the key as shown.
func (v value) child(key node, shown string, n node) value {
	return value{node: n, path: strings.TrimPrefix(v.path+"."+shown, "."), from: key.at}
}

// each returns the items of a list, or else the value itself.
func (v value) each() []value {
	if v.kind != list {
		return []value{v}
	}
	all := make([]value, len(v.items))
	for i, n := range v.items {
		all[i] = value{node: n, path: v.path + "[" + strconv.Itoa(i) + "]", from: n.at}
	}
	return all
}

// good returns the texts of a checked list.
func (v value) good() []value {
	return slices.DeleteFunc(v.each(), func(item value) bool { return item.kind != word })
}

func (v value) texts() []string {
	var all []string
	for _, item := range v.good() {
		all = append(all, item.text)
	}
	return all
}

func (v value) isTrue() bool { return strings.EqualFold(v.text, "true") }

// isSet reports whether the file sets the value.
func (v value) isSet() bool { return v.path != "" }

// decoder collects the mistakes of a file.
type decoder struct {
	options  Options
	objects  []*object // of the whole file
	problems []problem
	patterns map[string]*regexp.Regexp // compiled, by text
}

// refuse records a mistake, and returns false for callers to return.
func (d *decoder) refuse(v value, text string) bool {
	at := v.at
	if v.kind == null || at == (position{}) {
		at = v.from
	}
	d.problems = append(d.problems, problem{at, v.path, text})
	return false
}

// decode turns a mapping into a T.
func decode[T any](d *decoder, t table[T], v value) T {
	var made T
	d.members(t.object, v, func(i int, v value) { t.into[i](d, &made, v) })
	return made
}

// members checks the keys of a mapping, and passes on each value that has its setting's form.
func (d *decoder) members(o *object, v value, into func(int, value)) {
	if v.kind != mapping {
		d.refuse(v, mustBeObject(v, o))
		return
	}
	seen, meant := map[string]value{}, map[string]bool{}
	for _, p := range v.pairs {
		i, known := o.find(p.key.text)
		if !known {
			meant[d.unknownKey(o, v, p.key)] = true
			continue
		}
		member := v.child(p.key, p.key.text, p.value)
		if first, twice := seen[p.key.text]; twice {
			d.refuse(atKey(member), fmt.Sprintf("duplicate key, first set in line %d", first.from.line))
			continue
		}
		seen[p.key.text] = member
		if d.check(&o.settings[i], &member) {
			into(i, member)
		}
	}
	d.together(o, v, seen, meant)
}

// together checks the rules between the keys of an object. A mistyped key is not missing too.
func (d *decoder) together(o *object, v value, seen map[string]value, meant map[string]bool) {
	whole := atKey(v)
	for _, s := range o.settings {
		member, set := seen[s.name]
		if s.required && !set && !meant[s.name] {
			d.refuse(whole, "add the key "+strconv.Quote(s.name))
		}
		if _, has := seen[s.with]; set && s.with != "" && !has {
			d.refuse(atKey(member), "this key requires the key "+strconv.Quote(s.with))
		}
	}
	if len(o.oneOf) == 0 {
		return
	}
	var set []string
	mistyped := false
	for _, name := range o.oneOf {
		if _, ok := seen[name]; ok {
			set = append(set, name)
		}
		mistyped = mistyped || meant[name]
	}
	switch names := strings.Join(o.oneOf, " or "); {
	case len(set) == 0 && !mistyped:
		d.refuse(whole, "add one of these keys: "+names)
	case len(set) > 1:
		d.refuse(atKey(seen[set[len(set)-1]]), "set only one of these keys: "+names)
	}
}

// atKey returns the value with its key's position.
func atKey(v value) value {
	if v.from != (position{}) {
		v.at = v.from
	}
	return v
}

// unknownKey records an unknown key and returns the one that the person probably meant.
func (d *decoder) unknownKey(o *object, v value, key node) string {
	shown, text := hiddenKey, "unknown key; the keys here are "+strings.Join(o.keys(), ", ")
	meant := Nearest(key.text, o.keys())
	switch {
	case key.kind != word && key.kind != number:
		text = "this cannot be a key; the keys here are " + strings.Join(o.keys(), ", ")
	case looksLikeTokenKey(key.text):
		text = tokenFound
	case secretKeys[plain(key.text)]:
		shown, text = key.text, "purser.yaml must hold no secrets; remove this, and paste the token when purser store asks for it"
	case d.elsewhere(key.text) != "":
		shown, text = key.text, "this key belongs under "+d.elsewhere(key.text)
	case meant != "":
		shown, text = key.text, "unknown key; did you mean "+strconv.Quote(meant)+"?"
	}
	d.refuse(atKey(v.child(key, shown, node{})), text)
	return meant
}

// secretKeys are the keys under which people try to write secrets.
var secretKeys = map[string]bool{"token": true, "password": true, "access-token": true, "accesstoken": true, "auth": true}

// elsewhere says where in the file a key belongs. It ignores the keys of shapes, which mean
// something else in other places.
func (d *decoder) elsewhere(name string) string {
	var places []string
	for _, o := range d.objects {
		if _, ok := o.find(name); ok && o.name != "shape" && !slices.Contains(places, o.place) {
			places = append(places, o.place)
		}
	}
	return strings.Join(places, " or ")
}

func (d *decoder) duration(v value) (time.Duration, bool) {
	length, err := ParseDuration(v.text)
	if err != nil {
		return 0, d.refuse(v, why(err))
	}
	return length, true
}

func (d *decoder) shape(s credential.Shape, v value) credential.Shape {
	if s.UsernameKey == "" || s.TokenKey == "" {
		return credential.Shape{} // already refused
	}
	made, err := credential.NewShape(s.UsernameKey, s.TokenKey)
	if err != nil {
		d.refuse(v, why(err))
	}
	return made
}

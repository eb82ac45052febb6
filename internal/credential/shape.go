package credential

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Shape says how a stored value holds a login: as two members of a JSON object, or as
// docker's auths. The zero Shape is ShapeToken.
type Shape struct {
	UsernameKey string
	TokenKey    string
	dockerAuths bool
}

// The named shapes.
var (
	ShapeToken    = Shape{UsernameKey: "username", TokenKey: "token"}
	ShapePassword = Shape{UsernameKey: "username", TokenKey: "password"}
	ShapeECRCache = Shape{UsernameKey: "username", TokenKey: "accessToken"}
	ShapeDocker   = Shape{dockerAuths: true}
)

var shapeNames = []struct {
	name  string
	shape Shape
}{
	{"token", ShapeToken},
	{"password", ShapePassword},
	{"ecr-pull-through-cache", ShapeECRCache},
	{"dockerconfigjson", ShapeDocker},
}

// ShapeNames lists the named shapes.
func ShapeNames() []string {
	names := make([]string, len(shapeNames))
	for i, s := range shapeNames {
		names[i] = s.name
	}
	return names
}

// ParseShape parses a shape's name, or USERNAMEKEY,TOKENKEY for any two keys.
func ParseShape(text string) (Shape, error) {
	for _, s := range shapeNames {
		if s.name == text {
			return s.shape, nil
		}
	}
	if user, token, ok := strings.Cut(text, ","); ok {
		return NewShape(user, token)
	}
	return Shape{}, &Fault{
		Reason: Usage, What: "there is no such shape",
		Why: "use " + strings.Join(ShapeNames(), ", ") + ", or two key names as USERNAMEKEY,TOKENKEY",
	}
}

var keyForm = NewPattern(`^[A-Za-z][A-Za-z0-9_.-]*$`)

const longestKey = 64

// NewShape returns the shape with these two keys.
func NewShape(usernameKey, tokenKey string) (Shape, error) {
	if max(len(usernameKey), len(tokenKey)) > longestKey || !keyForm.MatchString(usernameKey) || !keyForm.MatchString(tokenKey) || usernameKey == tokenKey {
		return Shape{}, &Fault{
			Reason: Usage, What: "the shape's keys are invalid",
			Why: "they are two different names of letters, digits, '_', '.' and '-' that start with a letter",
		}
	}
	return Shape{UsernameKey: usernameKey, TokenKey: tokenKey}, nil
}

// String returns the shape's name, or its two keys.
func (s Shape) String() string {
	s = s.orDefault()
	for _, n := range shapeNames {
		if n.shape == s {
			return n.name
		}
	}
	return s.UsernameKey + "," + s.TokenKey
}

func (s Shape) orDefault() Shape {
	if s == (Shape{}) {
		return ShapeToken
	}
	return s
}

// Keys returns the JSON keys that the shape writes.
func (s Shape) Keys() []string {
	s = s.orDefault()
	if s.dockerAuths {
		return []string{"auths"}
	}
	return []string{s.UsernameKey, s.TokenKey}
}

// Encode puts the login into the stored value, which may be empty. Every other key keeps
// its order and spelling. A value that is not a JSON object, or has another shape, is an
// error: Encode never overwrites what it does not understand.
func (s Shape) Encode(stored Secret, host Host, l Login) (Secret, error) {
	s = s.orDefault()
	object, err := parseObject(stored)
	if err != nil {
		return Secret{}, err
	}
	if err := s.fits(object); err != nil {
		return Secret{}, err
	}
	if s.dockerAuths {
		err = s.encodeAuths(object, host, l)
	} else {
		object.set(s.UsernameKey, l.Username)
		object.set(s.TokenKey, l.Token.Reveal())
	}
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(object.text()), nil
}

// Decode reads the login from a stored value. In docker's auths it looks for the
// registry's entry under each of its docker keys.
func (s Shape) Decode(stored Secret, host Host) (Login, error) {
	s = s.orDefault()
	object, err := parseObject(stored)
	if err != nil {
		return Login{}, err
	}
	if s.dockerAuths {
		return s.decodeAuths(object, host)
	}
	user, err := object.str(s.UsernameKey)
	if err != nil {
		return Login{}, err
	}
	token, err := object.str(s.TokenKey)
	if err != nil {
		return Login{}, err
	}
	return loginOf(user, token)
}

// Withheld returns the parts of a stored value that no message may repeat: every text in it,
// except the user name. A value that is not a JSON object is withheld whole.
func (s Shape) Withheld(stored Secret) (all []Secret) {
	s = s.orDefault()
	object, err := parseObject(stored)
	if err != nil {
		return []Secret{stored}
	}
	for _, m := range object.members {
		if m.key == s.UsernameKey && m.raw[0] == '"' {
			continue
		}
		var v any
		dec := json.NewDecoder(bytes.NewReader(m.raw))
		dec.UseNumber()
		if dec.Decode(&v) != nil {
			return []Secret{stored}
		}
		all = s.withhold(all, v)
	}
	return all
}

func (s Shape) withhold(all []Secret, value any) []Secret {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if _, text := inner.(string); !text || !s.dockerAuths || key != "username" {
				all = s.withhold(all, inner)
			}
		}
	case []any:
		for _, inner := range v {
			all = s.withhold(all, inner)
		}
	case json.Number:
		all = s.withhold(all, v.String())
	case string:
		quoted, _ := json.Marshal(v) // a string always encodes
		if len(v) < tellingRun {
			return append(all, NewSecret(string(quoted))) // with quotes, or it would match everywhere
		}
		all = append(all, NewSecret(v), NewSecret(strings.Trim(string(quoted), `"`)))
	}
	return all
}

// loginOf returns a stored login. It refuses a user name that contains a token, since user
// names are displayed: somebody may have swapped the two.
func loginOf(user, token string) (Login, error) {
	if HoldsToken(user) {
		return Login{}, strange("its user name contains a token")
	}
	return Login{Username: user, Token: NewSecret(token)}, nil
}

// fits refuses an object that holds a login of another shape. Keys that differ in case
// are another shape: writing a second pair would leave consumers with the old token.
func (s Shape) fits(o *object) error {
	another := func(format string, a ...any) error {
		return &Fault{Reason: ValueStrange, What: "the secret holds a login of another shape", Why: fmt.Sprintf(format, a...)}
	}
	if len(o.members) == 0 || !slices.ContainsFunc(s.Keys(), func(k string) bool { return !o.has(k) }) {
		return nil
	}
	for _, k := range s.Keys() {
		if other, ok := o.inAnyCase(k); ok && other != k {
			return another("it has the key %q and this credential writes %q", other, k)
		}
	}
	for _, n := range shapeNames {
		keys := n.shape.Keys()
		last := keys[len(keys)-1]
		spelled, ok := o.inAnyCase(last)
		own := spelled != last && slices.Contains(s.Keys(), spelled) // a custom shape may write Token
		if ok && !own && n.shape != s {
			return another("it has the keys of %q and this credential writes %q", n.name, s)
		}
	}
	return nil
}

type dockerAuth struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	Auth     string `json:"auth,omitempty"`
}

func (s Shape) encodeAuths(o *object, host Host, l Login) error {
	auths := &object{}
	if raw, ok := o.get("auths"); ok {
		var err error
		if auths, err = parseObject(NewSecret(string(raw))); err != nil {
			return err
		}
	}
	entry, err := json.Marshal(dockerAuth{
		Username: l.Username, Password: l.Token.Reveal(),
		Auth: base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + l.Token.Reveal())),
	})
	if err != nil {
		return strange("purser cannot write the login as docker's auths")
	}
	auths.setRaw(host.DockerKeys()[0], entry)
	o.setRaw("auths", []byte(auths.text()))
	return nil
}

func (s Shape) decodeAuths(o *object, host Host) (Login, error) {
	raw, ok := o.get("auths")
	if !ok {
		return Login{}, strange(`it has no key "auths"`)
	}
	auths, err := parseObject(NewSecret(string(raw)))
	if err != nil {
		return Login{}, err
	}
	for _, key := range host.DockerKeys() {
		raw, ok := auths.get(key)
		if !ok {
			continue
		}
		var entry dockerAuth
		if json.Unmarshal(raw, &entry) != nil {
			return Login{}, strange("its entry for " + string(host) + " does not have docker's form")
		}
		if entry.Password == "" && entry.Auth != "" {
			pair, err := base64.StdEncoding.DecodeString(entry.Auth)
			user, password, found := strings.Cut(string(pair), ":")
			if err != nil || !found {
				return Login{}, strange("its auth for " + string(host) + " is not base64 of USER:TOKEN")
			}
			entry.Username, entry.Password = user, password
		}
		if entry.Username == "" || entry.Password == "" {
			return Login{}, strange("its entry for " + string(host) + " is empty")
		}
		return loginOf(entry.Username, entry.Password)
	}
	return Login{}, strange("its auths have no entry for " + string(host))
}

func strange(why string) error {
	return &Fault{Reason: ValueStrange, What: "the stored value is not what its consumers expect", Why: why}
}

// object is a JSON object that keeps the order and raw text of its members, so that other
// people's keys survive unchanged.
type object struct{ members []member }

type member struct {
	key string
	raw json.RawMessage
}

func parseObject(stored Secret) (*object, error) {
	text := stored.Reveal()
	if strings.TrimSpace(text) == "" {
		return &object{}, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, strange("it is not a JSON object")
	}
	o := &object{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, strange("its JSON is damaged or cut off")
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, strange("its JSON is damaged or cut off")
		}
		name, _ := key.(string)
		if o.has(name) {
			return nil, strange("its JSON has the same key twice")
		}
		o.members = append(o.members, member{name, raw})
	}
	if _, err := dec.Token(); err != nil {
		return nil, strange("its JSON is damaged or cut off")
	}
	if dec.More() {
		return nil, strange("something follows its JSON object")
	}
	return o, nil
}

func (o *object) index(key string) int {
	return slices.IndexFunc(o.members, func(m member) bool { return m.key == key })
}

func (o *object) get(key string) (json.RawMessage, bool) {
	if i := o.index(key); i >= 0 {
		return o.members[i].raw, true
	}
	return nil, false
}

func (o *object) has(key string) bool { return o.index(key) >= 0 }

// inAnyCase returns the object's spelling of a key, an exact match first.
func (o *object) inAnyCase(key string) (spelled string, ok bool) {
	if o.has(key) {
		return key, true
	}
	i := slices.IndexFunc(o.members, func(m member) bool { return strings.EqualFold(m.key, key) })
	if i < 0 {
		return "", false
	}
	return o.members[i].key, true
}

func (o *object) str(key string) (string, error) {
	raw, ok := o.get(key)
	if other, similar := o.inAnyCase(key); !ok && similar {
		return "", strange(fmt.Sprintf("it has %q instead of %q", other, key))
	}
	if !ok {
		return "", strange(fmt.Sprintf("it has no key %q", key))
	}
	var text string
	if json.Unmarshal(raw, &text) != nil || raw[0] != '"' {
		return "", strange(fmt.Sprintf("its key %q is not text", key))
	}
	if text == "" {
		return "", strange(fmt.Sprintf("its key %q is empty", key))
	}
	return text, nil
}

func (o *object) set(key, text string) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string always encodes
	o.setRaw(key, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

func (o *object) setRaw(key string, raw []byte) {
	if i := o.index(key); i >= 0 {
		o.members[i].raw = raw
		return
	}
	o.members = append(o.members, member{key, raw})
}

func (o *object) text() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range o.members {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(m.key) // a string always encodes
		b.Write(key)
		b.WriteByte(':')
		b.Write(m.raw)
	}
	b.WriteByte('}')
	return b.String()
}

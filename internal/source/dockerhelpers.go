package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"purser/internal/atomicfile"
	"purser/internal/boundedfile"
	"purser/internal/credential"
)

// Helper is the name of purser's credential helper in docker's configuration.
const Helper = "purser"

// HelperChange is an unwritten change of credHelpers in a client's configuration.
type HelperChange struct {
	Path          string
	Before, After []byte
	Warnings      []string // logins that precede the helper
}

// Changed reports whether there is anything to write.
func (c HelperChange) Changed() bool { return !bytes.Equal(c.Before, c.After) }

// SetHelper sets a credential helper for registries in a client's configuration, or removes
// it. It keeps everything else in the file, in order. The error is a *credential.Fault.
func SetHelper(path, helper string, hosts []credential.Host, remove bool) (HelperChange, error) {
	c := HelperChange{Path: path}
	raw, err := boundedfile.Read(path, configLimit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("read the client's configuration: %w", err)
	}
	c.Before = raw
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	members, err := readObject(raw)
	if err != nil {
		return c, &credential.Fault{Reason: credential.Usage, What: "purser cannot change " + path, Why: "it is not a JSON object; purser wrote nothing"}
	}
	helpers, err := objectAt(members, "credHelpers")
	if err != nil {
		return c, &credential.Fault{Reason: credential.Usage, What: "purser cannot change " + path, Why: "its credHelpers is not a JSON object; purser wrote nothing"}
	}
	before := len(helpers)
	same := true
	for _, host := range hosts {
		for _, key := range host.HelperKeys() {
			i := slices.IndexFunc(helpers, func(m member) bool { return m.key == key })
			value, _ := json.Marshal(helper) // text always encodes
			switch {
			case remove && i >= 0 && bytes.Equal(helpers[i].value, value):
				helpers = slices.Delete(helpers, i, i+1)
			case remove:
			case i < 0:
				helpers = append(helpers, member{key, value})
			case !bytes.Equal(helpers[i].value, value):
				helpers[i].value, same = value, false
			}
		}
	}
	c.Warnings = winners(members, hosts)
	if len(helpers) == before && same {
		c.After = c.Before
		return c, nil
	}
	members = withObject(members, "credHelpers", helpers)
	var out bytes.Buffer
	if err := json.Indent(&out, writeObject(members), "", "\t"); err != nil {
		return c, err
	}
	c.After = append(out.Bytes(), '\n')
	return c, nil
}

func objectAt(members []member, key string) ([]member, error) {
	for _, m := range members {
		if m.key == key && !bytes.Equal(m.value, []byte("null")) {
			return readObject(m.value)
		}
	}
	return nil, nil
}

// withObject sets a member, or removes it if the object is empty.
func withObject(members []member, key string, object []member) []member {
	i := slices.IndexFunc(members, func(m member) bool { return m.key == key })
	switch {
	case len(object) == 0 && i >= 0:
		return slices.Delete(members, i, i+1)
	case len(object) == 0:
		return members
	case i >= 0:
		members[i].value = writeObject(object)
		return members
	}
	return append(members, member{key, writeObject(object)})
}

// winners warns about logins that some clients use before they ask a helper.
func winners(members []member, hosts []credential.Host) []string {
	auths, err := objectAt(members, "auths")
	if err != nil {
		return nil
	}
	var store string
	if i := slices.IndexFunc(members, func(m member) bool { return m.key == "credsStore" }); i >= 0 {
		_ = json.Unmarshal(members[i].value, &store) // anything but text is no helper
	}
	var all []string
	for _, host := range hosts {
		for _, key := range host.DockerKeys() {
			i := slices.IndexFunc(auths, func(m member) bool { return m.key == key })
			if i < 0 {
				continue
			}
			entry, err := readObject(auths[i].value)
			switch {
			case err == nil && len(entry) > 0:
				all = append(all, "the file stores an unencrypted login for "+key+", and some clients use that first")
			case store != "":
				all = append(all, "docker-credential-"+credential.Quote(store)+" (credsStore) has a login for "+key+", and clients without support for credHelpers use that")
			}
		}
	}
	return all
}

// Write replaces the file.
func (c HelperChange) Write() error { return atomicfile.Write(c.Path, c.After, 0o600) }

// WithoutLogins returns a client's configuration with its logins hidden, and nothing of one
// that does not parse.
func WithoutLogins(raw []byte) string {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ""
	}
	members, err := readObject(raw)
	if err != nil {
		return "(not JSON, not shown)\n"
	}
	for i, m := range members {
		// Only these hold no secret for certain; proxies and headers may.
		harmless := slices.Contains([]string{"credHelpers", "credsStore", "currentContext"}, m.key)
		if !harmless || credential.HoldsToken(string(m.value)) {
			members[i].value = json.RawMessage(`"(not shown)"`)
		}
		if credential.HoldsToken(m.key) {
			members[i].key = "(not shown)"
		}
	}
	var out bytes.Buffer
	if err := json.Indent(&out, writeObject(members), "", "\t"); err != nil {
		return "(not JSON, not shown)\n"
	}
	return out.String() + "\n"
}

package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"purser/internal/atomicfile"
	"purser/internal/boundedfile"
	"purser/internal/credential"
)

// DockerState is what docker's configuration says about a registry's logins, without them.
type DockerState struct {
	Path      string   // of config.json
	Exists    bool     // whether it is there
	Plaintext []string // keys with an unencrypted login
	Helper    string   // the registry's credential helper; "" for none
}

// State reads the configuration and asks no helper.
func (d DockerConfig) State() (DockerState, error) {
	s := DockerState{Path: filepath.Join(d.Dir, "config.json")}
	if _, err := os.Stat(s.Path); err != nil {
		return s, nil //nolint:nilerr // none is a state, and what else is wrong shows when it is read
	}
	s.Exists = true
	file, err := d.load(s.Path)
	if err != nil {
		return s, err
	}
	for _, key := range d.Registry.DockerKeys() {
		if entry, ok := file.AuthConfigs[key]; ok && (entry.Password != "" || entry.IdentityToken != "" || entry.RegistryToken != "") {
			s.Plaintext = append(s.Plaintext, key)
		}
		if s.Helper == "" {
			s.Helper = file.CredentialHelpers[key]
		}
	}
	if s.Helper == "" {
		s.Helper = file.CredentialsStore
	}
	return s, nil
}

// HelperVersion asks a credential helper for its version, which involves no secret. If it is
// not on the PATH, the error is a *credential.Fault.
func HelperVersion(ctx context.Context, name string) (string, error) {
	program := "docker-credential-" + credential.Quote(name)
	missing := &credential.Fault{
		Reason: credential.HelperMissing, What: program + " is not on the PATH", Why: "docker's config names it, so every docker command that needs a login fails",
	}
	if !isHelperName(name) {
		return "", missing
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", missing
	}
	ctx, stop := context.WithTimeout(ctx, helperVersionTimeout)
	defer stop()
	run := helperRun{cmd: exec.CommandContext(ctx, path, "version")} //nolint:gosec // the name is checked above
	out, err := run.Output()
	if err != nil {
		return "version unknown", nil // older helpers lack the verb
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return credential.Quote(line), nil
}

// DropAuths removes logins from docker's configuration and keeps everything else, in order. It
// replaces the file atomically.
func (d DockerConfig) DropAuths(keys []string) error {
	path := filepath.Join(d.Dir, "config.json")
	raw, err := boundedfile.Read(path, configLimit)
	if err != nil {
		return fmt.Errorf("change docker's config: %w", err)
	}
	changed, err := dropAuths(raw, keys)
	if err != nil {
		return &credential.Fault{Reason: credential.DockerPlaintext, What: "purser cannot change docker's config " + path, Why: "it is not a valid docker configuration"}
	}
	return atomicfile.Write(path, changed, 0o600)
}

// member is a member of a JSON object, in the file's order.
type member struct {
	key   string
	value json.RawMessage
}

func dropAuths(raw []byte, keys []string) ([]byte, error) {
	members, err := readObject(raw)
	if err != nil {
		return nil, err
	}
	for i, m := range members {
		if m.key != "auths" {
			continue
		}
		auths, err := readObject(m.value)
		if err != nil {
			return nil, err
		}
		auths = slices.DeleteFunc(auths, func(a member) bool { return slices.Contains(keys, a.key) })
		members[i].value = writeObject(auths)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, writeObject(members), "", "\t"); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}

func readObject(raw []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	var all []member
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, errors.New("not an object")
		}
		m := member{}
		m.key, _ = key.(string)
		if err := dec.Decode(&m.value); err != nil {
			return nil, errors.New("not an object")
		}
		all = append(all, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("an object without an end")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something after the object")
	}
	return all, nil
}

func writeObject(members []member) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(m.key) // text always encodes
		b.Write(key)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

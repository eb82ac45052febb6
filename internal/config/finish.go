package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/store"
)

// defaultOverlap is longer than jobs run and caches keep tokens.
const defaultOverlap = 24 * time.Hour

// The drafts hold decoded values, and the positions of those that finish checks.
type (
	fileDraft struct {
		aws         AWS
		credentials []credentialDraft
		receipts    receiptsDraft
	}
	receiptsDraft struct {
		Receipts
		key, file value
	}
	credentialDraft struct {
		name         credential.Name
		registry     value
		username     string
		repositories []value
		access       credential.Access
		targets      []targetDraft
		rotate       rotateDraft
		rotateAt     value
		readers      []string
		ca           value
		authHosts    []value
	}
	targetDraft struct {
		credential.Target
		at  value
		set []named
	}
	named struct {
		name string
		at   value
	}
	rotateDraft struct {
		credential.Rotation
		overlapSet bool
	}
)

// finish turns a draft into credentials, and makes the checks that need the whole file.
func (d *decoder) finish(f fileDraft) []credential.Credential {
	all := make([]credential.Credential, 0, len(f.credentials))
	owners, names := map[string]credential.Name{}, map[credential.Name]bool{}
	for _, c := range f.credentials {
		made := credential.Credential{
			Name: c.name, Username: c.username, Access: c.access, Readers: c.readers,
			Rotate: d.rotation(c), CAFile: d.path(c.ca),
		}
		made.Registry, made.Repositories = d.repositories(c)
		made.AuthHosts = d.authHosts(c)
		if made.Access == "" {
			made.Access = credential.Push
		}
		for _, t := range c.targets {
			target := d.target(f.aws, t)
			if !names[c.name] { // else the name is the duplicate
				d.once(owners, c.name, t.at, target)
			}
			made.Targets = append(made.Targets, target)
		}
		if len(made.Targets) == 0 {
			made.Targets = []credential.Target{{}} // the encrypted file in the data directory
		}
		names[c.name] = true
		all = append(all, made)
	}
	return all
}

// finishReceipts resolves file paths.
func (d *decoder) finishReceipts(r receiptsDraft) Receipts {
	made := r.Receipts
	switch {
	case !r.key.isSet():
		return Receipts{} // unset or already refused
	case r.key.text == NoKey:
	case isKMSKey(r.key.text):
		made.KMSKey = r.key.text
	default:
		made.SSHKey = d.path(r.key)
	}
	if made.File = StandardOutput; r.file.text != StandardOutput {
		made.File = d.path(r.file)
	}
	if made.Wanted = made.File != "" || made.EventBus != ""; !made.Wanted {
		d.refuse(atKey(r.key), "add file or event-bus, where purser writes the receipts")
	}
	return made
}

func isKMSKey(text string) bool {
	return strings.HasPrefix(text, "arn:") || strings.HasPrefix(text, "alias/")
}

// repositories reads the registry and its repositories.
func (d *decoder) repositories(c credentialDraft) (credential.Host, []credential.Repository) {
	if !c.registry.isSet() {
		return "", nil
	}
	host, err := credential.ParseHost(c.registry.text)
	if err != nil {
		d.refuse(c.registry, why(err))
		return "", nil
	}
	var all []credential.Repository
	for _, v := range c.repositories {
		if namesOther(host, v.text) {
			d.refuse(v, "this repository belongs to another registry than the credential")
			continue
		}
		repository, err := credential.ParseRepository(host, v.text)
		switch {
		case err != nil:
			d.refuse(v, why(err))
		case slices.Contains(all, repository):
			d.refuse(v, "duplicate item, in another spelling")
		default:
			all = append(all, repository)
		}
	}
	return host, all
}

// namesOther reports whether a repository's name begins with another registry.
// ParseRepository checks that too, but its error repeats the value.
func namesOther(host credential.Host, text string) bool {
	first, _, ok := strings.Cut(text, "/")
	if !ok || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return false
	}
	other, err := credential.ParseHost(first)
	return err == nil && other != host
}

func (d *decoder) authHosts(c credentialDraft) []string {
	var hosts []string
	for _, v := range c.authHosts {
		host, err := credential.ParseHost(v.text)
		switch {
		case err != nil, host.AuthHosts() == nil && string(host) != strings.ToLower(v.text), host.Hostname() != strings.Trim(string(host), "[]"):
			d.refuse(v, hostRule)
		case host.AuthHosts() != nil:
			d.refuse(v, "remove this host of "+host.Vendor()+", which purser already knows")
		default:
			hosts = append(hosts, host.Hostname())
		}
	}
	return hosts
}

func (d *decoder) rotation(c credentialDraft) credential.Rotation {
	r := c.rotate.Rotation
	if r.Every == 0 {
		return credential.Rotation{} // unset or already refused
	}
	if !c.rotate.overlapSet {
		r.Overlap = defaultOverlap
	}
	if r.Overlap < longestHelperCache {
		d.refuse(c.rotateAt.member("overlap"), "this must be at least 5m, because a credential helper may keep the old token that long; purser rotate --now revokes it immediately")
	}
	if r.Every <= r.Overlap {
		text := "this must be longer than the overlap, or old tokens pile up"
		if !c.rotate.overlapSet {
			text = "this must be longer than the overlap, which is 24h by default"
		}
		d.refuse(c.rotateAt.member("every"), text)
	}
	return r
}

// target adds inherited settings to a target, and checks its name.
func (d *decoder) target(aws AWS, t targetDraft) credential.Target {
	made := t.Target
	if made.Name == "" {
		return made // already refused
	}
	if err := made.Check(); err != nil {
		d.refuse(t.where(made.Kind), why(err))
		return made
	}
	kind, _ := store.KindOf(made)
	if kind.Complete != nil {
		done, setting, problem := kind.Complete(made)
		if problem != "" {
			d.refuse(t.where(setting), problem)
		}
		made = done
	}
	if kind.Cloud != "" {
		made.Region = firstOf(made.Region, aws.Region)
		made.Profile = firstOf(made.Profile, aws.Profile)
	}
	return made
}

// where returns a setting's value and position in the file.
func (t targetDraft) where(setting string) value {
	for _, s := range t.set {
		if s.name == setting {
			return s.at
		}
	}
	return t.at
}

// once refuses a duplicate target. Two credentials in one place would overwrite each other's
// token; one credential would stage it twice.
func (d *decoder) once(owners map[string]credential.Name, name credential.Name, v value, t credential.Target) {
	id := t.Place()
	if id == "" {
		return // already refused
	}
	owner, taken := owners[id]
	switch {
	case !taken:
		owners[id] = name
	case owner == name:
		d.refuse(atKey(v), "duplicate target")
	default:
		d.refuse(atKey(v), "the credential "+strconv.Quote(showName(string(owner)))+" uses the same target; they would overwrite each other")
	}
}

// path resolves a path, from the file's folder or, after ~/, from the home directory.
func (d *decoder) path(v value) string {
	if !v.isSet() {
		return ""
	}
	rest, home := strings.CutPrefix(v.text, "~/")
	switch {
	case home && d.options.Home == "":
		d.refuse(v, "HOME is not set, so ~ has no meaning; set HOME or write the whole path")
		return ""
	case home:
		return filepath.Join(d.options.Home, rest)
	case strings.HasPrefix(v.text, "~"):
		d.refuse(v, "purser understands only ~/; write the whole path")
		return ""
	case strings.HasSuffix(v.text, "/"):
		d.refuse(v, "this must be the path of a file, not of a folder")
		return ""
	case filepath.IsAbs(v.text):
		return filepath.Clean(v.text)
	}
	return filepath.Join(d.options.Dir, v.text)
}

// member returns the value under a key, or else v itself.
func (v value) member(key string) value {
	for _, p := range v.pairs {
		if p.key.text == key {
			return v.child(p.key, key, p.value)
		}
	}
	return v
}

// why returns a fault's Why, to follow the key. The faults of the functions used here repeat
// no value.
func why(err error) string {
	if f, ok := errors.AsType[*credential.Fault](err); ok && f.Why != "" {
		return f.Why
	}
	return "this is invalid"
}

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

// defaultOverlap is how long the old token stays alive where the file does not
// say: longer than jobs run and caches keep.
const defaultOverlap = 24 * time.Hour

// The drafts hold what was decoded, with the places of what is checked later:
// one value against another, and paths against the file's own.
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

// finish makes credentials of a draft, and checks what only shows when all of
// the file is known.
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
			if !names[c.name] { // else it is the name that is used twice
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

// finishReceipts makes paths of what are some.
func (d *decoder) finishReceipts(r receiptsDraft) Receipts {
	made := r.Receipts
	switch {
	case !r.key.isSet():
		return Receipts{} // not set, or a problem is noted already
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
		d.refuse(atKey(r.key), "the receipts go nowhere: name a file or an event-bus")
	}
	return made
}

func isKMSKey(text string) bool {
	return strings.HasPrefix(text, "arn:") || strings.HasPrefix(text, "alias/")
}

// repositories reads the registry and, when it is good, the repositories at it.
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
			d.refuse(v, "it names another registry than the credential's")
			continue
		}
		repository, err := credential.ParseRepository(host, v.text)
		switch {
		case err != nil:
			d.refuse(v, why(err))
		case slices.Contains(all, repository):
			d.refuse(v, "this is in the list twice, in another spelling")
		default:
			all = append(all, repository)
		}
	}
	return host, all
}

// namesOther reports whether a repository's name begins with another registry.
// ParseRepository finds that too, but says which, and values are not shown.
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
			d.refuse(v, "this is "+host.Vendor()+"'s own registry; its token service is known")
		default:
			hosts = append(hosts, host.Hostname())
		}
	}
	return hosts
}

func (d *decoder) rotation(c credentialDraft) credential.Rotation {
	r := c.rotate.Rotation
	if r.Every == 0 {
		return credential.Rotation{} // not set, or a problem is noted already
	}
	if !c.rotate.overlapSet {
		r.Overlap = defaultOverlap
	}
	if r.Overlap < longestHelperCache {
		d.refuse(c.rotateAt.member("overlap"), "this is shorter than the 5m for which a credential helper may keep the old token; purser rotate --now ends that at once")
	}
	if r.Every <= r.Overlap {
		text := "the overlap is as long as this or longer, so that old tokens would pile up"
		if !c.rotate.overlapSet {
			text = "this is not longer than the overlap, which is 24h unless it is set"
		}
		d.refuse(c.rotateAt.member("every"), text)
	}
	return r
}

// target completes a target with what it inherits, and checks its name.
func (d *decoder) target(aws AWS, t targetDraft) credential.Target {
	made := t.Target
	if made.Name == "" {
		return made // a problem is noted already
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

// where is the place of a setting in the file.
func (t targetDraft) where(setting string) value {
	for _, s := range t.set {
		if s.name == setting {
			return s.at
		}
	}
	return t.at
}

// once notes a target that was there before. Two credentials in one place would
// overwrite each other's token; one credential twice would stage it twice.
func (d *decoder) once(owners map[string]credential.Name, name credential.Name, v value, t credential.Target) {
	id := t.Place()
	if id == "" {
		return // a problem is noted already
	}
	owner, taken := owners[id]
	switch {
	case !taken:
		owners[id] = name
	case owner == name:
		d.refuse(atKey(v), "this target is in the credential twice")
	default:
		d.refuse(atKey(v), "the credential "+strconv.Quote(showName(string(owner)))+" is kept in the same target; they would overwrite each other")
	}
}

// path makes a path absolute: from the file's folder, or from the home directory
// when it begins with ~/.
func (d *decoder) path(v value) string {
	if !v.isSet() {
		return ""
	}
	rest, home := strings.CutPrefix(v.text, "~/")
	switch {
	case home && d.options.Home == "":
		d.refuse(v, "the home directory that ~ stands for is not known: HOME is not set")
		return ""
	case home:
		return filepath.Join(d.options.Home, rest)
	case strings.HasPrefix(v.text, "~"):
		d.refuse(v, "of the paths with ~ only ~/ is understood; write the folder out")
		return ""
	case strings.HasSuffix(v.text, "/"):
		d.refuse(v, "this is a folder's path and must be a file's")
		return ""
	case filepath.IsAbs(v.text):
		return filepath.Clean(v.text)
	}
	return filepath.Join(d.options.Dir, v.text)
}

// member is the value under a key of a mapping that has it.
func (v value) member(key string) value {
	for _, p := range v.pairs {
		if p.key.text == key {
			return v.child(p.key, key, p.value)
		}
	}
	return v
}

// why is a fault's text for people who are shown the key besides. The faults of
// the functions used here repeat nothing of what they were given.
func why(err error) string {
	if f, ok := errors.AsType[*credential.Fault](err); ok && f.Why != "" {
		return f.Why
	}
	return "this is not valid"
}

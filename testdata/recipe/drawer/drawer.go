// Package drawer is an example of a new kind of store. It keeps values in a file in the clear:
// do not use it.
package drawer

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/filelock"
	"purser/internal/store"
)

// Kind describes the store to purser.
func Kind() store.Kind {
	return store.Kind{
		TargetKind: credential.TargetKind{
			Key: "drawer", Title: "the drawer", Noun: "Drawer", Opener: "Knob",
			Check: func(t credential.Target) error {
				if strings.Contains(t.Name, "/") {
					return &credential.Fault{Reason: credential.Usage, What: "there is no such drawer", Why: "a drawer's name has no /"}
				}
				return nil
			},
			Advise: func(f *credential.Fault, again string) (string, []string) {
				if f.Reason != credential.SecretMissing {
					return "", nil
				}
				return "Drawers come with a cabinet.", []string{"pull at the knob: " + again + " --create"}
			},
		},
		What: "a drawer",
		Settings: []store.Setting{
			{Name: "drawer", Doc: "The name of a drawer.", Without: "another store is named", Pattern: `^[a-z/]+$`, Rule: "a drawer's name is lower-case letters", Example: "top"},
			{Name: "cabinet", Doc: "The folder that is the cabinet.", Without: "the current folder", Path: true, Example: "cabinet"},
		},
		Open: func(_ context.Context, _ any, _ credential.Credential, t credential.Target) (store.Store, error) {
			return &Drawer{target: t, path: filepath.Join(t.Options.Get("cabinet"), t.Name+".json")}, nil
		},
	}
}

// Drawer implements store.Store.
type Drawer struct {
	target credential.Target
	path   string
}

type version struct {
	ID      credential.VersionID
	Stages  []credential.Stage
	Value   string
	Expires time.Time
}

type content struct {
	Mark     string
	Versions []version
}

func (c *content) at(stage credential.Stage) *version {
	return c.first(func(v version) bool { return slices.Contains(v.Stages, stage) })
}

func (c *content) find(id credential.VersionID) *version {
	return c.first(func(v version) bool { return v.ID == id })
}

func (c *content) first(is func(version) bool) *version {
	if i := slices.IndexFunc(c.Versions, is); i >= 0 {
		return &c.Versions[i]
	}
	return nil
}

func (c *content) take(stage credential.Stage) {
	if v := c.at(stage); v != nil {
		v.Stages = slices.DeleteFunc(v.Stages, func(s credential.Stage) bool { return s == stage })
	}
}

func (c *content) give(id credential.VersionID, stage credential.Stage) {
	c.take(stage)
	if v := c.find(id); v != nil {
		v.Stages = append(v.Stages, stage)
		slices.Sort(v.Stages)
	}
}

func (d *Drawer) fault(reason credential.Reason, what string) *credential.Fault {
	return &credential.Fault{Reason: reason, Target: d.target, What: what, Untouched: true}
}

func (d *Drawer) load() (*content, error) {
	raw, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, d.fault(credential.SecretMissing, "there is no drawer "+d.target.Name)
	}
	c := &content{}
	if err == nil {
		err = json.Unmarshal(raw, c)
	}
	return c, err
}

func (d *Drawer) change(ctx context.Context, create bool, edit func(*content) error) error {
	if _, err := os.Stat(d.path); err != nil && !create {
		return d.fault(credential.SecretMissing, "there is no drawer "+d.target.Name)
	}
	if err := os.MkdirAll(filepath.Dir(d.path), 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(d.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := filelock.Lock(ctx, lock); err != nil {
		return err
	}
	c, err := d.load()
	if create && err != nil {
		c, err = &content{}, nil
	}
	if err == nil {
		err = edit(c)
	}
	if err != nil {
		return err
	}
	c.Versions = slices.DeleteFunc(c.Versions, func(v version) bool { return len(v.Stages) == 0 })
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.path+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(d.path+".new", d.path)
}

// Open needs no sign-in.
func (d *Drawer) Open(context.Context) (string, error) { return "of brass", nil }

// Describe implements store.Store.
func (d *Drawer) Describe(context.Context) (credential.Description, error) {
	c, err := d.load()
	if err != nil {
		return credential.Description{}, err
	}
	out := credential.Description{Where: d.path, Home: d.path, Mark: credential.ParseMark(c.Mark)}
	for _, v := range c.Versions {
		out.Versions = append(out.Versions, credential.Version{ID: v.ID, Stages: v.Stages})
	}
	if v := c.at(credential.Current); v != nil {
		out.Expires = v.Expires
	}
	return out, nil
}

// Examine reports what purser doctor shows.
func (d *Drawer) Examine(context.Context, credential.Description) []store.Finding {
	return []store.Finding{{About: "Wood", Verdict: credential.Granted, Text: "oak"}}
}

// Read implements store.Store.
func (d *Drawer) Read(_ context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error) {
	c, err := d.load()
	if err != nil {
		return "", credential.Secret{}, err
	}
	v := c.at(at)
	if v == nil {
		return "", credential.Secret{}, d.fault(credential.SecretEmpty, "the drawer "+d.target.Name+" is empty")
	}
	return v.ID, credential.NewSecret(v.Value), nil
}

// Create makes an empty drawer, and leaves an existing one alone.
func (d *Drawer) Create(ctx context.Context) error {
	if _, err := os.Stat(d.path); err == nil {
		return nil
	}
	return d.change(ctx, true, func(*content) error { return nil })
}

// Stage adds the value as pending, and as current if the drawer is empty.
func (d *Drawer) Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error {
	return d.change(ctx, false, func(c *content) error {
		if v := c.find(id); v != nil {
			if !credential.NewSecret(v.Value).Equal(value) {
				return d.fault(credential.StoreRefused, "the version is taken")
			}
			return nil
		}
		c.Versions = append(c.Versions, version{ID: id, Value: value.Reveal()})
		c.give(id, credential.Pending)
		if c.at(credential.Current) == nil {
			c.give(id, credential.Current)
		}
		return nil
	})
}

// Promote makes id current, unless another version than from is.
func (d *Drawer) Promote(ctx context.Context, id, from credential.VersionID) error {
	return d.change(ctx, false, func(c *content) error {
		var current credential.VersionID
		if v := c.at(credential.Current); v != nil {
			current = v.ID
		}
		if current != id {
			if current != from || c.find(id) == nil {
				return d.fault(credential.MidRotation, "another process changed the drawer")
			}
			c.take(credential.Previous)
			if from != "" {
				c.give(from, credential.Previous)
			}
			c.give(id, credential.Current)
		}
		if v := c.at(credential.Pending); v != nil && v.ID == id {
			c.take(credential.Pending)
		}
		return nil
	})
}

// Unstage removes the pending version.
func (d *Drawer) Unstage(ctx context.Context, id credential.VersionID) error {
	return d.change(ctx, false, func(c *content) error {
		if v := c.at(credential.Pending); v != nil && v.ID == id {
			c.take(credential.Pending)
		}
		return nil
	})
}

// Bind implements store.Store.
func (d *Drawer) Bind(ctx context.Context, m credential.Mark) error {
	return d.change(ctx, false, func(c *content) error { c.Mark = m.String(); return nil })
}

// SetExpiry implements store.Store.
func (d *Drawer) SetExpiry(ctx context.Context, id credential.VersionID, at time.Time) error {
	return d.change(ctx, false, func(c *content) error {
		if v := c.find(id); v != nil {
			v.Expires = at
		}
		return nil
	})
}

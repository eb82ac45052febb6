package store

import (
	"context"
	"slices"
	"sync"

	"purser/internal/credential"
)

// Bound is a store whose values leave it for one registry only: the one that they are
// marked with, never one that merely stands in a configuration. A value without a mark
// is let out where its form says that it is the registry's, where the configuration is
// trusted, and otherwise when a person agrees. A way to the registry that the credential
// alone names, such as certificates of its own, is agreed to in the same manner.
//
// Every flow reads through it, so that none can forget to look.
type Bound struct {
	Store
	cfg BoundConfig

	mu   sync.Mutex             // guards what follows
	mark *credential.Mark       // as Describe told it last; nil: it was not asked
	said credential.Mark        // what was said in this run, should the store not keep it
	mine []credential.VersionID // those that were staged here
}

// BoundConfig says for whom a store is read.
type BoundConfig struct {
	Credential credential.Credential
	Target     credential.Target
	// Trusted says that the configuration is one that others cannot write.
	Trusted bool
	// Comparing says that what is current is only compared with what is about to replace
	// it, and sent to no registry.
	Comparing bool
	// DryRun keeps what a person says from being written down.
	DryRun bool
	// Hold has nobody on this machine keep what is read, until it is released; nil: nobody does.
	Hold func() (release func())
	// Agree asks a person whether the value belongs to the credential's registry.
	Agree func(ctx context.Context) error
}

// Bind makes a store give its values to the credential's registry alone.
func Bind(s Store, cfg BoundConfig) *Bound { return &Bound{Store: s, cfg: cfg} }

// Describe remembers the mark.
func (b *Bound) Describe(ctx context.Context) (credential.Description, error) {
	d, err := b.Store.Describe(ctx)
	if err != nil {
		return d, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if d.Mark.IsZero() || d.Mark.Is(b.said) && d.Mark.Since == b.said.Since {
		d.Mark = b.said
	}
	b.mark = &d.Mark
	return d, nil
}

// Stage remembers what is this run's own.
func (b *Bound) Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error {
	b.mu.Lock()
	b.mine = append(b.mine, id)
	b.mu.Unlock()
	return b.Store.Stage(ctx, id, value)
}

// Bind marks, and remembers it.
func (b *Bound) Bind(ctx context.Context, m credential.Mark) error {
	err := b.Store.Bind(ctx, m)
	if err == nil {
		b.remember(m)
	}
	return err
}

// Promote has nobody keep what was current: not from before, and not from a read that is
// under way.
func (b *Bound) Promote(ctx context.Context, id, from credential.VersionID) error {
	if b.cfg.Hold != nil {
		defer b.cfg.Hold()()
	}
	return b.Store.Promote(ctx, id, from)
}

func (b *Bound) remember(m credential.Mark) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said, b.mark = m, &m
}

// Read gives a value that belongs to the credential's registry. Of any other it is
// BelongsElsewhere, or what Agree says.
func (b *Bound) Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error) {
	id, value, err := b.Store.Read(ctx, at)
	if err != nil {
		return id, value, err
	}
	if err := b.mayLeave(ctx, id, at, value); err != nil {
		return id, credential.Secret{}, err
	}
	return id, value, nil
}

func (b *Bound) mayLeave(ctx context.Context, id credential.VersionID, at credential.Stage, value credential.Secret) error {
	host, via := b.cfg.Credential.Registry, b.cfg.Credential.Via
	login, err := b.cfg.Target.Shape.Decode(value, host)
	if err != nil {
		return nil //nolint:nilerr // there is no login in it that could be sent; whoever decodes it says so
	}
	home := credential.IsHome(host, login.Token)
	if b.cfg.Comparing && at == credential.Current || home && via == "" {
		return nil
	}
	if vendor := credential.Misplaced(host, login.Token); vendor != "" {
		return b.elsewhere("it has the form of a token of " + vendor)
	}
	mark, err := b.known(ctx)
	if err != nil {
		return err
	}
	switch belongs := mark.For(id, at); {
	case belongs != host && belongs != "" && !home:
		return b.elsewhere("it was stored for " + string(belongs))
	case belongs == host && mark.Vouches(via), b.cfg.Trusted, b.isMine(id):
		return nil
	}
	if err := b.cfg.Agree(ctx); err != nil {
		return err
	}
	said := mark
	if said.Via = via; said.Registry != host {
		said = credential.MarkOf(b.cfg.Credential)
	}
	if b.cfg.DryRun || b.Bind(ctx, said) != nil {
		b.remember(said) // it could not be written down: it holds for this run
	}
	return nil
}

func (b *Bound) isMine(id credential.VersionID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.mine, id)
}

// known is the mark. Who may read the value and not what stands beside it gets the
// zero mark: then nobody has said it.
func (b *Bound) known(ctx context.Context) (credential.Mark, error) {
	b.mu.Lock()
	mark := b.mark
	b.mu.Unlock()
	if mark != nil {
		return *mark, nil
	}
	d, err := b.Describe(ctx)
	if credential.ReasonOf(err) == credential.AccessDenied {
		return credential.Mark{}, nil
	}
	return d.Mark, err
}

func (b *Bound) elsewhere(why string) error {
	return &credential.Fault{
		Reason: credential.BelongsElsewhere, Target: b.cfg.Target, Registry: b.cfg.Credential.Registry, Credential: b.cfg.Credential.Name,
		What: "the token in " + b.cfg.Target.String() + " does not belong to " + string(b.cfg.Credential.Registry), Why: why + "; it was not sent",
	}
}

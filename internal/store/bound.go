package store

import (
	"context"
	"slices"
	"sync"

	"purser/internal/credential"
)

// Bound is a store that releases its values only to the registry of their mark; a
// configuration alone never suffices. An unmarked value is released if its form shows that
// it is the registry's, if the configuration is trusted, or if a person agrees. A way to
// the registry that only the credential names, such as extra certificates, needs the same
// consent.
//
// Every flow reads through it, so that none can forget the check.
type Bound struct {
	Store
	cfg BoundConfig

	mu   sync.Mutex             // guards the rest
	mark *credential.Mark       // as Describe last returned it; nil: not asked yet
	said credential.Mark        // what this run learned, in case the store does not keep it
	mine []credential.VersionID // staged by this run
}

// BoundConfig says who reads a store.
type BoundConfig struct {
	Credential credential.Credential
	Target     credential.Target
	Trusted    bool // others cannot write the configuration
	// Comparing means that the current value is only compared with its replacement, and not
	// sent to any registry.
	Comparing bool
	DryRun    bool // do not write down what a person says
	// Hold keeps caches on this machine from keeping values until release; nil: there are none.
	Hold func() (release func())
	// Agree asks a person whether the value belongs to the credential's registry.
	Agree func(ctx context.Context) error
}

// Bind returns a store that releases its values only to the credential's registry.
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

// Stage remembers which versions this run staged.
func (b *Bound) Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error {
	b.mu.Lock()
	b.mine = append(b.mine, id)
	b.mu.Unlock()
	return b.Store.Stage(ctx, id, value)
}

// Bind writes the mark and remembers it.
func (b *Bound) Bind(ctx context.Context, m credential.Mark) error {
	err := b.Store.Bind(ctx, m)
	if err == nil {
		b.remember(m)
	}
	return err
}

// Promote keeps caches from keeping the replaced value, even by a read that is under way.
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

// Read returns a value that belongs to the credential's registry. For any other value it
// returns BelongsElsewhere, or what Agree says.
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
		return nil //nolint:nilerr // no login to send; the caller will report it
	}
	home := credential.IsHome(host, login.Token)
	if b.cfg.Comparing && at == credential.Current || home && via == "" {
		return nil
	}
	if vendor := credential.Misplaced(host, login.Token); vendor != "" {
		return b.elsewhere("it has the form of a " + vendor + " token")
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
		b.remember(said) // not written down: valid for this run only
	}
	return nil
}

func (b *Bound) isMine(id credential.VersionID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.mine, id)
}

// known returns the mark: the zero mark if the caller may read the value but not its mark.
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
		What: "the token in " + b.cfg.Target.String() + " does not belong to " + string(b.cfg.Credential.Registry), Why: why + "; purser did not send it",
	}
}

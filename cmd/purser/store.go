package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"purser/internal/account"
	"purser/internal/arguments"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/receipt"
	"purser/internal/record"
	"purser/internal/source"
	"purser/internal/terraform"
	"purser/internal/wire"
)

// titleOf returns the title of a kind of store.
func titleOf(kind string) string { return credential.Target{Kind: kind}.Traits().Title }

// storeFlags describe one credential, and say what to do.
type storeFlags struct {
	registry, username, access, shape string
	repositories, secrets             []string
	file, profile, region, ca         string

	from          string
	stdin, mint   bool
	yes           bool
	create        bool
	allowPassword bool
	newRepository bool
	dryRun        bool
	rebind        bool
	despite       bool // --despite-terraform
	expires       string
}

// subject is the credential to store, with what its configuration adds.
type subject struct {
	credential.Credential
	trusted bool   // the configuration is trusted, and no flag overrides it
	root    string // the folder of purser.yaml; "" without one
}

func (a *app) storeCommand() *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use:   "store NAME [-]",
		Short: "Check a token and store it where your CI reads it",
		Long: `store takes a token and checks with the registry that it can do what the
credential needs. It stores the token, reads it back, checks what it read, and
only then makes it current. The previous version stays as AWSPREVIOUS. If the
same token is already stored, store writes nothing.

purser chooses where the token comes from, unless --from says it:

  mint    ` + account.Makers() + ` makes one, with docker's session or your sign-in
  prompt  purser shows the steps, and you paste the token; it stays hidden
  form    the same on a page in your browser, for when there is no terminal
  stdin   purser reads it from standard input
  docker  purser takes the one that docker has

A token is never an argument.`,
		Example: `  purser store dockerhub
  purser store dockerhub --mint
  purser store dockerhub --from form
  purser store dockerhub --from docker
  pass show docker/ci | purser store dockerhub --token-stdin
  purser store dockerhub --dry-run
  purser store snapshots --registry docker.io --username mockserver \
      --repository mockserver/mockserver \
      --secret-id mockserver-build/dockerhub --region eu-west-2`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && args[1] == "-" {
				return nil
			}
			if len(args) == 0 {
				return &credential.Fault{Reason: credential.Usage, What: "store needs the NAME of a credential", Why: cmd.UseLine()}
			}
			return arguments.AtMost(cmd, args, 1)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.stdin = f.stdin || len(args) == 2
			return a.store(cmd.Context(), args[0], f)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *storeFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.from, "from", "", "take the token from this `SOURCE`: mint, prompt, form, stdin or docker")
	flags.BoolVar(&f.mint, "mint", false, "let "+account.Makers()+" make it; the same as --from mint")
	flags.BoolVar(&f.stdin, "token-stdin", false, "read the token from standard input; the same as a - after NAME")
	flags.BoolVarP(&f.yes, "yes", "y", false, "use what purser finds without asking")
	flags.BoolVar(&f.dryRun, "dry-run", false, "check the token and say what would happen; change nothing")
	flags.StringVar(&f.expires, "expires", "", "when the token expires: a `DATE` (2027-01-31) or a time from now (90d, 1y)")
	flags.BoolVar(&f.create, "create", false, "create the secret if it does not exist")
	flags.BoolVar(&f.newRepository, "new-repository", false, "allow a repository that does not exist yet; the first push creates it")
	flags.BoolVar(&f.rebind, "rebind", false, "use a place that holds another registry's token; purser asks you first")
	flags.BoolVar(&f.despite, "despite-terraform", false, "store even if the project's Terraform would overwrite it")
	flags.BoolVar(&f.allowPassword, "allow-password", false, "store an account's password")
	flags.StringVar(&f.registry, "registry", "", "the registry's `HOST`, such as docker.io")
	flags.StringVar(&f.username, "username", "", "the `ACCOUNT` that the token must belong to")
	flags.StringArrayVar(&f.repositories, "repository", nil, "a `REPOSITORY` that your CI uses (repeatable)")
	flags.StringVar(&f.access, "access", "", "the `ACCESS` that your CI needs: push or pull")
	flags.StringArrayVar(&f.secrets, "secret-id", nil, "the name or ARN of the `SECRET` in "+titleOf(config.SecretKind)+" (repeatable)")
	flags.StringVar(&f.file, "file", "", "keep the token in this age-encrypted `FILE` instead")
	flags.StringVar(&f.shape, "shape", "", "the `SHAPE` of the secret's JSON: "+strings.Join(credential.ShapeNames(), ", ")+", or USERNAMEKEY,TOKENKEY")
	flags.StringVar(&f.profile, "profile", "", "the AWS `PROFILE`")
	flags.StringVar(&f.region, "region", "", "the AWS `REGION`")
	flags.StringVar(&f.ca, "ca", "", "trust the certificates in this PEM `FILE` for the registry")
}

func (a *app) store(ctx context.Context, text string, f storeFlags) error {
	it, err := a.credentialFor(text, f)
	if err != nil {
		return err
	}
	c := it.Credential
	if it.root != "" && !f.despite {
		if err := terraform.Overwrites(it.root, c); err != nil {
			return credential.About(err, c)
		}
	}
	expires, err := arguments.Expiry(f.expires, a.now())
	if err != nil {
		return err
	}
	w := a.wire()
	w.Trusted, w.Comparing, w.DryRun = it.trusted, true, f.dryRun
	if err := a.unread(c, f); err != nil {
		return credential.About(err, c)
	}
	from, err := a.source(ctx, c, w, f)
	if err == nil && from.somebody != nil {
		err = from.somebody() // before purser asks AWS anything
	}
	if err != nil {
		return credential.About(err, c)
	}
	if from.given && f.ca != "" && len(c.AuthHosts) == 0 {
		c.Via = "" // whoever gives the token also named the certificates
	}
	where, err := a.places(ctx, w, c)
	if err != nil {
		return credential.About(err, c)
	}
	rec, err := a.recorder(ctx, w, c.Targets)
	if err != nil {
		return credential.About(err, c)
	}
	r := a.runner(w, rec.Following(from.follow))
	res, err := r.Store(ctx, lifecycle.StoreRequest{
		Credential: c, Places: where, Find: from.find, Mint: from.mint, Create: f.create, AllowPassword: f.allowPassword,
		AllowNew: f.newRepository, DryRun: f.dryRun, Expires: expires, Given: from.given, Rebind: f.rebind,
	})
	err = rec.Write(ctx, record.Change{Command: receipt.Store, Of: c, Store: res, Err: credential.About(err, c)})
	err = a.facts(err)
	if from.end != nil {
		from.end(err)
	}
	if a.output.JSON {
		return a.printJSON(present.ReportOf(err).With("store", present.StoreReport(res, f.dryRun)).With("receipts", rec.Lines()), err)
	}
	if err == nil {
		a.printNotes(c, res)
		if late, ok := from.mint.(*account.Late); ok {
			_, _ = io.WriteString(a.out, late.Keyless(it.root, res))
		}
	}
	return err
}

// credentialFor takes the credential from purser.yaml and lets flags override it. With a
// registry, a repository and a place as flags it needs no file, and the name is free.
func (a *app) credentialFor(text string, f storeFlags) (it subject, err error) {
	name, err := credential.ParseName(text)
	if err != nil {
		return it, err
	}
	file, err := a.load(f.registry == "")
	if err != nil {
		return it, err
	}
	it.Credential = credential.Credential{Name: name, Access: credential.Push}
	var shared config.AWS // for secrets that flags name
	if file != nil {
		known, err := file.Credential(name)
		if err == nil {
			it.Credential = known
		} else if f.registry == "" {
			return it, err
		}
		shared, it.root, it.trusted = file.AWS, filepath.Dir(file.Path), file.Trusted && !f.leads()
	}
	it.Credential, err = f.override(it.Credential, shared)
	return it, err
}

// leads reports whether a flag says where a token goes.
func (f storeFlags) leads() bool {
	return f.registry+f.file+f.profile+f.region+f.ca != "" || len(f.secrets) > 0
}

func (f storeFlags) override(c credential.Credential, shared config.AWS) (credential.Credential, error) {
	var err error
	if f.registry != "" {
		if c.Registry, err = credential.ParseHost(f.registry); err != nil {
			return c, err
		}
	}
	if f.username != "" {
		if credential.HoldsToken(f.username) {
			return c, arguments.RefuseTokens([]string{f.username})
		}
		c.Username = f.username
	}
	if f.ca != "" {
		c.CAFile = f.ca
		c.Via = wire.Via(c)
	}
	switch credential.Access(f.access) {
	case "":
	case credential.Push, credential.Pull:
		c.Access = credential.Access(f.access)
	default:
		return c, &credential.Fault{Reason: credential.Usage, What: "--access must be push or pull"}
	}
	if err := f.overrideRepositories(&c); err != nil {
		return c, err
	}
	return c, f.overrideTargets(&c, shared)
}

func (f storeFlags) overrideRepositories(c *credential.Credential) error {
	if len(f.repositories) > 0 {
		c.Repositories = nil
	}
	for _, text := range f.repositories {
		repo, err := credential.ParseRepository(c.Registry, text)
		if err != nil {
			return err
		}
		if !slices.Contains(c.Repositories, repo) { // check each once
			c.Repositories = append(c.Repositories, repo)
		}
	}
	if len(c.Repositories) == 0 {
		return &credential.Fault{
			Reason: credential.Usage, What: "store needs a repository: --repository",
			Why: "purser checks the token on the repositories that your CI uses",
		}
	}
	return nil
}

func (f storeFlags) overrideTargets(c *credential.Credential, shared config.AWS) error {
	if f.file != "" && len(f.secrets) > 0 {
		return &credential.Fault{Reason: credential.Usage, What: "give --file or --secret-id, not both"}
	}
	if f.file != "" {
		c.Targets = []credential.Target{{Kind: config.FileKind, Name: f.file}}
	}
	if len(f.secrets) > 0 {
		c.Targets = nil
	}
	for _, id := range f.secrets {
		c.Targets = append(c.Targets, credential.Target{Kind: config.SecretKind, Name: id, Profile: shared.Profile, Region: shared.Region})
	}
	if len(c.Targets) == 0 {
		c.Targets = []credential.Target{{}}
	}
	for i := range c.Targets {
		if err := f.overrideTarget(&c.Targets[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f storeFlags) overrideTarget(t *credential.Target) error {
	if f.shape != "" {
		shape, err := credential.ParseShape(f.shape)
		if err != nil {
			return err
		}
		t.Shape = shape
	}
	if f.profile != "" {
		t.Profile = f.profile
	}
	if f.region != "" {
		t.Region = f.region
	}
	return t.Check()
}

// origin is the source of a token.
type origin struct {
	kind   string // as in --from
	find   func(context.Context) (lifecycle.Candidate, error)
	mint   lifecycle.Minter // instead of find
	given  bool             // a person gives the token or agrees to it, and sees where it goes
	follow func(lifecycle.Event)
	end    func(error)
	// somebody fails if find would wait for a person who is not there; nil: a flag chose
	// the source.
	somebody func() error
}

// source chooses where the token comes from, before anything changes.
func (a *app) source(ctx context.Context, c credential.Credential, w *wire.Wire, f storeFlags) (origin, error) {
	from := f.from
	for flag, means := range map[string]string{"stdin": "stdin", "mint": "mint"} {
		if set := map[string]bool{"stdin": f.stdin, "mint": f.mint}[flag]; !set {
			continue
		}
		if from != "" && from != means {
			return origin{}, &credential.Fault{Reason: credential.Usage, What: "the flags name two sources of the token: give --from alone"}
		}
		from = means
	}
	minter := account.NewLate(a.desk(w), c, f.yes, nil)
	var somebody func() error
	if from == "" {
		somebody = func() error { return a.somebody(w, c) }
		best, ready := a.bestSource(ctx, w, c)
		if from = best; ready != nil {
			minter = ready
		}
	}
	switch from {
	case "stdin":
		return origin{kind: from, find: finder(source.Stdin{Reader: present.Stoppable{Ctx: ctx, From: a.in, Doing: "reading the token from standard input"}, Registry: c.Registry, Username: c.Username}), given: true}, nil
	case "prompt":
		return origin{kind: from, find: a.guidedPrompt(c, f.allowPassword), given: true}, nil
	case "form":
		find, follow, end := a.byForm(c, w, f)
		if somebody != nil {
			ask := find
			find = func(ctx context.Context) (lifecycle.Candidate, error) {
				if err := somebody(); err != nil {
					return lifecycle.Candidate{}, err
				}
				return ask(ctx)
			}
		}
		return origin{kind: from, find: find, follow: follow, end: end, given: true, somebody: somebody}, nil
	case "mint":
		if a.consent != nil && !f.dryRun {
			// The person decides first: purser needs the session only after it made missing
			// secrets.
			if _, err := minter.SignedIn(ctx); err != nil {
				return origin{}, err
			}
		}
		return origin{kind: from, mint: minter, given: a.asksToMint(f.yes)}, nil
	case "docker":
		return origin{kind: from, find: a.confirmed(c, w, source.DockerConfig{Dir: a.env.DockerConfigDir(), Registry: c.Registry}, f.yes), given: !f.yes}, nil
	}
	return origin{}, &credential.Fault{Reason: credential.Usage, What: "--from must be mint, prompt, form, stdin or docker"}
}

// asksToMint reports whether purser asks a person before it makes a token, and shows where
// it goes.
func (a *app) asksToMint(yes bool) bool {
	return !yes && (a.env.ManagementSecret == "" || a.consent != nil)
}

type tokenSource interface {
	Find(ctx context.Context) (source.Found, error)
}

func finder(s tokenSource) func(context.Context) (lifecycle.Candidate, error) {
	return func(ctx context.Context) (lifecycle.Candidate, error) {
		f, err := s.Find(ctx)
		return lifecycle.Candidate{Login: f.Login, Kind: f.Kind, Where: f.Where, BesideSession: f.BesideSession}, err
	}
}

// confirmed asks before purser uses docker's login, which is there for something else.
func (a *app) confirmed(c credential.Credential, w *wire.Wire, s tokenSource, yes bool) func(context.Context) (lifecycle.Candidate, error) {
	find := finder(s)
	return func(ctx context.Context) (lifecycle.Candidate, error) {
		found, err := find(ctx)
		if err != nil || yes || found.Kind == credential.Session || found.Kind == credential.IdentityToken {
			return found, err // purser refuses a session anyway
		}
		has := fmt.Sprintf("docker has a %s of %s for %s, in %s", found.Kind, cmp.Or(credential.Quote(found.Username, found.Token), "an unnamed account"), c.Registry, found.Where)
		return found, a.decide(ctx, present.Decision{Question: "Check docker's token and store it for " + string(c.Name) + "?", Facts: append([]string{has}, facts(w, c)...)})
	}
}

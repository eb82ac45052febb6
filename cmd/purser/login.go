package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/agent"
	"purser/internal/arguments"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/keyringcache"
	"purser/internal/present"
	"purser/internal/registry"
	"purser/internal/signin"
	"purser/internal/wire"
)

// loginFlags are the flags of login aws; the last ones create a profile.
type loginFlags struct {
	profile               string
	noBrowser, again      bool
	startURL, ssoRegion   string
	account, role, region string
}

func (a *app) loginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in, so that other commands can work",
		Example: `  purser login aws
  purser login dockerhub`,
		Args: arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var f loginFlags
	aws := &cobra.Command{
		Use:   "aws",
		Short: "Sign in to AWS through IAM Identity Center, without the AWS CLI",
		Long: `aws signs you in with your browser, and puts the session where the AWS CLI and
all of AWS's SDKs look for it. It keeps a session that is still good, and
renews one that can be renewed. With --no-browser, or over ssh, it shows an
address and a code for a browser on another machine.

If you have no profile yet, --start-url, --sso-region, --account and --role
create it in AWS's configuration file. Nothing else in that file changes.`,
		Example: `  purser login aws
  purser login aws --profile mockserver-build
  purser login aws --no-browser
  purser login aws --profile mockserver-build \
      --start-url https://mockserver.awsapps.example/start \
      --sso-region eu-west-2 --account 123456789012 \
      --role AdministratorAccess --region eu-west-2`,
		Args: arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.loginAWS(cmd.Context(), f) },
	}
	flags := aws.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.profile, "profile", "", "the AWS `PROFILE` (default that of purser.yaml, else AWS_PROFILE, else AWS's default)")
	flags.BoolVar(&f.noBrowser, "no-browser", false, "show an address and a code for a browser on another machine")
	flags.BoolVar(&f.again, "again", false, "sign in again, even if the session is still good")
	flags.StringVar(&f.startURL, "start-url", "", "create the profile: the start `URL` of IAM Identity Center")
	flags.StringVar(&f.ssoRegion, "sso-region", "", "create the profile: the `REGION` of IAM Identity Center")
	flags.StringVar(&f.account, "account", "", "create the profile: the `ACCOUNT`, 12 digits")
	flags.StringVar(&f.role, "role", "", "create the profile: the name of the `ROLE`")
	flags.StringVar(&f.region, "region", "", "create the profile: the `REGION` of your secrets")
	cmd.AddCommand(aws)
	for _, k := range registry.Minting() {
		cmd.AddCommand(a.loginAccountCommand(k))
	}
	return cmd
}

func (a *app) logoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Forget cached logins, or sign out of AWS",
		Long: `logout removes the logins that purser's credential helper caches in the kernel
for a minute. logout aws also ends your session with IAM Identity Center.`,
		Example: `  purser logout
  purser logout aws`,
		Args: arguments.None,
		RunE: func(*cobra.Command, []string) error { return a.forgetLogins() },
	}
	var profile string
	aws := &cobra.Command{
		Use:   "aws",
		Short: "Sign out of IAM Identity Center",
		Long: `aws ends the profile's session at AWS and removes it from this machine, also
for the AWS CLI and the SDKs. Sessions of other start URLs stay.`,
		Example: `  purser logout aws`,
		Args:    arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, p, err := a.profileFor(profile)
			if err != nil {
				return err
			}
			if err := w.SignIn(nil).SignOut(cmd.Context(), p); err != nil {
				return err
			}
			if err := a.signedOut(p); err != nil || a.output.JSON {
				return err
			}
			return a.forgetLogins()
		},
	}
	aws.Flags().StringVar(&profile, "profile", "", "the AWS `PROFILE`")
	cmd.AddCommand(aws)
	return cmd
}

// forgetLogins clears the credential helper's cache in the kernel's keyring.
func (a *app) forgetLogins() error {
	kept, err := keyringcache.New(keyringcache.Name)
	if err == nil {
		err = kept.Clear()
	}
	text := "the kernel caches no login"
	switch {
	case errors.Is(err, keyringcache.ErrUnavailable):
		text = "this machine has no kernel keyring, so it caches no login"
	case err != nil:
		return fmt.Errorf("clear the kernel's keyring: %w", err)
	}
	if !a.output.JSON {
		a.line(a.out, credential.Granted, "Helper", text)
	}
	return nil
}

// sessionJSON is the report of a sign-in.
type sessionJSON struct {
	Profile string     `json:"profile"`
	Outcome string     `json:"outcome"` // signed-in, renewed, kept, signed-out
	Until   *time.Time `json:"until,omitempty"`
	Who     string     `json:"who,omitempty"`
	Account string     `json:"account,omitempty"`
}

func (a *app) signedOut(p signin.Profile) error {
	if a.output.JSON {
		a.writeJSON(present.ReportOf(nil).With("session", &sessionJSON{Profile: p.Name, Outcome: "signed-out"}))
		return nil
	}
	a.line(a.out, credential.Granted, "AWS", "signed out of "+p.StartURL)
	return nil
}

// profileFor finds the profile that the flag, purser.yaml or the environment names. It must
// use IAM Identity Center.
func (a *app) profileFor(name string) (*wire.Wire, signin.Profile, error) {
	w := a.wire()
	if name == "" {
		if file, err := a.project(false); err == nil && file != nil {
			name = file.AWS.Profile
		}
	}
	name = w.ProfileName(credential.Target{Profile: name})
	p, err := w.Profiles().Profile(name)
	if err != nil {
		return w, p, err
	}
	if !p.SSO() {
		how := map[signin.Kind]string{
			signin.KindNone: "AWS's configuration does not say how to sign in to it", signin.KindStatic: "it has access keys",
			signin.KindConsole: "it uses `aws login`",
		}[p.Kind]
		return w, p, &credential.Fault{
			Reason: credential.ProfileMissing, SignIn: string(p.Kind), Target: credential.Target{Profile: p.Name},
			What: "the AWS profile " + p.Name + " does not sign in with IAM Identity Center", Why: cmp.Or(how, "it gets its credentials through "+string(p.Kind)),
		}
	}
	return w, p, nil
}

func (a *app) loginAWS(ctx context.Context, f loginFlags) error {
	if f.startURL != "" {
		if err := a.touched.after(a.wire().Profiles().Make(signin.NewProfile{
			Name: f.profile, StartURL: f.startURL, SSORegion: f.ssoRegion, Account: f.account, Role: f.role, Region: f.region,
		})); err != nil {
			return err
		}
	}
	w, p, err := a.profileFor(f.profile)
	if err != nil {
		return err
	}
	res, err := a.signIn(ctx, w, p, signin.How{NoBrowser: f.noBrowser || w.Browser() != nil, Again: f.again})
	if err != nil {
		return err
	}
	if res.Kept && a.ended(ctx, p) {
		// AWS may have ended the session early.
		if res, err = a.signIn(ctx, w, p, signin.How{NoBrowser: f.noBrowser || w.Browser() != nil, Again: true}); err != nil {
			return err
		}
	}
	out := sessionJSON{Profile: p.Name, Outcome: "signed-in", Until: present.Moment(res.Until)}
	switch {
	case res.Kept:
		out.Outcome = "kept"
	case res.Renewed:
		out.Outcome = "renewed"
	}
	if !a.output.JSON {
		a.line(a.out, credential.Granted, "Session", fmt.Sprintf("%s, until %s", map[string]string{
			"signed-in": "signed in to " + p.StartURL, "kept": "still good", "renewed": "renewed",
		}[out.Outcome], res.Until.Local().Format("2006-01-02 15:04")))
	}
	return a.introduce(ctx, w, p, out)
}

// ended reports whether AWS rejects a session that has not expired.
func (a *app) ended(ctx context.Context, p signin.Profile) bool {
	t := credential.Target{Kind: config.SecretKind, Name: "none", Profile: p.Name, Region: cmp.Or(p.Region, p.SSORegion)}
	place, err := a.wire().Bare(ctx, credential.Credential{}, t)
	if err == nil {
		_, err = place.Open(ctx)
	}
	f, ok := present.AsFault(err)
	return ok && f.Reason == credential.NotSignedIn && f.SignIn != credential.NotAssigned
}

// introduce shows the identity that you signed in as. It fails if you may not use the role.
func (a *app) introduce(ctx context.Context, w *wire.Wire, p signin.Profile, out sessionJSON) error {
	t := credential.Target{Kind: config.SecretKind, Name: "none", Profile: p.Name, Region: cmp.Or(p.Region, p.SSORegion)}
	place, err := w.Bare(ctx, credential.Credential{}, t)
	if err == nil {
		out.Who, err = place.Open(ctx)
	}
	if err == nil {
		if id, err := w.Identity(ctx, t); err == nil {
			out.Account = id.Account
		}
	}
	if a.output.JSON {
		return a.printJSON(present.ReportOf(err).With("session", &out), err)
	}
	if err == nil {
		a.line(a.out, credential.Granted, "AWS", out.Who+", account "+cmp.Or(out.Account, "unknown"))
	}
	return err
}

// signIn shows the person what to do, on standard error.
func (a *app) signIn(ctx context.Context, w *wire.Wire, p signin.Profile, how signin.How) (signin.Result, error) {
	ctx, failed, why := agent.Watch(ctx)
	defer failed(nil)
	remove := func() {}
	defer func() { remove() }()
	res, err := w.SignIn(func(prompt signin.Prompt) {
		if a.person != nil {
			remove = a.person.Open(ctx, signInPage(p, prompt), failed)
			return
		}
		text := "open this page in a browser to sign in:"
		if prompt.Opened {
			text = "a browser opened for you to sign in; if it did not, open:"
		}
		_, _ = fmt.Fprintf(a.err, "%s\n\n  %s\n\n", text, prompt.URL)
		if prompt.Code != "" {
			_, _ = fmt.Fprintf(a.err, "check that the page shows this code: %s\n", credential.Quote(prompt.Code))
		}
	}).SignIn(ctx, p, how)
	return res, why(err)
}

func signInPage(p signin.Profile, prompt signin.Prompt) agent.Page {
	wanted := "sign in to the AWS profile " + p.Name
	if prompt.Code != "" {
		wanted += ", if the page shows the code " + credential.Quote(prompt.Code)
	}
	return agent.Page{Address: prompt.URL, Wanted: wanted, Opened: prompt.Opened}
}

// offerSignIn offers, at a terminal, to sign in to each profile whose session ended.
// Elsewhere the command fails later and says what to type.
func (a *app) offerSignIn(ctx context.Context, w *wire.Wire, targets []credential.Target) error {
	if a.output.JSON || a.env.HasAWSCredentials() || a.aws != nil || !a.interactive() {
		return nil
	}
	asked := map[string]bool{}
	for _, t := range targets {
		name := w.ProfileName(t)
		if t.Traits().Cloud == "" || asked[name] {
			continue
		}
		asked[name] = true
		p, err := w.Profiles().Profile(name)
		if err != nil || !p.SSO() {
			continue // its use reports the mistake
		}
		state, _ := (signin.Cache{Dir: a.env.SSOCacheDir()}).State(p, a.now())
		if state == signin.SignedIn || state == signin.Refreshable {
			continue
		}
		if a.tty.Confirm(ctx, "You are not signed in to the AWS profile "+p.Name+". Sign in now?") != nil {
			continue
		}
		if _, err := a.signIn(ctx, w, p, signin.How{NoBrowser: w.Browser() != nil}); err != nil {
			return err
		}
	}
	return nil
}

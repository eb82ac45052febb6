package practice

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/boundedfile"
	"purser/internal/childproc"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
	"purser/internal/signin"
)

// SandboxCommand is purser sandbox and its subcommands.
func (h *Host) SandboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Try purser against stand-ins on this machine",
		Long: `sandbox starts stand-ins on loopback: Docker Hub with its registry, token
service and token management, ghcr.io, AWS Secrets Manager and the services
that it needs. Nothing leaves this machine, and you need no account.

run and shell give a command or a shell the stand-ins under the names of the
real services. up leaves them running for scripts and tests, until down.

If you have a purser.yaml, its accounts, repositories and secrets exist too;
the secrets have no value, as Terraform leaves them.`,
		Example: `  purser sandbox try
  purser sandbox run -- purser status
  purser sandbox up`,
		Args: arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(h.tryCommand(), h.sandboxRunCommand(), h.sandboxShellCommand(), h.sandboxUpCommand(), h.sandboxDownCommand(),
		h.sandboxFaultCommand(), h.sandboxServeCommand(), h.sandboxInsideCommand())
	return cmd
}

// stageOptions configure a sandbox.
type stageOptions struct {
	data, listen, name, function string
}

func (o *stageOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.data, "data", "", "keep the state in this `FOLDER` for the next time")
	cmd.Flags().StringVar(&o.function, "function", "", "let this `PROGRAM` do the rotations of Secrets Manager: purser-lambda, or another one for AWS Lambda")
}

// repeated returns the flags that another purser needs for the same setup.
func (h *Host) repeated(o stageOptions) (args []string) {
	for _, f := range []struct{ name, value string }{{"--config", h.Config()}, {"--data", o.data}, {"--function", o.function}, {"--listen", o.listen}, {"--name", o.name}} {
		if f.value != "" {
			args = append(args, f.name, f.value)
		}
	}
	return args
}

// stage is a running sandbox and its folder.
type stage struct {
	box  *sandbox.Sandbox
	dir  string
	vars map[string]string
	skew atomic.Int64 // by how much AWS's clock is ahead, in nanoseconds
	made []string     // the files in the folder
	end  func() error // of the rotation function
	last string       // removed after all others; "": nothing
	// session is where AWS's tools keep the session of the practice profile, outside of dir.
	session string

	accounts accounts
}

// accounts are what people sign in with in a sandbox. All of it is made up and worth nothing
// elsewhere, so it is shown.
type accounts struct {
	Names        []string `json:"names"` // at Docker Hub; the first has the second factor
	Password     string   `json:"password"`
	SecondFactor string   `json:"second_factor"`
	Profile      string   `json:"aws_profile"`
}

// String says how to use them.
func (a accounts) String() string {
	return `Made up, to practise with; nothing of it works anywhere else:
  Docker Hub     ` + strings.Join(a.Names, ", ") + `
  password       ` + a.Password + `
  second factor  ` + a.SecondFactor + `, for ` + a.Names[0] + ` alone
  tokens         $PURSER_SANDBOX/push.token, readonly.token, revoked.token, …
  AWS sign-in    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
                 purser login aws --profile ` + a.Profile + ` --no-browser
`
}

// practiceProfile is the AWS profile that signs in to the stand-in for IAM Identity Center.
const practiceProfile = "sandbox-sso"

// practiceSession is its section for AWS's configuration. The account and the role are those
// that the stand-in assigns.
func practiceSession(region string) string {
	return `[profile ` + practiceProfile + `]
region = ` + region + `
sso_session = ` + practiceProfile + `
sso_account_id = 123456789012
sso_role_name = AdministratorAccess
[sso-session ` + practiceProfile + `]
sso_start_url = https://sandbox.awsapps.example/start
sso_region = ` + region + "\n"
}

// openStage starts the stand-ins. Their folder has the certificate and fake tokens.
func (h *Host) openStage(ctx context.Context, dir string, o stageOptions) (*stage, error) {
	file, err := h.Project(false)
	if err != nil {
		return nil, err
	}
	if o.data, err = absolutePath(o.data); err != nil {
		return nil, err
	}
	s := &stage{dir: dir, end: func() error { return nil }, session: (signin.Cache{Dir: h.Env.SSOCacheDir()}).Path(signin.Profile{Session: practiceProfile})}
	options := sandbox.Options{
		Now: h.Now, Random: h.Random, AWSNow: func() time.Time { return h.Now().Add(time.Duration(s.skew.Load())) },
		Data: o.data, Listen: o.listen, Name: o.name, Function: o.function != "", Hosts: registriesOf(file), Region: regionOf(file),
	}
	if s.box, err = sandbox.Start(ctx, options); err != nil {
		return nil, startFault(o, err)
	}
	s.box.IdentityCenter.Agreed = true // a browser may not reach its page
	err = s.furnish(h, file, options.Region)
	if err == nil && o.function != "" {
		err = s.startFunction(o.function)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// startFault explains a failed start.
func startFault(o stageOptions, err error) error {
	switch {
	case errors.Is(err, sandbox.ErrDataInUse):
		return &credential.Fault{Reason: credential.Usage, What: "the folder of --data is in use", Why: "another sandbox keeps its state in " + credential.Quote(o.data)}
	case errors.Is(err, sandbox.ErrListen):
		return &credential.Fault{Reason: credential.Usage, What: "the stand-ins cannot listen on " + credential.Quote(o.listen), Why: credential.Quote(because(err))}
	case errors.Is(err, sandbox.ErrData):
		return &credential.Fault{Reason: credential.Usage, What: "purser cannot use the folder of --data", Why: credential.Quote(err.Error())}
	}
	return fmt.Errorf("start the stand-ins: %w", err)
}

// because returns the innermost reason.
func because(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}

func absolutePath(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

// registriesOf returns the registries that the sandbox lacks by default.
func registriesOf(file *config.File) (all []string) {
	if file == nil {
		return nil
	}
	for _, c := range file.Credentials {
		if host := string(c.Registry); c.Registry != hubRegistry && host != githubRegistry && !c.Registry.IsLoopback() && !slices.Contains(all, host) {
			all = append(all, host)
		}
	}
	return all
}

const sandboxRegion = "eu-west-2"

func regionOf(file *config.File) string {
	if file != nil {
		for _, c := range file.Credentials {
			for _, t := range c.Targets {
				if t.Region != "" {
					return t.Region
				}
			}
		}
	}
	return sandboxRegion
}

// furnish writes what programs need to use the stand-ins, and adds what purser.yaml names.
func (s *stage) furnish(h *Host, file *config.File, region string) error {
	s.vars = map[string]string{"PURSER_SANDBOX": s.dir, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
	vars, err := s.box.Environment(s.dir)
	if err != nil {
		return err
	}
	for _, v := range vars {
		name, value, _ := strings.Cut(v, "=")
		s.vars[name] = value
	}
	for _, name := range []string{"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"} {
		s.vars[name] = s.vars["SSL_CERT_FILE"]
	}
	s.vars["https_proxy"], s.vars["no_proxy"] = s.vars["HTTPS_PROXY"], s.vars["NO_PROXY"]
	s.made = append(s.made, filepath.Base(s.vars["SSL_CERT_FILE"]))
	s.vars["AWS_CONFIG_FILE"] = filepath.Join(s.dir, "aws-config")
	if err := s.write("aws-config", []byte(awsProfiles(h.profileNames(file), region)+practiceSession(region))); err != nil {
		return err
	}
	tokens := map[string]credential.Secret{
		"push": s.box.PushToken, "readonly": s.box.ReadOnlyToken, "revoked": s.box.RevokedToken, "other": s.box.OtherToken,
		"ghcr": s.box.PackagesToken,
	}
	managed := map[string]bool{sandbox.Schedules: true}
	if file != nil {
		for _, c := range file.Credentials {
			if c.Registry == hubRegistry {
				managed[accountOf(c)] = true
			}
			token, err := s.practise(c)
			if err != nil {
				return fmt.Errorf("prepare %s: %w", c.Name, err)
			}
			tokens[string(c.Name)] = token
		}
	}
	for account := range managed {
		if err := h.manage(s.box, managementPrefix+account, region, account); err != nil {
			return fmt.Errorf("keep the password of %s in a secret: %w", account, err)
		}
	}
	delete(managed, sandbox.Schedules)
	delete(managed, "mockserver")
	s.accounts = accounts{append([]string{"mockserver", sandbox.Schedules}, slices.Sorted(maps.Keys(managed))...), s.box.Password.Reveal(), sandboxhub.DefaultCode, practiceProfile}
	if err := errors.Join(s.write("account.password", []byte(s.accounts.Password+"\n")), s.write("README.txt", []byte(s.accounts.String()))); err != nil {
		return err
	}
	for name, token := range tokens {
		if err := s.write(name+".token", []byte(token.Reveal()+"\n")); err != nil {
			return err
		}
	}
	return nil
}

// managementPrefix starts the names of secrets for PURSER_MANAGEMENT_SECRET_ID, which have Docker Hub
// passwords.
const managementPrefix = "purser-sandbox/"

func (s *stage) write(name string, text []byte) error {
	s.made = append(s.made, name)
	const mode = 0o600
	return os.WriteFile(filepath.Join(s.dir, name), text, mode)
}

// The registries that every sandbox has. GitHub's has its own accounts.
const (
	hubRegistry    = "docker.io"
	githubRegistry = "ghcr.io"
)

func accountsOf(box *sandbox.Sandbox, registry credential.Host) *sandboxhub.Accounts {
	if registry == githubRegistry {
		return box.GitHub
	}
	return box.Accounts
}

func accountOf(c credential.Credential) string {
	return strings.ToLower(cmp.Or(c.Username, "mockserver"))
}

// practise adds a credential's account, repositories and secrets, and makes a token that can push.
func (s *stage) practise(c credential.Credential) (credential.Secret, error) {
	accounts, account := accountsOf(s.box, c.Registry), accountOf(c)
	accounts.Practise(account, s.box.Password)
	for _, repo := range c.Repositories {
		accounts.PractiseRepository(string(repo), account)
	}
	for _, t := range c.Targets {
		if t.Kind == config.SecretKind {
			if err := s.box.SecretsManager.AddEmpty(t.Name, t.Region, t.Options.Get("kms-key"), credential.MarkOf(c).String()); err != nil {
				return credential.Secret{}, err
			}
		}
	}
	token, err := accounts.AddToken(account, sandboxhub.ReadWrite)
	if err != nil {
		return credential.Secret{}, err
	}
	return token.Secret, nil
}

// profileNames returns the profiles that the person's scripts may name: those in purser.yaml, in the
// environment, and in AWS's configuration, of which only the names are used.
func (h *Host) profileNames(file *config.File) []string {
	names := map[string]bool{}
	if h.Env.AWSProfile != "" {
		names[h.Env.AWSProfile] = true
	}
	if file != nil {
		for _, c := range file.Credentials {
			for _, t := range c.Targets {
				names[t.Profile] = true
			}
		}
	}
	raw, _ := boundedfile.Read(cmp.Or(h.Env.AWSConfigFile, filepath.Join(h.Env.Home, ".aws", "config")), boundedfile.Named) // a missing file has no profiles
	for line := range strings.Lines(string(raw)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "[profile "); ok {
			names[strings.Trim(strings.TrimSuffix(name, "]"), `" `)] = true
		}
	}
	delete(names, "")
	delete(names, "default")
	return slices.Sorted(maps.Keys(names))
}

// awsProfiles is an AWS configuration where every profile leads to the stand-ins.
func awsProfiles(names []string, region string) string {
	var b strings.Builder
	section := func(head string) {
		_, _ = fmt.Fprintf(&b, "[%s]\nregion = %s\naws_access_key_id = SANDBOX\naws_secret_access_key = SANDBOX\n", head, region)
	}
	section("default")
	for _, name := range names {
		section("profile " + name)
	}
	return b.String()
}

// startFunction runs a program as the rotation function until the stage closes.
func (s *stage) startFunction(path string) error {
	program, err := exec.LookPath(path)
	if err != nil {
		return &credential.Fault{Reason: credential.Usage, What: "purser cannot run the program of --function", Why: credential.Quote(err.Error())}
	}
	said, err := os.OpenFile(filepath.Join(s.dir, "function.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	s.made = append(s.made, "function.log")
	vars := maps.Clone(s.vars)
	maps.Copy(vars, map[string]string{
		"AWS_LAMBDA_RUNTIME_API": s.box.LambdaAPI, "AWS_LAMBDA_FUNCTION_NAME": "purser-rotation", "_HANDLER": "bootstrap", "LAMBDA_TASK_ROOT": filepath.Dir(program),
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		function := childproc.Command{
			Program: program, Env: config.Inherited(vars), In: strings.NewReader(""), Out: said, Err: said, DeadlineGrace: time.Second,
			After: func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop },
		}
		_, err := function.Run(ctx)
		ended <- errors.Join(err, said.Close())
	}()
	s.end = func() error { stop(); return <-ended }
	return nil
}

// close stops the stand-ins and removes their files.
func (s *stage) close() error {
	err := errors.Join(s.end(), s.box.Close())
	for _, name := range s.made {
		err = errors.Join(err, os.Remove(filepath.Join(s.dir, name)))
	}
	if removed := os.Remove(s.session); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	if s.last != "" {
		err = errors.Join(err, os.Remove(s.last))
	}
	return err
}

// checkListen validates --listen and --name.
func (o stageOptions) checkListen(warn io.Writer) error {
	if o.listen == "" {
		if o.name != "" {
			return &credential.Fault{Reason: credential.Usage, What: "--name is for --listen", Why: "on loopback clients need no name"}
		}
		return nil
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return &credential.Fault{Reason: credential.Usage, What: "--listen must be an address such as 127.0.0.1:8443, or 0.0.0.0:443 for the whole machine"}
	}
	ip := net.ParseIP(host)
	if (host == "" || ip != nil && ip.IsUnspecified()) && o.name == "" {
		return &credential.Fault{Reason: credential.Usage, What: "--name must say how clients reach " + credential.Quote(o.listen), Why: "--name HOST is a name or an address that leads to this machine"}
	}
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		_, _ = fmt.Fprintf(warn, "Others can reach the stand-ins at %s. They know made-up tokens only: keep real ones away from them.\n", o.listen)
	}
	return nil
}

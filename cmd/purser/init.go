package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/atomicfile"
	"purser/internal/boundedfile"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/draft"
	"purser/internal/present"
)

// initFlags say what to write to purser.yaml.
type initFlags struct {
	draft.Wanted
	yes, replace, dry bool
}

func (a *app) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write purser.yaml from answers, flags, Terraform or scripts",
		Long: `init writes purser.yaml, which names your credentials and holds no secret. It
takes them from flags, from a Terraform folder, or from scripts that read a
secret from AWS. At a terminal it asks for what those leave open.

init keeps every line of an existing file. It shows what will change, and asks
before it writes. Without a terminal it writes a new file, and changes an
existing one only with --yes.`,
		Example: `  purser init
  purser init --registry docker.io --username mockserver \
      --repository mockserver/mockserver \
      --secret-id mockserver-build/dockerhub \
      --profile mockserver-build --region eu-west-2 --yes
  purser init --from-terraform terraform/buildkite-agents \
      --username mockserver --repository mockserver/mockserver
  purser init --from-script .buildkite/docker-login.sh --dry-run`,
		Args: arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.init(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.Terraform, "from-terraform", "", "take secrets and their readers from the Terraform in this `FOLDER`")
	flags.StringArrayVar(&f.Scripts, "from-script", nil, "take secrets and how CI uses them from this script, a `FILE` (repeatable)")
	flags.StringVar(&f.Entry.Name, "name", "", "the credential's `NAME` (default taken from the secret's)")
	flags.StringVar(&f.Entry.Registry, "registry", "", "the registry's `HOST`, such as docker.io")
	flags.StringVar(&f.Entry.Username, "username", "", "the `ACCOUNT` at the registry")
	flags.StringArrayVar(&f.Entry.Repositories, "repository", nil, "a `REPOSITORY` that your CI uses (repeatable)")
	flags.StringVar(&f.Entry.Access, "access", "", "the `ACCESS` that your CI needs: push or pull")
	flags.StringVar(&f.Secret, "secret-id", "", "the `SECRET` in "+titleOf(config.SecretKind))
	flags.StringVar(&f.File, "file", "", "keep the token in this age-encrypted `FILE` instead")
	flags.StringVar(&f.Entry.Shape, "shape", "", "the `SHAPE` of the secret's JSON: "+strings.Join(credential.ShapeNames(), ", ")+", or USERNAMEKEY,TOKENKEY")
	flags.StringVar(&f.Entry.Every, "rotate-every", "", "renew the token after this `TIME`, such as 90d")
	flags.StringVar(&f.Entry.Overlap, "overlap", "", "keep the old token working for this `TIME`, such as 24h")
	flags.StringArrayVar(&f.Entry.Readers, "reader", nil, "a `READER` of the secret: policy/NAME or an ARN (repeatable)")
	flags.StringVar(&f.Profile, "profile", "", "the AWS `PROFILE` for all credentials")
	flags.StringVar(&f.Region, "region", "", "the AWS `REGION` for all credentials")
	flags.BoolVar(&f.replace, "replace", false, "replace a credential that the file already has")
	flags.BoolVar(&f.dry, "dry-run", false, "show what would change; write nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "write without asking")
	return cmd
}

// initJSON is init's report.
type initJSON struct {
	Path    string   `json:"path"`
	Changed bool     `json:"changed"` // the file needs the change
	Wrote   bool     `json:"wrote"`
	Diff    string   `json:"diff"`
	Found   []string `json:"found"`
}

func (a *app) init(ctx context.Context, f initFlags) error {
	drafts, found, err := f.Drafts()
	if err != nil {
		return err
	}
	out := initJSON{Found: append([]string{}, found...)}
	if !a.output.JSON {
		for _, line := range found {
			_, _ = fmt.Fprintln(a.err, line)
		}
	}
	asks := !a.output.JSON && a.interactive()
	if len(drafts) == 0 {
		if !asks {
			return &credential.Fault{
				Reason: credential.Usage, What: "init needs to know what to write",
				Why: "it has no terminal to ask you at; give --registry, --repository and --secret-id, or --from-terraform or --from-script",
			}
		}
		drafts = []config.Entry{{}}
	}
	for i := range drafts {
		if asks {
			person := draft.Person{
				Line: a.tty.Line, Say: a.told(a.err).Text, Profile: a.onlyProfile(), Secret: "Secret in " + titleOf(config.SecretKind),
			}
			err = f.Ask(ctx, person, &drafts[i])
		} else {
			err = draft.Complete(drafts[i])
		}
		if err != nil {
			return err
		}
	}
	return a.writeConfig(ctx, f, draft.Unique(drafts), out)
}

// writeConfig shows the change and writes it if the person wants it. It first parses what
// it will write.
func (a *app) writeConfig(ctx context.Context, f initFlags, drafts []config.Entry, out initJSON) error {
	path, before, aws, err := a.existing()
	if err != nil {
		return err
	}
	out.Path = path
	if before != nil {
		for i := range drafts {
			f.DifferFrom(&drafts[i], aws)
		}
	}
	after := config.Render(config.AWS{Profile: f.Profile, Region: f.Region}, drafts)
	if before != nil {
		if after, err = config.Add(before, drafts, f.replace); err != nil {
			return err
		}
	}
	if _, err := config.Parse(path, after, config.Options{Dir: filepath.Dir(path), Home: a.env.Home}); err != nil {
		return err
	}
	name := filepath.Base(path)
	out.Diff = udiff.Unified(name, name, string(before), string(after))
	out.Changed = out.Diff != ""
	if !a.output.JSON {
		_, _ = fmt.Fprint(a.out, out.Diff)
	}
	switch {
	case f.dry, !out.Changed:
	case f.yes, before == nil && (a.output.JSON || !a.interactive()): // a new file overwrites nothing
		out.Wrote = true
	case a.person != nil:
		if err := a.decide(ctx, present.Decision{Question: "Write this to " + path + "?", Facts: strings.Split(strings.TrimSpace(out.Diff), "\n")}); err != nil {
			return err
		}
		out.Wrote = true
	case a.output.JSON || !a.interactive():
		return &credential.Fault{Reason: credential.Declined, What: "nothing was written", Why: path + " exists, and purser cannot ask you here; give --yes to change it"}
	default:
		if err := a.tty.Confirm(ctx, "Write this to "+path+"?"); err != nil {
			return err
		}
		out.Wrote = true
	}
	if out.Wrote {
		if err := atomicfile.Write(path, after, 0o644); err != nil {
			return err
		}
	}
	if a.output.JSON {
		a.writeJSON(present.ReportOf(nil).With("init", &out))
		return nil
	}
	switch {
	case out.Wrote:
		a.line(a.out, credential.Granted, "Config", "wrote "+path+"; next: "+present.Typed(a.given, "doctor"))
	case !out.Changed:
		a.line(a.out, credential.Granted, "Config", path+" needs no change")
	}
	return nil
}

// existing reads the file to change, or names the one to create.
func (a *app) existing() (path string, text []byte, aws config.AWS, err error) {
	dir := a.dir
	if dir == "" {
		if dir, err = os.Getwd(); err != nil {
			return "", nil, aws, fmt.Errorf("find the working directory: %w", err)
		}
	}
	if path, err = config.Find(a.config, a.env, dir); err != nil {
		return "", nil, aws, err
	}
	path = cmp.Or(path, filepath.Join(dir, config.FileName))
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil, aws, nil
	}
	if err == nil && !info.Mode().IsRegular() {
		return "", nil, aws, &credential.Fault{Reason: credential.Usage, What: "purser cannot write the configuration", Why: path + " is not a regular file"}
	}
	// Loading it first reports its mistakes.
	file, err := config.Load(path, a.env)
	if err != nil {
		return "", nil, aws, err
	}
	text, err = boundedfile.Read(path, boundedfile.Named)
	return path, text, file.AWS, err
}

// onlyProfile returns AWS's profile if there is just one.
func (a *app) onlyProfile() string {
	names, err := a.wire().Profiles().Names()
	if err != nil || len(names) != 1 {
		return ""
	}
	return names[0]
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	module "purser/deploy/terraform"
	"purser/internal/boundedfile"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/terraform"
)

type terraformFlags struct {
	terraform.Options
	inline bool
	write  bool
}

func (a *app) terraformCommand() *cobra.Command {
	var f terraformFlags
	cmd := &cobra.Command{
		Use:   "terraform [NAME…]",
		Short: "Print the Terraform for a secret and the policy that reads it",
		Long: `terraform prints Terraform for the secrets that purser.yaml names. It creates
each secret empty, because Terraform keeps every value that it writes in its
state, and adds a policy that reads that secret alone. By default it calls
purser's module, which also has replicas, rotation and alarms; --write puts the
module into the folder of --source. With --inline it prints plain resources for
your own files.`,
		Example: `  purser terraform dockerhub
  purser terraform dockerhub --inline --role buildkite-default-queue
  purser terraform --write`,
		RunE: func(_ *cobra.Command, args []string) error { return a.terraform(args, f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.inline, "inline", false, "print resources instead of a module call")
	flags.StringArrayVar(&f.Roles, "role", nil, "the name of an IAM `ROLE` that reads the secrets (repeatable)")
	flags.StringVar(&f.KMSKey, "kms-key", "", "the `ARN` of your own KMS key")
	flags.StringVar(&f.Source, "source", "./modules/purser", "where the module is: a local `FOLDER`, or any source that Terraform takes")
	flags.BoolVar(&f.write, "write", false, "write the module into the folder of --source")
	return cmd
}

// terraformJSON is terraform's report.
type terraformJSON struct {
	HCL   string   `json:"hcl"`
	Wrote []string `json:"wrote,omitempty"`
}

func (a *app) terraform(names []string, f terraformFlags) error {
	file, err := a.project(true)
	if err != nil {
		return err
	}
	credentials, err := file.Chosen(names)
	if err != nil {
		return err
	}
	text := terraform.Module(credentials, f.Options)
	if f.inline {
		text = terraform.Inline(credentials, f.Options)
	}
	if strings.TrimSpace(text) == "" {
		return &credential.Fault{
			Reason: credential.Usage, What: "Terraform has nothing to create",
			Why: "the credentials are in files, or in secrets that purser.yaml names by ARN and that exist already",
		}
	}
	out := terraformJSON{HCL: text}
	if f.write {
		if out.Wrote, err = a.writeModule(f.Source); err != nil {
			return err
		}
	}
	if a.output.JSON {
		a.writeJSON(present.ReportOf(nil).With("terraform", &out))
		return nil
	}
	for _, path := range out.Wrote {
		_, _ = fmt.Fprintf(a.err, "wrote %s\n", path)
	}
	_, _ = fmt.Fprint(a.out, text)
	return nil
}

// writeModule writes the module's files into a folder. It writes nothing if one exists and
// differs.
func (a *app) writeModule(source string) ([]string, error) {
	if !strings.HasPrefix(source, "./") && !strings.HasPrefix(source, "../") && !filepath.IsAbs(source) {
		return nil, &credential.Fault{Reason: credential.Usage, What: "--source must be a folder, such as ./modules/purser", Why: "--write puts the module there"}
	}
	dir := source
	if a.dir != "" && !filepath.IsAbs(dir) {
		dir = filepath.Join(a.dir, dir)
	}
	entries, err := module.Files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	wanted := map[string][]byte{}
	var order []string
	for _, e := range entries {
		text, err := module.Files.ReadFile(e.Name())
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, e.Name())
		switch have, err := boundedfile.Read(path, boundedfile.Named); {
		case errors.Is(err, fs.ErrNotExist):
			wanted[path] = text
			order = append(order, path)
		case err != nil:
			return nil, fmt.Errorf("write the module: %w", err)
		case string(have) != string(text):
			return nil, &credential.Fault{Reason: credential.Usage, What: path + " exists and differs", Why: "purser wrote nothing; move the file away, or name another folder with --source"}
		}
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("write the module: %w", err)
	}
	for _, path := range order {
		if err := os.WriteFile(path, wanted[path], 0o644); err != nil { //nolint:gosec // it belongs into version control
			return nil, fmt.Errorf("write the module: %w", err)
		}
	}
	return order, nil
}

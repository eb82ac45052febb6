package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"purser/internal/credential"
	"purser/internal/doctor"
	"purser/internal/present"
)

func (a *app) doctorCommand() *cobra.Command {
	var fix bool
	cmd := &cobra.Command{
		Use:   "doctor [NAME…]",
		Short: "Check what purser needs, and say how to fix what is missing",
		Long: `doctor checks what the other commands need: purser.yaml, the AWS profile,
session and region, the clock, each secret with its key and your rights to it,
the registries, and docker's configuration. It reads no value and changes
nothing. For each problem it says why, and what to type.

With --fix it asks you, then fixes what needs no Terraform: it signs in to AWS,
removes unencrypted logins from docker's configuration, and sets docker up to
use purser's credential helper if that is installed.

✓ is good, ✗ is a problem, ? is unknown. The exit code is the worst of what it
found, as for every command.`,
		Example: `  purser doctor
  purser doctor dockerhub
  purser doctor --wide
  purser doctor --output json
  purser doctor --fix`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return (&visit{app: a}).run(cmd.Context(), args, fix)
		},
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "fix what needs no Terraform, after asking")
	return cmd
}

// visit is one run of doctor.
type visit struct {
	*app
	findings []doctor.Finding
}

func (v *visit) run(ctx context.Context, names []string, fix bool) error {
	file, err := v.load(true)
	if err != nil {
		v.tell(doctor.Bad("", "Config", "purser cannot use the configuration", err))
		return v.end()
	}
	chosen, err := file.Chosen(names)
	if err != nil {
		return err
	}
	v.tell(doctor.Finding{Check: "Config", Verdict: credential.Granted, Text: fmt.Sprintf("%s names %s", file.Path, counted(len(file.Credentials), "credential"))})
	w := v.wire()
	ctx, row := v.told(v.out).Follow(ctx, v.now, "looked at", present.Names(chosen))
	d := doctor.Doctor{Wire: w, Env: v.env, Now: v.now, Tell: v.tell, Looked: row.Done}
	if fix {
		d.Confirm = v.tty.Confirm
		for _, c := range chosen {
			if err := v.offerSignIn(ctx, w, c.Targets); err != nil {
				return err
			}
		}
	}
	left := len(chosen) - d.Look(ctx, file.Path, chosen)
	row.End()
	if len(chosen) > 1 && !v.output.JSON {
		doctor.Sums(v.told(v.out), v.findings, left)
	}
	return v.end()
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// tell prints and keeps a finding.
func (v *visit) tell(f doctor.Finding) {
	if fault, ok := present.AsFault(f.Fault); ok {
		v.placed(fault)
	}
	v.findings = append(v.findings, f)
	if v.output.JSON {
		return
	}
	if f.Credential != "" {
		f.Text = string(f.Credential) + ": " + f.Text
	}
	v.told(v.out).Finding(f.Verdict, f.Check, f.Text, f.Fault)
}

// end prints the report of --output json and returns the exit code.
func (v *visit) end() error {
	code := doctor.Worst(v.findings)
	if v.output.JSON {
		v.writeJSON(present.Exited(code).With("doctor", doctor.Report(v.findings)))
	}
	if code != present.ExitOK {
		return &present.Reported{Code: code}
	}
	return nil
}

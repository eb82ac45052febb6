package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"purser/internal/atomicfile"
	"purser/internal/buildinfo"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/scan"
	"purser/internal/wire"
)

type scanFlags struct {
	onlyLive, here bool
	report         string
}

func (a *app) scanCommand() *cobra.Command {
	var f scanFlags
	cmd := &cobra.Command{
		Use:   "scan [NAME…] [PATH…]",
		Short: "Look for your tokens where they should not be",
		Long: `scan reads the tokens of your credentials, as your CI does, and looks for
exactly these in files, in every encoding that purser knows. It says which token
is where, and whether CI uses it now. It shows no part of a token, and no line
that holds one.

Without a NAME it looks for the tokens of all credentials in purser.yaml.
Without a PATH it searches this folder; - is standard input. A name of a
credential wins over a file of that name: write ./NAME for the file.

Exit codes: 0 nothing found; 3 a token that CI uses now; 1 only other tokens;
6 nothing found, but something could not be searched.`,
		Example: `  purser scan
  purser scan dockerhub ../service
  purser scan --here
  journalctl -u buildkite-agent | purser scan -
  purser scan --only-live build/logs`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.scan(cmd.Context(), args, f) },
	}
	cmd.Flags().BoolVar(&f.here, "here", false, "search where programs of this machine keep what you typed: logins, histories, transcripts, processes")
	cmd.Flags().BoolVar(&f.onlyLive, "only-live", false, "exit with 0 if no token that CI uses now was found")
	cmd.Flags().StringVar(&f.report, "report", "", "also write the result to this `FILE.sarif`, for code scanning services")
	return cmd
}

// reportScan writes a report for code scanning services.
func (a *app) reportScan(r *scan.Result, path string) error {
	if path == "" {
		return nil
	}
	dir, err := filepath.Abs(a.here("."))
	if err != nil {
		return err
	}
	text, err := present.SARIF(r, dir, buildinfo.This().Version)
	if err != nil {
		return err
	}
	return atomicfile.Replace(a.here(path), text, 0o644)
}

func (a *app) scan(ctx context.Context, args []string, f scanFlags) error {
	if f.report != "" && filepath.Ext(f.report) != ".sarif" {
		return &credential.Fault{Reason: credential.Usage, What: "--report must name a file that ends in .sarif", Why: "purser writes no other form; --output json prints one"}
	}
	file, err := a.load(false)
	if err != nil {
		return err
	}
	names, places, err := a.scanned(args, file)
	if err != nil {
		return err
	}
	var values []scan.Value
	var faults []error
	if file != nil {
		if values, faults, err = a.values(ctx, file, names); err != nil {
			return err
		}
	}
	if f.here {
		places = append(places, thisMachine)
	}
	if len(places) == 0 {
		places = []string{"."}
	}
	began := a.now()
	s, result := scan.Collect(values)
	result.Faults = faults
	ctx, row := a.told(a.out).Follow(ctx, a.now, "searched", places)
	for i, place := range places {
		if err = a.look(ctx, s, place); err != nil {
			break
		}
		row.Done(i)
	}
	row.End()
	result.Done(s)
	if err != nil {
		return credential.Stopped(ctx, "searching")
	}
	if err := a.reportScan(result, f.report); err != nil {
		return err
	}
	code := present.ScanExit(result, f.onlyLive)
	if a.output.JSON {
		a.writeJSON(present.Exited(code).With("scan", present.ScanReport(result, a.given)))
	} else {
		a.told(a.out).Scan(result, a.now().Sub(began), a.told(a.err))
	}
	if code != present.ExitOK {
		return &present.Reported{Code: code}
	}
	return nil
}

// scanned tells the names of credentials from places to search.
func (a *app) scanned(args []string, file *config.File) (names, places []string, err error) {
	for _, arg := range args {
		if file != nil && slices.ContainsFunc(file.Credentials, func(c credential.Credential) bool { return string(c.Name) == arg }) {
			names = append(names, arg)
			continue
		}
		if _, err := os.Lstat(a.here(arg)); arg != "-" && errors.Is(err, fs.ErrNotExist) {
			return nil, nil, &credential.Fault{Reason: credential.Usage, What: "there is no credential and no file with the name " + credential.Quote(arg), Why: "purser status lists the credentials"}
		}
		places = append(places, arg)
	}
	return names, places, nil
}

// values reads the tokens of credentials. Those that it cannot read are faults, and the scan
// goes on.
func (a *app) values(ctx context.Context, file *config.File, names []string) (values []scan.Value, faults []error, err error) {
	credentials, err := file.Chosen(names)
	if err != nil {
		return nil, nil, err
	}
	w := a.wire()
	guesses := file.Trusted || a.interactive()
	for _, c := range credentials {
		if err := a.offerSignIn(ctx, w, c.Targets); err != nil {
			return nil, nil, err
		}
		for _, t := range c.Targets {
			more, err := a.valuesIn(ctx, w, c, t, guesses)
			values = append(values, more...)
			if err != nil {
				faults = append(faults, credential.About(err, c))
			}
		}
	}
	return values, faults, nil
}

// valuesIn reads the values of one target. They go to no registry, so nobody has to agree.
func (a *app) valuesIn(ctx context.Context, w *wire.Wire, c credential.Credential, t credential.Target, guesses bool) ([]scan.Value, error) {
	s, err := w.Bare(ctx, c, t)
	if err != nil {
		return nil, err
	}
	return scan.Values(ctx, c, w.Target(c, t), s, guesses)
}

// thisMachine is the place that --here searches, as progress names it. No file has it as its
// name, because it ends in a slash.
const thisMachine = "this machine/"

func (a *app) look(ctx context.Context, s *scan.Scanner, place string) error {
	switch place {
	case "-":
		return s.Stream(ctx, a.in)
	case thisMachine:
		return s.Here(ctx, a.machineToScan())
	}
	return s.Files(ctx, a.here(place))
}

func (a *app) machineToScan() scan.Machine {
	m := scan.Machine{
		Home: a.env.Home, Config: a.env.XDGConfigHome, Data: a.env.XDGDataHome, Runtime: a.env.XDGRuntimeDir,
		Extra: []string{a.env.DockerConfig, a.env.RegistryAuthFile, a.env.BuildxConfig}, Proc: "/proc",
	}
	if m.Home != "" {
		m.Config, m.Data = cmp.Or(m.Config, filepath.Join(m.Home, ".config")), cmp.Or(m.Data, filepath.Join(m.Home, ".local", "share"))
	}
	return m
}

// here resolves a path in the working directory.
func (a *app) here(path string) string {
	if a.dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(a.dir, path)
}

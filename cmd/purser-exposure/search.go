package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"purser/internal/credential"
	"purser/internal/exposure"
)

// options name the programs, and select flows.
type options struct {
	purser, helper, leaking, only string
	json                          bool
}

// row is a flow and its result.
type row struct {
	flow   flow
	result exposure.Result
	err    error
}

// search runs all flows and reports the findings. clean is false if it found something, or if a flow ended
// unexpectedly.
func search(ctx context.Context, o options, out io.Writer) (clean bool, err error) {
	watcher, err := exposure.NewWatcher()
	if err != nil {
		return false, err
	}
	for _, program := range []*string{&o.purser, &o.helper, &o.leaking} {
		if *program == "" {
			continue
		}
		// Each flow has its own working directory.
		if *program, err = filepath.Abs(*program); err != nil {
			return false, fmt.Errorf("find %s: %w", *program, err)
		}
	}
	all, leaks := append(allFlows(), helperFlows()...), controls()
	if o.leaking != "" {
		all, leaks = append(all, panicFlows()...), append(leaks, leakControls()...)
	}
	all = slices.DeleteFunc(all, func(f flow) bool { return o.helper == "" && f.helper != noHelper || !strings.Contains(f.name, o.only) })
	if err := findLeaks(ctx, watcher, o, leaks); err != nil {
		return false, err
	}
	rows, err := runFlows(ctx, watcher, o, all)
	if err != nil {
		return false, err
	}
	r := reportOf(rows)
	if o.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		_ = enc.Encode(r) // the types always encode
	} else {
		printTable(out, rows)
		bytes := 0
		for _, r := range rows {
			for _, n := range r.result.Searched {
				bytes += n
			}
		}
		_, _ = fmt.Fprintf(out, "\n%d flows in %d channels, %.1f MB searched: %d found\n%d deliberate leaks: all found\n",
			len(rows), len(exposure.Channels()), float64(bytes)/1e6, r.Found, len(leaks))
		if o.leaking == "" {
			_, _ = fmt.Fprintln(out, "skipped panics inside purser: they need --leaking and a build with -tags leak")
		}
	}
	return r.Found == 0 && len(rows) > 0 && !slices.ContainsFunc(rows, func(r row) bool { return r.problem() != "" }), nil
}

// findLeaks checks that the search finds deliberate leaks.
func findLeaks(ctx context.Context, watcher *exposure.Watcher, o options, leaks []flow) error {
	rows, err := runFlows(ctx, watcher, o, leaks)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if !row.result.Found(row.flow.leaks) {
			return fmt.Errorf("the search missed a leak: %s", row.flow.name)
		}
	}
	return nil
}

// runFlows runs flows in parallel, one per processor, each with its own stand-ins.
func runFlows(ctx context.Context, watcher *exposure.Watcher, o options, flows []flow) ([]row, error) {
	rows := make([]row, len(flows))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range next {
				rows[i] = row{flow: flows[i]}
				rows[i].result, rows[i].err = watch(ctx, watcher, o, flows[i])
			}
		})
	}
	for i := range flows {
		next <- i
	}
	close(next)
	wg.Wait()
	var errs []error
	for _, row := range rows {
		if row.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", row.flow.name, row.err))
		}
	}
	return rows, errors.Join(errs...)
}

// problem says what is wrong with a row, or "". A flow with an unexpected exit code took another path, so
// it proves nothing.
func (r row) problem() string {
	if r.result.Code != r.flow.want {
		return fmt.Sprintf("exit code %d instead of %d", r.result.Code, r.flow.want)
	}
	return ""
}

// report is the JSON output.
type report struct {
	Flows []flowJSON `json:"flows"`
	Found int        `json:"found"`
}

type flowJSON struct {
	Name     string                   `json:"name"`
	Command  string                   `json:"command"`
	Exit     int                      `json:"exit"`
	Searched map[exposure.Channel]int `json:"searched_bytes"`
	Findings []exposure.Finding       `json:"findings"`
	Problem  string                   `json:"problem,omitempty"`
}

func reportOf(rows []row) report {
	out := report{Flows: []flowJSON{}}
	for _, r := range rows {
		out.Found += len(r.result.Findings)
		out.Flows = append(out.Flows, flowJSON{
			Name: r.flow.name, Command: r.flow.commandLine(), Exit: r.result.Code, Searched: r.result.Searched,
			Findings: append([]exposure.Finding{}, r.result.Findings...), Problem: r.problem(),
		})
	}
	return out
}

func printTable(out io.Writer, rows []row) {
	t := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprint(t, "FLOW\tEXIT")
	for _, c := range exposure.Channels() {
		_, _ = fmt.Fprintf(t, "\t%s", strings.ToUpper(string(c)))
	}
	_, _ = fmt.Fprintln(t)
	for _, r := range rows {
		_, _ = fmt.Fprintf(t, "%s\t%d", r.flow.name, r.result.Code)
		for _, c := range exposure.Channels() {
			found := 0
			for _, f := range r.result.Findings {
				if f.Channel == c {
					found++
				}
			}
			_, _ = fmt.Fprintf(t, "\t%d", found)
		}
		_, _ = fmt.Fprintln(t)
	}
	_ = t.Flush()
	for _, r := range rows {
		if p := r.problem(); p != "" {
			_, _ = fmt.Fprintf(out, "✗ %s: %s\n", r.flow.name, p)
		}
		for _, f := range r.result.Findings {
			canary := cmp.Or(f.Canary, "unsearched")
			_, _ = fmt.Fprintf(out, "✗ %s: %s: %s: %s %s\n", r.flow.name, f.Channel, credential.Quote(f.Where), canary, f.What)
		}
	}
}

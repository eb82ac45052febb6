// Command testlog turns go test -json back into go test's output. To the file in its argument it
// appends how long each test and subtest took, one per line.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is a line of go test -json; see "go doc test2json". Elapsed is in seconds.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

var errFailed = errors.New("a test failed")

func main() {
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		if !errors.Is(err, errFailed) {
			fmt.Fprintln(os.Stderr, "testlog:", err)
		}
		os.Exit(1)
	}
}

func run(path string, in io.Reader, out io.Writer) error {
	times, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // The Makefile names the file.
	if err != nil {
		return err
	}
	return errors.Join(retell(in, out, times), times.Close())
}

// retell prints the output of failed tests, the results of packages, and lines that are not
// events unchanged. It returns errFailed if a test or a package failed.
func retell(in io.Reader, out, times io.Writer) error {
	said := map[string]string{} // the output of each running test
	var result error
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		name := e.Package + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			switch {
			case e.Test != "":
				said[name] += e.Output
			case !strings.HasPrefix(e.Output, "PASS") && !strings.HasPrefix(e.Output, "?"):
				fmt.Fprint(out, e.Output)
			}
		case "fail", "pass", "skip":
			if e.Action == "fail" {
				result = errFailed
				fmt.Fprint(out, said[name])
			}
			delete(said, name)
			if e.Test != "" {
				fmt.Fprintf(times, "%7.1f s  %s %s\n", e.Elapsed, strings.TrimPrefix(e.Package, "purser/"), e.Test)
			}
		}
	}
	if result != nil {
		for _, text := range said { // tests cut short when their package ended
			fmt.Fprint(out, text)
		}
	}
	return errors.Join(result, lines.Err())
}

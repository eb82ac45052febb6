// Command scan compares purser scan with other programs that look for secrets, on the same
// folder, on one core, and the same git repository, with as many cores as they use. They take
// turns. It prints Markdown tables and names the programs that are not installed.
//
//	go run ./bench/scan FOLDER REPOSITORY
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/store/agefile"
	_ "purser/internal/wire/kinds" // the registries
)

func main() {
	rounds := flag.Int("rounds", 5, "how often to run each program")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./bench/scan FOLDER REPOSITORY")
		os.Exit(2)
	}
	if err := run(os.Stdout, flag.Arg(0), flag.Arg(1), *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// contender is a program that searches a place.
type contender struct {
	what    string
	program string
	args    []string
	ok      []int // exit codes of a search that found nothing, or something
	took    []time.Duration
}

// tokens are what the others look for, too: ten that are synthetic.
func tokens() (all []string) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for i := range 10 {
		body := "FAKE"
		for j := range 23 {
			body += string(letters[(i*7+j*j+3*j)%len(letters)])
		}
		all = append(all, "dckr_pat_"+body)
	}
	return all
}

func run(out io.Writer, folder, repository string, rounds int) error {
	dir, err := os.MkdirTemp("", "purser-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	patterns := filepath.Join(dir, "tokens")
	if err := os.WriteFile(patterns, []byte(strings.Join(tokens(), "\n")+"\n"), 0o600); err != nil {
		return err
	}
	purser, env, err := furnish(dir)
	if err != nil {
		return err
	}
	found := []int{0, 1, 6} // trees of source have damaged archives as test data
	for _, place := range []struct {
		name  string
		bytes int64
		cores string
		all   []*contender
	}{
		{"files", sizeOf(folder), "0", []*contender{
			{what: "`cat`, to nothing: the floor", program: "sh", args: []string{"-c", `find "$0" -type f -print0 | xargs -0 cat >/dev/null`, folder}},
			{what: "**`purser scan`**, 10 tokens in every encoding", program: purser, args: []string{"scan", folder}, ok: found},
			{what: "`rg -F`, the same 10 as they are", program: "rg", args: []string{"-F", "-uuu", "-j1", "-c", "-f", patterns, folder}, ok: found},
			{what: "`gitleaks`", program: "gitleaks", args: []string{"dir", "--no-banner", "-l", "error", "--exit-code", "0", folder}},
			{what: "`trufflehog`", program: "trufflehog", args: []string{"filesystem", "--no-verification", "--no-update", "--concurrency", "1", folder}},
		}},
		{"git history", 0, fmt.Sprintf("0-%d", runtime.NumCPU()-1), []*contender{
			{what: "`git cat-file --batch-all-objects --batch`, to nothing: the floor", program: "git", args: []string{"-C", repository, "cat-file", "--batch-all-objects", "--batch", "--unordered", "--buffer"}},
			{what: "**`purser scan`**, 10 tokens in every encoding", program: purser, args: []string{"scan", filepath.Join(repository, ".git")}, ok: found},
			{what: "`gitleaks`", program: "gitleaks", args: []string{"git", "--no-banner", "-l", "error", "--exit-code", "0", repository}},
			{what: "`trufflehog`", program: "trufflehog", args: []string{"git", "--no-verification", "--no-update", "--concurrency", "1", "file://" + repository}},
		}},
	} {
		_, _ = fmt.Fprintf(out, "\n| %s | median s | fastest | × the floor |%s\n|---|---|---|---|%s\n", place.name, column(place.bytes, " MB/s |"), column(place.bytes, "---|"))
		if err := measure(place.all, place.cores, env, rounds); err != nil {
			return err
		}
		floor := median(place.all[0].took)
		for _, c := range place.all {
			if len(c.took) == 0 {
				_, _ = fmt.Fprintf(out, "| %s | not installed | | |\n", c.what)
				continue
			}
			m := median(c.took)
			rate := ""
			if place.bytes > 0 {
				rate = fmt.Sprintf(" %.0f |", float64(place.bytes)/1e6/m.Seconds())
			}
			_, _ = fmt.Fprintf(out, "| %s | %.2f | %.2f | %.2f |%s\n", c.what, m.Seconds(), slices.Min(c.took).Seconds(), m.Seconds()/floor.Seconds(), rate)
		}
	}
	return nil
}

func column(bytes int64, text string) string {
	if bytes == 0 {
		return ""
	}
	return text
}

// furnish builds purser, and stores the tokens in encrypted files of a home of its own.
func furnish(dir string) (purser string, env []string, err error) {
	purser = filepath.Join(dir, "purser")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", purser, "./cmd/purser") //nolint:noctx,gosec // ends with this program
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("build purser: %w: %s", err, said)
	}
	var config strings.Builder
	config.WriteString("credentials:\n")
	files := map[string]string{}
	for i := range tokens() {
		name := fmt.Sprintf("token%d", i)
		files[name] = filepath.Join(dir, name+".age.json")
		fmt.Fprintf(&config, "  %s: {registry: docker.io, username: mockserver, repositories: [mockserver/mockserver], store: {file: %s}}\n", name, files[name])
	}
	path := filepath.Join(dir, "purser.yaml")
	if err := os.WriteFile(path, []byte(config.String()), 0o600); err != nil {
		return "", nil, err
	}
	env = append(build.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "PURSER_CONFIG="+path, "PURSER_AGE_IDENTITY="+filepath.Join(dir, "identity.txt"), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	return purser, env, storeAll(files, filepath.Join(dir, "identity.txt"))
}

func measure(all []*contender, cores string, env []string, rounds int) error {
	for range rounds {
		for _, c := range all {
			if _, err := exec.LookPath(c.program); err != nil {
				continue
			}
			cmd := exec.Command("taskset", append([]string{"-c", cores, c.program}, c.args...)...) //nolint:noctx,gosec // ends with this program
			var said bytes.Buffer
			cmd.Env, cmd.Stdout, cmd.Stderr = env, nil, &said
			began := time.Now()
			err := cmd.Run()
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && slices.Contains(c.ok, exit.ExitCode()) {
				err = nil
			}
			if err != nil {
				return fmt.Errorf("%s: %w: %.2000s", c.program, err, said.String())
			}
			c.took = append(c.took, time.Since(began))
		}
	}
	return nil
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func sizeOf(folder string) (n int64) {
	_ = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// storeAll puts a token into each encrypted file, by the credentials' names.
func storeAll(files map[string]string, identity string) error {
	for i, token := range tokens() {
		s := agefile.New(agefile.Config{Path: files[fmt.Sprintf("token%d", i)], Identity: identity, Now: time.Now})
		value, err := credential.ShapeToken.Encode(credential.Secret{}, credential.Default(), credential.Login{Username: "mockserver", Token: credential.NewSecret(token)})
		if err != nil {
			return err
		}
		id, err := credential.NewVersionID(time.Now(), rand.Reader, "bench")
		if err != nil {
			return err
		}
		ctx := context.Background()
		if _, err := s.Open(ctx); err != nil {
			return err
		}
		if err := s.Create(ctx); err != nil {
			return err
		}
		if err := s.Stage(ctx, id, value); err != nil {
			return err
		}
	}
	return nil
}

package scan_test

import (
	"context"
	"flag"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"purser/internal/scan"
)

var repository = flag.String("repository", "../../.git", "the repository that BenchmarkHistory looks through")

// BenchmarkHistory compares a scan of a repository with what git needs to print its objects.
func BenchmarkHistory(b *testing.B) {
	folder, err := filepath.EvalSymlinks(*repository)
	if err != nil {
		b.Skip(err)
	}
	b.Run("git", func(b *testing.B) {
		for b.Loop() {
			cmd := exec.CommandContext(b.Context(), "git", "--git-dir", folder, "cat-file", "--batch-all-objects", "--batch", "--unordered", "--buffer")
			cmd.Stdout = io.Discard
			if err := cmd.Run(); err != nil {
				b.Skip(err)
			}
		}
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			s := scan.New(valuesAlike())
			s.Found, s.Missed = func(scan.Finding) {}, func(scan.Missed) {}
			if err := s.Files(context.Background(), folder); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(s.Totals().Bytes)
		}
	})
}

func valuesAlike() (all []scan.Value) {
	for _, c := range "0123456789" {
		all = append(all, value("dockerhub", token[:len(token)-10]+string(c)+"bQ9rS8tU7"))
	}
	return all
}

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse looks for panics, and for errors that show the file's text. It replaces the word
// CANARY in the input by a token.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(full)
	f.Add(Example)
	for _, old := range []string{"docker.io", "registry", "dockerhub:", "90d", "mockserver/mockserver", "push"} {
		f.Add(strings.Replace(full, old, "CANARY", 1))
		f.Add(strings.Replace(full, old, "CANARY: ", 1))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, canary := range canaries[:2] {
			planted := strings.ReplaceAll(text, "CANARY", canary)
			file, err := Parse("purser.yaml", []byte(planted), Options{Dir: "/project", Home: "/home/me"})
			if (file == nil) == (err == nil) {
				t.Fatalf("Parse gives %v and %v", file, err)
			}
			// The input itself may contain the canary's letters.
			if err != nil && strings.Contains(text, "CANARY") && !strings.Contains(text, "Canary9") {
				assertHidden(t, err, canary, planted)
			}
		}
	})
}

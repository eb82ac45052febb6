package scan

import (
	"context"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"purser/internal/credential"
)

// LayoutScheme begins the name of a folder with images.
const LayoutScheme = "oci:"

// Layout looks through a folder with images, an OCI layout.
func (s *Scanner) Layout(ctx context.Context, folder string) error {
	if !isLayout(folder) {
		return &credential.Fault{Reason: credential.Usage, What: credential.Quote(folder) + " is not an OCI layout", Why: "it has no files oci-layout and index.json"}
	}
	return s.Files(ctx, folder)
}

func isLayout(folder string) bool {
	for _, name := range []string{"oci-layout", "index.json"} {
		if info, err := os.Lstat(filepath.Join(folder, name)); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// layout finds out which part of an image each file of a layout is. The files are looked
// through as all others.
func (s *Scanner) layout(folder string) {
	l := &layout{s: s, folder: folder, seen: map[v1.Hash]bool{}}
	l.manifest(filepath.Join(folder, "index.json"))
}

type layout struct {
	s      *Scanner
	folder string
	seen   map[v1.Hash]bool
}

func (l *layout) manifest(path string) {
	p, err := partsOf(readLittle(path))
	if err != nil {
		return // it is looked through as what it is
	}
	for _, d := range p.Manifests {
		if len(l.seen) < mostManifests && !l.seen[d.Digest] {
			l.seen[d.Digest] = true
			l.manifest(l.named("manifest", d, ""))
		}
	}
	var history []string
	if p.Config != nil {
		history = historyOf(readLittle(l.named("config", *p.Config, "")))
	}
	for i, d := range p.Layers {
		l.named("layer", d, stepOf(history, i))
	}
}

// named notes what a file is.
func (l *layout) named(kind string, d v1.Descriptor, step string) (path string) {
	path = filepath.Join(l.folder, "blobs", d.Digest.Algorithm, d.Digest.Hex)
	l.s.places.LoadOrStore(path, place(path).part(kind, d.Digest, step))
	return path
}

// readLittle returns what a file has, up to the longest configuration.
func readLittle(path string) []byte {
	f, err := openFile(path)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, _ := io.ReadAll(io.LimitReader(f, mostConfig))
	return text
}

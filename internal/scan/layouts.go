package scan

import (
	"archive/tar"
	"context"
	"encoding/json"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"purser/internal/credential"
)

// mostNaming bounds what is read to know what files are.
const mostNaming = 4 * mostConfig

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

// part is what a file of an image is.
type part struct{ label, step string }

// partOf returns where a part of an image is. Step is the command that made a layer.
func (w Where) partOf(p part) Where {
	w.Inside, w.Step = append(slices.Clip(w.Inside), p.label), p.step
	return w
}

func labelOf(kind string, digest v1.Hash) string {
	const shown = 12
	return kind + " " + digest.Algorithm + ":" + digest.Hex[:min(shown, len(digest.Hex))]
}

// layout finds out which part of an image each file of a layout is. The files are looked
// through as all others.
func (s *Scanner) layout(folder string) {
	path := func(name string) string { return filepath.Join(folder, filepath.FromSlash(name)) }
	for name, p := range partsIn(func(name string) []byte { return readLittle(path(name)) }) {
		s.places.Store(path(name), place(path(name)).partOf(p))
	}
}

// partsIn returns what the files of an OCI layout are, and of what docker saves. What cannot
// be read names nothing.
func partsIn(read func(name string) []byte) map[string]part {
	left := mostNaming
	l := &layout{parts: map[string]part{}, read: func(name string) (text []byte) {
		if left > 0 {
			text = read(name)
			left -= len(text)
		}
		return text
	}}
	l.manifest("index.json")
	l.saved("manifest.json")
	return l.parts
}

type layout struct {
	read  func(name string) []byte
	parts map[string]part
}

func (l *layout) manifest(name string) {
	p, err := manifestOf(l.read(name))
	if err != nil {
		return
	}
	for _, d := range p.Manifests {
		if name, isNew := l.note("manifest", d.Digest, ""); isNew {
			l.manifest(name)
		}
	}
	var history []string
	if p.Config != nil {
		name, _ := l.note("config", p.Config.Digest, "")
		history = historyOf(l.read(name))
	}
	for i, d := range p.Layers {
		l.note("layer", d.Digest, stepOf(history, i))
	}
}

// note names a file, but not more than some thousands.
func (l *layout) note(kind string, digest v1.Hash, step string) (name string, isNew bool) {
	name = "blobs/" + digest.Algorithm + "/" + digest.Hex
	if _, known := l.parts[name]; known || len(l.parts) > 10*mostManifests {
		return name, false
	}
	l.parts[name] = part{labelOf(kind, digest), step}
	return name, true
}

// saved reads docker's own list of images, whose layers may have any name.
func (l *layout) saved(name string) {
	var images []struct {
		Config string
		Layers []string
	}
	if json.Unmarshal(l.read(name), &images) != nil {
		return
	}
	for _, image := range images {
		config := l.read(image.Config)
		history, digests := historyOf(config), layersOf(config)
		l.parts[image.Config] = part{"config " + path.Base(image.Config), ""}
		for i, name := range image.Layers {
			label := "layer " + name
			if i < len(digests) {
				label = labelOf("layer", digests[i])
			}
			l.parts[name] = part{label, stepOf(history, i)}
		}
	}
}

// layersOf returns the digests of an image's unpacked layers, by which docker names them.
func layersOf(config []byte) []v1.Hash {
	var c v1.ConfigFile
	if json.Unmarshal(config, &c) != nil {
		return nil
	}
	return c.RootFS.DiffIDs
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

// savedParts returns what the members of a tar are, if it is an image that can be read at any
// place.
func savedParts(r io.Reader) map[string]part {
	file, ok := r.(whole)
	if !ok {
		return nil
	}
	type member struct{ at, size int64 }
	members, section := map[string]member{}, io.NewSectionReader(file, 0, file.Size())
	for t := tar.NewReader(section); len(members) < 10*mostManifests; {
		h, err := t.Next()
		if err != nil {
			break
		}
		at, _ := section.Seek(0, io.SeekCurrent) // never fails
		members[h.Name] = member{at, h.Size}
	}
	return partsIn(func(name string) []byte {
		m := members[name]
		text, _ := io.ReadAll(io.NewSectionReader(file, m.at, min(m.size, mostConfig))) // what cannot be read names nothing
		return text
	})
}

// isSaved reports whether a tar's member is one that images have.
func isSaved(name string) bool {
	const id = 64 // the older archives have folders and files with such names
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "blobs", "oci-layout", "index.json", "manifest.json":
		return true
	}
	return len(strings.TrimSuffix(strings.TrimPrefix(first, "sha256:"), path.Ext(first))) == id
}

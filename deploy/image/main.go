// Command image makes a release's container images without a container engine: one with purser
// and one with its credential helper, each for two architectures, as OCI layouts for
// `crane push --index`. It takes the programs from the release's archives.
//
//	go run ./deploy/image --version 1.2.3 --dist dist --to dist/images --source https://example.com/purser
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// nobody is the user that distroless images run as.
const nobody = 65532

// release describes the input for the images.
type release struct {
	version, commit, source string
	date                    time.Time // the commit's, so that the same release gives the same bytes
	dist                    string    // the folder with its archives
}

func main() {
	var r release
	var to, date string
	flag.StringVar(&r.version, "version", "", "the release's version, without the v")
	flag.StringVar(&r.commit, "commit", "", "the release's commit")
	flag.StringVar(&date, "date", "1980-01-01T00:00:00Z", "the commit's date, RFC 3339")
	flag.StringVar(&r.source, "source", "", "the address of the repository")
	flag.StringVar(&r.dist, "dist", "dist", "the folder with the release's archives")
	flag.StringVar(&to, "to", "dist/images", "the folder to write the layouts to")
	flag.Parse()
	var err error
	r.date, err = time.Parse(time.RFC3339, date)
	for _, program := range []string{"purser", "docker-credential-purser"} {
		if err == nil {
			err = r.write(program, filepath.Join(to, program))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write makes one program's layout in a folder.
func (r release) write(program, to string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		image, err := r.image(program, arch)
		if err != nil {
			return fmt.Errorf("make the image of %s for %s: %w", program, arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	_, err := layout.Write(to, index)
	return err
}

func (r release) image(program, arch string) (v1.Image, error) {
	binary, err := r.program(program, arch)
	if err != nil {
		return nil, err
	}
	files, err := r.layer(program, binary)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{
		Layer:     files,
		MediaType: types.OCILayer,
		History:   v1.History{Created: v1.Time{Time: r.date}, CreatedBy: "purser's release", Comment: program + " " + r.version},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: r.date}
	config.Config = v1.Config{
		User: fmt.Sprint(nobody, ":", nobody), WorkingDir: "/work",
		Entrypoint: []string{"/usr/bin/" + program},
		Env:        []string{"PATH=/usr/bin", "HOME=/home/nonroot", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Labels: map[string]string{
			"org.opencontainers.image.title":    program,
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.revision": r.commit,
			"org.opencontainers.image.source":   r.source,
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.created":  r.date.UTC().Format(time.RFC3339),
		},
	}
	return mutate.ConfigFile(image, config)
}

// layer holds the program, TLS roots, a user without privileges, and writable folders.
func (r release) layer(program string, binary []byte) (v1.Layer, error) {
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		if err := pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	add := func(name string, mode int64, owner int, data []byte) error {
		h := &tar.Header{Name: name, Mode: mode, Uid: owner, Gid: owner, Size: int64(len(data)), ModTime: r.date, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if data == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	}
	account := fmt.Sprintf("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:%d:%d:nonroot:/home/nonroot:/sbin/nologin\n", nobody, nobody)
	err := errors.Join(
		add("etc/", 0o755, 0, nil), add("etc/passwd", 0o644, 0, []byte(account)),
		add("etc/ssl/", 0o755, 0, nil), add("etc/ssl/certs/", 0o755, 0, nil), add("etc/ssl/certs/ca-certificates.crt", 0o644, 0, roots.Bytes()),
		add("home/", 0o755, 0, nil), add("home/nonroot/", 0o700, nobody, nil),
		add("tmp/", 0o1777, 0, nil),
		add("usr/", 0o755, 0, nil), add("usr/bin/", 0o755, 0, nil), add("usr/bin/"+program, 0o755, 0, binary),
		add("work/", 0o755, nobody, nil),
		w.Close(),
	)
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
}

// program reads a program from the release's archive.
func (r release) program(name, arch string) ([]byte, error) {
	file := filepath.Join(r.dist, fmt.Sprintf("purser_%s_linux_%s.tar.gz", r.version, arch))
	f, err := os.Open(file) //nolint:gosec // the person names the folder
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for files := tar.NewReader(unzipped); ; {
		h, err := files.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: find %s: %w", file, name, err)
		}
		if path.Base(h.Name) == name {
			return io.ReadAll(files)
		}
	}
}

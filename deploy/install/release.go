// Package install has the scripts that install purser from a release. Its Go part makes
// releases and serves them on loopback, for the tests of everything that installs purser.
package install

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
)

//go:embed install.sh
var script []byte

// Release holds a version's files by name. Tests change it before they serve it.
type Release map[string][]byte

// Pack makes the release of a version whose archives for Linux hold these programs.
func Pack(version string, programs map[string][]byte) Release {
	var members []Member
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		members = append(members, Member{Header: tar.Header{Name: name, Mode: 0o755}, Body: string(programs[name])})
	}
	r := Release{"checksums.txt.sigstore.json": []byte("{}")}
	archive := Archive(members...)
	for _, arch := range []string{"amd64", "arm64"} {
		r[fmt.Sprintf("purser_%s_linux_%s.tar.gz", strings.TrimPrefix(version, "v"), arch)] = archive
	}
	r.Sum()
	return r
}

// Printing makes the release of a version whose programs print their names and the version.
func Printing(version string) Release {
	programs := map[string][]byte{}
	for _, name := range []string{"purser", "docker-credential-purser", "LICENSE"} {
		programs[name] = []byte("#!/bin/sh\necho " + name + " " + version + "\n")
	}
	return Pack(version, programs)
}

// Sum writes the checksums of the archives, in sha256sum's form.
func (r Release) Sum() {
	var sums strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if strings.HasSuffix(name, ".tar.gz") {
			fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(r[name]), name)
		}
	}
	r["checksums.txt"] = []byte(sums.String())
}

// ArchiveName returns the name of a version's archive for this machine.
func ArchiveName(version string) string {
	return fmt.Sprintf("purser_%s_linux_%s.tar.gz", strings.TrimPrefix(version, "v"), runtime.GOARCH)
}

// Member is a file of an archive.
type Member struct {
	tar.Header
	Body string
}

// Archive makes a .tar.gz.
func Archive(members ...Member) []byte {
	var buf bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed) // of programs of 30 MB
	archive := tar.NewWriter(zip)
	for _, m := range members {
		m.Size = int64(len(m.Body))
		_ = archive.WriteHeader(&m.Header)
		_, _ = archive.Write([]byte(m.Body))
	}
	_ = archive.Close()
	_ = zip.Close()
	return buf.Bytes()
}

// Home serves releases under GitHub's paths, with an installer that knows the address. The
// feed lists the newest version first.
func Home(t testing.TB, newestFirst []string, releases map[string]Release) string {
	t.Helper()
	s := httptest.NewServer(Handler(newestFirst, releases))
	t.Cleanup(s.Close)
	return s.URL
}

// Handler answers as Home does.
func Handler(newestFirst []string, releases map[string]Release) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /releases.atom", func(w http.ResponseWriter, _ *http.Request) {
		for _, v := range newestFirst {
			_, _ = fmt.Fprintf(w, "<entry><link rel=\"alternate\" type=\"text/html\" href=\"https://example.com/purser/releases/tag/%s\"/></entry>\n", v)
		}
	})
	mux.HandleFunc("GET /releases/download/{version}/{file}", func(w http.ResponseWriter, req *http.Request) {
		r, known := releases[req.PathValue("version")]
		data, ok := r[req.PathValue("file")]
		if known && !ok && req.PathValue("file") == "install.sh" {
			scheme := "http://"
			if req.TLS != nil {
				scheme = "https://"
			}
			data, ok = bytes.ReplaceAll(script, []byte("@HOME@"), []byte(scheme+req.Host)), true
		}
		if !ok {
			http.NotFound(w, req)
			return
		}
		_, _ = w.Write(data)
	})
	return mux
}

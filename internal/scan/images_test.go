package scan_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"purser/internal/credential"
	"purser/internal/scan"
)

// secrets are synthetic, one for each part of the image.
var secrets = fakes(8)

// imageValues are credentials with the names of the parts that hold them.
func imageValues() []scan.Value {
	var all []scan.Value
	for i, part := range []string{"deleted", "zstd", "history", "environment", "label", "annotation", "referrer", "elsewhere"} {
		all = append(all, value(part, secrets[i]))
	}
	return all
}

func layer(t testing.TB, mediaType types.MediaType, pack func(testing.TB, []byte) []byte, files map[string]string) v1.Layer {
	t.Helper()
	text := archive(t, func(w *tar.Writer) {
		for name, data := range files {
			must[any](t)(nil, w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}))
			must[int](t)(io.WriteString(w, data))
		}
	})
	return static.NewLayer(pack(t, text), mediaType)
}

// image has a secret in each of its parts: a file that a later layer deletes, a layer of
// another compression, history, environment, label and annotation.
func image(t testing.TB) v1.Image {
	t.Helper()
	zst := boxes[slices.IndexFunc(boxes, func(b box) bool { return b.name == "zstd" })].pack
	img := must[v1.Image](t)(mutate.Append(empty.Image,
		mutate.Addendum{Layer: layer(t, types.OCILayer, gzipped, map[string]string{"app/.env": "TOKEN=" + secrets[0]}), History: v1.History{CreatedBy: "COPY . /app"}},
		mutate.Addendum{History: v1.History{CreatedBy: "RUN docker login -p " + secrets[2], EmptyLayer: true}},
		mutate.Addendum{Layer: layer(t, types.OCILayer, gzipped, map[string]string{"app/.wh..env": ""}), History: v1.History{CreatedBy: "RUN rm /app/.env"}},
		mutate.Addendum{Layer: layer(t, types.OCILayerZStd, zst, map[string]string{"root/.bash_history": secrets[1]}), History: v1.History{CreatedBy: "RUN make"}},
	))
	file := must[*v1.ConfigFile](t)(img.ConfigFile())
	file = file.DeepCopy()
	file.Config.Env = []string{"TOKEN=" + secrets[3]}
	file.Config.Labels = map[string]string{"token": secrets[4]}
	img = must[v1.Image](t)(mutate.ConfigFile(img, file))
	return mutate.Annotations(img, map[string]string{"token": secrets[5]}).(v1.Image)
}

// inImage is where the parts of image are, without digests.
var inImage = []string{
	"annotation manifest 1", "deleted layer!app/.env 1 COPY . /app", "environment config 1", "history config 1", "label config 1", "zstd layer!root/.bash_history 1 RUN make",
}

// parts are findings without path and digests.
func partsFound(found *[]string) func(scan.Finding) {
	return func(f scan.Finding) {
		inside := slices.Clone(f.Where.Inside)
		if len(inside) > 0 {
			inside[0], _, _ = strings.Cut(inside[0], " sha256:")
		}
		*found = append(*found, strings.TrimSpace(fmt.Sprintf("%s %s %d %s", f.Value.Credential, strings.Join(inside, "!"), f.Where.Line, f.Where.Step)))
	}
}

// registryHost serves images on loopback, through handler if there is one.
func registryHost(t *testing.T, handler func(http.Handler) http.Handler) string {
	t.Helper()
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	if handler != nil {
		images = handler(images)
	}
	server := httptest.NewServer(images)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func push(t *testing.T, address string, img v1.Image) {
	t.Helper()
	must[any](t)(nil, remote.Write(must[name.Reference](t)(name.ParseReference(address)), img))
}

func TestEveryPartOfAnImageInARegistryIsLookedThroughOnce(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	host := registryHost(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				mu.Lock()
				asked = append(asked, r.URL.Path)
				mu.Unlock()
			}
			next.ServeHTTP(w, r)
		})
	})
	img := image(t)
	arm := must[v1.Image](t)(mutate.AppendLayers(img, layer(t, types.OCILayer, gzipped, map[string]string{"file": "x"})))
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img}, mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	ref := must[name.Reference](t)(name.ParseReference(host + "/team/app:1"))
	must[any](t)(nil, remote.WriteIndex(ref, index))
	top := must[*v1.Descriptor](t)(remote.Head(ref))
	sbom := mutate.Subject(must[v1.Image](t)(mutate.AppendLayers(empty.Image, static.NewLayer([]byte(secrets[6]), "text/spdx"))), *top).(v1.Image)
	push(t, host+"/team/app:sbom", sbom)

	s, r := scanner(imageValues()...)
	s.Found = partsFound(&r.found)
	for _, address := range []string{"docker://" + host + "/team/app:1", "docker://" + host + "/team/app@" + top.Digest.String()} {
		must[any](t)(nil, s.Image(context.Background(), address, http.DefaultTransport, nil))
	}
	slices.Sort(r.found)
	want := slices.Sorted(slices.Values(append(slices.Clone(inImage), "annotation manifest 1", "environment config 1", "label config 1", "history config 1", "referrer layer 1")))
	if got := slices.Compact(slices.Clone(r.found)); !slices.Equal(got, slices.Compact(slices.Clone(want))) || len(r.missed) > 0 {
		t.Errorf("found %q\nwant %q\nmissed %q", r.found, want, r.missed)
	}
	slices.Sort(asked)
	if once := slices.Compact(slices.Clone(asked)); len(once) != len(asked) {
		t.Errorf("read more than once: %q", asked)
	}
}

func TestALayoutNamesItsLayers(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "images")
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: image(t)})
	must[layout.Path](t)(layout.Write(folder, index))
	for _, look := range []func(*scan.Scanner) error{
		func(s *scan.Scanner) error { return s.Layout(context.Background(), folder) },
		func(s *scan.Scanner) error { return s.Files(context.Background(), filepath.Dir(folder)) },
	} {
		s, r := scanner(imageValues()...)
		s.Found = partsFound(&r.found)
		must[any](t)(nil, look(s))
		if slices.Sort(r.found); !slices.Equal(r.found, inImage) || len(r.missed) > 0 {
			t.Errorf("found %q, missed %q", r.found, r.missed)
		}
	}
	s, _ := scanner()
	if err := s.Layout(context.Background(), filepath.Dir(folder)); err == nil {
		t.Error("a folder that is no layout is one")
	}
}

// TestASavedImageIsLookedThrough reads what `docker save` writes.
func TestASavedImageIsLookedThrough(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image.tar")
	must[any](t)(nil, tarball.WriteToFile(path, must[name.Tag](t)(name.NewTag("team/app:1")), image(t)))
	want := slices.DeleteFunc(slices.Clone(inImage), func(f string) bool { return strings.HasPrefix(f, "annotation") }) // which it does not keep
	s, r := scanner(imageValues()...)
	s.Found = partsFound(&r.found)
	must[any](t)(nil, s.Files(context.Background(), path))
	if slices.Sort(r.found); !slices.Equal(r.found, want) || len(r.missed) > 0 {
		t.Errorf("found %q\nwant %q\nmissed %q", r.found, want, r.missed)
	}
}

// keychain has a login, and counts who wants it.
type keychain struct{ asked *int }

func (k keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	*k.asked++
	return &authn.Basic{Username: "mockserver", Password: "FAKE"}, nil
}

func TestAPersonsLoginIsUsedOnlyWhenTheRegistryWantsOne(t *testing.T) {
	private := false
	host := registryHost(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, ok := r.BasicAuth(); private != ok {
				if !private {
					t.Error("a login was sent to a registry that wants none")
				}
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	push(t, host+"/team/app:1", image(t))
	for _, private = range []bool{false, true} {
		asked := 0
		s, r := scanner(imageValues()...)
		must[any](t)(nil, s.Image(context.Background(), "docker://"+host+"/team/app:1", http.DefaultTransport, keychain{&asked}))
		if len(r.found) != len(inImage) || len(r.missed) > 0 || (asked > 0) != private {
			t.Errorf("private: %v; asked %d times; found %q, missed %q", private, asked, r.found, r.missed)
		}
	}
	s, r := scanner(imageValues()...)
	must[any](t)(nil, s.Image(context.Background(), "docker://"+host+"/team/app:1", http.DefaultTransport, nil))
	if want := []string{"docker://" + host + "/team/app:1: the registry does not let you read it"}; !slices.Equal(r.missed, want) {
		t.Errorf("missed %q, want %q", r.missed, want)
	}
}

// TestHostileRegistriesAreBounded asks registries that lie about their images.
func TestHostileRegistriesAreBounded(t *testing.T) {
	img := image(t)
	layers := must[[]v1.Layer](t)(img.Layers())
	digest := must[v1.Hash](t)(layers[0].Digest())
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked elsewhere: %s", r.URL) }))
	defer elsewhere.Close()
	hash := func(i int) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%064x", i)} }
	for what, test := range map[string]struct {
		manifest any // instead of that of the image
		blob     func(w http.ResponseWriter)
		missed   string // is in one; "": in none
		most     int    // places that are missed
	}{
		"a digest that does not match": {blob: func(w http.ResponseWriter) { _, _ = w.Write(gzipped(t, []byte(secrets[7]))) }, missed: "sha256", most: 9},
		"a layer that is cut off": {blob: func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "5000")
			_, _ = w.Write(gzipped(t, bytes.Repeat([]byte(secrets[7]), 100)))
		}, missed: "ends too early", most: 9},
		"an endless layer": {blob: func(w http.ResponseWriter) {
			for block := noise(1 << 16); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}, missed: "longer than its manifest", most: 9},
		"a layer that is not there": {blob: func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, missed: "the registry does not have it", most: 1},
		"a redirect to another machine": {blob: func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://registry.example/layer")
			w.WriteHeader(http.StatusFound)
		}, missed: "plain http", most: 1},
		"a redirect to the cloud's addresses": {blob: func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://169.254.169.254/latest")
			w.WriteHeader(http.StatusFound)
		}, missed: "denied", most: 1},
		"a foreign layer": {
			manifest: v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: v1.Descriptor{Digest: hash(1)}, Layers: []v1.Descriptor{{Digest: digest, MediaType: types.OCIRestrictedLayer, URLs: []string{elsewhere.URL}, Size: 9}}},
			blob:     func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, missed: "the registry does not have it", most: 2,
		},
		"a list of a hundred thousand manifests": {manifest: func() v1.IndexManifest {
			m := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
			for i := range 10_000 {
				m.Manifests = append(m.Manifests, v1.Descriptor{Digest: hash(i), Size: 1, MediaType: types.OCIManifestSchema1})
			}
			return m
		}(), missed: "more than 500 manifests", most: 501},
		"a manifest that is none": {manifest: []string{"x"}, missed: "does not know such manifests", most: 1},
		"a digest with a path":    {manifest: json.RawMessage(`{"layers":[{"digest":"sha256:../../../../etc/passwd"}]}`), missed: "does not know such manifests", most: 1},
	} {
		host := registryHost(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodGet && test.manifest != nil && strings.HasSuffix(r.URL.Path, "/manifests/1"):
					w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
					must[any](t)(nil, json.NewEncoder(w).Encode(test.manifest))
				case r.Method == http.MethodGet && test.blob != nil && strings.HasSuffix(r.URL.Path, digest.String()):
					test.blob(w)
				default:
					next.ServeHTTP(w, r)
				}
			})
		})
		push(t, host+"/team/app:1", img)
		s, r := scanner(imageValues()...)
		must[any](t)(nil, s.Image(context.Background(), "docker://"+host+"/team/app:1", http.DefaultTransport, nil))
		if len(r.missed) > test.most || !slices.ContainsFunc(r.missed, func(m string) bool { return strings.Contains(m, test.missed) }) {
			t.Errorf("%s: missed %d: %q; want %q", what, len(r.missed), r.missed[:min(5, len(r.missed))], test.missed)
		}
	}
}

func TestImagesAreNotReadOverPlainHTTP(t *testing.T) {
	s, r := scanner(imageValues()...)
	none := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme == "http" {
			t.Error("asked " + r.URL.String())
		}
		return nil, errors.New("no network")
	})
	must[any](t)(nil, s.Image(context.Background(), "docker://10.1.2.3:5000/team/app", none, nil))
	if len(r.missed) != 1 {
		t.Errorf("missed %q", r.missed)
	}
	for _, address := range []string{"docker://", "docker://UPPER/x:1", "docker://host/x@sha256:1", "docker://x:" + token} {
		err := s.Image(context.Background(), address, none, nil)
		var fault *credential.Fault
		if len(r.missed) > 2 || address[9:] == "" && !errors.As(err, &fault) || err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

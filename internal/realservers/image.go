package realservers

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// The media types of the OCI image specification 1.0.
const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// image is a tiny container image. Its only layer is always new, so that a push must upload it.
type image struct{ manifest, config, layer []byte }

// descriptor references a part of an image.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

func describe(mediaType string, blob []byte) descriptor {
	return descriptor{mediaType, digest(blob), len(blob)}
}

func digest(blob []byte) string {
	sum := sha256.Sum256(blob)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func newImage(t testing.TB) image {
	t.Helper()
	plain := layerTar(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil {
		t.Fatalf("make an image: %v", err)
	}
	if err := z.Close(); err != nil {
		t.Fatalf("make an image: %v", err)
	}
	img := image{layer: packed.Bytes()}
	// `docker manifest` refuses images without a platform.
	img.config = encode(t, map[string]any{
		"os": "linux", "architecture": "amd64", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(plain)}},
	})
	img.manifest = encode(t, map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": describe(configType, img.config),
		"layers": []descriptor{describe(layerType, img.layer)},
	})
	return img
}

// layerTar makes a file system with one file of random text.
func layerTar(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, text := tar.NewWriter(&b), rand.Text()
	if err := w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatalf("make an image: %v", err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatalf("make an image: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("make an image: %v", err)
	}
	return b.Bytes()
}

// ImageFolder writes a tiny image as an OCI layout, which clients can push.
func ImageFolder(t testing.TB) string {
	t.Helper()
	return newImage(t).folder(t)
}

func (img image) folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		t.Fatalf("write an image: %v", err)
	}
	for _, blob := range [][]byte{img.manifest, img.config, img.layer} {
		write(t, filepath.Join(blobs, digest(blob)[len("sha256:"):]), string(blob))
	}
	write(t, filepath.Join(dir, "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
	write(t, filepath.Join(dir, "index.json"), string(encode(t, map[string]any{
		"schemaVersion": 2, "manifests": []descriptor{describe(manifestType, img.manifest)},
	})))
	return dir
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encode for the real servers: %v", err)
	}
	return text
}

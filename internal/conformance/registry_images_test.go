package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// open begins an upload, and returns its address.
func (c *registryCaller) open(header map[string]string) (registryReply, string) {
	c.t.Helper()
	r := c.do(http.MethodPost, "/v2/"+c.repo+"/blobs/uploads/", header, nil)
	return r, r.header.Get("Location")
}

// with adds a parameter to an address that may have some.
func (c *registryCaller) with(address, name, value string) string {
	c.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		c.t.Fatal(err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// finish ends an upload with the content and the digest that it is said to have.
func (c *registryCaller) finish(header map[string]string, blob []byte, digest string) registryReply {
	c.t.Helper()
	_, at := c.open(header)
	sent := map[string]string{"Authorization": header["Authorization"], "Content-Type": "application/octet-stream"}
	return c.do(http.MethodPut, c.with(at, "digest", digest), sent, blob)
}

// blob uploads a blob to the case's repository.
func (c *registryCaller) blob(header map[string]string, blob []byte) {
	c.t.Helper()
	if r := c.finish(header, blob, digestOf(blob)); r.status != http.StatusCreated {
		c.t.Fatalf("before the question itself, an upload answers %s", r.short())
	}
}

// shown are the names of those headers that an answer has, with some of their values.
func (r registryReply) shown(names ...string) string {
	answer := r.short()
	for _, name := range names {
		if value := r.header.Get(name); value != "" {
			answer += ", " + name
			if name == "Range" {
				answer += " " + value
			}
		}
	}
	return answer
}

// blobCases are about uploads and blobs.
func blobCases() []registryCase {
	blob := []byte("a blob of the suite")
	return []registryCase{
		{
			row{"upload", "an upload that is begun", "202, Location, Range 0-0, Docker-Upload-Uuid", hubAPIDoc, ""},
			func(c *registryCaller) string {
				r, _ := c.open(c.may("pull,push"))
				return r.shown("Location", "Range", "Docker-Upload-Uuid")
			},
		},
		{
			row{"upload-location", "the form of its Location", "an address or a path, of the same registry", hubAPIDoc, ""},
			func(c *registryCaller) string {
				_, at := c.open(c.may("pull,push"))
				if strings.HasPrefix(at, "/v2/"+c.repo+"/blobs/uploads/") || strings.HasPrefix(at, c.at.url+"/v2/"+c.repo+"/blobs/uploads/") {
					return "an address or a path, of the same registry"
				}
				return at
			},
		},
		{
			row{
				"cancel", "an upload cancelled with a bearer for pull and push", "204", hubAPIDoc + "; UNCONFIRMED live",
				"the distribution project's registries, of which Docker Hub's descends, require the right to delete: purser has to work with both",
			},
			func(c *registryCaller) string {
				header := c.may("pull,push")
				_, at := c.open(header)
				return c.do(http.MethodDelete, at, header, nil).short()
			},
		},
		{
			row{"cancel-delete", "an upload cancelled with a bearer for delete as well", "204", hubAPIDoc, ""},
			func(c *registryCaller) string {
				header := c.may("pull,push,delete")
				_, at := c.open(header)
				return c.do(http.MethodDelete, at, header, nil).short()
			},
		},
		{
			row{
				"upload-status", "the state of an upload", "204, Range", spec,
				"go-containerregistry's registry, which keeps the images, keeps no state of uploads; only a client that resumes an upload asks for it",
			},
			func(c *registryCaller) string {
				header := c.may("pull,push")
				_, at := c.open(header)
				r := c.do(http.MethodGet, at, header, nil)
				return strings.TrimSuffix(r.shown("Range"), " 0-0")
			},
		},
		{
			row{"upload-finish", "an upload that is finished", "201, Location, Docker-Content-Digest", spec, ""},
			func(c *registryCaller) string {
				return c.finish(c.may("pull,push"), blob, digestOf(blob)).shown("Location", "Docker-Content-Digest")
			},
		},
		{
			row{"upload-chunk", "an upload in two pieces", "202, Location, Range 0-1; 201", spec, ""},
			func(c *registryCaller) string {
				header := c.may("pull,push")
				_, at := c.open(header)
				sent := map[string]string{"Authorization": header["Authorization"], "Content-Type": "application/octet-stream", "Content-Range": "0-1"}
				first := c.do(http.MethodPatch, at, sent, blob[:2])
				sent["Content-Range"] = fmt.Sprintf("2-%d", len(blob)-1)
				last := c.do(http.MethodPut, c.with(first.header.Get("Location"), "digest", digestOf(blob)), sent, blob[2:])
				return first.shown("Location", "Range") + "; " + last.short()
			},
		},
		{
			row{"upload-bad-digest", "an upload whose digest is another's", "400 DIGEST_INVALID", spec, ""},
			func(c *registryCaller) string {
				return c.finish(c.may("pull,push"), blob, digestOf([]byte("another"))).short()
			},
		},
		{
			row{
				"upload-no-digest", "an upload with a malformed digest", "400 DIGEST_INVALID", spec,
				"go-containerregistry's registry, which keeps the images, uses this code for it",
			},
			func(c *registryCaller) string { return c.finish(c.may("pull,push"), blob, "sha256:none").short() },
		},
		{
			row{
				"upload-unknown", "an upload that was never begun", "404 BLOB_UPLOAD_UNKNOWN", spec,
				"go-containerregistry's registry, which keeps the images, keeps no state of uploads",
			},
			func(c *registryCaller) string {
				at := "/v2/" + c.repo + "/blobs/uploads/00000000-0000-4000-8000-000000000000"
				return c.do(http.MethodGet, at, c.may("pull,push"), nil).short()
			},
		},
		{
			row{"blob-head", "HEAD of a blob", "200, Content-Length, Docker-Content-Digest", spec, ""},
			func(c *registryCaller) string {
				header := c.may("pull,push")
				c.blob(header, blob)
				return c.do(http.MethodHead, "/v2/"+c.repo+"/blobs/"+digestOf(blob), header, nil).shown("Content-Length", "Docker-Content-Digest")
			},
		},
		{
			row{"blob-head-missing", "HEAD of a blob that is not there", "404", spec, ""},
			func(c *registryCaller) string {
				header := c.may("pull,push")
				c.blob(header, blob)
				return c.do(http.MethodHead, "/v2/"+c.repo+"/blobs/"+digestOf([]byte("another")), header, nil).short()
			},
		},
		{
			row{"blob-get", "a blob", "200, the same", spec, ""},
			func(c *registryCaller) string {
				header := c.may("pull,push")
				c.blob(header, blob)
				r := c.do(http.MethodGet, "/v2/"+c.repo+"/blobs/"+digestOf(blob), header, nil)
				if string(r.body) != string(blob) {
					return r.short() + ", another"
				}
				return r.short() + ", the same"
			},
		},
		{
			row{"blob-missing", "a blob that is not there", "404 BLOB_UNKNOWN", spec, ""},
			func(c *registryCaller) string {
				header := c.may("pull,push")
				c.blob(header, blob)
				return c.do(http.MethodGet, "/v2/"+c.repo+"/blobs/"+digestOf([]byte("another")), header, nil).short()
			},
		},
		{
			row{"blob-part", "the first bytes of a blob", "206 a blob", spec, ""},
			func(c *registryCaller) string {
				header := c.may("pull,push")
				c.blob(header, blob)
				header["Range"] = "bytes=0-5"
				r := c.do(http.MethodGet, "/v2/"+c.repo+"/blobs/"+digestOf(blob), header, nil)
				return r.short() + " " + string(r.body)
			},
		},
	}
}

const ociManifest = "application/vnd.oci.image.manifest.v1+json"

// manifest is an image of one layer.
func manifest(config, layer []byte) []byte {
	described := func(mediaType string, blob []byte) map[string]any {
		return map[string]any{"mediaType": mediaType, "digest": digestOf(blob), "size": len(blob)}
	}
	text, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": ociManifest,
		"config": described("application/vnd.oci.image.config.v1+json", config),
		"layers": []any{described("application/vnd.oci.image.layer.v1.tar", layer)},
	})
	if err != nil {
		panic(err) // of maps and texts
	}
	return text
}

// image pushes an image under a tag, and returns its manifest and the header of who did.
func (c *registryCaller) image(actions, tag string) (text []byte, header map[string]string) {
	c.t.Helper()
	header = c.may(actions)
	layer := []byte("a layer")
	config := []byte(`{"os":"linux","architecture":"amd64","config":{},"rootfs":{"type":"layers","diff_ids":["` + digestOf(layer) + `"]}}`)
	c.blob(header, config)
	c.blob(header, layer)
	text = manifest(config, layer)
	if r := c.putManifest(header, tag, text); r.status != http.StatusCreated {
		c.t.Fatalf("before the question itself, a manifest is answered %s", r.short())
	}
	header["Accept"] = ociManifest
	return text, header
}

func (c *registryCaller) putManifest(header map[string]string, reference string, text []byte) registryReply {
	c.t.Helper()
	sent := map[string]string{"Authorization": header["Authorization"], "Content-Type": ociManifest}
	return c.do(http.MethodPut, "/v2/"+c.repo+"/manifests/"+reference, sent, text)
}

package conformance

import (
	"encoding/json"
	"net/http"
	"strings"
)

// manifestCases are about manifests and tags.
func manifestCases() []registryCase {
	get := func(c *registryCaller, header map[string]string, method, what string) registryReply {
		return c.do(method, "/v2/"+c.repo+what, header, nil)
	}
	return append([]registryCase{
		{
			row{"manifest-put", "a manifest under a tag", "201, Location, Docker-Content-Digest", spec, ""},
			func(c *registryCaller) string {
				text, header := c.image("pull,push", "one")
				return c.putManifest(header, "two", text).shown("Location", "Docker-Content-Digest")
			},
		},
		{
			row{"manifest-get", "a manifest by its tag", "200 " + ociManifest + ", the same", spec, ""},
			func(c *registryCaller) string {
				text, header := c.image("pull,push", "one")
				return sameManifest(get(c, header, http.MethodGet, "/manifests/one"), text)
			},
		},
		{
			row{"manifest-digest", "a manifest by its digest", "200 " + ociManifest + ", the same", spec, ""},
			func(c *registryCaller) string {
				text, header := c.image("pull,push", "one")
				return sameManifest(get(c, header, http.MethodGet, "/manifests/"+digestOf(text)), text)
			},
		},
		{
			row{"manifest-head", "HEAD of a manifest", "200, Content-Length, Docker-Content-Digest", spec, ""},
			func(c *registryCaller) string {
				_, header := c.image("pull,push", "one")
				return get(c, header, http.MethodHead, "/manifests/one").shown("Content-Length", "Docker-Content-Digest")
			},
		},
		{
			row{"manifest-missing", "a tag that is not there", "404 MANIFEST_UNKNOWN", spec, ""},
			func(c *registryCaller) string {
				_, header := c.image("pull,push", "one")
				return get(c, header, http.MethodGet, "/manifests/two").short()
			},
		},
		{
			row{"manifest-no-repository", "a tag of a repository that is not there", "404", spec, ""},
			func(c *registryCaller) string {
				return get(c, c.may("pull,push"), http.MethodGet, "/manifests/one").short()
			},
		},
		{
			row{"manifest-no-blobs", "a manifest whose blobs are not there", "400 MANIFEST_BLOB_UNKNOWN", spec + "; its status is UNCONFIRMED", ""},
			func(c *registryCaller) string {
				return c.putManifest(c.may("pull,push"), "one", manifest([]byte("no"), []byte("none"))).short()
			},
		},
		{
			row{"manifest-garbage", "a manifest that is none", "400 MANIFEST_INVALID", spec, ""},
			func(c *registryCaller) string {
				return c.putManifest(c.may("pull,push"), "one", []byte("{")).short()
			},
		},
		{
			row{"manifest-delete", "a manifest that is deleted, and then asked for", "202, then 404 MANIFEST_UNKNOWN", spec, ""},
			func(c *registryCaller) string {
				text, header := c.image("pull,push,delete", "one")
				deleted := get(c, header, http.MethodDelete, "/manifests/"+digestOf(text)).short()
				return deleted + ", then " + get(c, header, http.MethodGet, "/manifests/"+digestOf(text)).short()
			},
		},
		{
			row{"manifest-delete-refused", "a manifest deleted with a bearer for pull and push", "401 UNAUTHORIZED, scope repository:REPO:delete, error insufficient_scope", seenLive + unsure, ""},
			func(c *registryCaller) string {
				text, header := c.image("pull,push", "one")
				return c.refused(get(c, header, http.MethodDelete, "/manifests/"+digestOf(text)))
			},
		},
	}, tagCases()...)
}

func sameManifest(r registryReply, want []byte) string {
	answer := r.short() + " " + r.header.Get("Content-Type")
	if string(r.body) == string(want) {
		return answer + ", the same"
	}
	return answer + ", another"
}

func tagCases() []registryCase {
	tags := func(c *registryCaller, header map[string]string, query string) string {
		r := c.do(http.MethodGet, "/v2/"+c.repo+"/tags/list"+query, header, nil)
		var list struct{ Tags []string }
		if r.status != http.StatusOK || json.Unmarshal(r.body, &list) != nil {
			return r.short()
		}
		answer := r.short() + " " + strings.Join(list.Tags, " ")
		if r.header.Get("Link") != "" {
			answer += ", Link"
		}
		return answer
	}
	return []registryCase{
		{
			row{"tags", "the tags of a repository", "200 one two", spec, ""},
			func(c *registryCaller) string {
				text, header := c.image("pull,push", "one")
				c.putManifest(header, "two", text)
				return tags(c, header, "")
			},
		},
		{
			row{"tags-paged", "one tag of two", "200 one, Link", spec, ""},
			func(c *registryCaller) string {
				text, header := c.image("pull,push", "one")
				c.putManifest(header, "two", text)
				return tags(c, header, "?n=1")
			},
		},
		{
			row{"tags-last", "the tags after one", "200 two", spec, ""},
			func(c *registryCaller) string {
				text, header := c.image("pull,push", "one")
				c.putManifest(header, "two", text)
				return tags(c, header, "?last=one")
			},
		},
		{
			row{"tags-missing", "the tags of a repository that is not there", "404 NAME_UNKNOWN", spec, ""},
			func(c *registryCaller) string { return tags(c, c.may("pull,push"), "") },
		},
		{
			row{"tags-foreign", "the tags of another's private repository", "401 UNAUTHORIZED", tokenSpec, ""},
			func(c *registryCaller) string {
				c.repo = c.at.foreign
				return codeOf(tags(c, c.may("pull"), ""))
			},
		},
		{
			row{
				"referrers", "the referrers of a manifest without any", "200 application/vnd.oci.image.index.v1+json", spec,
				"the sandbox turns it off, because the distribution project's registries lack it too",
			},
			func(c *registryCaller) string {
				text, header := c.image("pull,push", "one")
				r := c.do(http.MethodGet, "/v2/"+c.repo+"/referrers/"+digestOf(text), header, nil)
				if r.status != http.StatusOK {
					return r.short()
				}
				return "200 " + r.header.Get("Content-Type")
			},
		},
	}
}

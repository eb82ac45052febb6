package sandbox_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
)

func startWith(t *testing.T, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func awsCall(t *testing.T, box *sandbox.Sandbox, operation, body string) string {
	t.Helper()
	resp, err := http.DefaultClient.Do(awsRequest(box.SecretsManagerURL, operation, body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", operation, resp.Status, raw, err)
	}
	return string(raw)
}

// authority returns the CA certificate that clients of the sandbox trust.
func authority(t *testing.T, box *sandbox.Sandbox) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := box.Environment(dir); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "sandbox-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func hubCall(t *testing.T, box *sandbox.Sandbox, method, path, body string) string {
	t.Helper()
	session, err := box.Hub.Session("mockserver", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, "https://hub.docker.com"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+session.Reveal())
	resp, err := box.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 400 {
		t.Fatalf("%s %s: %s %s", method, path, resp.Status, raw)
	}
	return string(raw)
}

func TestTheNextSandboxFindsTheState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	box := startWith(t, sandbox.Options{Data: dir, Hosts: []string{"registry.example"}})
	trust := authority(t, box)
	awsCall(t, box, "CreateSecret", `{"Name":"kept/one","ClientRequestToken":"00000000-0000-4000-8000-000000000001","SecretString":"FAKE one","Tags":[{"Key":"k","Value":"v"}]}`)
	awsCall(t, box, "PutSecretValue", `{"SecretId":"kept/one","ClientRequestToken":"00000000-0000-4000-8000-000000000002","SecretString":"FAKE two"}`)
	awsCall(t, box, "PutResourcePolicy", `{"SecretId":"kept/one","ResourcePolicy":"{\"Version\":\"2012-10-17\",\"Statement\":[]}"}`)
	awsCall(t, box, "ReplicateSecretToRegions", `{"SecretId":"kept/one","AddReplicaRegions":[{"Region":"eu-west-1"}]}`)
	awsCall(t, box, "CreateSecret", `{"Name":"kept/gone","ClientRequestToken":"00000000-0000-4000-8000-000000000001","SecretBinary":"RkFLRQ=="}`)
	awsCall(t, box, "DeleteSecret", `{"SecretId":"kept/gone"}`)
	described := awsCall(t, box, "DescribeSecret", `{"SecretId":"kept/one"}`)
	gone := awsCall(t, box, "DescribeSecret", `{"SecretId":"kept/gone"}`)
	hubCall(t, box, http.MethodPost, "/v2/access-tokens", `{"token_label":"kept","scopes":["repo:write"]}`)
	hubCall(t, box, http.MethodPatch, "/v2/repositories/mockserver/mockserver/", `{"full_description":"kept too"}`)
	const layer = "a layer"
	image := pushed(t, box, layer)
	tokens := hubCall(t, box, http.MethodGet, "/v2/access-tokens", "")
	tags := hubCall(t, box, http.MethodGet, "/v2/namespaces/mockserver/repositories/mockserver/tags", "")
	if _, err := sandbox.Start(t.Context(), sandbox.Options{Data: dir}); !errors.Is(err, sandbox.ErrDataInUse) {
		t.Errorf("a second sandbox on the folder: %v", err)
	}
	push := box.PushToken
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}

	box = startWith(t, sandbox.Options{Data: dir, Hosts: []string{"registry.example"}})
	t.Cleanup(func() { _ = box.Close() })
	if authority(t, box) != trust || !box.PushToken.Equal(push) {
		t.Error("the certificate authority or the example's token changed")
	}
	if got := awsCall(t, box, "DescribeSecret", `{"SecretId":"kept/one"}`); got != described {
		t.Errorf("the secret was\n%s\nand is\n%s", described, got)
	}
	if got := awsCall(t, box, "DescribeSecret", `{"SecretId":"kept/gone"}`); got != gone {
		t.Errorf("the deleted secret was\n%s\nand is\n%s", gone, got)
	}
	for stage, want := range map[string]string{"AWSCURRENT": "FAKE two", "AWSPREVIOUS": "FAKE one"} {
		if got := awsCall(t, box, "GetSecretValue", `{"SecretId":"kept/one","VersionStage":"`+stage+`"}`); !strings.Contains(got, want) {
			t.Errorf("%s is %s", stage, got)
		}
	}
	if got := hubCall(t, box, http.MethodGet, "/v2/access-tokens", ""); got != tokens {
		t.Errorf("the tokens were\n%s\nand are\n%s", tokens, got)
	}
	if got := hubCall(t, box, http.MethodGet, "/v2/namespaces/mockserver/repositories/mockserver/tags", ""); got != tags {
		t.Errorf("the tags were\n%s\nand are\n%s", tags, got)
	}
	if got := hubCall(t, box, http.MethodGet, "/v2/repositories/mockserver/mockserver/", ""); !strings.Contains(got, "kept too") {
		t.Errorf("the repository is %s", got)
	}
	if got := registryCall(t, box, http.MethodGet, "/v2/mockserver/mockserver/manifests/kept", "", ""); got != image {
		t.Errorf("the image is\n%s\nand was\n%s", got, image)
	}
	if got := registryCall(t, box, http.MethodGet, "/v2/mockserver/mockserver/blobs/"+digestOf(layer), "", ""); got != layer {
		t.Errorf("the layer is %q", got)
	}
}

func digestOf(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

// pushed pushes a one-layer image with the tag kept.
func pushed(t *testing.T, box *sandbox.Sandbox, layer string) (manifest string) {
	t.Helper()
	const config = "{}"
	for _, blob := range []string{config, layer} {
		registryCall(t, box, http.MethodPost, "/v2/mockserver/mockserver/blobs/uploads/?digest="+digestOf(blob), "application/octet-stream", blob)
	}
	const kind = "application/vnd.oci.image.manifest.v1+json"
	manifest = fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		kind, digestOf(config), len(config), digestOf(layer), len(layer))
	registryCall(t, box, http.MethodPut, "/v2/mockserver/mockserver/manifests/kept", kind, manifest)
	return manifest
}

// registryCall calls Docker Hub's registry with a bearer for the push token.
func registryCall(t *testing.T, box *sandbox.Sandbox, method, path, kind, body string) string {
	t.Helper()
	client := &http.Client{Transport: box.Transport()}
	do := func(req *http.Request) []byte {
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		raw, _ := io.ReadAll(resp.Body)
		if resp.StatusCode >= http.StatusBadRequest {
			t.Fatalf("%s %s: %s %s", req.Method, req.URL.Path, resp.Status, raw)
		}
		return raw
	}
	req, err := http.NewRequest(http.MethodGet, sandbox.TokenRealm+"?service="+sandbox.TokenService+"&scope=repository:mockserver/mockserver:pull,push", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("mockserver", box.PushToken.Reveal())
	var bearer struct{ Token string }
	if err := json.Unmarshal(do(req), &bearer); err != nil {
		t.Fatal(err)
	}
	if req, err = http.NewRequest(method, "https://registry-1.docker.io"+path, strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer.Token)
	req.Header.Set("Content-Type", kind)
	return string(do(req))
}

func TestInvalidStateFilesAreRefusedAndLeftAlone(t *testing.T) {
	for text, want := range map[string]string{
		"{":             "is not a sandbox state file",
		`{"Format": 7}`: "has format 7; this purser reads format 1",
		`{"Format": 1}`: "make a certificate authority",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "state.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sandbox.Start(t.Context(), sandbox.Options{Data: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if raw, err := os.ReadFile(path); err != nil || !bytes.Equal(raw, []byte(text)) {
			t.Errorf("%s was changed: %v", text, err)
		}
	}
}

func TestStaleReadsReturnTheOldValueForAWhile(t *testing.T) {
	box := startWith(t, sandbox.Options{})
	t.Cleanup(func() { _ = box.Close() })
	const read = `{"SecretId":"lag","VersionStage":"AWSCURRENT"}`
	awsCall(t, box, "CreateSecret", `{"Name":"lag","ClientRequestToken":"00000000-0000-4000-8000-000000000001","SecretString":"FAKE old"}`)
	box.SecretsManager.Fault("", sandboxaws.Fault{Stale: true, Times: 2})
	awsCall(t, box, "PutSecretValue", `{"SecretId":"lag","ClientRequestToken":"00000000-0000-4000-8000-000000000002","SecretString":"FAKE new"}`)
	for i, want := range []string{"FAKE old", "FAKE old", "FAKE new"} {
		if got := awsCall(t, box, "GetSecretValue", read); !strings.Contains(got, want) {
			t.Errorf("read %d: %s, want %s", i, got, want)
		}
	}
}

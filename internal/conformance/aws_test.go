package conformance

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"purser/internal/realservers"
	sandboxaws "purser/internal/sandbox/aws"
)

const (
	awsRegion = "eu-west-2"
	arnStart  = "arn:aws:secretsmanager:" + awsRegion + ":123456789012:secret:"
)

// Where a documented answer is written.
const (
	model    = "AWS's API model"
	recorded = "recorded answers of AWS"
	guide    = "AWS's documentation"

	noText = "; its words are UNCONFIRMED"
	noCode = "; its code is UNCONFIRMED"
	unsure = "; UNCONFIRMED"
)

func secretsManagerArea() area[string] {
	return area[string]{
		name: "Secrets Manager and STS",
		about: "The suite asks in raw HTTP, AWS JSON 1.1 with a Signature Version 4. NAME stands for a secret's name, v1 and v2\n" +
			"for versions in the order in which they were made.",
		parts: []part[string]{{sandboxPart, standInForAWS}, {"moto", moto}},
		questions: awsQuestions(awsNames(), awsTokens(), awsPuts(), awsMoves(), awsReads(), awsBatches(),
			awsLists(), awsDeletions(), awsSettings(), awsRotations(), awsProtocol()),
	}
}

func moto(t *testing.T) string {
	t.Helper()
	return realservers.Moto(t)
}

func standInForAWS(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{}))
	t.Cleanup(server.Close)
	return server.URL
}

// An awsCase is a question to a server of AWS, with a secret's name of its own.
type awsCase struct {
	row
	ask func(c *awsCaller) string
}

func awsQuestions(groups ...[]awsCase) []question[string] {
	var all []question[string]
	for _, c := range slices.Concat(groups...) {
		all = append(all, question[string]{c.row, func(t *testing.T, url string) string {
			t.Helper()
			// Without hyphens: a hyphen and six characters at the end have a meaning in ARNs.
			return c.ask(&awsCaller{t: t, url: url, name: "conformance/" + strings.ReplaceAll(c.id, "-", "_")})
		}})
	}
	return all
}

// awsCaller sends the requests of one case.
type awsCaller struct {
	t    *testing.T
	url  string
	name string // of the case's secret

	// How requests are signed, where a case wants it otherwise.
	unsigned bool
	service  string        // "": secretsmanager
	age      time.Duration // of the signature
}

// members are those of a request's body.
type members map[string]any

// awsReply is what came back.
type awsReply struct {
	status      int
	contentType string
	body        members // nil where it is no JSON
	raw         string
}

// send signs and sends a request.
func (c *awsCaller) send(header map[string]string, body string) awsReply {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url+"/", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	if !c.unsigned {
		c.sign(req, body)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
	reply := awsReply{status: res.StatusCode, contentType: res.Header.Get("Content-Type"), raw: string(raw)}
	_ = json.Unmarshal(raw, &reply.body) // a page of HTML is an answer as well
	return reply
}

func (c *awsCaller) sign(req *http.Request, body string) {
	c.t.Helper()
	sum := sha256.Sum256([]byte(body))
	key := aws.Credentials{AccessKeyID: "AKIAFAKE", SecretAccessKey: "FAKE"}
	err := v4.NewSigner().SignHTTP(context.Background(), key, req, hex.EncodeToString(sum[:]),
		cmp.Or(c.service, "secretsmanager"), awsRegion, time.Now().Add(-c.age))
	if err != nil {
		c.t.Fatal(err)
	}
}

// target is the header of a call by AWS JSON 1.1.
func target(operation string) map[string]string {
	return map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager." + operation}
}

// call does an operation of Secrets Manager.
func (c *awsCaller) call(operation string, in members) awsReply {
	c.t.Helper()
	if in == nil {
		in = members{} // not null
	}
	body, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.send(target(operation), string(body))
}

// on is call on the case's secret.
func (c *awsCaller) on(operation string, more members) awsReply {
	c.t.Helper()
	in := members{"SecretId": c.name}
	maps.Copy(in, more)
	return c.call(operation, in)
}

// must is on for what leads up to a question, which every part can do.
func (c *awsCaller) must(operation string, more members) awsReply {
	c.t.Helper()
	reply := c.on(operation, more)
	if reply.status != http.StatusOK {
		c.t.Fatalf("before the question itself, %s answers %s", operation, c.short(reply))
	}
	return reply
}

// versionID is the token of a version: 32 characters at least.
func versionID(n int) string { return fmt.Sprintf("version-%024d", n) }

// create makes the case's secret with a value as version 1.
func (c *awsCaller) create(value string) (arn string) {
	c.t.Helper()
	return c.createAs(c.name, members{"SecretString": value})
}

// createAs makes a secret of another name, or of more.
func (c *awsCaller) createAs(name string, more members) (arn string) {
	c.t.Helper()
	in := members{"Name": name, "ClientRequestToken": versionID(1)}
	maps.Copy(in, more)
	reply := c.call("CreateSecret", in)
	if reply.status != http.StatusOK {
		c.t.Fatalf("before the question itself, CreateSecret answers %s", c.short(reply))
	}
	return reply.text("ARN")
}

// put is a request for a version with labels.
func put(n int, value string, stages ...string) members {
	in := members{"ClientRequestToken": versionID(n), "SecretString": value}
	if len(stages) > 0 {
		in["VersionStages"] = stages
	}
	return in
}

// move is a request to move a label; 0 leaves the version out.
func move(stage string, from, to int) members {
	in := members{"VersionStage": stage}
	if from != 0 {
		in["RemoveFromVersionId"] = versionID(from)
	}
	if to != 0 {
		in["MoveToVersionId"] = versionID(to)
	}
	return in
}

// text is a member of the answer that is a string; "": it has none.
func (r awsReply) text(member string) string {
	text, _ := r.body[member].(string)
	return text
}

// each are the objects of a list in the answer.
func (r awsReply) each(member string) []awsReply {
	list, _ := r.body[member].([]any)
	all := make([]awsReply, 0, len(list))
	for _, one := range list {
		object, _ := one.(map[string]any)
		all = append(all, awsReply{status: r.status, body: object})
	}
	return all
}

// short is the status, and of an error its code and words.
func (c *awsCaller) short(r awsReply) string {
	switch {
	case r.status == http.StatusOK && r.body != nil:
		return "200"
	case r.body == nil:
		return fmt.Sprintf("%d, no JSON", r.status)
	}
	code := r.text("__type")
	code = code[strings.LastIndexAny(code, "#:")+1:]
	answer := strings.TrimSpace(fmt.Sprintf("%d %s", r.status, code))
	if message := cmp.Or(r.text("Message"), r.text("message")); message != "" {
		answer += ": " + c.plain(message)
	}
	return answer
}

var (
	versionForm32 = regexp.MustCompile(`version-0*([0-9]+)`)
	suffixForm    = regexp.MustCompile(`(NAME[a-z_/]*)-[A-Za-z0-9]{6}\b`)
)

// plain takes out of a text what is another one in each case or run.
func (c *awsCaller) plain(text string) string {
	text = strings.ReplaceAll(text, c.name, "NAME")
	text = suffixForm.ReplaceAllString(text, "$1-??????")
	text = strings.ReplaceAll(text, arnStart+"NAME-??????", "ARN")
	return versionForm32.ReplaceAllString(text, "v$1")
}

// or is what an answer says where it is 200, and the error otherwise.
func (c *awsCaller) or(r awsReply, says func(awsReply) string) string {
	if r.status != http.StatusOK {
		return c.short(r)
	}
	return cmp.Or(c.plain(says(r)), "nothing")
}

// labels are those of the secret's versions, as DescribeSecret has them.
func (c *awsCaller) labels() string {
	c.t.Helper()
	return c.or(c.on("DescribeSecret", nil), func(r awsReply) string { return labelled(r.body["VersionIdsToStages"]) })
}

func labelled(byVersion any) string {
	versions, _ := byVersion.(map[string]any)
	all := make([]string, 0, len(versions))
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		all = append(all, strings.TrimSpace(id+" "+joined(versions[id])))
	}
	return strings.Join(all, ", ")
}

// joined are the texts of a list, sorted.
func joined(list any) string {
	texts := []string{}
	items, _ := list.([]any)
	for _, item := range items {
		texts = append(texts, fmt.Sprint(item))
	}
	slices.Sort(texts)
	return strings.Join(texts, "+")
}

// after is the answer of an operation, or where it is 200 the labels that it leaves.
func (c *awsCaller) after(operation string, in members) string {
	c.t.Helper()
	return c.or(c.on(operation, in), func(awsReply) string { return c.labels() })
}

// value is what GetSecretValue answers: the version and its text.
func (c *awsCaller) value(in members) string {
	c.t.Helper()
	return c.or(c.on("GetSecretValue", in), func(r awsReply) string {
		return r.text("VersionId") + " " + cmp.Or(r.text("SecretString"), "binary "+r.text("SecretBinary"))
	})
}

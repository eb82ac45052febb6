package audit_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/google/go-cmp/cmp"

	"purser/internal/audit"
	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
)

// now is a second that is over: CloudTrail's times are whole seconds.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func subjects() []audit.Subject {
	return []audit.Subject{{Name: name, ARN: arn, Description: "for CI builds", Tags: map[string]string{"team": "ci"}}}
}

func window() *audit.History { return &audit.History{Since: now.AddDate(0, 0, -30), Until: now} }

// record is a record of CloudTrail with some members replaced.
func record(event string, at time.Time, more map[string]any) string {
	r := map[string]any{
		"eventVersion": "1.11", "eventSource": "secretsmanager.amazonaws.com", "eventName": event, "eventTime": at.UTC().Format(time.RFC3339), "awsRegion": "eu-west-2",
		"recipientAccountId": "123456789012", "sourceIPAddress": "10.0.0.7", "userAgent": "aws-sdk-go-v2", "responseElements": nil,
		"userIdentity": map[string]any{
			"type": "AssumedRole", "principalId": "AROAEXAMPLE:i-0123456789abcdef0", "arn": instance,
			"sessionContext": map[string]any{"sessionIssuer": map[string]any{"arn": "arn:aws:iam::123456789012:role/buildkite-agents"}},
		},
	}
	for k, v := range more {
		r[k] = v
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func asked(members map[string]any) map[string]any {
	return map[string]any{"requestParameters": members}
}

// The forms are those of real logs (DataDog/stratus-red-team, invictus-ir/aws_dataset).
func TestEventsAreRecognizedByEveryFormOfTheirSecret(t *testing.T) {
	partial := arn[:len(arn)-len("-AbCdEf")]
	for what, c := range map[string]struct {
		event   string
		more    map[string]any
		hit     bool
		perhaps string
	}{
		"read by name":              {"GetSecretValue", asked(map[string]any{"secretId": name}), true, ""},
		"read by ARN":               {"GetSecretValue", asked(map[string]any{"secretId": arn, "versionStage": "AWSPREVIOUS"}), true, ""},
		"read by partial ARN":       {"GetSecretValue", asked(map[string]any{"secretId": partial}), true, ""},
		"another secret":            {"GetSecretValue", asked(map[string]any{"secretId": name + "2"}), false, ""},
		"in another region":         {"GetSecretValue", map[string]any{"awsRegion": "us-east-1", "requestParameters": map[string]any{"secretId": name}}, false, ""},
		"in another account":        {"GetSecretValue", map[string]any{"recipientAccountId": "210987654321", "requestParameters": map[string]any{"secretId": name}}, false, ""},
		"from another account":      {"GetSecretValue", map[string]any{"recipientAccountId": "210987654321", "requestParameters": map[string]any{"secretId": arn}}, true, ""},
		"batch by list":             {"BatchGetSecretValue", asked(map[string]any{"secretIdList": []string{"x", arn}}), true, ""},
		"batch by name":             {"BatchGetSecretValue", asked(map[string]any{"filters": []any{map[string]any{"key": "name", "values": []string{"mockserver-"}}}}), true, "batch by filter"},
		"batch by other name":       {"BatchGetSecretValue", asked(map[string]any{"filters": []any{map[string]any{"key": "name", "values": []string{"prod/"}}}}), false, ""},
		"batch by negated name":     {"BatchGetSecretValue", asked(map[string]any{"filters": []any{map[string]any{"key": "name", "values": []string{"!prod/"}}}}), true, "batch by filter"},
		"batch by negated own name": {"BatchGetSecretValue", asked(map[string]any{"filters": []any{map[string]any{"key": "name", "values": []string{"!mockserver"}}}}), false, ""},
		"batch by all filters":      {"BatchGetSecretValue", asked(map[string]any{"filters": []any{map[string]any{"key": "tag-key", "values": []string{"te"}}, map[string]any{"key": "tag-value", "values": []string{"x"}}}}), false, ""},
		"batch by tag":              {"BatchGetSecretValue", asked(map[string]any{"filters": []any{map[string]any{"key": "tag-key", "values": []string{"te"}}, map[string]any{"key": "tag-value", "values": []string{"x", "c"}}}}), true, "batch by filter"},
		"batch by a described word": {"BatchGetSecretValue", asked(map[string]any{"filters": []any{map[string]any{"key": "description", "values": []string{"ci"}}}}), true, "batch by filter"},
		"batch by all":              {"BatchGetSecretValue", asked(map[string]any{"filters": []any{map[string]any{"key": "all", "values": []string{"zzz"}}}}), true, "batch by filter"},
		"batch elsewhere":           {"BatchGetSecretValue", map[string]any{"awsRegion": "us-east-1", "requestParameters": map[string]any{"filters": []any{map[string]any{"key": "name", "values": []string{"m"}}}}}, false, ""},
		"refusal without members":   {"GetSecretValue", map[string]any{"requestParameters": nil, "errorCode": "AccessDenied", "errorMessage": "User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: " + arn + " because no identity-based policy allows it"}, true, ""},
		"refusal of another":        {"GetSecretValue", map[string]any{"requestParameters": nil, "errorCode": "AccessDenied", "errorMessage": "not authorized on resource: " + partial + "-other-AbCdEf because"}, false, ""},
		"delete, old spelling":      {"DeleteSecret", map[string]any{"requestParameters": map[string]any{"secretId": "x"}, "responseElements": map[string]any{"aRN": arn, "name": name}}, true, ""},
		"create":                    {"CreateSecret", map[string]any{"requestParameters": map[string]any{"name": name}, "responseElements": map[string]any{"arn": arn}}, true, ""},
		"policy":                    {"PutResourcePolicy", asked(map[string]any{"secretId": name, "blockPublicPolicy": true}), true, ""},
		"move of a stage":           {"UpdateSecretVersionStage", asked(map[string]any{"secretId": arn, "versionStage": "AWSCURRENT", "moveToVersionId": "x"}), true, ""},
		"failed rotation":           {"RotationFailed", map[string]any{"userIdentity": map[string]any{"invokedBy": "secretsmanager.amazonaws.com"}, "requestParameters": nil, "additionalEventData": map[string]any{"ARN": arn, "Name": name}}, true, ""},
		"tags of another service":   {"TagResource", map[string]any{"eventSource": "kms.amazonaws.com", "requestParameters": map[string]any{"secretId": []int{1}}}, false, ""},
		"a description":             {"DescribeSecret", asked(map[string]any{"secretId": arn}), false, ""},
	} {
		t.Run(what, func(t *testing.T) {
			h := window()
			if err := h.ReadLogs(t.Context(), logs(t, record(c.event, now.Add(-time.Hour), c.more)), subjects(), now, nil); err != nil {
				t.Fatal(err)
			}
			if hit := len(h.Uses) == 1; hit != c.hit || len(h.Misses) != 0 || h.Unreadable != 0 {
				t.Fatalf("%+v", h)
			}
			if c.hit && (h.Uses[0].Perhaps != c.perhaps || h.Uses[0].Event != c.event || h.Uses[0].Secret != arn || h.Uses[0].Principal == "") {
				t.Errorf("%+v", h.Uses[0])
			}
		})
	}
}

func TestUsesAreCountedByWhoAndHow(t *testing.T) {
	h := window()
	read := func(age time.Duration, stage string) string {
		return record("GetSecretValue", now.Add(-age), asked(map[string]any{"secretId": arn, "versionStage": stage}))
	}
	dir := logs(t, read(time.Hour, "AWSCURRENT"), read(2*time.Hour, "AWSCURRENT"), read(50*time.Hour, "AWSCURRENT"), read(time.Hour, "AWSPREVIOUS"), read(24*365*time.Hour, "AWSCURRENT"))
	if err := h.ReadLogs(t.Context(), dir, subjects(), now, nil); err != nil {
		t.Fatal(err)
	}
	want := []audit.Use{
		{
			Secret: arn, Event: "GetSecretValue", Principal: "arn:aws:iam::123456789012:role/buildkite-agents", Session: "i-0123456789abcdef0", Source: "10.0.0.7", Agent: "aws-sdk-go-v2", Stage: "AWSCURRENT",
			Count: 3, First: now.Add(-50 * time.Hour), Last: now.Add(-time.Hour), Days: map[string]int{"2026-11-23": 2, "2026-11-21": 1},
		},
		{
			Secret: arn, Event: "GetSecretValue", Principal: "arn:aws:iam::123456789012:role/buildkite-agents", Session: "i-0123456789abcdef0", Source: "10.0.0.7", Agent: "aws-sdk-go-v2", Stage: "AWSPREVIOUS",
			Count: 1, First: now.Add(-time.Hour), Last: now.Add(-time.Hour), Days: map[string]int{"2026-11-23": 1},
		},
	}
	if diff := cmp.Diff(want, h.Uses); diff != "" {
		t.Error(diff)
	}
	if u := h.Of(arn); len(u) != 2 || u[0].Changes() || u[0].Instance() != "i-0123456789abcdef0" || !h.Complete() || h.Silent() || len(h.Of("other")) != 0 {
		t.Errorf("%+v", u)
	}
}

func TestOnlyInstancesAreInstances(t *testing.T) {
	for session, want := range map[string]string{"i-0123456789abcdef0": "i-0123456789abcdef0", "i-0a1b2c3d": "i-0a1b2c3d", "i-am-ada": "", "i-": "", "ada@example.com": "", "": ""} {
		if got := (audit.Use{Session: session}).Instance(); got != want {
			t.Errorf("%q: %q", session, got)
		}
	}
}

// logs writes a trail's file with records, as S3 has it, and returns the folder.
func logs(t testing.TB, records ...string) string {
	t.Helper()
	dir := t.TempDir()
	logFile(t, dir, "123456789012_CloudTrail_eu-west-2_20261123T1205Z_AbCdEf.json.gz", `{"Records":[`+strings.Join(records, ",\n")+`]}`)
	return dir
}

func logFile(t testing.TB, dir, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "AWSLogs", "123456789012", "CloudTrail", "eu-west-2", "2026", "11", "23", name)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte(text))
	if err = errors.Join(err, z.Close(), os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, packed.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each broken file is named, and costs only what it lacks.
func TestBrokenLogFilesAreNamedAndHideNoOthers(t *testing.T) {
	read := record("GetSecretValue", now.Add(-time.Hour), asked(map[string]any{"secretId": arn}))
	dir := logs(t, read)
	whole := logFile(t, dir, "cut.json.gz", `{"Records":[`+record("GetSecretValue", now.Add(-2*time.Hour), asked(map[string]any{"secretId": arn}))+strings.Repeat(","+record("DescribeSecret", now, nil), 500)+`]}`)
	raw, err := os.ReadFile(whole)
	if err == nil {
		err = os.WriteFile(whole, raw[:len(raw)-20], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	logFile(t, dir, "half.json.gz", `{"Records":[`+record("GetSecretValue", now.Add(-3*time.Hour), asked(map[string]any{"secretId": arn}))+`,{"eventName":`)
	logFile(t, dir, "other.json.gz", `{"records":[]}`)
	logFile(t, dir, "text.json.gz", `{"Records":[nope]}`)
	logFile(t, dir, "huge.json.gz", `{"Records":["`+strings.Repeat("x", 2<<20)+`"]}`)
	logFile(t, dir, "deep.json.gz", `{"Records":[`+strings.Repeat(`{"a":`, 100_000))
	folder := filepath.Dir(whole)
	if err := errors.Join(os.WriteFile(filepath.Join(folder, "damaged.json.gz"), []byte("not gzip at all"), 0o600), os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside.json")
	if err := os.WriteFile(outside, []byte(`{"Records":[`+read+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	linked := os.Symlink(outside, filepath.Join(folder, "link.json")) == nil
	h := window()
	if err := h.ReadLogs(t.Context(), dir, subjects(), now, nil); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range h.Misses {
		got[filepath.Base(m.File)] = m.Why
	}
	want := map[string]string{
		"cut.json.gz": "cut off", "half.json.gz": "cut off", "other.json.gz": "no file of CloudTrail", "text.json.gz": "not JSON", "huge.json.gz": "larger than 1 MiB",
		"deep.json.gz": "", "damaged.json.gz": "compression is damaged",
	}
	if linked {
		want["link.json"] = "no regular file"
	}
	for name, why := range want {
		if !strings.Contains(got[name], why) || got[name] == "" {
			t.Errorf("%s: %q, want %q", name, got[name], why)
		}
	}
	if len(got) != len(want) {
		t.Errorf("misses %v", got)
	}
	if len(h.Lacks()) != len(want) {
		t.Errorf("it lacks %q", h.Lacks())
	}
	if len(h.Uses) != 1 || h.Uses[0].Count != 3 || h.Complete() {
		t.Errorf("%+v", h.Uses)
	}
}

func TestFilesOfOtherTimesAreNotOpened(t *testing.T) {
	dir := logs(t, record("GetSecretValue", now.Add(-time.Hour), asked(map[string]any{"secretId": arn})))
	logFile(t, dir, "123456789012_CloudTrail_eu-west-2_20200101T0005Z_AbCdEf.json.gz", "damaged")
	logFile(t, dir, "123456789012_CloudTrail_eu-west-2_20270101T0005Z_AbCdEf.json.gz", "damaged")
	h := window()
	if err := h.ReadLogs(t.Context(), dir, subjects(), now, nil); err != nil || h.OtherFiles != 2 || h.Files != 1 || len(h.Misses) != 0 {
		t.Errorf("%+v: %v", h, err)
	}
}

func TestTheSameEventInTwoFilesCountsOnce(t *testing.T) {
	read := record("GetSecretValue", now.Add(-time.Hour), map[string]any{"eventID": "one", "requestParameters": map[string]any{"secretId": arn}})
	h := window()
	if err := h.ReadLogs(t.Context(), logs(t, read, read), subjects(), now, nil); err != nil || h.Uses[0].Count != 1 {
		t.Errorf("%+v: %v", h.Uses, err)
	}
}

func TestAFolderWithoutLogsIsAMistake(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if err := window().ReadLogs(t.Context(), dir, subjects(), now, nil); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("%v", err)
		}
	}
}

func TestATrailWithoutReadsIsSilent(t *testing.T) {
	h := window()
	err := h.ReadLogs(t.Context(), logs(t, record("PutSecretValue", now.Add(-time.Hour), asked(map[string]any{"secretId": arn}))), subjects(), now, nil)
	if err != nil || !h.Silent() || !h.Uses[0].Changes() || len(h.Lacks()) != 1 || !strings.Contains(h.Lacks()[0], "no reads") {
		t.Errorf("%+v: %v", h, err)
	}
}

// A caller who changes his session's name with each call must not fill the memory.
func TestAHistoryIsBounded(t *testing.T) {
	defer audit.LimitUses(100)()
	var all []string
	for i := range 110 {
		all = append(all, record("GetSecretValue", now.Add(-time.Hour), map[string]any{"userAgent": fmt.Sprint("x", i), "requestParameters": map[string]any{"secretId": arn}}))
	}
	h := window()
	if err := h.ReadLogs(t.Context(), logs(t, all...), subjects(), now, nil); err != nil || len(h.Uses) != 100 || h.Dropped != 10 || h.Complete() || len(h.Lacks()) != 1 {
		t.Errorf("%d uses, %d dropped: %v", len(h.Uses), h.Dropped, err)
	}
}

// searched is a stand-in with reads of an hour, and a few changes.
func searched(t *testing.T, reads int) (*sandboxaws.SecretsManager, audit.Trail) {
	t.Helper()
	box, trail, _ := newTrail(t)
	for i := range reads {
		// Ten in each second, so that pages end within one.
		box.Record(sandboxaws.TrailEvent{ID: fmt.Sprint("read-", i), Name: "GetSecretValue", At: now.Add(-time.Duration(i/10) * time.Second), Caller: instance, SecretID: name, Stage: "AWSCURRENT"})
	}
	box.Record(sandboxaws.TrailEvent{ID: "put", Name: "PutSecretValue", At: now.Add(-time.Minute), Caller: "arn:aws:iam::123456789012:user/ada", SecretID: arn})
	box.Record(sandboxaws.TrailEvent{ID: "refused", Name: "GetSecretValue", At: now.Add(-time.Minute), Caller: "arn:aws:iam::123456789012:user/eve", SecretID: arn, ErrorCode: "AccessDenied"})
	return box, trail
}

func counts(h *audit.History) map[string]int {
	n := map[string]int{}
	for _, u := range h.Uses {
		n[strings.TrimSpace(u.Event+" "+u.Principal[strings.LastIndexByte(u.Principal, '/')+1:]+" "+u.Denied)] += u.Count
	}
	return n
}

func TestTheEventHistoryIsSearchedForReadsAndChanges(t *testing.T) {
	_, trail := searched(t, 230)
	h := window()
	var last audit.Progress
	if err := trail.Search(t.Context(), h, subjects(), now, func(p audit.Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"GetSecretValue buildkite-agents": 230, "GetSecretValue eve AccessDenied": 1, "PutSecretValue ada": 1}
	if diff := cmp.Diff(want, counts(h)); diff != "" || !h.Complete() {
		t.Errorf("%s\n%+v", diff, h.Searches)
	}
	if last.Number != last.Of || last.Left != 0 || !last.Back.Equal(h.Since) {
		t.Errorf("the last progress is %+v", last)
	}
}

// An interrupted search goes on where it ended, and counts nothing twice.
func TestASearchGoesOnWhereItEnded(t *testing.T) {
	want := map[string]int{"GetSecretValue buildkite-agents": 230, "GetSecretValue eve AccessDenied": 1, "PutSecretValue ada": 1}
	for stop := 1; stop < 8; stop++ {
		_, trail := searched(t, 230)
		h := window()
		tries, waits := 0, 0
		for ; tries < 60; tries++ {
			waits = 0
			trail.Wait = func(context.Context, time.Duration) error {
				if waits++; waits == stop {
					return context.Canceled
				}
				return nil
			}
			if err := trail.Search(t.Context(), h, subjects(), now, nil); err == nil {
				break
			}
			raw, err := json.Marshal(h) // as a file keeps it
			if err != nil {
				t.Fatal(err)
			}
			h = &audit.History{}
			if err := json.Unmarshal(raw, h); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, counts(h)); diff != "" || !h.Complete() || tries == 0 {
			t.Errorf("stopped before request %d, %d tries: %s", stop, tries, diff)
		}
	}
}

// Two requests a second: a search that reads a thirtieth of the time with a page has 29 pages left.
func TestProgressSaysHowLongItTakes(t *testing.T) {
	next := "more"
	trail := audit.Trail{Region: "eu-west-2", Wait: func(context.Context, time.Duration) error { return context.Canceled },
		API: lookup(func(_ *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
			at := now.AddDate(0, 0, -1)
			return &cloudtrail.LookupEventsOutput{NextToken: &next, Events: eventsAt(at)}, nil
		})}
	var told []audit.Progress
	_ = trail.Search(t.Context(), window(), subjects(), now, func(p audit.Progress) { told = append(told, p) })
	if len(told) != 1 || told[0].Left != 15*time.Second || told[0].Event != "GetSecretValue" || told[0].Number != 1 { // 29 × 0.5 s, rounded
		t.Errorf("%+v", told)
	}
}

func eventsAt(at time.Time) []types.Event { return []types.Event{{EventTime: &at}} }

func TestASearchKeepsToTheRateLimit(t *testing.T) {
	n, waits := 0, 0
	trail := audit.Trail{Wait: func(_ context.Context, d time.Duration) error {
		if waits++; d != 500*time.Millisecond {
			t.Errorf("waits %v", d)
		}
		return nil
	}, API: lookup(func(in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
		if n++; in.StartTime.Before(now.AddDate(0, 0, -90)) {
			t.Errorf("asks from %v on", in.StartTime)
		}
		return &cloudtrail.LookupEventsOutput{}, nil
	})}
	h := &audit.History{Since: now.AddDate(-2, 0, 0)}
	if err := trail.Search(t.Context(), h, subjects(), now, nil); err != nil || waits != n-1 || n != len(h.Searches) || n < 20 {
		t.Errorf("%d requests, %d pauses: %v", n, waits, err)
	}
	// Everything was read: a second search asks nothing.
	if err := trail.Search(t.Context(), h, subjects(), now, nil); err != nil || n != len(h.Searches) {
		t.Errorf("asked again: %d", n)
	}
}

func TestWhatCloudTrailRefusesIsAnErrorAndKeepsTheRest(t *testing.T) {
	box, trail := searched(t, 120)
	calls := 0
	trail.Wait = func(context.Context, time.Duration) error {
		if calls++; calls == 2 {
			box.Fault("LookupEvents", sandboxaws.Fault{Code: "AccessDeniedException", Message: "no", Times: -1})
		}
		return nil
	}
	h := window()
	err := trail.Search(t.Context(), h, subjects(), now, nil)
	lacks := strings.Join(h.Lacks(), "\n")
	if !strings.Contains(lacks, "about GetSecretValue back to 2026-11-23 11:") || !strings.Contains(lacks, "has not asked CloudTrail in eu-west-2 about PutSecretValue") {
		t.Error(lacks)
	}
	if credential.ReasonOf(err) != credential.AccessDenied || counts(h)["GetSecretValue buildkite-agents"] == 0 || h.Complete() {
		t.Errorf("%v %+v", err, h.Searches)
	}
}

func FuzzReadLogs(f *testing.F) {
	f.Add(`{"Records":[` + record("GetSecretValue", now.Add(-time.Hour), asked(map[string]any{"secretId": arn})) + `]}`)
	f.Add(`{"Records":[` + record("BatchGetSecretValue", now.Add(-time.Hour), asked(map[string]any{"filters": []any{map[string]any{"key": "name", "values": []string{"!"}}}})) + `,{}]`)
	f.Add(`{"Records":[null,1,[]`)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		at := filepath.Join(dir, "log.json")
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		h := window()
		if err := h.ReadLogs(t.Context(), dir, subjects(), now, nil); err != nil {
			t.Fatal(err)
		}
		for _, u := range h.Uses {
			if u.Secret != arn || u.Count < 1 || u.First.After(u.Last) || u.First.Before(h.Since) || u.Last.After(h.Until) {
				t.Errorf("%+v", u)
			}
			for _, shown := range []string{u.Principal, u.Session, u.Source, u.Agent, u.Denied, u.Stage, u.Version} {
				if strings.ContainsAny(shown, "\x1b\n") {
					t.Errorf("%q", shown)
				}
			}
		}
	})
}

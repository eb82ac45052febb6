package aws

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// TrailEvent is a CloudTrail record of reading or changing a secret.
type TrailEvent struct {
	ID        string // of the event; "": its place in the answer makes one
	Region    string // where it happened; "": every region answers it
	Name      string // "GetSecretValue"
	At        time.Time
	Caller    string // the ARN of a user, or role session
	Service   string // the AWS service that called for Caller
	Source    string // IP address
	Agent     string
	SecretID  string // as the caller sent it
	SecretIDs []string
	Version   string
	Stage     string
	ErrorCode string
	Raw       string // replaces the record if not empty
}

// trail is CloudTrail's event history (API reference, LookupEvents). It records what is done to
// the secrets of the stand-in without CloudTrail's delay.
type trail struct {
	mu     sync.Mutex
	events []TrailEvent
}

// Record adds an event to the history.
func (s *SecretsManager) Record(e TrailEvent) {
	s.trail.mu.Lock()
	defer s.trail.mu.Unlock()
	if len(s.trail.events) >= maxTrail {
		s.trail.events = slices.Clone(s.trail.events[maxTrail/2:])
	}
	s.trail.events = append(s.trail.events, e)
}

// Reads returns the reads in the history, oldest first.
func (s *SecretsManager) Reads() []TrailEvent {
	s.trail.mu.Lock()
	defer s.trail.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.trail.events), func(e TrailEvent) bool { return !strings.HasSuffix(e.Name, "GetSecretValue") })
}

// maxTrail bounds the history. A full history drops its older half.
const maxTrail = 1 << 17

const trailPage = 50

func (t *trail) perform(region, operation string, body []byte) (any, error) {
	if operation != "LookupEvents" {
		return nil, smError("UnknownOperationException", "the stand-in has no operation %s", operation)
	}
	in, err := smDecode[struct {
		LookupAttributes   []struct{ AttributeKey, AttributeValue string }
		StartTime, EndTime float64
		MaxResults         *int
		NextToken          string
	}](body)
	if err != nil {
		return nil, err
	}
	if len(in.LookupAttributes) > 1 || len(in.LookupAttributes) == 1 && in.LookupAttributes[0].AttributeKey != "EventName" {
		return nil, smError("InvalidLookupAttributesException", "the stand-in only looks up by EventName")
	}
	size, from := trailPage, 0
	if in.MaxResults != nil {
		size = *in.MaxResults
	}
	if size < 1 || size > trailPage {
		return nil, smError("InvalidMaxResultsException", "MaxResults must be from 1 to 50")
	}
	if in.NextToken != "" {
		if from, err = strconv.Atoi(in.NextToken); err != nil || from < 0 {
			return nil, smError("InvalidNextTokenException", "NextToken is not valid")
		}
	}
	if in.EndTime != 0 && in.StartTime > in.EndTime {
		return nil, smError("InvalidTimeRangeException", "StartTime is after EndTime")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var found []TrailEvent
	for _, e := range slices.Backward(t.events) {
		at := float64(e.At.Unix())
		if (e.Region == "" || e.Region == region) && (len(in.LookupAttributes) == 0 || e.Name == in.LookupAttributes[0].AttributeValue) && at >= in.StartTime && (in.EndTime == 0 || at <= in.EndTime) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, func(a, b TrailEvent) int { return b.At.Compare(a.At) })
	from = min(from, len(found))
	to := min(from+size, len(found))
	out := map[string]any{}
	events := []map[string]any{}
	for i, e := range found[from:to] {
		events = append(events, map[string]any{
			"EventId": cmp.Or(e.ID, fmt.Sprintf("00000000-0000-4000-8000-%012x", from+i)), "EventName": e.Name, "EventTime": e.At.Unix(), "CloudTrailEvent": e.text(),
		})
	}
	if out["Events"] = events; to < len(found) {
		out["NextToken"] = strconv.Itoa(to)
	}
	return out, nil
}

// text is the event's JSON (CloudTrail User Guide, "record contents").
func (e TrailEvent) text() string {
	if e.Raw != "" {
		return e.Raw
	}
	identity := map[string]any{"type": "IAMUser", "arn": e.Caller, "principalId": "AIDAEXAMPLE"}
	if _, session, ok := strings.Cut(e.Caller, ":assumed-role/"); ok {
		role, name, _ := strings.Cut(session, "/")
		account := strings.Split(e.Caller, ":")[4]
		identity = map[string]any{
			"type": "AssumedRole", "arn": e.Caller, "principalId": "AROAEXAMPLE:" + name,
			"sessionContext": map[string]any{"sessionIssuer": map[string]any{"type": "Role", "arn": "arn:aws:iam::" + account + ":role/" + role}},
		}
	}
	if e.Service != "" {
		identity["invokedBy"] = e.Service
	}
	asked := map[string]any{}
	for name, v := range map[string]string{"secretId": e.SecretID, "versionId": e.Version, "versionStage": e.Stage} {
		if v != "" {
			asked[name] = v
		}
	}
	if len(e.SecretIDs) > 0 {
		asked["secretIdList"] = e.SecretIDs
	}
	record := map[string]any{
		"eventVersion": "1.11", "userIdentity": identity, "eventTime": e.At.UTC().Format(time.RFC3339), "eventSource": "secretsmanager.amazonaws.com",
		"eventName": e.Name, "awsRegion": cmp.Or(e.Region, "eu-west-2"), "sourceIPAddress": e.Source, "userAgent": e.Agent, "requestParameters": asked, "responseElements": nil,
	}
	if e.ID != "" {
		record["eventID"] = e.ID
	}
	if e.ErrorCode != "" {
		record["errorCode"] = e.ErrorCode
	}
	text, err := json.Marshal(record)
	if err != nil {
		panic(err) // maps of strings always encode
	}
	return string(text)
}

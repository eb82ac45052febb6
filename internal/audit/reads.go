// Package audit finds out from CloudTrail who read a secret (reads.go), and who read or changed
// many of them (history.go): from the event history (search.go) or a trail's files (logs.go).
package audit

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go"

	"purser/internal/credential"
)

// CloudTrailAPI is the part of the AWS SDK's client that purser calls.
type CloudTrailAPI interface {
	LookupEvents(context.Context, *cloudtrail.LookupEventsInput, ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error)
}

// Trail is the event history of one account and region.
type Trail struct {
	API    CloudTrailAPI
	Region string
	Wait   func(context.Context, time.Duration) error
}

// Read is one attempt to read a secret. The caller controls its texts, so they are quoted.
type Read struct {
	At        time.Time
	Principal string // the ARN of the user, or of the role
	Session   string // the role's session: an instance's id, a person's name
	Service   string // the AWS service that read on somebody's behalf; "": none
	Source    string // the IP address, or the service
	Agent     string // the user agent
	Version   credential.VersionID
	Stage     credential.Stage
	Denied    string // AWS's error code; "": it succeeded
}

// Reads are the attempts to read a secret, newest first.
type Reads struct {
	Since    time.Time // start of the search
	Reads    []Read
	Complete bool // false: the search stopped at its limit
	// Oldest is how far back an incomplete search got; zero if no event had a time.
	Oldest     time.Time
	Unreadable int // events that could not be parsed
}

const (
	// history is how far back CloudTrail's event history goes.
	history = 90 * 24 * time.Hour
	// perPage and pause respect CloudTrail's limits: 50 events per answer, two requests per
	// second for an account and region (API reference of LookupEvents).
	perPage = 50
	pause   = 500 * time.Millisecond
	// pages bounds a search: at 50 events and half a second each it takes a minute.
	pages = 120
)

// Reads looks up who read a secret by its name and its ARN, since events contain whatever the
// caller sent. Without a name it uses the one in the ARN.
func (t Trail) Reads(ctx context.Context, name, arn string, since, now time.Time) (Reads, error) {
	if name == "" {
		name = nameIn(arn)
	}
	// CloudTrail's times are whole seconds. Round the oldest time into its history, not out
	// of it: CloudTrail may refuse an earlier time.
	oldest := now.Add(-history)
	since, now = since.Truncate(time.Second), now.Truncate(time.Second).Add(time.Second)
	if since.Before(oldest) {
		since = oldest.Add(time.Second - 1).Truncate(time.Second)
	}
	asked := false
	out := Reads{Since: since, Complete: true}
	for _, event := range []string{"GetSecretValue", "BatchGetSecretValue"} {
		in := &cloudtrail.LookupEventsInput{
			LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: aws.String(event)}},
			StartTime:        aws.Time(since), EndTime: aws.Time(now), MaxResults: aws.Int32(perPage),
		}
		var last time.Time // of the last event; answers are newest first
		for page := 0; ; page++ {
			if page == pages {
				out.Complete = false
				if last.After(out.Oldest) {
					out.Oldest = last
				}
				break
			}
			if asked { // the limit is per account, for all events
				if err := t.Wait(ctx, pause); err != nil {
					return out, t.fault(ctx, err)
				}
			}
			asked = true
			answer, err := t.API.LookupEvents(ctx, in)
			if err != nil {
				return out, t.fault(ctx, err)
			}
			for _, e := range answer.Events {
				out.add(e, name, arn)
				if e.EventTime != nil {
					last = e.EventTime.UTC()
				}
			}
			if in.NextToken = answer.NextToken; in.NextToken == nil {
				break
			}
		}
	}
	slices.SortStableFunc(out.Reads, func(a, b Read) int { return b.At.Compare(a.At) })
	return out, nil
}

func (t Trail) fault(ctx context.Context, err error) error {
	if ended := credential.Ended(ctx, "asking CloudTrail who read the secret"); ended != nil {
		return ended
	}
	f := &credential.Fault{Reason: credential.StoreUnreachable, What: "purser could not ask CloudTrail in " + t.Region + " who read the secret", Err: err}
	api, answered := errors.AsType[smithy.APIError](err)
	_, unsigned := errors.AsType[*credential.Unsigned](err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, context.Canceled):
		f.Why = "interrupted"
	case !answered && unsigned:
		f.Reason, f.Why = credential.NotSignedIn, "there are no AWS credentials, or they have expired"
	case !answered:
		f.Why = "CloudTrail did not answer"
	default:
		f.Why = "AWS says: " + credential.Quote(api.ErrorCode()+": "+api.ErrorMessage())
		if reason, known := reasonsByCode[api.ErrorCode()]; known {
			f.Reason = reason
		}
	}
	return f
}

// reasonsByCode has the errors about the caller. All others are CloudTrail's: its limit, its
// time range, its service.
var reasonsByCode = map[string]credential.Reason{
	"AccessDeniedException": credential.AccessDenied, "AccessDenied": credential.AccessDenied,

	"ExpiredToken": credential.NotSignedIn, "ExpiredTokenException": credential.NotSignedIn,
	"UnrecognizedClientException": credential.NotSignedIn, "InvalidClientTokenId": credential.NotSignedIn,
	"MissingAuthenticationToken": credential.NotSignedIn, "MissingAuthenticationTokenException": credential.NotSignedIn,
	"InvalidSignatureException": credential.NotSignedIn,
}

func (r *Reads) add(e types.Event, name, arn string) {
	t, err := parse([]byte(aws.ToString(e.CloudTrailEvent)))
	if errors.Is(err, errOther) {
		return
	}
	if err != nil {
		r.Unreadable++
		return
	}
	asked := append([]string{t.RequestParameters.SecretID}, t.RequestParameters.SecretIDs...)
	if !slices.ContainsFunc(asked, func(id string) bool { return means(id, name, arn) }) {
		return
	}
	read := Read{
		At: aws.ToTime(e.EventTime).UTC(), Source: credential.Quote(t.SourceIPAddress),
		Agent: credential.Quote(t.UserAgent), Version: credential.VersionID(credential.Quote(t.RequestParameters.VersionID)),
		Stage: credential.Stage(credential.Quote(t.RequestParameters.VersionStage)), Denied: credential.Quote(t.ErrorCode),
	}
	if e.EventTime == nil {
		read.At = t.EventTime.UTC()
	}
	read.Principal, read.Session, read.Service = t.who()
	r.Reads = append(r.Reads, read)
}

const random = len("-AbCdEf")

func nameIn(arn string) string {
	_, end, _ := strings.Cut(arn, ":secret:")
	return end[:max(len(end)-random, 0)]
}

// means reports whether the id that a caller sent is the secret: its name, its ARN, or the
// ARN without the random suffix.
func means(id, name, arn string) bool {
	return id != "" && (id == name || id == arn || len(arn) > random && id == arn[:len(arn)-random])
}

// Reader sums up the reads of one identity.
type Reader struct {
	Principal, Session, Service string
	First, Last                 time.Time
	Current                     time.Time // last successful read of the current version; zero: never
	Count, Denied               int       // successful and refused reads
	Sources                     []string
}

// Readers groups the reads, latest reader first.
func (r Reads) Readers() []Reader {
	var all []Reader
	for _, one := range r.Reads {
		i := slices.IndexFunc(all, func(o Reader) bool {
			return o.Principal == one.Principal && o.Session == one.Session && o.Service == one.Service
		})
		if i < 0 {
			all = append(all, Reader{Principal: one.Principal, Session: one.Session, Service: one.Service, First: one.At, Last: one.At})
			i = len(all) - 1
		}
		reader := &all[i]
		if one.Denied != "" {
			reader.Denied++
		} else {
			reader.Count++
			if (one.Stage == "" || one.Stage == credential.Current) && one.Version == "" && one.At.After(reader.Current) {
				reader.Current = one.At
			}
		}
		if one.At.Before(reader.First) {
			reader.First = one.At
		}
		if one.At.After(reader.Last) {
			reader.Last = one.At
		}
		if !slices.Contains(reader.Sources, one.Source) {
			reader.Sources = append(reader.Sources, one.Source)
		}
	}
	slices.SortStableFunc(all, func(a, b Reader) int { return b.Last.Compare(a.Last) })
	return all
}

// Package audit finds out who read a secret: what CloudTrail has recorded.
package audit

import (
	"context"
	"encoding/json"
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

// CloudTrailAPI is what is called of the AWS SDK's client.
type CloudTrailAPI interface {
	LookupEvents(context.Context, *cloudtrail.LookupEventsInput, ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error)
}

// Trail is the event history of one account and region.
type Trail struct {
	API    CloudTrailAPI
	Region string
	Wait   func(context.Context, time.Duration) error
}

// Read is one attempt to read a secret. Its texts come from whoever made it, and are
// made fit to be shown.
type Read struct {
	At        time.Time
	Principal string // the ARN of the user, or of the role
	Session   string // of the role: an instance's id, a person's name
	Service   string // the AWS service that read on somebody's behalf; "" for none
	Source    string // the IP address, or the service
	Agent     string // what the program called itself
	Version   credential.VersionID
	Stage     credential.Stage
	Denied    string // AWS's code for why it was refused; "" when it was not
}

// Reads are the attempts in a time, newest first.
type Reads struct {
	Since    time.Time // from when on the history was looked at
	Reads    []Read
	Complete bool // false: there was more than was looked at
	// Oldest is how far back the history was looked at where it is not Complete; zero
	// when nothing of it has a time.
	Oldest     time.Time
	Unreadable int // events whose text could not be read
}

const (
	// history is how far CloudTrail's own history goes back.
	history = 90 * 24 * time.Hour
	// perPage and pause keep to CloudTrail's limits: 50 events an answer, two requests a
	// second for an account and region (API reference of LookupEvents).
	perPage = 50
	pause   = 500 * time.Millisecond
	// pages bounds a search: at 50 events and half a second each it takes a minute.
	pages = 120
)

// Reads looks up who read a secret, by its name and its ARN: events have whatever the
// caller sent. Without a name, the one in the ARN is taken.
func (t Trail) Reads(ctx context.Context, name, arn string, since, now time.Time) (Reads, error) {
	if name == "" {
		name = nameIn(arn)
	}
	// CloudTrail's times are whole seconds. What is older than its history is rounded
	// into it, not out of it: a time outside may be refused.
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
		var last time.Time // of what was looked at; answers are newest first
		for page := 0; ; page++ {
			if page == pages {
				out.Complete = false
				if last.After(out.Oldest) {
					out.Oldest = last
				}
				break
			}
			if asked { // the limit is one of the account, whichever event is looked up
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
	f := &credential.Fault{Reason: credential.StoreUnreachable, What: "CloudTrail in " + t.Region + " could not be asked who read the secret", Err: err}
	api, answered := errors.AsType[smithy.APIError](err)
	_, unsigned := errors.AsType[*credential.Unsigned](err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, context.Canceled):
		f.Why = "interrupted"
	case !answered && unsigned:
		f.Reason, f.Why = credential.NotSignedIn, "there are no AWS credentials, or they have expired"
	case !answered:
		f.Why = "there was no answer"
	default:
		f.Why = "AWS says: " + credential.Quote(api.ErrorCode()+": "+api.ErrorMessage())
		if reason, known := reasonsByCode[api.ErrorCode()]; known {
			f.Reason = reason
		}
	}
	return f
}

// reasonsByCode are the answers that are about the caller. Every other is CloudTrail's
// trouble: its limit, its time range, its service.
var reasonsByCode = map[string]credential.Reason{
	"AccessDeniedException": credential.AccessDenied, "AccessDenied": credential.AccessDenied,

	"ExpiredToken": credential.NotSignedIn, "ExpiredTokenException": credential.NotSignedIn,
	"UnrecognizedClientException": credential.NotSignedIn, "InvalidClientTokenId": credential.NotSignedIn,
	"MissingAuthenticationToken": credential.NotSignedIn, "MissingAuthenticationTokenException": credential.NotSignedIn,
	"InvalidSignatureException": credential.NotSignedIn,
}

// trailEvent is what is looked at of an event's own text (CloudTrail User Guide, "record
// contents").
type trailEvent struct {
	UserIdentity struct {
		ARN            string `json:"arn"`
		PrincipalID    string `json:"principalId"`
		InvokedBy      string `json:"invokedBy"`
		SessionContext struct {
			SessionIssuer struct {
				ARN string `json:"arn"`
			} `json:"sessionIssuer"`
		} `json:"sessionContext"`
	} `json:"userIdentity"`
	EventTime         time.Time `json:"eventTime"`
	SourceIPAddress   string    `json:"sourceIPAddress"`
	UserAgent         string    `json:"userAgent"`
	ErrorCode         string    `json:"errorCode"`
	RequestParameters struct {
		SecretID     string   `json:"secretId"`
		SecretIDs    []string `json:"secretIdList"`
		VersionID    string   `json:"versionId"`
		VersionStage string   `json:"versionStage"`
	} `json:"requestParameters"`
}

func (r *Reads) add(e types.Event, name, arn string) {
	var t trailEvent
	if json.Unmarshal([]byte(aws.ToString(e.CloudTrailEvent)), &t) != nil {
		r.Unreadable++
		return
	}
	asked := append([]string{t.RequestParameters.SecretID}, t.RequestParameters.SecretIDs...)
	if !slices.ContainsFunc(asked, func(id string) bool { return means(id, name, arn) }) {
		return
	}
	read := Read{
		At: aws.ToTime(e.EventTime).UTC(), Principal: t.UserIdentity.ARN, Service: credential.Quote(t.UserIdentity.InvokedBy), Source: credential.Quote(t.SourceIPAddress),
		Agent: credential.Quote(t.UserAgent), Version: credential.VersionID(credential.Quote(t.RequestParameters.VersionID)),
		Stage: credential.Stage(credential.Quote(t.RequestParameters.VersionStage)), Denied: credential.Quote(t.ErrorCode),
	}
	if e.EventTime == nil {
		read.At = t.EventTime.UTC()
	}
	if issuer := t.UserIdentity.SessionContext.SessionIssuer.ARN; issuer != "" {
		_, session, _ := strings.Cut(t.UserIdentity.PrincipalID, ":")
		read.Principal, read.Session = issuer, credential.Quote(session)
	}
	if read.Principal == "" {
		read.Principal = t.UserIdentity.InvokedBy
	}
	read.Principal = credential.Quote(read.Principal)
	r.Reads = append(r.Reads, read)
}

// random is how long the end is that AWS chooses for an ARN.
const random = len("-AbCdEf")

// nameIn is the name in a secret's whole ARN, "" when there is none.
func nameIn(arn string) string {
	_, end, _ := strings.Cut(arn, ":secret:")
	return end[:max(len(end)-random, 0)]
}

// means reports whether what a caller sent is the secret: its name, its ARN, or the ARN
// without the end that AWS chose.
func means(id, name, arn string) bool {
	return id != "" && (id == name || id == arn || len(arn) > random && id == arn[:len(arn)-random])
}

// Reader is everybody who read under one name.
type Reader struct {
	Principal, Session, Service string
	First, Last                 time.Time
	Current                     time.Time // when it last got what was current; zero: never
	Count, Denied               int       // reads that gave the value, and those that were refused
	Sources                     []string
}

// Readers groups reads, who read last first.
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

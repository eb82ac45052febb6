package audit

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

// Progress is how far a search is.
type Progress struct {
	Region, Event string
	Number, Of    int           // which event it is, of how many
	Back          time.Time     // everything after it was read
	Left          time.Duration // what the rest of this event takes, if earlier days had as many; 0: unknown
}

// mostPages bounds one event's search in one call of Search: an hour at CloudTrail's limit.
const mostPages = 7200

// Search looks up reads and changes between h.Since and h.Until, and adds them to h. CloudTrail
// answers two requests a second, for the newest events first. If Search ends early, or its caller
// does, another call with the same h goes on where it ended. CloudTrail keeps 90 days.
func (t Trail) Search(ctx context.Context, h *History, subjects []Subject, now time.Time, tell func(Progress)) error {
	h.clamp(now)
	defer h.sort()
	events := slices.Concat(readEvents, changeEvents)
	asked := false
	for _, event := range events {
		h.search(t.Region, event) // so that Lacks knows of those that are never asked
	}
	for i, event := range events {
		state := h.search(t.Region, event)
		if state.Done {
			continue
		}
		err := t.searchOne(ctx, h, state, subjects, &asked, func() {
			if tell != nil {
				tell(Progress{t.Region, event, i + 1, len(events), state.Back, state.left(h)})
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// clamp rounds the window to CloudTrail's seconds, within its history.
func (h *History) clamp(now time.Time) {
	if h.Until.IsZero() || h.Until.After(now) {
		h.Until = now
	}
	h.Until = h.Until.UTC().Truncate(time.Second)
	if oldest := now.Add(-history + time.Minute); h.Since.Before(oldest) && len(h.Searches) == 0 {
		h.Since = oldest // a minute on the safe side of what CloudTrail refuses
	}
	h.Since = h.Since.UTC().Truncate(time.Second)
}

func (h *History) search(region, event string) *Search {
	i := slices.IndexFunc(h.Searches, func(s Search) bool { return s.Region == region && s.Event == event })
	if i < 0 {
		i = len(h.Searches)
		h.Searches = append(h.Searches, Search{Region: region, Event: event})
	}
	return &h.Searches[i]
}

func (t Trail) searchOne(ctx context.Context, h *History, state *Search, subjects []Subject, asked *bool, tell func()) error {
	in := &cloudtrail.LookupEventsInput{
		LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: &state.Event}},
		StartTime:        &h.Since, EndTime: aws.Time(h.Until.Add(time.Second)), MaxResults: aws.Int32(perPage),
	}
	if !state.Back.IsZero() {
		in.EndTime = aws.Time(state.Back.Add(time.Second))
	}
	for range mostPages {
		if *asked {
			if err := t.Wait(ctx, pause); err != nil {
				return t.fault(ctx, err)
			}
		}
		*asked = true
		answer, err := t.API.LookupEvents(ctx, in)
		if err != nil {
			return t.fault(ctx, err)
		}
		for _, e := range answer.Events {
			state.take(h, e, subjects)
		}
		state.Pages++
		in.NextToken = answer.NextToken
		if state.Done = in.NextToken == nil; state.Done {
			state.Back, state.Edge = h.Since, nil
		}
		tell()
		if state.Done {
			return nil
		}
	}
	return nil
}

// take adds an event and moves Back, unless an earlier call took it.
func (s *Search) take(h *History, e types.Event, subjects []Subject) {
	id := aws.ToString(e.EventId)
	if e.EventTime != nil {
		at := e.EventTime.UTC().Truncate(time.Second)
		switch {
		case !s.Back.IsZero() && at.After(s.Back), at.Equal(s.Back) && slices.Contains(s.Edge, id):
			return
		case at.Equal(s.Back):
			s.Edge = append(s.Edge, id)
		default:
			s.Back, s.Edge = at, []string{id}
		}
	}
	if source := aws.ToString(e.EventSource); source == "" || source == eventSource {
		h.take([]byte(aws.ToString(e.CloudTrailEvent)), subjects)
	}
}

// left estimates the rest of a search from what it has covered.
func (s *Search) left(h *History) time.Duration {
	covered, all := h.Until.Sub(s.Back), h.Until.Sub(h.Since)
	if s.Done || s.Back.IsZero() || covered <= 0 {
		return 0
	}
	pages := float64(s.Pages) * (float64(all)/float64(covered) - 1)
	return time.Duration(pages * float64(pause)).Round(time.Second)
}

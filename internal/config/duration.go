package config

import (
	"strconv"
	"time"

	"purser/internal/credential"
)

// durationPattern serves the schema and the decoder.
const durationPattern = `^([0-9]{1,5}w)?([0-9]{1,5}d)?([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$`

const durationRule = "a duration is numbers followed by w, d, h, m or s, such as 90d, 24h or 1d12h"

// longest keeps sums of durations in range.
const longest = 100 * 365 * 24 * time.Hour

var durationForm = credential.NewPattern(durationPattern)

// ParseDuration reads a duration from purser.yaml or a flag: weeks, days, hours, minutes and
// seconds, in this order and at most once each, such as 90d or 1d12h. A day has 24 hours.
func ParseDuration(text string) (time.Duration, error) {
	parts := durationForm().FindStringSubmatch(text)
	if text == "" || parts == nil {
		return 0, &credential.Fault{Reason: credential.Usage, What: "the duration is not valid", Why: durationRule}
	}
	units := []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second}
	var sum time.Duration
	for i, part := range parts[1:] {
		if part == "" {
			continue
		}
		n, _ := strconv.Atoi(part[:len(part)-1]) // one to five digits
		if time.Duration(n) > longest/units[i] {
			return 0, tooLong()
		}
		sum += time.Duration(n) * units[i]
	}
	if sum > longest {
		return 0, tooLong()
	}
	return sum, nil
}

func tooLong() error {
	return &credential.Fault{Reason: credential.Usage, What: "the duration is not valid", Why: "it is longer than 100 years"}
}

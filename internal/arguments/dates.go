package arguments

import (
	"strconv"
	"strings"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
)

// Expiry reads a date or a time from now. Years are the calendar's.
func Expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		at, err = fromNow(text, now)
	}
	if err != nil {
		return at, &credential.Fault{Reason: credential.Usage, What: "--expires must be a date such as 2027-01-31, or a time from now such as 90d or 1y"}
	}
	if !at.After(now) {
		return at, &credential.Fault{Reason: credential.Usage, What: "--expires must be in the future"}
	}
	return at.UTC(), nil
}

func fromNow(text string, now time.Time) (time.Time, error) {
	const longest = 100 // years, as for other durations
	if years, ok := strings.CutSuffix(text, "y"); ok {
		if n, err := strconv.Atoi(years); err == nil && n > 0 && n <= longest {
			return now.AddDate(n, 0, 0), nil
		}
	}
	d, err := config.ParseDuration(text)
	return now.Add(d), err
}

// Since reads a date or a time ago; the zero time by default.
func Since(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil && at.Before(now) {
		return at, nil
	}
	ahead, err := Expiry(text, now)
	if err != nil {
		return time.Time{}, &credential.Fault{Reason: credential.Usage, What: "--since must be a date such as 2026-01-31, or a time ago such as 30d"}
	}
	return now.Add(-ahead.Sub(now)), nil
}

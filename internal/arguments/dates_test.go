package arguments

import (
	"testing"
	"time"

	"purser/internal/credential"
)

func TestAnExpiryIsADateOrATimeFromNow(t *testing.T) {
	now := time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "2029-01-31": time.Date(2029, 1, 31, 0, 0, 0, 0, time.UTC), "90d": now.AddDate(0, 0, 90),
		"1y": time.Date(2029, 3, 1, 12, 0, 0, 0, time.UTC), "100y": time.Date(2128, 2, 29, 12, 0, 0, 0, time.UTC),
	} {
		if got, err := Expiry(text, now); err != nil || !got.Equal(want) {
			t.Errorf("Expiry(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"y", "0y", "-1y", "+y", "1.5y", "101y", "1y6m", "2027-02-30", "2028-02-28", "0s", "tomorrow", "99999999999999999999y"} {
		if got, err := Expiry(text, now); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("Expiry(%q) = %v, %v, want a usage fault", text, got, err)
		}
	}
}

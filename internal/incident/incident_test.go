package incident

import (
	"strings"
	"testing"
	"time"
)

func TestTheRecordSaysWhetherTheLeakedTokenMayStillWork(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	readers := []Reader{{Principal: "old", HasIt: true}}
	for name, c := range map[string]struct {
		record Record
		works  bool
	}{
		"nothing stopped it":  {Record{Readers: readers}, true},
		"a dry run":           {Record{Readers: readers, DryRun: true}, true},
		"it was switched off": {Record{Readers: readers, Stopped: &now}, false},
		"it was revoked":      {Record{Readers: readers, Ended: &now}, false},
	} {
		c.record.Conclude(nil, "purser respond dockerhub")
		text := c.record.Markdown()
		if strings.Contains(text, "may still work") != c.works || strings.Contains(text, "restart its jobs") == c.works || strings.Contains(text, "dead") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

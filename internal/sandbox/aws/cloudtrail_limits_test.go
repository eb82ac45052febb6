package aws

import "testing"

func TestTheTrailChecksItsLimits(t *testing.T) {
	for body, want := range map[string]string{
		`{"MaxResults":51}`:             "InvalidMaxResultsException",
		`{"MaxResults":-1}`:             "InvalidMaxResultsException",
		`{"NextToken":"x"}`:             "InvalidNextTokenException",
		`{"NextToken":"-5"}`:            "InvalidNextTokenException",
		`{"StartTime":20,"EndTime":10}`: "InvalidTimeRangeException",
		`{"LookupAttributes":[{"AttributeKey":"EventName"},{"AttributeKey":"EventName"}]}`: "InvalidLookupAttributesException",
	} {
		t.Run(body, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("panic %v", p)
				}
			}()
			_, err := new(trail).perform("eu-west-2", "LookupEvents", []byte(body))
			if err == nil || asAWSError(err).code != want {
				t.Errorf("%v", err)
			}
		})
	}
}

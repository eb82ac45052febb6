package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"purser/internal/credential"
)

// The steps of a rotation, as spelled in Secrets Manager's events.
const (
	createSecret = "createSecret"
	setSecret    = "setSecret"
	testSecret   = "testSecret"
	finishSecret = "finishSecret"
)

// daily is the event of an EventBridge schedule for daily maintenance. Older schedules send "overdue".
const (
	daily   = "daily"
	overdue = "overdue"
)

// event is a step of a rotation from Secrets Manager (User Guide, "Rotation function"), or a schedule's
// event.
type event struct {
	step     string
	secret   string // the ARN
	version  credential.VersionID
	rotation credential.Secret // sent back with the new version; never shown
	daily    bool
}

// readEvent refuses other events. Its error does not quote them, since they may contain a rotation token.
func readEvent(raw []byte) (event, error) {
	var e struct {
		Step, SecretId, ClientRequestToken, RotationToken string
		Purser                                            string `json:"purser"`
	}
	bad := func(why string) (event, error) {
		return event{}, &credential.Fault{Reason: credential.Usage, What: "this is not a rotation event", Why: why}
	}
	if json.Unmarshal(raw, &e) != nil {
		return bad("it is not valid JSON for one")
	}
	if err := (credential.Target{Kind: secretKind, Name: e.SecretId}).Check(); err != nil {
		return bad("SecretId is not a secret's name or ARN")
	}
	switch {
	case e.Purser == daily || e.Purser == overdue:
		return event{secret: e.SecretId, daily: true}, nil
	case e.Purser != "":
		return bad("purser must be daily or overdue")
	case !slices.Contains([]string{createSecret, setSecret, testSecret, finishSecret}, e.Step):
		return bad("Step must be createSecret, setSecret, testSecret or finishSecret")
	case len(e.ClientRequestToken) < shortestToken || len(e.ClientRequestToken) > longestToken || credential.HoldsToken(e.ClientRequestToken):
		return bad("ClientRequestToken is not a version id")
	}
	return event{step: e.Step, secret: e.SecretId, version: credential.VersionID(e.ClientRequestToken), rotation: credential.NewSecret(e.RotationToken)}, nil
}

const secretKind = "secret" // the kind of store that Lambda rotates

// The lengths of a ClientRequestToken (API reference of RotateSecret).
const (
	shortestToken = 32
	longestToken  = 64
)

// names reports whether a target is the secret with this ARN. A target with only a name belongs to the
// account of the function, whose ARN is self, and to its own region or the function's.
func names(t credential.Target, arn, self string) bool {
	if t.Traits().Cloud == "" {
		return false
	}
	wanted := t.Name
	if !strings.HasPrefix(wanted, "arn:") {
		parts := strings.SplitN(self, ":", arnParts)
		if wanted == "" || len(parts) < arnParts {
			return false
		}
		partition, region, account := parts[1], cmp.Or(t.Region, parts[3]), parts[4]
		wanted = strings.Join([]string{"arn", partition, "secretsmanager", region, account, "secret", wanted}, ":")
	} else if arnEnding.MatchString(wanted) {
		return wanted == arn
	}
	return arnEnding.MatchString(arn) && wanted == arn[:len(arn)-len("-AbCdEf")]
}

// arnEnding matches the random suffix of a secret's ARN.
var arnEnding = credential.NewPattern(`-[A-Za-z0-9]{6}$`)

// arnParts is the number of parts of an ARN: arn, partition, service, region, account, type and name.
const arnParts = 7

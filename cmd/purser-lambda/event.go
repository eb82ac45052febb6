package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"purser/internal/credential"
)

// The steps of a rotation, as Secrets Manager spells them in its events.
const (
	createSecret = "createSecret"
	setSecret    = "setSecret"
	testSecret   = "testSecret"
	finishSecret = "finishSecret"
)

// daily is what a schedule of EventBridge sends besides: see that the secret is looked
// after. "overdue" is what older schedules send.
const (
	daily   = "daily"
	overdue = "overdue"
)

// event is what the function is invoked with: by Secrets Manager for each step (User
// Guide, "Rotation function"), or by a schedule.
type event struct {
	step     string
	secret   string // the ARN
	version  credential.VersionID
	rotation credential.Secret // to be given back with the new version; never shown
	daily    bool
}

// readEvent refuses what is no event of these two. What it was is not repeated: it may
// hold a rotation token.
func readEvent(raw []byte) (event, error) {
	var e struct {
		Step, SecretId, ClientRequestToken, RotationToken string
		Purser                                            string `json:"purser"`
	}
	bad := func(why string) (event, error) {
		return event{}, &credential.Fault{Reason: credential.Usage, What: "this is no event of a rotation", Why: why}
	}
	if json.Unmarshal(raw, &e) != nil {
		return bad("it is not the JSON of one")
	}
	if err := (credential.Target{Kind: secretKind, Name: e.SecretId}).Check(); err != nil {
		return bad("SecretId is not that of a secret")
	}
	switch {
	case e.Purser == daily || e.Purser == overdue:
		return event{secret: e.SecretId, daily: true}, nil
	case e.Purser != "":
		return bad("purser is neither daily nor overdue")
	case !slices.Contains([]string{createSecret, setSecret, testSecret, finishSecret}, e.Step):
		return bad("Step is none of createSecret, setSecret, testSecret and finishSecret")
	case len(e.ClientRequestToken) < shortestToken || len(e.ClientRequestToken) > longestToken || credential.HoldsToken(e.ClientRequestToken):
		return bad("ClientRequestToken is not the id of a version")
	}
	return event{step: e.Step, secret: e.SecretId, version: credential.VersionID(e.ClientRequestToken), rotation: credential.NewSecret(e.RotationToken)}, nil
}

// secretKind is the kind of store whose rotations Lambda is asked for.
const secretKind = "secret"

// The lengths of a ClientRequestToken, from the API reference of RotateSecret.
const (
	shortestToken = 32
	longestToken  = 64
)

// names reports whether a target is the secret with an ARN, which is compared whole. A
// target with only a name is in the account of the function, whose own ARN is self, and
// in its own region or the function's.
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

// arnEnding is what AWS puts behind a secret's name in its ARN.
var arnEnding = credential.NewPattern(`-[A-Za-z0-9]{6}$`)

// arnParts is how many parts an ARN has: arn, partition, service, region, account, and
// two that say what it is.
const arnParts = 7

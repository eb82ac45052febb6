package main

import (
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
	if err := credential.CheckSecretID(e.SecretId); err != nil {
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

// The lengths of a ClientRequestToken, from the API reference of RotateSecret.
const (
	shortestToken = 32
	longestToken  = 64
)

// names reports whether a target is the secret with an ARN.
func names(t credential.Target, arn string) bool {
	if t.Secret == arn {
		return true
	}
	parts := strings.SplitN(arn, ":", arnParts)
	if t.Secret == "" || len(parts) < arnParts || t.Region != "" && t.Region != parts[3] {
		return false
	}
	const random = len("-AbCdEf") // what AWS puts behind the name
	name := parts[arnParts-1]
	return len(name) > random && t.Secret == name[:len(name)-random] || t.Secret == name
}

// arnParts is how many parts the ARN of a secret has: arn, partition, service, region,
// account, "secret" and the name.
const arnParts = 7

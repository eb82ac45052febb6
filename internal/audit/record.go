package audit

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"purser/internal/credential"
)

// eventSource is what Secrets Manager is called in CloudTrail.
const eventSource = "secretsmanager.amazonaws.com"

// event is the part of a record that purser reads (CloudTrail User Guide, "record contents").
// encoding/json compares names without case: an event spells a secret's ARN "arn" or "aRN".
type event struct {
	ID           string `json:"eventID"`
	Name         string `json:"eventName"`
	Source       string `json:"eventSource"`
	Region       string `json:"awsRegion"`
	Account      string `json:"recipientAccountId"`
	UserIdentity struct {
		ARN            string `json:"arn"`
		PrincipalID    string `json:"principalId"`
		AccountID      string `json:"accountId"`
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
	ErrorMessage      string    `json:"errorMessage"`
	RequestParameters struct {
		SecretID     string   `json:"secretId"`
		SecretIDs    []string `json:"secretIdList"`
		Name         string   `json:"name"` // of CreateSecret
		Filters      []filter `json:"filters"`
		VersionID    string   `json:"versionId"`
		VersionStage string   `json:"versionStage"`
	} `json:"requestParameters"`
	ResponseElements struct {
		ARN string `json:"arn"`
	} `json:"responseElements"`
	// AdditionalEventData names the secret in events of the service itself, such as RotationFailed.
	AdditionalEventData struct{ ARN, Name string } `json:"additionalEventData"`
}

// filter selects secrets in BatchGetSecretValue.
type filter struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

// errOther is a record of another service.
var errOther = errors.New("an event of another service")

func parse(raw []byte) (e event, err error) {
	var head struct {
		Source string `json:"eventSource"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return e, err
	}
	if head.Source != "" && head.Source != eventSource {
		return e, errOther // its members may have other types
	}
	return e, json.Unmarshal(raw, &e)
}

// who quotes the identity, which others control in part.
func (e event) who() (principal, session, service string) {
	id := e.UserIdentity
	service = credential.Quote(id.InvokedBy)
	principal = id.ARN
	if issuer := id.SessionContext.SessionIssuer.ARN; issuer != "" {
		_, session, _ = strings.Cut(id.PrincipalID, ":")
		principal = issuer
	}
	return credential.Quote(cmp.Or(principal, id.InvokedBy, id.AccountID)), credential.Quote(session), service
}

// ids lists the spellings by which the event names secrets.
func (e event) ids() []string {
	return append([]string{
		e.RequestParameters.SecretID, e.RequestParameters.Name, e.ResponseElements.ARN, e.AdditionalEventData.ARN, e.AdditionalEventData.Name, e.refused(),
	}, e.RequestParameters.SecretIDs...)
}

// refused finds the secret in the message of a refusal, which often has no request parameters.
func (e event) refused() string {
	if e.ErrorCode == "" {
		return ""
	}
	_, rest, found := strings.Cut(e.ErrorMessage, "on resource: ")
	if !found {
		return ""
	}
	id, _, _ := strings.Cut(rest, " ")
	return strings.TrimRight(id, ".,;")
}

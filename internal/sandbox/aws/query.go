package aws

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
)

// queryService is a service that speaks AWS's query protocol: a form in, XML out. The form's Version
// tells which service it is.
type queryService struct {
	version, namespace string
	signing            awsSigning
	perform            func(s smRegion, call awsCall, form url.Values) (any, error)
	// failure is the XML of an error.
	failure func(namespace, id string, e *awsError) any
}

func queryServices() []*queryService {
	named := func(service string) awsSigning {
		rules := stsSigning
		rules.service = service
		return rules
	}
	return []*queryService{
		{"2011-06-15", stsNamespace, stsSigning, func(s smRegion, call awsCall, _ url.Values) (any, error) { return s.stsPerform(call) }, queryFailure},
		{"2010-05-08", iamNamespace, named("iam"), smRegion.iamPerform, queryFailure},
		{"2016-11-15", ec2Namespace, named("ec2"), smRegion.ec2Perform, ec2Failure},
	}
}

// queryOf finds the service and action of a form. Without a known version it is STS's.
func queryOf(body []byte) (service *queryService, form url.Values) {
	all := queryServices()
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return all[0], url.Values{} // no action
	}
	for _, s := range all {
		if form.Get("Version") == s.version {
			return s, form
		}
	}
	return all[0], form
}

func queryFailure(namespace, id string, e *awsError) any {
	return &stsFailure{Namespace: namespace, Type: "Sender", Code: e.code, Message: e.message, RequestID: id}
}

func (s *SecretsManager) answerQuery(w http.ResponseWriter, q *queryService, out any, err error) {
	status := http.StatusOK
	if err != nil {
		e := asAWSError(err)
		out, status = q.failure(q.namespace, s.requestID(), e), e.status
	}
	raw, err := xml.Marshal(out)
	if err != nil {
		raw, status = []byte("<ErrorResponse/>"), http.StatusInternalServerError
	}
	s.send(w, status, "text/xml", raw)
}

// page is a part of a list. Tokens are positions.
func page[T any](all []T, token string, asked, most int) (part []T, next string, err error) {
	from := 0
	if token != "" {
		if from, err = strconv.Atoi(token); err != nil || from < 0 || from > len(all) {
			return nil, "", errPage
		}
	}
	size := asked
	if most > 0 && (size == 0 || size > most) {
		size = most
	}
	to := len(all)
	if size > 0 {
		to = min(from+size, to)
	}
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next, nil
}

var errPage = smError("InvalidInput", "the token of the page is not valid")

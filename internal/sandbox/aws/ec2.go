package aws

import (
	"encoding/xml"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
)

const ec2Namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"

// EC2Instance is an instance with its profile and the options of its metadata service.
type EC2Instance struct {
	Region   string `xml:"-"`
	ID       string `xml:"instanceId"`
	State    string `xml:"instanceState>name"`
	Profile  string `xml:"iamInstanceProfile>arn,omitempty"`
	Tokens   string `xml:"metadataOptions>httpTokens"`
	Hops     int    `xml:"metadataOptions>httpPutResponseHopLimit"`
	Endpoint string `xml:"metadataOptions>httpEndpoint"`
	Tags     []smTag
}

// instances are those of all regions.
type instances struct {
	mu  sync.Mutex
	all []EC2Instance
}

// SetInstances replaces the instances.
func (s *SecretsManager) SetInstances(all ...EC2Instance) {
	s.ec2.mu.Lock()
	defer s.ec2.mu.Unlock()
	s.ec2.all = all
}

type ec2Tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type ec2Item struct {
	EC2Instance
	Tags []ec2Tag `xml:"tagSet>item"`
}

type ec2Instances struct {
	XMLName   xml.Name  `xml:"DescribeInstancesResponse"`
	Namespace string    `xml:"xmlns,attr"`
	RequestID string    `xml:"requestId"`
	Instances []ec2Item `xml:"reservationSet>item>instancesSet>item"`
	NextToken string    `xml:"nextToken,omitempty"`
}

type ec2Error struct {
	XMLName   xml.Name `xml:"Response"`
	Code      string   `xml:"Errors>Error>Code"`
	Message   string   `xml:"Errors>Error>Message"`
	RequestID string   `xml:"RequestID"`
}

func ec2Failure(_, id string, e *awsError) any {
	return &ec2Error{Code: e.code, Message: e.message, RequestID: id}
}

func (s smRegion) ec2Perform(call awsCall, form url.Values) (any, error) {
	if call.operation != "DescribeInstances" {
		return nil, smError("InvalidAction", "the stand-in has no EC2 action %s", call.operation)
	}
	size := 1000
	if text := form.Get("MaxResults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 5 || n > 1000 {
			return nil, smError("InvalidParameterValue", "MaxResults must be from 5 to 1000")
		}
		size = n
	}
	s.ec2.mu.Lock()
	defer s.ec2.mu.Unlock()
	var found []ec2Item
	for _, i := range s.ec2.all {
		if i.Region == s.name && ec2Selects(form, i) {
			item := ec2Item{EC2Instance: i}
			for _, t := range i.Tags {
				item.Tags = append(item.Tags, ec2Tag(t))
			}
			found = append(found, item)
		}
	}
	part, next, err := page(found, form.Get("NextToken"), size, s.cfg.PageSize)
	if err != nil {
		return nil, err
	}
	return &ec2Instances{Namespace: ec2Namespace, RequestID: s.requestID(), Instances: part, NextToken: next}, nil
}

// ec2Selects applies the filters that purser uses. Each holds if one of its values does.
func ec2Selects(form url.Values, i EC2Instance) bool {
	for n := 1; ; n++ {
		at := "Filter." + strconv.Itoa(n) + "."
		name := form.Get(at + "Name")
		if name == "" {
			return true
		}
		has := map[string]string{"iam-instance-profile.arn": i.Profile, "instance-state-name": i.State}[name]
		hit := false
		for v := 1; form.Get(at+"Value."+strconv.Itoa(v)) != ""; v++ {
			// In a filter, * crosses slashes.
			matched, err := path.Match(strings.ReplaceAll(form.Get(at+"Value."+strconv.Itoa(v)), "/", ":"), strings.ReplaceAll(has, "/", ":"))
			hit = hit || err == nil && matched && has != ""
		}
		if !hit {
			return false
		}
	}
}

// Tags makes tags of keys and values in turn.
func Tags(pairs ...string) (tags []smTag) {
	for i := 0; i+1 < len(pairs); i += 2 {
		tags = append(tags, smTag{Key: pairs[i], Value: pairs[i+1]})
	}
	return tags
}

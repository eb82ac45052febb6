package audits

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"purser/internal/credential"
	"purser/internal/snapshot"
)

// ec2 calls DescribeInstances (EC2 API reference) with the SDK's credentials, signer and retries.
// The SDK's own client of EC2 has 31 MB of source, and takes 37 s and 1.7 GB to compile, for this
// one call.
type ec2 struct {
	cfg     aws.Config
	retryer aws.RetryerV2
	signer  *v4.Signer
}

func newEC2(cfg aws.Config) *ec2 {
	return &ec2{cfg, retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.StandardOptions = append(o.StandardOptions, func(s *retry.StandardOptions) { s.MaxAttempts = attempts })
	}), v4.NewSigner()}
}

const (
	ec2Version = "2016-11-15"
	// mostAnswer is far above a page of 1,000 instances, in bytes.
	mostAnswer = 32 << 20
)

type described struct {
	Instances []struct {
		ID      string `xml:"instanceId"`
		State   string `xml:"instanceState>name"`
		Profile string `xml:"iamInstanceProfile>arn"`
		Options struct {
			Tokens   string `xml:"httpTokens"`
			Hops     int32  `xml:"httpPutResponseHopLimit"`
			Endpoint string `xml:"httpEndpoint"`
		} `xml:"metadataOptions"`
		Tags []struct {
			Key   string `xml:"key"`
			Value string `xml:"value"`
		} `xml:"tagSet>item"`
	} `xml:"reservationSet>item>instancesSet>item"`
	Next string `xml:"nextToken"`
}

// tellingTags say what an instance is for: the Elastic CI Stack's queue, and who started it.
var tellingTags = map[string]bool{
	"Name": true, "BuildkiteQueue": true, "aws:cloudformation:stack-name": true, "aws:autoscaling:groupName": true, "aws:ecs:clusterName": true, "eks:cluster-name": true,
}

// Instances lists a page of the instances that have a profile and are not gone.
func (c *ec2) Instances(ctx context.Context, page string) ([]snapshot.Instance, string, error) {
	form := url.Values{
		"Action": {"DescribeInstances"}, "Version": {ec2Version}, "MaxResults": {"1000"},
		"Filter.1.Name": {"iam-instance-profile.arn"}, "Filter.1.Value.1": {"*"}, "Filter.2.Name": {"instance-state-name"},
	}
	for i, state := range []string{"pending", "running", "stopping", "stopped"} {
		form.Set("Filter.2.Value."+strconv.Itoa(i+1), state)
	}
	if page != "" {
		form.Set("NextToken", page)
	}
	raw, err := c.call(ctx, form.Encode())
	if err != nil {
		return nil, "", err
	}
	var out described
	if err := xml.Unmarshal(raw, &out); err != nil {
		return nil, "", errors.New("EC2's answer is no XML")
	}
	var all []snapshot.Instance
	for _, i := range out.Instances {
		one := snapshot.Instance{ID: i.ID, Profile: i.Profile, State: i.State, Tokens: i.Options.Tokens, Hops: i.Options.Hops, Metadata: i.Options.Endpoint}
		for _, tag := range i.Tags {
			if tellingTags[tag.Key] {
				if one.Tags == nil {
					one.Tags = map[string]string{}
				}
				one.Tags[tag.Key] = tag.Value
			}
		}
		all = append(all, one)
	}
	return all, out.Next, nil
}

// call tries until EC2 answers or the retryer gives up.
func (c *ec2) call(ctx context.Context, form string) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		release, err := c.retryer.GetAttemptToken(ctx)
		if err != nil {
			return nil, err
		}
		raw, err := c.once(ctx, form)
		_ = release(err) // it only counts
		if err == nil || attempt >= c.retryer.MaxAttempts() || !c.retryer.IsErrorRetryable(err) {
			return raw, err
		}
		pause, delay := c.retryer.RetryDelay(attempt, err)
		if delay != nil {
			return nil, err
		}
		if err := credential.Wait(ctx, pause, "asking EC2"); err != nil {
			return nil, err
		}
	}
}

func (c *ec2) once(ctx context.Context, form string) ([]byte, error) {
	keys, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint(), strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(form))
	if err := c.signer.SignHTTP(ctx, keys, r, hex.EncodeToString(sum[:]), "ec2", c.cfg.Region, time.Now()); err != nil {
		return nil, err
	}
	res, err := c.cfg.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	raw, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > mostAnswer:
		return nil, errors.New("EC2's answer is larger than 32 MiB")
	case res.StatusCode != http.StatusOK:
		return nil, refusal(res, raw)
	}
	return raw, nil
}

// refusal is EC2's error. The retryer looks at its code and its status.
func refusal(res *http.Response, raw []byte) error {
	var said struct {
		Code    string `xml:"Errors>Error>Code"`
		Message string `xml:"Errors>Error>Message"`
	}
	_ = xml.Unmarshal(raw, &said) // a proxy may answer anything
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: res}, Err: &smithy.GenericAPIError{Code: cmp.Or(said.Code, "HTTP "+strconv.Itoa(res.StatusCode)), Message: said.Message},
	}
}

// endpoint is where the environment's settings of AWS lead, or the region's own address.
func (c *ec2) endpoint() string {
	if c.cfg.BaseEndpoint != nil {
		return *c.cfg.BaseEndpoint
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(c.cfg.Region, "cn-") {
		suffix += ".cn"
	}
	return fmt.Sprintf("https://ec2.%s.%s/", c.cfg.Region, suffix)
}

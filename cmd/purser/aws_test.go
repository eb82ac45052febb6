package main

import (
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

func secretsManager(endpoint, region string) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		BaseEndpoint: &endpoint, Region: region,
		Credentials: credentials.NewStaticCredentialsProvider("FAKE", "FAKE", ""),
	})
}

func getSecretValue(t *testing.T, endpoint, region, id string) string {
	t.Helper()
	out, err := secretsManager(endpoint, region).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{
		SecretId: &id, VersionStage: new("AWSCURRENT"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.SecretString)
}

// signForStandIn adds a signature, which the stand-in requires and does not verify.
func signForStandIn(req *http.Request, target string) {
	now := time.Now().UTC()
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", target)
	req.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=SCRIPT/"+now.Format("20060102")+
		"/eu-west-2/secretsmanager/aws4_request, SignedHeaders=host;x-amz-date, Signature=0000")
}

// newToken returns a ClientRequestToken as other programs make them.
func newToken() string { return "script-" + rand.Text() + rand.Text() }

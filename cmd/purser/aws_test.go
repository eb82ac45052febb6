package main

import (
	"testing"

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

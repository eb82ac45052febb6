package secretsmanager_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"purser/internal/credential"
	"purser/internal/realservers"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/store"
	"purser/internal/store/secretsmanager"
	"purser/internal/store/storetest"
)

const canary = "dckr_pat_" + "FAKEcanaryFAKEcanaryFAKE000"

const region = "eu-west-2"

func TestStoresKeepTheContract(t *testing.T) { storetest.Keep(t, subjects(t)...) }

// subjects returns Secrets Manager as the stand-in implements it and, if installed, moto.
func subjects(t *testing.T) []storetest.Subject {
	t.Helper()
	stand := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{Now: time.Now}))
	t.Cleanup(stand.Close)
	all := []storetest.Subject{{Name: "Secrets Manager, stand-in", Open: secretsAt(stand.URL)}}
	if moto, ok := motoOrNot(t); ok {
		all = append(all, storetest.Subject{
			Name: "Secrets Manager, moto", Open: secretsAt(moto),
			Deviations: map[string]string{
				"a version id is used once": "moto overwrites a version in AWSPENDING when its token arrives with another value; AWS answers ResourceExistsException",
			},
		})
	}
	return all
}

func id(n int) credential.VersionID {
	return credential.VersionID(fmt.Sprintf("purser-00000000-0000-7000-8000-%012d", n))
}

func value(text string) credential.Secret { return credential.NewSecret(text) }

// motoOrNot starts moto. Without it, it reports the skip but does not skip the other
// subjects.
func motoOrNot(t *testing.T) (url string, ok bool) {
	t.Helper()
	t.Run("Secrets Manager, moto", func(sub *testing.T) { url = realservers.Moto(keptUntil{sub, t}) })
	return url, url != ""
}

// keptUntil is a test whose clean-up waits for the end of an outer test.
type keptUntil struct {
	*testing.T
	outer *testing.T
}

func (k keptUntil) Cleanup(f func())         { k.outer.Cleanup(f) }
func (k keptUntil) TempDir() string          { return k.outer.TempDir() }
func (k keptUntil) Context() context.Context { return k.outer.Context() }

func api(endpoint string) *sm.Client {
	return sm.New(sm.Options{
		BaseEndpoint: &endpoint, Region: region, Credentials: credentials.NewStaticCredentialsProvider("FAKE", "FAKE", ""),
		RetryMaxAttempts: 1,
	})
}

func secretsAt(endpoint string) func(*testing.T, string) store.Store {
	return func(_ *testing.T, name string) store.Store {
		return secretsmanager.New(secretsmanager.Config{
			API: api(endpoint), Caller: callerAt(endpoint), Target: credential.Target{Kind: "secret", Name: name}, Region: region,
		})
	}
}

func callerAt(endpoint string) secretsmanager.Caller {
	client := sts.New(sts.Options{BaseEndpoint: &endpoint, Region: region, Credentials: credentials.NewStaticCredentialsProvider("FAKE", "FAKE", ""), RetryMaxAttempts: 1})
	return func(ctx context.Context) (string, string, error) {
		out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", "", err
		}
		return aws.ToString(out.Arn), aws.ToString(out.Account), nil
	}
}

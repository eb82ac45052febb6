// Package wire builds a credential's parts from its configuration: its targets' stores and its
// registry's client. It only connects them.
package wire

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"purser/internal/awsaccount"
	"purser/internal/boundedfile"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/signin"
	"purser/internal/store"
	"purser/internal/store/agefile"
	"purser/internal/store/secretsmanager"
	"purser/internal/transport"
	_ "purser/internal/wire/kinds" // known before anything is parsed
)

// Wire builds parts. Set its fields before the first call.
type Wire struct {
	Env config.Environment
	Now func() time.Time
	// Passphrase asks for an encrypted file's passphrase, twice for a new file.
	Passphrase func(ctx context.Context, confirm bool) (credential.Secret, error)
	// Keychain is the system's own, for the age identity; nil: purser uses files only.
	Keychain Keychain
	// Transport sends requests to registries; nil: one that trusts the system's and the credential's
	// certificates.
	Transport http.RoundTripper
	// Debug receives a line per request; may be nil.
	Debug io.Writer
	// AWS replaces AWS with a stand-in; may be nil.
	AWS *LocalAWS
	// Trusted means that others cannot write the credentials' configuration.
	Trusted bool
	// Comparing means that current values are only compared, and not sent to registries.
	Comparing bool
	// DryRun means that nothing may change.
	DryRun bool
	// Hold stops this machine's credential helpers from caching a login until release. Changes of the
	// current value and revocations happen in between; nil: nothing is cached.
	Hold func() (release func())
	// Agree asks a person whether a target's value belongs to the credential's registry; nil: purser
	// cannot ask.
	Agree func(ctx context.Context, c credential.Credential, t credential.Target) error

	mu      sync.Mutex // guards the maps
	clients map[awsPlace]*awsClients
	trust   map[string]*registry.Client // by CA file and Via
	trace   *transport.Trace
}

// Keychain keeps a text in the system's own keychain.
type Keychain = agefile.Keychain

// LocalAWS is a stand-in for AWS on this machine. It gets fake credentials, never the person's.
type LocalAWS struct{ Endpoint string }

func (l *LocalAWS) options() []func(*awsconfig.LoadOptions) error {
	if l == nil {
		return nil
	}
	return []func(*awsconfig.LoadOptions) error{
		awsconfig.WithBaseEndpoint(l.Endpoint),
		awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", "")),
		awsconfig.WithSharedConfigFiles(nil), awsconfig.WithSharedCredentialsFiles(nil),
	}
}

type awsPlace struct{ profile, region string }

// awsClients are shared by all targets in an account and region, with their credentials, connections
// and view of throttling.
type awsClients struct {
	config  aws.Config // for rarely used services
	secrets *sm.Client
	caller  secretsmanager.Caller
	region  string
	clock   *clock
}

// Store returns a target's store. It releases values only to the credential's registry.
func (w *Wire) Store(ctx context.Context, c credential.Credential, t credential.Target) (store.Store, error) {
	return w.bound(c, t, func() (store.Store, error) { return w.Bare(ctx, c, t) })
}

// RotatingStore returns the store of a secret during an AWS rotation.
func (w *Wire) RotatingStore(ctx context.Context, c credential.Credential, t credential.Target, rotation credential.Secret) (store.Store, error) {
	return w.bound(c, t, func() (store.Store, error) {
		cfg, err := w.SecretsManager(ctx, t)
		if err != nil {
			return nil, err
		}
		cfg.RotationToken = rotation
		return secretsmanager.New(cfg), nil
	})
}

// Bare returns a target's store without checking which registry its values belong to. It is for programs
// with a trusted configuration, and for values that go to no configured registry.
func (w *Wire) Bare(ctx context.Context, c credential.Credential, t credential.Target) (store.Store, error) {
	t = w.Target(c, t)
	kind, known := store.KindOf(t)
	if !known {
		return nil, &credential.Fault{Reason: credential.Usage, Credential: c.Name, What: "unknown kind of store: " + t.Kind}
	}
	return kind.Open(ctx, w, c, t)
}

func (w *Wire) bound(c credential.Credential, t credential.Target, open func() (store.Store, error)) (store.Store, error) {
	s, err := open()
	if err != nil {
		return nil, err
	}
	t = w.Target(c, t)
	return store.Bind(s, store.BoundConfig{
		Credential: c, Target: t, Trusted: w.Trusted, Comparing: w.Comparing, DryRun: w.DryRun, Hold: w.Hold,
		Agree: func(ctx context.Context) error {
			if w.Agree != nil {
				return w.Agree(ctx, c, t)
			}
			return &credential.Fault{
				Reason: credential.ConsentNeeded, Target: t, Registry: c.Registry, Credential: c.Name,
				What: "nobody has confirmed that the token in " + t.String() + " belongs to " + string(c.Registry), Why: "it was stored by hand, so a person must confirm it",
			}
		},
	}), nil
}

// SecretsManager returns the configuration of a secret's store.
func (w *Wire) SecretsManager(ctx context.Context, t credential.Target) (secretsmanager.Config, error) {
	clients, err := w.aws(ctx, t)
	if err != nil {
		return secretsmanager.Config{}, err
	}
	return secretsmanager.Config{API: clients.secrets, Caller: clients.caller, Target: t, Region: clients.region, Explain: w.explain}, nil
}

// Target fills in the default store: an encrypted file in the person's data directory.
func (w *Wire) Target(c credential.Credential, t credential.Target) credential.Target {
	if t.Kind == "" {
		t.Kind, t.Name = agefile.Key, filepath.Join(w.Env.DataDir(), string(c.Name)+".age.json")
	}
	return t
}

// Destination describes a target for a person: secret, region and AWS profile, or file.
func (w *Wire) Destination(c credential.Credential, t credential.Target) string {
	if t = w.Target(c, t); t.Traits().Cloud != "" {
		t.Region = cmp.Or(t.Region, w.Env.AWSRegion)
		if t.Profile = w.ProfileName(t); w.Env.HasAWSCredentials() {
			t.Profile = ""
		}
	}
	return t.Destination()
}

// AgeFile returns the configuration of an encrypted file.
func (w *Wire) AgeFile(c credential.Credential, t credential.Target) (agefile.Config, error) {
	cfg := agefile.Config{Path: t.Name, Identity: w.Env.AgeIdentityPath(), Now: w.Now}
	chosen := filepath.Join(w.Env.DataDir(), string(c.Name)+".age.json") == t.Name && !filepath.IsAbs(t.Name)
	if chosen || cfg.Identity == "" && !agefile.HasPassphrase(t) {
		return cfg, &credential.Fault{
			Reason: credential.Usage, Credential: c.Name, What: "purser does not know where to keep the encrypted file or its identity",
			Why: "HOME is not set; name the file in purser.yaml or with --file, and the identity with PURSER_AGE_IDENTITY",
		}
	}
	if agefile.HasPassphrase(t) {
		cfg.Passphrase = w.Passphrase
		return cfg, nil
	}
	cfg.KeychainOnly = w.Env.AgeIdentity == config.InKeychain
	if cfg.KeychainOnly || w.Env.AgeIdentity == "" {
		cfg.Keychain = w.Keychain
	}
	if cfg.KeychainOnly && w.Keychain == nil {
		return cfg, &credential.Fault{
			Reason: credential.Usage, Credential: c.Name, What: "this program reads no identity in a keychain", Why: "PURSER_AGE_IDENTITY asks for that; name a file",
		}
	}
	return cfg, nil
}

// AWSConfig returns the configuration for another service of AWS, in a target's account and region.
func (w *Wire) AWSConfig(ctx context.Context, t credential.Target) (aws.Config, error) {
	clients, err := w.aws(ctx, t)
	if err != nil {
		return aws.Config{}, err
	}
	return clients.config, nil
}

func (w *Wire) aws(ctx context.Context, t credential.Target) (*awsClients, error) {
	place := awsPlace{t.Profile, t.Region}
	if w.Env.HasAWSCredentials() || w.AWS != nil {
		place.profile = "" // credentials in the environment win over a profile
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.clients[place]; ok {
		return c, nil
	}
	if !w.Env.HasAWSCredentials() && w.AWS == nil && w.Env.AWSConfigPath() != "" {
		if _, err := w.Profiles().Profile(w.ProfileName(t)); err != nil {
			return nil, err
		}
	}
	if err := w.awsFiles(t); err != nil {
		return nil, err
	}
	options := append([]func(*awsconfig.LoadOptions) error{
		awsconfig.WithSharedConfigProfile(place.profile), awsaccount.InstanceRole(w.Env), awsaccount.ContainerRole(),
		awsconfig.WithRetryMode(aws.RetryModeAdaptive),
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(manyIdle)),
	}, w.AWS.options()...)
	if place.region != "" {
		options = append(options, awsconfig.WithRegion(place.region))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, configFault(t, err)
	}
	if cfg.Region == "" {
		return nil, &credential.Fault{
			Reason: credential.RegionMissing, Target: t, What: "no AWS region is configured",
			Why: "purser.yaml, the flags, the environment and the profile name none",
		}
	}
	cfg.Credentials = awsaccount.Once{CredentialsProvider: cfg.Credentials}
	clients := &awsClients{region: cfg.Region, clock: &clock{next: carrier{cfg.HTTPClient}, now: w.Now}}
	cfg.HTTPClient = w.awsHTTP(clients.clock)
	clients.config = cfg
	clients.secrets, clients.caller = sm.NewFromConfig(cfg), caller(sts.NewFromConfig(cfg))
	if w.clients == nil {
		w.clients = map[awsPlace]*awsClients{}
	}
	w.clients[place] = clients
	return clients, nil
}

// awsFileLimit is far above any file of AWS's tools, in bytes.
const awsFileLimit = 4 << 20

// awsFiles refuses files on which AWS's SDK would block or read without end. The SDK opens them wherever
// the credentials come from.
func (w *Wire) awsFiles(t credential.Target) error {
	if w.AWS != nil {
		return nil
	}
	paths := []string{w.Env.AWSConfigPath(), w.Env.AWSCredentialsPath()}
	if p, err := w.Profiles().Profile(w.ProfileName(t)); err == nil && p.SSO() {
		paths = append(paths, signin.Cache{Dir: w.Env.SSOCacheDir()}.Path(p))
	}
	for _, path := range paths {
		if err := boundedfile.Check(path, awsFileLimit); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &credential.Fault{Reason: credential.Usage, What: "cannot read AWS's configuration", Why: credential.Quote(err.Error()), Err: err}
		}
	}
	return nil
}

// awsHTTP carries stored values. Other clients of the SDK get the credentials, some over plain http from
// the machine's metadata service; no token passes there.
func (w *Wire) awsHTTP(sdk http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: w.traced(transport.Guard(sdk)), Timeout: awsTimeout,
		// A redirect is an answer, never followed: it would carry a session along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// carrier wraps the SDK's client, which has the proxy and certificates of the AWS configuration.
type carrier struct{ aws.HTTPClient }

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c.Do(r) }

// manyIdle keeps the connections of many calls at once for the next ones.
func manyIdle(t *http.Transport) {
	t.MaxIdleConnsPerHost = idlePerHost
	transport.TellOfProxy(t)
}

const idlePerHost = 64

// awsTimeout limits one attempt; the SDK makes three.
const awsTimeout = 20 * time.Second

func (w *Wire) traced(next http.RoundTripper) http.RoundTripper {
	if w.Debug == nil {
		return next
	}
	if w.trace == nil {
		w.trace = transport.NewTrace(w.Debug)
	}
	return w.trace.Wrap(next)
}

// caller caches the answer, which is the same for all targets.
func caller(client *sts.Client) secretsmanager.Caller {
	var mu sync.Mutex // guards known
	var known *sts.GetCallerIdentityOutput
	return func(ctx context.Context) (arn, account string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if known != nil {
			return aws.ToString(known.Arn), aws.ToString(known.Account), nil
		}
		out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return "", "", err
		}
		known = out
		return aws.ToString(out.Arn), aws.ToString(out.Account), nil
	}
}

func configFault(t credential.Target, err error) error {
	f := &credential.Fault{Reason: credential.NotSignedIn, Target: t, What: "the AWS configuration is invalid", Why: credential.Quote(err.Error()), Err: err}
	if missing, ok := errors.AsType[awsconfig.SharedConfigProfileNotExistError](err); ok {
		f.Reason, f.What, f.Why = credential.ProfileMissing, "there is no AWS profile "+credential.Quote(missing.Profile), ""
	}
	return f
}

// Via describes an unusual way to the registry, certificates or token services, for a person to approve;
// "": the usual way. Unreadable certificates count as unusual; Registry then reports the error.
func Via(c credential.Credential) string {
	if c.CAFile == "" {
		return credential.ViaOf(nil, c.AuthHosts)
	}
	pem, err := certificates(c.CAFile)
	if err != nil {
		pem = []byte(c.CAFile)
	}
	return credential.ViaOf(pem, c.AuthHosts)
}

// certificatesLimit is far above a bundle of all public authorities, in bytes.
const certificatesLimit = 4 << 20

// certificates reads a file of certificates. An attacker may name another file, so it must not read an
// endless device or a token on standard input.
func certificates(path string) ([]byte, error) {
	raw, err := boundedfile.Read(path, certificatesLimit)
	why := "the file has no PEM certificates"
	if err != nil {
		why = err.Error()
	} else if bytes.Contains(raw, []byte("-----BEGIN CERTIFICATE-----")) {
		return raw, nil
	}
	return nil, &credential.Fault{Reason: credential.Usage, What: "cannot use the certificates in " + credential.Quote(path), Why: why, Err: err}
}

// roots returns a credential's certificates; nil: the system's. It refuses certificates that changed
// since a person approved them.
func roots(c credential.Credential) (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil // crypto/tls then uses the system's
	}
	pem, err := certificates(c.CAFile)
	if err != nil {
		return nil, err
	}
	if c.Via != "" && c.Via != credential.ViaOf(pem, c.AuthHosts) {
		return nil, &credential.Fault{Reason: credential.RegistryUnsafe, Registry: c.Registry, What: "the token was not sent", Why: c.CAFile + " changed while purser ran"}
	}
	return transport.Roots(pem, c.CAFile)
}

// Registry returns the client for a credential's registry.
func (w *Wire) Registry(c credential.Credential) (*registry.Client, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	way := c.CAFile + " " + c.Via
	if client, ok := w.trust[way]; ok {
		return client, nil
	}
	carry := w.Transport
	if carry == nil {
		trusted, err := roots(c)
		if err != nil {
			return nil, err
		}
		carry = transport.New(trusted)
	}
	client := registry.New(registry.Config{Transport: w.traced(transport.Guard(carry)), Now: w.Now, Hold: w.Hold})
	if w.trust == nil {
		w.trust = map[string]*registry.Client{}
	}
	w.trust[way] = client
	return client, nil
}

// Prove proves a login at the credential's registry. It makes Wire a lifecycle.Prover.
func (w *Wire) Prove(ctx context.Context, c credential.Credential, l credential.Login, allowNew bool) credential.Proof {
	client, err := w.Registry(c)
	if err != nil {
		f, ok := errors.AsType[*credential.Fault](err)
		if !ok {
			f = &credential.Fault{Reason: credential.Usage, What: err.Error(), Err: err}
		}
		return credential.Proof{Fault: f}
	}
	return client.Prove(ctx, c, l, allowNew)
}

// Issue gets a bearer of a login from the credential's registry. It makes Wire a lifecycle.Issuer.
func (w *Wire) Issue(ctx context.Context, c credential.Credential, l credential.Login) (credential.Bearer, error) {
	client, err := w.Registry(c)
	if err != nil {
		return credential.Bearer{}, err
	}
	return client.Issue(ctx, c, l)
}

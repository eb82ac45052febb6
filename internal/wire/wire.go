// Package wire makes a credential's parts from its configuration: the stores of
// its targets, the client for its registry. It is a list of cases and holds no
// logic; programs drive what it makes.
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

// Wire makes parts. Its fields are set before the first call and not changed.
type Wire struct {
	Env config.Environment
	Now func() time.Time
	// Passphrase asks for the passphrase of an encrypted file, twice when the
	// file is about to be made.
	Passphrase func(ctx context.Context, confirm bool) (credential.Secret, error)
	// Transport carries requests to registries; nil makes one that trusts the
	// system's certificates and those of the credential.
	Transport http.RoundTripper
	// Debug gets a line for each request; nil: none is written.
	Debug io.Writer
	// AWS is where AWS is instead of where the environment says; nil: there.
	AWS *LocalAWS
	// Trusted says that the credentials come from a configuration that others cannot write.
	Trusted bool
	// Comparing says that what is current is only compared, and sent to no registry.
	Comparing bool
	// DryRun says that nothing is to be changed.
	DryRun bool
	// Hold has the credential helpers of this machine keep no login until it is released.
	// Whatever changes what is current, or ends a token, is done in between; nil: nothing
	// is kept.
	Hold func() (release func())
	// Agree asks a person whether what a target holds belongs to the credential's registry;
	// nil: no one can be asked.
	Agree func(ctx context.Context, c credential.Credential, t credential.Target) error

	mu      sync.Mutex // guards the maps
	clients map[awsPlace]*awsClients
	trust   map[string]*registry.Client // by CA file and Via
	trace   *transport.Trace
}

// LocalAWS is a stand-in for AWS on this machine. It takes any credentials, so
// none of the person's are sent to it.
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

// awsClients are shared by all targets in one account and region: one set of
// credentials, one pool of connections, one view of throttling.
type awsClients struct {
	config  aws.Config // for the services that few runs need
	secrets *sm.Client
	caller  secretsmanager.Caller
	region  string
	clock   *clock
}

// Store makes the store of a credential's target, which gives its values to the
// credential's registry alone.
func (w *Wire) Store(ctx context.Context, c credential.Credential, t credential.Target) (store.Store, error) {
	return w.bound(c, t, func() (store.Store, error) { return w.Bare(ctx, c, t) })
}

// RotatingStore makes the store of a secret that AWS itself is rotating.
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

// Bare makes the store of a target without looking at whom its values belong to: for
// programs whose configuration is trusted in any case, and for values that are sent to
// no registry that a configuration names.
func (w *Wire) Bare(ctx context.Context, c credential.Credential, t credential.Target) (store.Store, error) {
	t = w.Target(c, t)
	kind, known := store.KindOf(t)
	if !known {
		return nil, &credential.Fault{Reason: credential.Usage, Credential: c.Name, What: "purser knows no store of the kind " + t.Kind}
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
				What: "nobody has said that the token in " + t.String() + " belongs to " + string(c.Registry), Why: "it was stored by hand, and only a person can say it",
			}
		},
	}), nil
}

// SecretsManager is what a secret of AWS is opened with.
func (w *Wire) SecretsManager(ctx context.Context, t credential.Target) (secretsmanager.Config, error) {
	clients, err := w.aws(ctx, t)
	if err != nil {
		return secretsmanager.Config{}, err
	}
	return secretsmanager.Config{API: clients.secrets, Caller: clients.caller, Target: t, Region: clients.region, Explain: w.explain}, nil
}

// Target fills in where a credential without a store of its own is kept: in an
// encrypted file in the person's data directory.
func (w *Wire) Target(c credential.Credential, t credential.Target) credential.Target {
	if t.Kind == "" {
		t.Kind, t.Name = agefile.Key, filepath.Join(w.Env.DataDir(), string(c.Name)+".age.json")
	}
	return t
}

// Destination says for a person where a target is: which secret, region and AWS
// profile, or which file.
func (w *Wire) Destination(c credential.Credential, t credential.Target) string {
	if t = w.Target(c, t); t.Traits().Cloud != "" {
		t.Region = cmp.Or(t.Region, w.Env.AWSRegion)
		if t.Profile = w.ProfileName(t); w.Env.HasAWSCredentials() {
			t.Profile = ""
		}
	}
	return t.Destination()
}

// AgeFile is what an encrypted file is opened with.
func (w *Wire) AgeFile(c credential.Credential, t credential.Target) (agefile.Config, error) {
	cfg := agefile.Config{Path: t.Name, Identity: w.Env.AgeIdentityPath(), Now: w.Now}
	chosen := filepath.Join(w.Env.DataDir(), string(c.Name)+".age.json") == t.Name && !filepath.IsAbs(t.Name)
	if chosen || cfg.Identity == "" && !agefile.HasPassphrase(t) {
		return cfg, &credential.Fault{
			Reason: credential.Usage, Credential: c.Name, What: "it is not known where to keep the encrypted file or its identity",
			Why: "HOME is not set; name the file in purser.yaml or with --file, and the identity with PURSER_AGE_IDENTITY",
		}
	}
	if agefile.HasPassphrase(t) {
		cfg.Passphrase = w.Passphrase
	}
	return cfg, nil
}

func (w *Wire) aws(ctx context.Context, t credential.Target) (*awsClients, error) {
	place := awsPlace{t.Profile, t.Region}
	if w.Env.HasAWSCredentials() || w.AWS != nil {
		place.profile = "" // the environment's own credentials win over a profile of a laptop
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
			Why: "neither purser.yaml, nor a flag, nor the environment, nor the profile names one",
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

// awsFiles refuses what AWS's SDK would wait for, or read without end: it opens these
// files whatever the credentials come from.
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
			return &credential.Fault{Reason: credential.Usage, What: "AWS's configuration cannot be read", Why: credential.Quote(err.Error()), Err: err}
		}
	}
	return nil
}

// awsHTTP carries what is stored. The credentials that sign it are got by other
// clients of the SDK, some of which speak plain http to the machine's own
// metadata service; no token passes there.
func (w *Wire) awsHTTP(sdk http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: w.traced(transport.Guard(sdk)), Timeout: awsTimeout,
		// A redirect is an answer, never followed: it would carry a session along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// carrier is the SDK's own client, with the proxy and the certificates that the
// AWS configuration names, as something to wrap.
type carrier struct{ aws.HTTPClient }

// RoundTrip sends one request.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c.Do(r) }

// manyIdle keeps the connections of many calls at once for the next ones.
func manyIdle(t *http.Transport) {
	t.MaxIdleConnsPerHost = idlePerHost
	transport.TellOfProxy(t)
}

const idlePerHost = 64

// awsTimeout is for one attempt; the SDK makes three.
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

// caller asks once, since the answer is the same for all targets.
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
	f := &credential.Fault{Reason: credential.NotSignedIn, Target: t, What: "the AWS configuration cannot be used", Why: credential.Quote(err.Error()), Err: err}
	if missing, ok := errors.AsType[awsconfig.SharedConfigProfileNotExistError](err); ok {
		f.Reason, f.What, f.Why = credential.ProfileMissing, "there is no AWS profile "+credential.Quote(missing.Profile), ""
	}
	return f
}

// Via tells the way to a credential's registry that its configuration names, for a person
// to agree to; "" where it is the usual one. Certificates that cannot be read count as
// some: Registry then says what is wrong with them.
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

// certificatesLimit is far above the bundle of every public authority, in bytes.
const certificatesLimit = 4 << 20

// certificates reads a file of certificates, which may be named by somebody who wants
// purser to read another thing: a device without end, or a token on standard input.
func certificates(path string) ([]byte, error) {
	raw, err := boundedfile.Read(path, certificatesLimit)
	why := "it is not a file of PEM certificates"
	if err != nil {
		why = err.Error()
	} else if bytes.Contains(raw, []byte("-----BEGIN CERTIFICATE-----")) {
		return raw, nil
	}
	return nil, &credential.Fault{Reason: credential.Usage, What: "the certificates in " + credential.Quote(path) + " cannot be used", Why: why, Err: err}
}

// roots are the certificates of a credential; nil for the system's. They are those that a
// person agreed to, whatever has become of the file meanwhile.
func roots(c credential.Credential) (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil // what crypto/tls has for the system's
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

// Registry makes the client for a credential's registry.
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

// Prove proves a login with the client for the credential's registry. It makes
// a Wire a lifecycle.Prover.
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

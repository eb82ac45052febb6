package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"purser/internal/sandbox/fault"
	"purser/internal/sandbox/registry"

	"purser/internal/sandbox/hub"

	"purser/internal/sandbox/aws"

	"purser/internal/credential"
)

// Options say how a sandbox is started. The zero Options are good.
type Options struct {
	Now func() time.Time // nil: time.Now
	// AWSNow is the time at AWS where it is another one: the AWS SDK signs by the
	// machine's clock, whatever the time is elsewhere; nil: Now.
	AWSNow func() time.Time
	Random io.Reader // of tokens; nil: the system's
	// Issued is told of every bearer token that the stand-ins give out, from any
	// goroutine; may be nil.
	Issued func(credential.Secret)
	// Around wraps everything that Docker Hub, its registry and AWS answer over TLS, to
	// watch or to disturb; nil: nothing does.
	Around func(http.Handler) http.Handler
	// Images answers for Docker Hub's registry in the stand-in's place, with the
	// stand-in's token service (KeySet, TokenRealm, TokenService, TokenIssuer); nil: the
	// stand-in does.
	Images http.Handler
	// Hosts are further registries by these names, perhaps with a port, each with a token
	// service of its own. They have Docker Hub's accounts. ghcr.io is always there, with
	// accounts of its own.
	Hosts []string
	// Listen is an address at which everything is served over one port besides; "": only
	// free ports of loopback are listened on. Name is how clients reach it; "": as Listen.
	Listen, Name string
	Region       string // of AWS; "": eu-west-2
	// Data is a folder where the state is kept, and found by the next sandbox; "": it is in
	// memory alone.
	Data string
	// Function says that a program will be the rotation function, behind LambdaAPI.
	Function bool
}

// Sandbox is a running set of stand-ins with the accounts of an example.
type Sandbox struct {
	Accounts       *hub.Accounts
	Hub            *hub.Hub            // Docker Hub's API
	HubRegistry    *registry.Registry  // Docker Hub's registry and token service
	DeviceLogin    *hub.DeviceLogin    // Docker's sign-in with a browser
	SecretsManager *aws.SecretsManager // AWS
	IdentityCenter *aws.IdentityCenter // AWS's sign-in
	Lambda         *aws.Lambda         // AWS's side of the rotation function
	LambdaAPI      string              // its address, for AWS_LAMBDA_RUNTIME_API

	SecretsManagerURL string // plain http, for this process; Environment has one with TLS

	// Tokens of the account mockserver, and of someone-else's.
	PushToken, SecondPushToken, ReadOnlyToken, RevokedToken, OtherToken credential.Secret
	// Password is mockserver's, which asks for a second factor.
	Password credential.Secret
	// GitHub has the accounts of ghcr.io, and PackagesToken is one of mock-server's there.
	GitHub        *hub.Accounts
	PackagesToken credential.Secret

	authority *authority
	hub       string // address of the TLS listener
	aws       string // and of that of AWS
	idc       string // and of that of IAM Identity Center
	proxy     *proxy
	proxyAt   string
	around    func(http.Handler) http.Handler
	images    http.Handler
	others    map[string]*registry.Registry // the further registries, by their names without ports
	door      string                        // by what clients reach Listen; "": there is none
	servers   []*http.Server

	data      string        // the folder; "": nothing is saved
	changed   chan struct{} // that something is to be saved
	stop      chan struct{} // closed to end saving
	saved     chan struct{} // closed when it has ended
	saveError error         // of the last save; read once saved is closed
	unlock    func()        // gives the folder back
}

// Fault is how Docker Hub or a registry misbehaves.
type Fault = fault.Fault

const (
	hubAPI      = "hub.docker.com"
	hubAuth     = "auth.docker.io"
	hubRegistry = "registry-1.docker.io"
	hubIndex    = "index.docker.io"
	githubHost  = "ghcr.io"
)

// Start starts the stand-ins on free ports of loopback. Close ends them.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	s := &Sandbox{
		Accounts: hub.NewAccounts(o.Now, o.Random), GitHub: hub.NewAccounts(o.Now, o.Random), IdentityCenter: aws.NewIdentityCenter(o.Now, o.Random),
		Lambda: &aws.Lambda{}, data: o.Data, unlock: func() {}, changed: make(chan struct{}, 1), stop: make(chan struct{}), saved: make(chan struct{}),
	}
	s.GitHub.Form = "ghp_"
	if o.AWSNow == nil {
		o.AWSNow = o.Now
	}
	manager := aws.SecretsManagerConfig{Now: o.AWSNow, Region: o.Region}
	if o.Function {
		manager.Invoke = s.invoke
	}
	s.SecretsManager = aws.NewSecretsManager(manager)
	if err := s.open(ctx, o); err != nil {
		for _, server := range s.servers {
			err = errors.Join(err, server.Close())
		}
		s.unlock()
		return nil, err
	}
	if s.data != "" {
		go s.keepSaving(s.stop) // ends with Close
	}
	return s, nil
}

// open finds the state or makes one, and begins to listen.
func (s *Sandbox) open(ctx context.Context, o Options) error {
	var found *state
	if s.data != "" {
		var err error
		if found, err = s.openData(s.data); err != nil {
			return fmt.Errorf("%w: %w", ErrData, err)
		}
	}
	if found == nil {
		if err := s.populate(); err != nil {
			return err
		}
	}
	if err := s.build(o, found); err != nil {
		return err
	}
	if found != nil {
		if err := s.restore(found); err != nil {
			return fmt.Errorf("%w: %w", ErrData, err)
		}
	}
	if err := s.listen(ctx, o); err != nil {
		return err
	}
	if s.data != "" && found == nil {
		return s.save()
	}
	return nil
}

// restore has the stand-ins know what a sandbox before them knew.
func (s *Sandbox) restore(from *state) error {
	s.Accounts.Restore(from.Hub)
	s.GitHub.Restore(from.GitHub)
	for name, into := range s.example() {
		*into = from.Example[name].Value
	}
	var err error
	for name, r := range s.registries() {
		err = errors.Join(err, r.Restore(from.Images[name]))
	}
	return errors.Join(err, s.SecretsManager.Restore(from.AWS))
}

func (s *Sandbox) invoke(event []byte) error {
	_, err := s.Lambda.Invoke(context.Background(), event)
	return err
}

// Schedules is the account without a second factor, which owns the repository of its name
// and, beside mockserver, the organization mockserver-org.
const Schedules = "schedules"

// populate makes the accounts of the running example.
func (s *Sandbox) populate() error {
	s.Password = credential.NewSecret("FAKE-Xk29Zq81Lm37Wt65")
	s.Accounts.AddAccount("mockserver", s.Password, true)
	s.Accounts.AddRepository("mockserver/mockserver", "mockserver", true)
	s.Accounts.AddRepository("mockserver/second", "mockserver", false)
	s.Accounts.AddRepository("someone-else/private", "someone-else", false)
	s.Accounts.AddRepository("library/alpine", "library", true)
	// One that signs in without a person, as a schedule's account does.
	s.Accounts.AddAccount(Schedules, s.Password, false)
	s.Accounts.AddRepository(Schedules+"/app", Schedules, false)
	s.Accounts.AddOrganization("mockserver-org", hub.Organization{Owners: []string{"mockserver", Schedules}})
	s.Accounts.AddRepository("mockserver-org/app", "mockserver-org", false)
	for _, t := range []struct {
		into  *credential.Secret
		owner string
		level hub.Level
		dead  bool
	}{
		{&s.PushToken, "mockserver", hub.ReadWrite, false}, {&s.SecondPushToken, "mockserver", hub.ReadWrite, false},
		{&s.ReadOnlyToken, "mockserver", hub.Read, false}, {&s.RevokedToken, "mockserver", hub.ReadWrite, true},
		{&s.OtherToken, "someone-else", hub.ReadWrite, false},
	} {
		token, err := s.Accounts.AddToken(t.owner, t.level)
		if err != nil {
			return err
		}
		s.Accounts.SetActive(token, !t.dead)
		*t.into = token.Secret
	}
	s.GitHub.AddAccount("mock-server", s.Password, true)
	token, err := s.GitHub.AddToken("mock-server", hub.ReadWrite)
	if err == nil {
		s.PackagesToken = token.Secret
	}
	return err
}

func (s *Sandbox) build(o Options, found *state) (err error) {
	s.others = map[string]*registry.Registry{}
	for _, at := range o.Hosts {
		if err := s.addRegistry(at, registry.AuthBearer, s.Accounts, o); err != nil {
			return err
		}
	}
	if err := s.addRegistry(githubHost, registry.AuthOpaque, s.GitHub, o); err != nil {
		return err
	}
	names := append(s.Names(), "localhost", "127.0.0.1", "::1")
	if host, _, err := net.SplitHostPort(o.Listen); err == nil {
		names = append(names, cmp.Or(o.Name, host))
	}
	if s.authority, err = newAuthority(names, found); err != nil {
		return err
	}
	if s.Hub, err = hub.New(s.Accounts, o.Now, o.Random); err != nil {
		return err
	}
	s.DeviceLogin = hub.NewDeviceLogin(s.Hub)
	s.HubRegistry, err = registry.New(registry.Config{
		Auth: registry.AuthBearer, Realm: TokenRealm, Service: TokenService,
		Accounts: s.Accounts, Now: o.Now, Random: o.Random, Folder: s.blobs(hubRegistry),
	})
	if err != nil {
		return err
	}
	s.Hub.Sessions.Issued, s.IdentityCenter.Issued = o.Issued, o.Issued
	for _, r := range s.registries() {
		r.Bearers.Issued = o.Issued
	}
	s.Hub.Minted = o.Issued
	s.images = o.Images
	if s.around = o.Around; s.around == nil {
		s.around = func(h http.Handler) http.Handler { return h }
	}
	return nil
}

// addRegistry has a registry answer by a name.
func (s *Sandbox) addRegistry(at string, auth registry.AuthMode, accounts *hub.Accounts, o Options) error {
	name := credential.Host(at).Hostname()
	r, err := registry.New(registry.Config{
		Auth: auth, Realm: "https://" + at + "/token", Service: name, Accounts: accounts, Now: o.Now, Random: o.Random,
		Folder: s.blobs(name),
	})
	s.others[name] = r
	return err
}

// Names are all names by which the stand-ins answer.
func (s *Sandbox) Names() []string { return Names(slices.Collect(maps.Keys(s.others))) }

// Names are those of Docker Hub and ghcr.io, and further ones.
func Names(further []string) []string {
	names := slices.Concat(hubNames(), []string{"docker.io", githubHost}, further)
	slices.Sort(names)
	return slices.Compact(names)
}

// blobs is where a registry's are kept; "": in memory.
func (s *Sandbox) blobs(name string) string {
	if s.data == "" {
		return ""
	}
	return filepath.Join(s.data, "blobs", name)
}

// registries are all of them, by name.
func (s *Sandbox) registries() map[string]*registry.Registry {
	all := maps.Clone(s.others)
	all[hubRegistry] = s.HubRegistry
	return all
}

// Registry is a further registry by its name without a port; nil: there is none.
func (s *Sandbox) Registry(name string) *registry.Registry { return s.others[name] }

// hubNames are those by which Docker Hub answers.
func hubNames() []string { return []string{hubAPI, hubAuth, hubRegistry, hubIndex, hub.LoginHost} }

// serveHub sorts requests by the name that they came in under.
func (s *Sandbox) serveHub(w http.ResponseWriter, req *http.Request) {
	var name string
	if req.TLS != nil {
		name = req.TLS.ServerName
	}
	switch other := s.others[name]; {
	case name == hubAPI:
		s.Hub.ServeHTTP(w, req)
	case name == hub.LoginHost:
		s.DeviceLogin.ServeHTTP(w, req)
	case other != nil:
		other.ServeHTTP(w, req)
	case s.images != nil && req.URL.Path != "/token":
		s.images.ServeHTTP(w, req)
	default:
		s.HubRegistry.ServeHTTP(w, req)
	}
}

// What a registry needs to know of the token service.
const (
	TokenRealm   = "https://" + hubAuth + "/token"
	TokenService = "registry.docker.io"
)

// KeySet is what the token service signs with, as a JSON Web Key Set.
func (s *Sandbox) KeySet() ([]byte, error) { return s.HubRegistry.Bearers.KeySet() }

func (s *Sandbox) listen(ctx context.Context, o Options) error {
	secure := &tls.Config{Certificates: []tls.Certificate{s.authority.server}, MinVersion: tls.VersionTLS12}
	var err error
	if s.hub, err = s.serve(ctx, s.around(http.HandlerFunc(s.serveHub)), secure); err != nil {
		return err
	}
	plain, err := s.serve(ctx, s.SecretsManager, nil)
	if err != nil {
		return err
	}
	s.SecretsManagerURL = "http://" + plain
	if s.aws, err = s.serve(ctx, s.around(s.SecretsManager), secure); err != nil {
		return err
	}
	if s.idc, err = s.serve(ctx, s.IdentityCenter, secure); err != nil {
		return err
	}
	page, err := s.serve(ctx, s.DeviceLogin, nil)
	if err != nil {
		return err
	}
	s.DeviceLogin.Page = "http://" + page + "/activate"
	if s.LambdaAPI, err = s.serve(ctx, s.Lambda, nil); err != nil {
		return err
	}
	s.proxy = &proxy{names: map[string]bool{net.JoinHostPort(githubHost, httpsPort): true}, to: s.hub}
	for _, name := range hubNames() {
		s.proxy.names[net.JoinHostPort(name, httpsPort)] = true
	}
	for _, at := range o.Hosts {
		if _, _, err := net.SplitHostPort(at); err != nil {
			at = net.JoinHostPort(at, httpsPort)
		}
		s.proxy.names[at] = true
	}
	if s.proxyAt, err = s.serve(ctx, s.proxy, nil); err != nil || o.Listen == "" {
		return err
	}
	return s.openDoor(ctx, o, secure)
}

const httpsPort = "443"

func (s *Sandbox) serve(ctx context.Context, h http.Handler, t *tls.Config) (address string, err error) {
	l, err := loopback(ctx)
	if err != nil {
		return "", fmt.Errorf("listen on loopback: %w", err)
	}
	address = l.Addr().String()
	if t != nil {
		l = tls.NewListener(l, t)
	}
	s.begin(l, h)
	return address, nil
}

func (s *Sandbox) begin(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: s.saving(h), ReadHeaderTimeout: dialTimeout, ErrorLog: log.New(io.Discard, "", 0)} // cutting connections is what faults are for
	s.servers = append(s.servers, server)
	go func() { _ = server.Serve(l) }() // ends with Close
}

// loopback listens on a free port of this machine alone, which may have one kind of
// addresses only.
func loopback(ctx context.Context) (net.Listener, error) {
	var errs []error
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", host)
		if err == nil {
			return l, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// ClearFaults has everything behave again.
func (s *Sandbox) ClearFaults() {
	s.Hub.ClearFaults()
	for _, r := range s.registries() {
		r.ClearFaults()
	}
	s.SecretsManager.ClearFaults()
}

// Close stops the stand-ins and cuts their connections. Its error may be that the state
// could not be saved.
func (s *Sandbox) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	if s.data != "" {
		close(s.stop)
		<-s.saved
		errs = append(errs, s.saveError)
	}
	s.unlock()
	return errors.Join(errs...)
}

// Transport carries requests of this process for Docker Hub's names to the
// stand-in. It trusts no other server.
func (s *Sandbox) Transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.authority.roots(), MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.hub)
		},
	}
}

// Environment is what another program needs to take the stand-ins for Docker
// Hub and AWS. The certificate is written into dir.
func (s *Sandbox) Environment(dir string) ([]string, error) {
	ca := filepath.Join(dir, "sandbox-ca.pem")
	if err := os.WriteFile(ca, s.authority.pem, 0o600); err != nil {
		return nil, err
	}
	proxy, aws, idc, direct := s.proxyAt, s.aws, s.idc, "127.0.0.1,localhost,::1"
	if s.door != "" {
		name, _, _ := net.SplitHostPort(s.door) // openDoor has made it
		proxy, aws, idc, direct = s.door, s.door, s.door, direct+","+name
	}
	return []string{
		"HTTPS_PROXY=http://" + proxy, "NO_PROXY=" + direct, "SSL_CERT_FILE=" + ca,
		"AWS_ENDPOINT_URL=https://" + aws,
		"AWS_ENDPOINT_URL_SSO=https://" + idc, "AWS_ENDPOINT_URL_SSO_OIDC=https://" + idc, "AWS_ACCESS_KEY_ID=SANDBOX", "AWS_SECRET_ACCESS_KEY=SANDBOX",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}, nil
}

// Peers are the addresses to which a program with that Environment connects.
func (s *Sandbox) Peers() []string { return []string{s.proxyAt, s.aws, s.idc} }

// Strangers are the hosts, with their ports, that were asked of the proxy and
// are not Docker Hub's.
func (s *Sandbox) Strangers() []string {
	s.proxy.mu.Lock()
	defer s.proxy.mu.Unlock()
	return slices.Clone(s.proxy.refused)
}

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

// Options configure a sandbox. The zero value works.
type Options struct {
	Now func() time.Time // nil: time.Now
	// AWSNow is AWS's clock; nil: Now. The AWS SDK signs with the machine's clock even when a
	// test moves Now.
	AWSNow func() time.Time
	Random io.Reader // for tokens; nil: crypto/rand
	// Issued receives every bearer token that the stand-ins issue, from any goroutine; may be nil.
	Issued func(credential.Secret)
	// Around wraps what Docker Hub, its registry and AWS serve over TLS, to observe or disturb
	// it; may be nil.
	Around func(http.Handler) http.Handler
	// Images replaces Docker Hub's registry but keeps the stand-in's token service (KeySet,
	// TokenRealm, TokenService, TokenIssuer); nil: the stand-in serves images too.
	Images http.Handler
	// Hosts adds registries under these names (host or host:port), each with its own token
	// service and Docker Hub's accounts. ghcr.io always exists, with accounts of its own.
	Hosts []string
	// Listen is an address where one port serves everything, in addition to the free ports on
	// loopback; "": loopback only. Name is how clients reach it; "": Listen's host.
	Listen, Name string
	Region       string // AWS region; "": eu-west-2
	// Data is a folder that keeps the state between runs; "": the state stays in memory.
	Data string
	// Function means that a rotation function will connect to LambdaAPI.
	Function bool
}

// Sandbox is a running set of stand-ins with example accounts.
type Sandbox struct {
	Accounts       *hub.Accounts
	Hub            *hub.Hub            // Docker Hub's API
	HubRegistry    *registry.Registry  // Docker Hub's registry and token service
	DeviceLogin    *hub.DeviceLogin    // Docker's sign-in with a browser
	SecretsManager *aws.SecretsManager // AWS
	IdentityCenter *aws.IdentityCenter // IAM Identity Center
	Lambda         *aws.Lambda         // invokes the rotation function
	LambdaAPI      string              // the value of AWS_LAMBDA_RUNTIME_API

	SecretsManagerURL string // plain HTTP, for this process; Environment has the TLS one

	// OtherToken belongs to someone-else, the others to mockserver.
	PushToken, SecondPushToken, ReadOnlyToken, RevokedToken, OtherToken credential.Secret
	// Password is mockserver's; the account also has a second factor.
	Password credential.Secret
	// GitHub has the accounts of ghcr.io; PackagesToken belongs to mock-server there.
	GitHub        *hub.Accounts
	PackagesToken credential.Secret

	authority *authority
	hub       string // address for Docker Hub and registries
	aws       string // address of Secrets Manager
	idc       string // address of IAM Identity Center
	proxy     *proxy
	proxyAt   string
	around    func(http.Handler) http.Handler
	images    http.Handler
	others    map[string]*registry.Registry // by name without port
	door      string                        // host:port where clients reach Listen; "": none
	servers   []*http.Server

	data      string        // Options.Data
	changed   chan struct{} // signals unsaved changes
	stop      chan struct{} // closed to stop saving
	saved     chan struct{} // closed after the last save
	saveError error         // of the last save; valid once saved is closed
	unlock    func()        // unlocks the folder
}

// Fault describes how Docker Hub or a registry misbehaves.
type Fault = fault.Fault

const (
	hubAPI      = "hub.docker.com"
	hubAuth     = "auth.docker.io"
	hubRegistry = "registry-1.docker.io"
	hubIndex    = "index.docker.io"
	githubHost  = "ghcr.io"
)

// Start starts the stand-ins on free ports of loopback. Close stops them.
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

// open loads or creates the state, and listens.
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

// restore loads saved state into the stand-ins.
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

// Schedules is an account without a second factor, for runs without a person. It owns the
// repository schedules/app and, with mockserver, the organization mockserver-org.
const Schedules = "schedules"

func (s *Sandbox) populate() error {
	s.Password = credential.NewSecret("FAKE-Xk29Zq81Lm37Wt65")
	s.Accounts.AddAccount("mockserver", s.Password, true)
	s.Accounts.AddRepository("mockserver/mockserver", "mockserver", true)
	s.Accounts.AddRepository("mockserver/second", "mockserver", false)
	s.Accounts.AddRepository("someone-else/private", "someone-else", false)
	s.Accounts.AddRepository("library/alpine", "library", true)
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

func (s *Sandbox) addRegistry(at string, auth registry.AuthMode, accounts *hub.Accounts, o Options) error {
	name := credential.Host(at).Hostname()
	r, err := registry.New(registry.Config{
		Auth: auth, Realm: "https://" + at + "/token", Service: name, Accounts: accounts, Now: o.Now, Random: o.Random,
		Folder: s.blobs(name),
	})
	s.others[name] = r
	return err
}

// Names lists the names that the stand-ins serve.
func (s *Sandbox) Names() []string { return Names(slices.Collect(maps.Keys(s.others))) }

// Names lists Docker Hub's names, ghcr.io and further ones.
func Names(further []string) []string {
	names := slices.Concat(hubNames(), []string{"docker.io", githubHost}, further)
	slices.Sort(names)
	return slices.Compact(names)
}

// blobs is the folder of a registry's blobs; "": they stay in memory.
func (s *Sandbox) blobs(name string) string {
	if s.data == "" {
		return ""
	}
	return filepath.Join(s.data, "blobs", name)
}

func (s *Sandbox) registries() map[string]*registry.Registry {
	all := maps.Clone(s.others)
	all[hubRegistry] = s.HubRegistry
	return all
}

// Registry returns an additional registry by its name without port, or nil.
func (s *Sandbox) Registry(name string) *registry.Registry { return s.others[name] }

func hubNames() []string { return []string{hubAPI, hubAuth, hubRegistry, hubIndex, hub.LoginHost} }

// serveHub dispatches requests by TLS server name.
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

// TokenRealm and TokenService identify the token service to a registry.
const (
	TokenRealm   = "https://" + hubAuth + "/token"
	TokenService = "registry.docker.io"
)

// KeySet returns the token service's public keys as a JSON Web Key Set.
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
	server := &http.Server{Handler: s.saving(h), ReadHeaderTimeout: dialTimeout, ErrorLog: log.New(io.Discard, "", 0)} // faults cut connections; do not log that
	s.servers = append(s.servers, server)
	go func() { _ = server.Serve(l) }() // ends with Close
}

// loopback listens on a free IPv4 port, or an IPv6 one where the machine has no IPv4.
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

// ClearFaults removes all faults.
func (s *Sandbox) ClearFaults() {
	s.Hub.ClearFaults()
	for _, r := range s.registries() {
		r.ClearFaults()
	}
	s.SecretsManager.ClearFaults()
}

// Close stops the stand-ins and cuts their connections. It returns an error if the state could
// not be saved.
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

// Transport sends this process's requests to the stand-in, and trusts no other server.
func (s *Sandbox) Transport() *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.authority.roots(), MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.hub)
		},
	}
}

// Environment returns the variables that lead another program to the stand-ins. It writes the
// certificate to dir.
func (s *Sandbox) Environment(dir string) ([]string, error) {
	ca := filepath.Join(dir, "sandbox-ca.pem")
	if err := os.WriteFile(ca, s.authority.pem, 0o600); err != nil {
		return nil, err
	}
	proxy, aws, idc, direct := s.proxyAt, s.aws, s.idc, "127.0.0.1,localhost,::1"
	if s.door != "" {
		name, _, _ := net.SplitHostPort(s.door) // openDoor built it
		proxy, aws, idc, direct = s.door, s.door, s.door, direct+","+name
	}
	return []string{
		"HTTPS_PROXY=http://" + proxy, "NO_PROXY=" + direct, "SSL_CERT_FILE=" + ca,
		"AWS_ENDPOINT_URL=https://" + aws,
		"AWS_ENDPOINT_URL_SSO=https://" + idc, "AWS_ENDPOINT_URL_SSO_OIDC=https://" + idc, "AWS_ACCESS_KEY_ID=SANDBOX", "AWS_SECRET_ACCESS_KEY=SANDBOX",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}, nil
}

// Peers lists the addresses that a program with that Environment connects to.
func (s *Sandbox) Peers() []string { return []string{s.proxyAt, s.aws, s.idc} }

// Strangers lists the hosts, with ports, that the proxy refused.
func (s *Sandbox) Strangers() []string {
	s.proxy.mu.Lock()
	defer s.proxy.mu.Unlock()
	return slices.Clone(s.proxy.refused)
}

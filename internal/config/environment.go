package config

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"purser/internal/credential"
)

// Environment has the values of environment variables. It holds no secret: for variables that
// may carry one, it only has whether they are set.
type Environment struct {
	Config      string // PURSER_CONFIG
	AgeIdentity string // PURSER_AGE_IDENTITY: a path, or InKeychain

	// The credential helper's.
	SecretID      string        // PURSER_SECRET_ID
	Registry      string        // PURSER_REGISTRY
	Shape         string        // PURSER_SHAPE
	Credential    string        // PURSER_CREDENTIAL
	HelperTimeout time.Duration // PURSER_HELPER_TIMEOUT; 0 if unset or not a duration
	HelperCache   time.Duration // PURSER_HELPER_CACHE; 0 if unset, negative for off

	ManagementSecret string // PURSER_MANAGEMENT_SECRET_ID

	// The rotation function's.
	ConfigText string // PURSER_CONFIG_TEXT
	EventBus   string // PURSER_EVENT_BUS

	NoColor bool   // NO_COLOR is set
	Term    string // TERM

	Home          string // HOME
	XDGConfigHome string // XDG_CONFIG_HOME, if absolute
	XDGDataHome   string // XDG_DATA_HOME, if absolute
	XDGRuntimeDir string // XDG_RUNTIME_DIR, if absolute

	DockerConfig     string // DOCKER_CONFIG
	DockerAuthConfig bool   // DOCKER_AUTH_CONFIG is set; it holds credentials
	RegistryAuthFile string // REGISTRY_AUTH_FILE

	Proxy       string // the host in HTTPS_PROXY, without the password that may precede it; "" if unset
	NoProxy     string // NO_PROXY
	SSLCertFile string // SSL_CERT_FILE

	AWSProfile               string // AWS_PROFILE
	AWSRegion                string // AWS_REGION, else AWS_DEFAULT_REGION
	AWSEndpointURL           string // AWS_ENDPOINT_URL
	AWSConfigFile            string // AWS_CONFIG_FILE
	AWSSharedCredentialsFile string // AWS_SHARED_CREDENTIALS_FILE
	AWSAccessKey             bool   // AWS_ACCESS_KEY_ID is set
	AWSWebIdentity           bool   // AWS_WEB_IDENTITY_TOKEN_FILE is set
	AWSContainer             bool   // AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI is set
	AWSEndpointURLSSO        string // AWS_ENDPOINT_URL_SSO
	AWSEndpointURLSSOOIDC    string // AWS_ENDPOINT_URL_SSO_OIDC
	AWSMetadataEndpoint      string // AWS_EC2_METADATA_SERVICE_ENDPOINT
	AWSMetadataDisabled      bool   // AWS_EC2_METADATA_DISABLED is true

	// AWSIdentity hashes the variables that choose AWS credentials; "" if none is set.
	AWSIdentity string

	SessionBus  string    // DBUS_SESSION_BUS_ADDRESS
	User        string    // USER
	Shell       string    // SHELL
	Sandbox     string    // PURSER_SANDBOX
	SourceDate  time.Time // SOURCE_DATE_EPOCH; zero if unset
	SSHAuthSock string    // SSH_AUTH_SOCK

	RemoteSession bool // SSH_CONNECTION or SSH_TTY is set

	Browser string // BROWSER: commands, or none

	CI           bool   // CI is set to anything but false
	Buildkite    bool   // BUILDKITE is true, as in a job of a Buildkite agent
	BuildxConfig string // BUILDX_CONFIG
	Path         string // PATH
	GitIndexFile string // GIT_INDEX_FILE
	TempDir      string // TMPDIR, if absolute

	// Misplaced names a variable that holds a token instead of a name, path or address.
	Misplaced string
}

// Variable declares an environment variable.
type Variable struct {
	Name   string
	Doc    string // a sentence
	Reader string // the program that uses it; "" for purser
	set    func(e *Environment, value string)
}

// Variables returns all environment variables that purser or a library in it reads.
func Variables() []Variable {
	all := ownVariables()
	all = append(all, dockerVariables()...)
	all = append(all, networkVariables()...)
	return append(all, awsVariables()...)
}

const (
	helperProgram = "docker-credential-purser"
	lambdaProgram = "purser-lambda"
)

func ownVariables() []Variable {
	return []Variable{
		{"PURSER_CONFIG", "The configuration file, unless `--config` names one.", "", func(e *Environment, v string) { e.Config = v }},
		{"PURSER_AGE_IDENTITY", "The file with the age identity that opens encrypted files. `keychain` means the system's keychain. When unset, purser takes `purser/identity.txt` in the configuration directory if it exists, and otherwise the keychain if there is one.", "", func(e *Environment, v string) { e.AgeIdentity = v }},
		{"PURSER_SECRET_ID", "The secret that the credential helper reads, if there is no configuration file.", helperProgram, func(e *Environment, v string) { e.SecretID = v }},
		{"PURSER_REGISTRY", "The registry of the token in PURSER_SECRET_ID, or several separated by commas; docker's own registry when unset.", helperProgram, func(e *Environment, v string) { e.Registry = v }},
		{"PURSER_SHAPE", "The JSON keys in PURSER_SECRET_ID, written as `shape` in purser.yaml.", helperProgram, func(e *Environment, v string) { e.Shape = v }},
		{"PURSER_CREDENTIAL", "The credential that the helper gives if several serve one registry, or several separated by commas.", helperProgram, func(e *Environment, v string) { e.Credential = v }},
		{"PURSER_HELPER_TIMEOUT", "How long the credential helper may take, such as `10s`; two seconds when unset.", helperProgram, func(e *Environment, v string) { e.HelperTimeout, _ = ParseDuration(v) }},
		{"PURSER_HELPER_CACHE", "How long the kernel keeps a login for the next call of the credential helper, such as `10s`; at most five minutes, and a minute when unset. `off` turns the cache off. For that long, the helper may still give a token that another machine has ended.", helperProgram, func(e *Environment, v string) { e.HelperCache = parseHelperCache(v) }},
		{"PURSER_CONFIG_TEXT", "The text of the configuration, as in `purser.yaml`, if PURSER_CONFIG names no file.", lambdaProgram, func(e *Environment, v string) { e.ConfigText = v }},
		{"PURSER_MANAGEMENT_SECRET_ID", "The name or ARN of a secret in AWS with the keys `username` and `password`, for runs without a person. It is an account at the registry that may make the tokens and has no second factor.", "", func(e *Environment, v string) { e.ManagementSecret = v }},
		{"PURSER_EVENT_BUS", "The name or ARN of the EventBridge bus to which the function reports rotations; `default` when unset, `off` for none.", lambdaProgram, func(e *Environment, v string) { e.EventBus = v }},
		{"NO_COLOR", "Any value turns colour off.", "", func(e *Environment, _ string) { e.NoColor = true }},
		{"TERM", "`dumb` turns colour off.", "", func(e *Environment, v string) { e.Term = v }},
		{"HOME", "The home directory, for `~/` in paths and as the default for the directories below.", "", func(e *Environment, v string) { e.Home = absolute(v) }},
		{"USERPROFILE", "The home directory on Windows, unless HOME is set to a path of Windows.", "", func(e *Environment, v string) { e.Home = firstOf(e.Home, absolute(v)) }},
		{"DBUS_SESSION_BUS_ADDRESS", "The session's D-Bus, on which purser looks for a keyring on Linux.", "", func(e *Environment, v string) { e.SessionBus = v }},
		{"USER", "The user who runs purser, for receipts.", "", func(e *Environment, v string) { e.User = v }},
		{"SHELL", "The shell that `purser sandbox shell` starts.", "", func(e *Environment, v string) { e.Shell = v }},
		{"SOURCE_DATE_EPOCH", "The date in manual pages, in seconds since 1970, for reproducible builds.", "", func(e *Environment, v string) { e.SourceDate = parseEpoch(v) }},
		{"PURSER_SANDBOX", "The folder of the sandbox that `purser sandbox up` left running.", "", func(e *Environment, v string) { e.Sandbox = absolute(v) }},
		{"SSH_AUTH_SOCK", "The socket of the SSH agent that signs receipts.", "", func(e *Environment, v string) { e.SSHAuthSock = v }},
		{"XDG_CONFIG_HOME", "The configuration directory, instead of `~/.config`.", "", func(e *Environment, v string) { e.XDGConfigHome = absolute(v) }},
		{"XDG_DATA_HOME", "The data directory, instead of `~/.local/share`. purser keeps encrypted files in its folder `purser`.", "", func(e *Environment, v string) { e.XDGDataHome = absolute(v) }},
		{"XDG_RUNTIME_DIR", "The directory of the session. Other clients keep a login there in `containers/auth.json`, and purser keeps its private folders there.", "", func(e *Environment, v string) { e.XDGRuntimeDir = absolute(v) }},
		{"TMPDIR", "The directory for private folders, if XDG_RUNTIME_DIR is unset.", "", func(e *Environment, v string) { e.TempDir = absolute(v) }},
		{"GIT_INDEX_FILE", "The index of the next commit, which git tells its hooks.", "", func(e *Environment, v string) { e.GitIndexFile = v }},
		{"PATH", "The folders where purser finds programs. `purser exec` puts the folder of the credential helper in front.", "", func(e *Environment, v string) { e.Path = v }},
		{"CI", "With any value but `false`, commands that read a stored value take their configuration as the credential helper does, never from the working directory.", "", func(e *Environment, v string) { e.CI = !strings.EqualFold(v, "false") }},
		{"BUILDKITE", "With `true`, purser gives the token to the agent's redactor before it uses the token.", "", func(e *Environment, v string) { e.Buildkite = v == "true" }},
	}
}

func dockerVariables() []Variable {
	return []Variable{
		{"DOCKER_CONFIG", "The directory of docker's `config.json`, instead of `~/.docker`.", "", func(e *Environment, v string) { e.DockerConfig = v }},
		{"DOCKER_AUTH_CONFIG", "Credentials in the environment itself. purser notices only whether it is set, because docker looks there before its config file.", "docker", func(e *Environment, _ string) { e.DockerAuthConfig = true }},
		{"BUILDX_CONFIG", "The directory where buildx keeps its builders, instead of `buildx` in docker's.", "", func(e *Environment, v string) { e.BuildxConfig = v }},
		{"REGISTRY_AUTH_FILE", "The file where podman, skopeo and buildah keep logins.", "", func(e *Environment, v string) { e.RegistryAuthFile = v }},
	}
}

func networkVariables() []Variable {
	return []Variable{
		{"HTTPS_PROXY", "The proxy for requests to registries and to AWS. purser shows only its host.", "Go", func(e *Environment, v string) { e.Proxy = proxyHost(v) }},
		{"NO_PROXY", "The hosts that Go contacts without the proxy.", "Go", func(e *Environment, v string) { e.NoProxy = v }},
		{"SSH_CONNECTION", "If it is set, the browser is on another machine, so signing in shows a code.", "", func(e *Environment, _ string) { e.RemoteSession = true }},
		{"BROWSER", "Commands that open an address, separated by `:`. purser runs the first one that exists, with the address in place of `%s` or at the end. With `none`, purser opens no browser and prints addresses.", "", func(e *Environment, v string) { e.Browser = v }},
		{"SSH_TTY", "The same as SSH_CONNECTION.", "", func(e *Environment, _ string) { e.RemoteSession = true }},
		{"SSL_CERT_FILE", "The file of certificates to trust, instead of the system's.", "Go", func(e *Environment, v string) { e.SSLCertFile = v }},
	}
}

const awsReader = "the AWS SDK"

func awsVariables() []Variable {
	const sdk = awsReader
	container := func(e *Environment, _ string) { e.AWSContainer = true }
	return []Variable{
		{"AWS_PROFILE", "The AWS profile, if neither a flag nor purser.yaml names one.", sdk, func(e *Environment, v string) { e.AWSProfile = v }},
		{"AWS_REGION", "The AWS region, if neither a flag nor purser.yaml names one.", sdk, func(e *Environment, v string) { e.AWSRegion = v }},
		{"AWS_DEFAULT_REGION", "The AWS region, if AWS_REGION is unset too.", sdk, func(e *Environment, v string) { e.AWSRegion = firstOf(e.AWSRegion, v) }},
		{"AWS_ENDPOINT_URL", "Another address for AWS's services, such as a stand-in's.", sdk, func(e *Environment, v string) { e.AWSEndpointURL = v }},
		{"AWS_CONFIG_FILE", "AWS's configuration file, instead of `~/.aws/config`.", sdk, func(e *Environment, v string) { e.AWSConfigFile = v }},
		{"AWS_SHARED_CREDENTIALS_FILE", "AWS's credentials file, instead of `~/.aws/credentials`.", sdk, func(e *Environment, v string) { e.AWSSharedCredentialsFile = v }},
		{"AWS_ACCESS_KEY_ID", "The environment's own credentials. If it is set, purser ignores the profile in purser.yaml.", sdk, func(e *Environment, _ string) { e.AWSAccessKey = true }},
		{"AWS_WEB_IDENTITY_TOKEN_FILE", "The environment's own credentials, as Kubernetes and CI services provide them. If it is set, purser ignores the profile in purser.yaml.", sdk, func(e *Environment, _ string) { e.AWSWebIdentity = true }},
		{"AWS_ROLE_ARN", "The role for the token of AWS_WEB_IDENTITY_TOKEN_FILE.", sdk, func(*Environment, string) {}},
		{"AWS_ENDPOINT_URL_SSO", "Another address for the portal of IAM Identity Center.", sdk, func(e *Environment, v string) { e.AWSEndpointURLSSO = v }},
		{"AWS_ENDPOINT_URL_SSO_OIDC", "Another address for signing in to IAM Identity Center.", sdk, func(e *Environment, v string) { e.AWSEndpointURLSSOOIDC = v }},
		{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "Another address for the metadata service of EC2 instances.", sdk, func(e *Environment, v string) { e.AWSMetadataEndpoint = v }},
		{"AWS_EC2_METADATA_DISABLED", "With `true`, the SDK does not ask the metadata service for credentials.", sdk, func(e *Environment, v string) { e.AWSMetadataDisabled = strings.EqualFold(v, "true") }},
		{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "The environment's own credentials, as ECS provides them. If it is set, purser ignores the profile in purser.yaml.", sdk, container},
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "The same, as EKS Pod Identity provides them.", sdk, container},
	}
}

// proxyHost returns a proxy's host, without the password that may precede it.
func proxyHost(address string) string {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "an invalid address"
	}
	return credential.Quote(u.Host)
}

// parseEpoch parses seconds since 1970. Other text counts as unset.
func parseEpoch(text string) time.Time {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// absolute drops a relative path, as the XDG specification requires.
func absolute(path string) string {
	if !filepath.IsAbs(path) {
		return ""
	}
	return path
}

// Inherited returns the process's environment for a child, with changed variables; the value
// "" removes one.
func Inherited(changes map[string]string) []string {
	var all []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if _, changed := changes[name]; !changed {
			all = append(all, v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		if changes[name] != "" {
			all = append(all, name+"="+changes[name])
		}
	}
	return all
}

// mayHoldTokens lists variables whose values purser never shows, or whose parser reports the
// token's place.
var mayHoldTokens = []string{"DOCKER_AUTH_CONFIG", "HTTPS_PROXY", "PURSER_CONFIG_TEXT"} // a constant that Go cannot write as one

// CheckTokens refuses an environment with a token in a variable that purser may show. The
// error is a *credential.Fault.
func (e Environment) CheckTokens() error {
	if e.Misplaced == "" {
		return nil
	}
	return &credential.Fault{
		Reason: credential.TokenInArguments, What: "the variable " + e.Misplaced + " contains a token",
		Why: "anyone who can read a process's environment can read it there",
	}
}

// SecretIn returns the secret in a variable that a person named; false if it is unset or empty.
func SecretIn(variable string) (credential.Secret, bool) {
	text, ok := os.LookupEnv(variable)
	return credential.NewSecret(text), ok && text != ""
}

// OSEnvironment reads the process's environment.
func OSEnvironment() Environment { return ReadEnvironment(os.LookupEnv) }

// ReadEnvironment reads the variables with lookup. An empty one counts as unset.
func ReadEnvironment(lookup func(string) (string, bool)) Environment {
	var e Environment
	for _, v := range Variables() {
		if text, ok := lookup(v.Name); ok && text != "" {
			v.set(&e, text)
			if credential.HoldsToken(text) && !slices.Contains(mayHoldTokens, v.Name) {
				e.Misplaced = firstOf(e.Misplaced, v.Name)
			}
			if v.Reader == awsReader {
				e.identify(v.Name, text)
			}
		}
	}
	return e
}

// identify adds a variable to AWSIdentity. It keeps only a hash, because some hold secrets.
func (e *Environment) identify(name, value string) {
	sum := sha256.Sum256([]byte(e.AWSIdentity + "\x00" + name + "\x00" + value))
	e.AWSIdentity = hex.EncodeToString(sum[:])
}

// HasAWSCredentials reports whether the environment has its own AWS credentials, as in CI.
// They win over the profile in purser.yaml, which people use.
func (e Environment) HasAWSCredentials() bool {
	return e.AWSAccessKey || e.AWSWebIdentity || e.AWSContainer
}

// DockerConfigDir returns the directory of docker's config.json; "" if unknown.
func (e Environment) DockerConfigDir() string {
	return firstOf(e.DockerConfig, under(e.Home, ".docker"))
}

// AWSConfigPath returns the path of AWS's configuration file; "" if unknown.
func (e Environment) AWSConfigPath() string {
	return firstOf(e.AWSConfigFile, under(e.Home, ".aws", "config"))
}

// AWSCredentialsPath returns the path of AWS's credentials file; "" if unknown.
func (e Environment) AWSCredentialsPath() string {
	return firstOf(e.AWSSharedCredentialsFile, under(e.Home, ".aws", "credentials"))
}

// SSOCacheDir returns the directory where AWS's tools keep IAM Identity Center sessions; ""
// if unknown.
func (e Environment) SSOCacheDir() string { return under(e.Home, ".aws", "sso", "cache") }

// ConfigDir returns purser's configuration directory; "" if unknown.
func (e Environment) ConfigDir() string {
	return under(firstOf(e.XDGConfigHome, under(e.Home, ".config")), "purser")
}

// DataDir returns purser's data directory, which holds encrypted tokens of credentials
// without a store; "" if unknown.
func (e Environment) DataDir() string {
	return under(firstOf(e.XDGDataHome, under(e.Home, ".local", "share")), "purser")
}

// InKeychain is the value of PURSER_AGE_IDENTITY for the system's keychain.
const InKeychain = "keychain"

// AgeIdentityPath returns the path of the age identity that opens encrypted files, unless it
// is in the keychain; "" if unknown.
func (e Environment) AgeIdentityPath() string {
	own := under(e.ConfigDir(), "identity.txt")
	if e.AgeIdentity == InKeychain {
		return own
	}
	return firstOf(e.AgeIdentity, own)
}

// under joins a path to a directory; "" if the directory is unknown.
func under(dir string, path ...string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(append([]string{dir}, path...)...)
}

package config

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
)

func environment(variables map[string]string) Environment {
	return ReadEnvironment(func(name string) (string, bool) {
		text, ok := variables[name]
		return text, ok
	})
}

func TestTheEnvironmentIsRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its paths are those of Unix: skipped")
	}
	got := environment(map[string]string{
		"PURSER_CONFIG": "/etc/purser/purser.yaml", "PURSER_AGE_IDENTITY": "/keys/id", "NO_COLOR": "1", "TERM": "xterm",
		"HOME": "/home/me", "XDG_CONFIG_HOME": "/config", "XDG_DATA_HOME": "relative", "XDG_RUNTIME_DIR": "/run/user/1",
		"DOCKER_CONFIG": "/docker", "DOCKER_AUTH_CONFIG": "{}", "REGISTRY_AUTH_FILE": "/auth.json",
		"HTTPS_PROXY": "http://anna:secret@proxy:3128", "NO_PROXY": "localhost", "SSL_CERT_FILE": "/ca.pem",
		"AWS_PROFILE": "build", "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "eu-west-2", "AWS_ENDPOINT_URL": "http://localhost:1",
		"AWS_CONFIG_FILE": "/aws/config", "AWS_SHARED_CREDENTIALS_FILE": "/aws/credentials",
		"AWS_ACCESS_KEY_ID": "AKIA", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://x",
	})
	want := Environment{
		Config: "/etc/purser/purser.yaml", AgeIdentity: "/keys/id", NoColor: true, Term: "xterm",
		Home: "/home/me", XDGConfigHome: "/config", XDGRuntimeDir: "/run/user/1",
		DockerConfig: "/docker", DockerAuthConfig: true, RegistryAuthFile: "/auth.json",
		Proxy: "proxy:3128", NoProxy: "localhost", SSLCertFile: "/ca.pem",
		AWSProfile: "build", AWSRegion: "eu-west-2", AWSEndpointURL: "http://localhost:1",
		AWSConfigFile: "/aws/config", AWSSharedCredentialsFile: "/aws/credentials",
		AWSAccessKey: true, AWSWebIdentity: true, AWSContainer: true,
	}
	want.AWSIdentity = got.AWSIdentity // see TestAWSIdentitiesAreToldApart
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ReadEnvironment (-want +got):\n%s", diff)
	}
}

func TestAWSIdentitiesDiffer(t *testing.T) {
	seen := map[string]string{}
	for name, vars := range map[string]map[string]string{
		"none": {"HOME": "/home/me"}, "a key": {"AWS_ACCESS_KEY_ID": "AKIA1"}, "another key": {"AWS_ACCESS_KEY_ID": "AKIA2"},
		"a profile": {"AWS_PROFILE": "AKIA1"}, "a key and a profile": {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_PROFILE": "AKIA1"},
		"a role": {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "r1"}, "another role": {"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "r2"},
	} {
		identity := environment(vars).AWSIdentity
		if other, taken := seen[identity]; taken {
			t.Errorf("%s is taken for %s", name, other)
		}
		if strings.Contains(identity, "AKIA") || identity != environment(vars).AWSIdentity {
			t.Errorf("%s: %q", name, identity)
		}
		seen[identity] = name
	}
}

func TestAnEmptyVariableIsNotSet(t *testing.T) {
	empty := map[string]string{}
	for _, v := range Variables() {
		empty[v.Name] = ""
	}
	if got := environment(empty); got != (Environment{}) {
		t.Errorf("ReadEnvironment = %+v, want nothing", got)
	}
}

func TestDirectoriesFollowTheXDGRules(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its paths are those of Unix: skipped")
	}
	for name, c := range map[string]struct {
		env                            Environment
		docker, config, data, identity string
	}{
		"nothing": {},
		"home":    {Environment{Home: "/h"}, "/h/.docker", "/h/.config/purser", "/h/.local/share/purser", "/h/.config/purser/identity.txt"},
		"xdg":     {Environment{Home: "/h", XDGConfigHome: "/c", XDGDataHome: "/d"}, "/h/.docker", "/c/purser", "/d/purser", "/c/purser/identity.txt"},
		"own":     {Environment{Home: "/h", DockerConfig: "/k", AgeIdentity: "id"}, "/k", "/h/.config/purser", "/h/.local/share/purser", "id"},
	} {
		got := []string{c.env.DockerConfigDir(), c.env.ConfigDir(), c.env.DataDir(), c.env.AgeIdentityPath()}
		if want := []string{c.docker, c.config, c.data, c.identity}; !slices.Equal(got, want) {
			t.Errorf("%s: directories = %q, want %q", name, got, want)
		}
	}
}

func TestTheEnvironmentsOwnCredentialsAreNoticed(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		if !environment(map[string]string{name: "x"}).HasAWSCredentials() {
			t.Errorf("%s is not noticed", name)
		}
	}
	if environment(map[string]string{"AWS_PROFILE": "build", "AWS_REGION": "eu-west-2"}).HasAWSCredentials() {
		t.Error("a profile is taken for credentials")
	}
}

func TestNoVariableCarriesASecret(t *testing.T) {
	secret := regexp.MustCompile(`TOKEN|SECRET|PASS|PAT$|KEY$|CREDENTIAL`)
	harmless := map[string]bool{ // names, files and addresses, and one that is only noticed
		"PURSER_SECRET_ID": true, "PURSER_CREDENTIAL": true, "PURSER_MANAGEMENT_SECRET_ID": true,
		"AWS_WEB_IDENTITY_TOKEN_FILE": true, "AWS_SHARED_CREDENTIALS_FILE": true,
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": true, "AWS_CONTAINER_CREDENTIALS_FULL_URI": true,
	}
	seen := map[string]bool{}
	for _, v := range Variables() {
		if secret.MatchString(v.Name) && !harmless[v.Name] {
			t.Errorf("%s sounds like a secret: purser takes none from the environment", v.Name)
		}
		if v.Doc == "" || seen[v.Name] {
			t.Errorf("%s is declared twice or without a sentence", v.Name)
		}
		seen[v.Name] = true
	}
	ReadEnvironment(func(name string) (string, bool) {
		if !seen[name] {
			t.Errorf("%s is read and not declared", name)
		}
		return "", false
	})
	for _, name := range []string{"DOCKER_AUTH_CONFIG", "AWS_ACCESS_KEY_ID", "HTTPS_PROXY"} {
		env := environment(map[string]string{name: canaries[0]})
		if text := fmt.Sprintf("%#v", env); regexp.MustCompile("Canary").MatchString(text) {
			t.Errorf("the value of %s is kept", name)
		}
	}
}

// TestAVariableWithATokenInItIsNoticed tries all variables, because purser may show any.
func TestAVariableWithATokenInItIsNoticed(t *testing.T) {
	own := []string{"DOCKER_AUTH_CONFIG", "HTTPS_PROXY", "PURSER_CONFIG_TEXT"} // credentials belong into the first two, and the parser tells the place in the third
	for _, v := range Variables() {
		err := environment(map[string]string{v.Name: "/x/" + canaries[0]}).CheckTokens()
		if slices.Contains(own, v.Name) {
			if err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
			continue
		}
		if credential.ReasonOf(err) != credential.TokenInArguments || !strings.Contains(err.Error(), v.Name) || strings.Contains(err.Error(), "Canary") {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
	if err := environment(map[string]string{"AWS_PROFILE": "build"}).CheckTokens(); err != nil {
		t.Error(err)
	}
}

package signin_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/signin"
)

func written(t *testing.T, config, credentials string) signin.Files {
	t.Helper()
	dir := t.TempDir()
	f := signin.Files{Config: filepath.Join(dir, "config"), Credentials: filepath.Join(dir, "credentials")}
	for path, text := range map[string]string{f.Config: config, f.Credentials: credentials} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestProfilesAreClassifiedByTheirCredentials(t *testing.T) {
	f := written(t, sessionConfig+`
[profile keys]
aws_access_key_id = FAKE
[profile role]
role_arn = arn:aws:iam::1:role/x
source_profile = keys
[profile machine]
role_arn = arn:aws:iam::1:role/x
credential_source = Ec2InstanceMetadata
[profile itself]
role_arn = arn:aws:iam::1:role/x
source_profile = itself
aws_access_key_id = FAKE
[profile program]
credential_process = /bin/true   # prints them
[profile web]
role_arn = arn:aws:iam::1:role/x
web_identity_token_file = /run/token
[profile console]
login_session = arn:aws:iam::1:user/x
[profile "with space"]
region=us-east-1
s3 =
  addressing_style = path
[default]
region = eu-west-2
[services local]
x =
  endpoint_url = http://localhost
`, "[elsewhere]\naws_access_key_id=FAKE\naws_secret_access_key = FAKE\n")
	for name, want := range map[string]signin.Kind{
		"mockserver-build": signin.KindSession, "old": signin.KindLegacy, "keys": signin.KindStatic, "role": signin.KindRole,
		"machine": signin.KindRole, "itself": signin.KindRole, "program": signin.KindProcess, "web": signin.KindWebIdentity,
		"console": signin.KindConsole, "with space": signin.KindNone, "": signin.KindNone, "elsewhere": signin.KindStatic,
	} {
		p, err := f.Profile(name)
		if err != nil || p.Kind != want {
			t.Errorf("%q: %q (%v), want %q", name, p.Kind, err, want)
		}
	}
	if p, _ := f.Profile("mockserver-build"); p.StartURL != "https://mockserver.awsapps.example/start" || p.SSORegion != "eu-west-1" ||
		p.Region != "eu-west-2" || len(p.Scopes) != 1 || !p.SSO() || !strings.HasSuffix(p.At, "config:2") {
		t.Errorf("%+v", p)
	}
	names, err := f.Names()
	if err != nil || len(names) != 12 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestFaultsNameWhatAProfileLacks(t *testing.T) {
	for name, c := range map[string]struct {
		config, profile string
		reason          credential.Reason
		want            string
	}{
		"another name":      {sessionConfig, "mockserver-biuld", credential.ProfileMissing, "the nearest is mockserver-build"},
		"part of a name":    {sessionConfig, "build", credential.ProfileMissing, "the nearest is mockserver-build"},
		"no profiles":       {"", "any", credential.ProfileMissing, "no profile is configured"},
		"no session":        {"[profile a]\nsso_session = x\n", "a", credential.Usage, "config:1: it names the sso_session x"},
		"no account":        {"[profile a]\nsso_start_url = x\nsso_region = y\n", "a", credential.Usage, "lacks sso_account_id, sso_role_name"},
		"nothing in it":     {"[profile a]\nsso_session = s\n[sso-session s]\n", "a", credential.Usage, "lacks sso_start_url, sso_region, sso_account_id, sso_role_name"},
		"a loop of one":     {"[profile a]\nrole_arn=r\nsource_profile=a\n", "a", credential.Usage, "config:1: its source_profile leads back to a"},
		"a loop of two":     {"[profile a]\nrole_arn=r\nsource_profile=b\n[profile b]\nrole_arn=r\nsource_profile=a\n", "a", credential.Usage, "leads back to a"},
		"a source nowhere":  {"[profile a]\nrole_arn=r\nsource_profile=b\n", "a", credential.Usage, "source_profile b does not exist"},
		"an open section":   {"[profile a\nx=y\n", "a", credential.Usage, "config:1: the section name"},
		"a key outside":     {"aws_secret_access_key = FAKEFAKE\n", "a", credential.Usage, "config:1: it is neither"},
		"a line without =":  {"[profile a]\nFAKEFAKEFAKE\n", "a", credential.Usage, "config:2: it is neither"},
		"escapes in a name": {"", "\x1b[31m", credential.ProfileMissing, "no profile"},
	} {
		_, err := written(t, c.config, "").Profile(c.profile)
		if credential.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "FAKEFAKE") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestUnreadableFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	_, err := signin.Files{Config: dir}.Profile("a")
	if credential.ReasonOf(err) != credential.Usage || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder: %v", err)
	}
	if p, err := (signin.Files{Config: filepath.Join(dir, "none")}).Profile(""); err != nil || p.Kind != signin.KindNone {
		t.Errorf("no file: %+v, %v", p, err)
	}
}

func FuzzAWSConfiguration(f *testing.F) {
	f.Add(sessionConfig, "mockserver-build")
	f.Add("[default]\n[profile \"x\"]\n=\n", "x")
	f.Fuzz(func(t *testing.T, text, name string) {
		files := written(t, text, "")
		if _, err := files.Profile(name); err != nil && credential.ReasonOf(err) == "" {
			t.Errorf("an error without a reason: %v", err)
		}
	})
}

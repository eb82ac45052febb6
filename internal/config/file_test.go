package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
)

func parse(t *testing.T, text string) *File {
	t.Helper()
	file, err := Parse("purser.yaml", []byte(text), Options{Dir: "/project", Home: "/home/me"})
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return file
}

// equal compares parsed values, with the private fields of Shape.
func equal(t *testing.T, got, want any) {
	t.Helper()
	shapes := cmp.Comparer(func(a, b credential.Shape) bool { return a == b })
	if diff := cmp.Diff(want, got, shapes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheExampleBecomesCredentials(t *testing.T) {
	equal(t, parse(t, Example), &File{
		Path: "purser.yaml",
		AWS:  AWS{Profile: "mockserver-build", Region: "eu-west-2"},
		Credentials: []credential.Credential{
			{
				Name: "dockerhub", Registry: "docker.io", Username: "mockserver",
				Repositories: []credential.Repository{"mockserver/mockserver"}, Access: credential.Push,
				Targets: []credential.Target{{Kind: "secret", Name: "mockserver-build/dockerhub", Region: "eu-west-2", Profile: "mockserver-build"}},
				Rotate:  credential.Rotation{Every: 90 * 24 * time.Hour, Overlap: 24 * time.Hour},
				Readers: []string{"policy/buildkite-read-dockerhub-secret"},
			},
			{
				Name: "ecr-cache", Registry: "docker.io",
				Repositories: []credential.Repository{"library/alpine"}, Access: credential.Pull,
				Targets: []credential.Target{{
					Kind: "secret", Name: "ecr-pullthroughcache/dockerhub", Region: "eu-west-2", Profile: "mockserver-build",
					Shape: credential.ShapeECRCache,
				}},
			},
		},
	})
}

func TestEverySettingIsRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its paths are those of Unix: skipped")
	}
	shape, err := credential.NewShape("user", "secret")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, parse(t, full).Credentials, []credential.Credential{{
		Name: "dockerhub", Registry: "docker.io", Username: "mockserver",
		Repositories: []credential.Repository{"mockserver/mockserver"}, Access: credential.Push,
		Targets: []credential.Target{
			{Kind: "secret", Name: "mockserver-build/dockerhub", Region: "eu-west-1", Profile: "other", Options: credential.Options("").With("kms-key", "alias/build"), Shape: shape},
			{Kind: "file", Name: "/project/dockerhub.age.json", Options: credential.Options("").With("passphrase", "true"), Shape: credential.ShapePassword},
		},
		Rotate:    credential.Rotation{Every: 90 * 24 * time.Hour, Overlap: 24 * time.Hour},
		Readers:   []string{"policy/read"},
		CAFile:    "/project/ca.pem",
		AuthHosts: []string{"auth.example.net"},
	}})
}

func TestOmittedKeysHaveTheirDefaults(t *testing.T) {
	file := parse(t, "aws: {region: eu-west-2}\ncredentials: {a: {registry: ghcr.io, repositories: [acme/app]}, b: {registry: index.docker.io, repositories: [alpine, docker.io/acme/app], rotate: {every: 2d}}}")
	equal(t, file.Credentials, []credential.Credential{
		{
			Name: "a", Registry: "ghcr.io", Repositories: []credential.Repository{"acme/app"},
			Access: credential.Push, Targets: []credential.Target{{}},
		},
		{
			Name: "b", Registry: "docker.io", Repositories: []credential.Repository{"library/alpine", "acme/app"},
			Access: credential.Push, Targets: []credential.Target{{}},
			Rotate: credential.Rotation{Every: 48 * time.Hour, Overlap: 24 * time.Hour},
		},
	})
}

func TestTargetsInheritAndPathsBecomeAbsolute(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its paths are those of Unix: skipped")
	}
	const arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:build/one-AbCdEf"
	for text, want := range map[string]credential.Target{
		"{secret: one}":                    {Kind: "secret", Name: "one", Region: "eu-west-2", Profile: "build"},
		"{secret: one, region: us-east-1}": {Kind: "secret", Name: "one", Region: "us-east-1", Profile: "build"},
		"{secret: one, profile: other}":    {Kind: "secret", Name: "one", Region: "eu-west-2", Profile: "other"},
		`{secret: "` + arn + `"}`:          {Kind: "secret", Name: arn, Region: "us-east-1", Profile: "build"},
		"{file: one.json}":                 {Kind: "file", Name: "/project/one.json"},
		"{file: ../one.json}":              {Kind: "file", Name: "/one.json"},
		"{file: /var/lib/one.json}":        {Kind: "file", Name: "/var/lib/one.json"},
		"{file: ~/one.json}":               {Kind: "file", Name: "/home/me/one.json"},
	} {
		file := parse(t, "aws: {profile: build, region: eu-west-2}\ncredentials: {a: {registry: ghcr.io, repositories: [acme/app], store: "+text+"}}")
		equal(t, file.Credentials[0].Targets, []credential.Target{want})
	}
}

func TestAByteOrderMarkAndWindowsLineEndsDoNotMatter(t *testing.T) {
	equal(t, parse(t, "\ufeff"+strings.ReplaceAll(Example, "\n", "\r\n")), parse(t, Example))
}

func TestOneSecretInTwoRegionsIsTwoTargets(t *testing.T) {
	file := parse(t, "credentials: {a: {registry: ghcr.io, repositories: [acme/app], store: [{secret: one, region: eu-west-1}, {secret: one, region: eu-west-2}]}}")
	if n := len(file.Credentials[0].Targets); n != 2 {
		t.Errorf("%d targets, want 2", n)
	}
}

func TestAHomePathNeedsAHome(t *testing.T) {
	_, err := Parse("purser.yaml", []byte("credentials: {a: {registry: ghcr.io, repositories: [acme/app], ca: ~/ca.pem}}"), Options{})
	if err == nil || !strings.Contains(err.Error(), "HOME is not set") {
		t.Errorf("error = %v, want that HOME is not set", err)
	}
}

func TestACredentialThatIsNotThereSuggestsTheNearest(t *testing.T) {
	file := parse(t, Example)
	if c, err := file.Credential("ecr-cache"); err != nil || c.Name != "ecr-cache" {
		t.Errorf("Credential(ecr-cache) = %v, %v", c.Name, err)
	}
	for name, want := range map[credential.Name]string{
		"docker-hub": `the configuration has no credential of that name: did you mean "dockerhub"? it defines dockerhub, ecr-cache`,
		"ecr":        `the configuration has no credential of that name: did you mean "ecr-cache"? it defines dockerhub, ecr-cache`,
		"quay":       "the configuration has no credential of that name: it defines dockerhub, ecr-cache",
	} {
		_, err := file.Credential(name)
		if err == nil || err.Error() != want || credential.ReasonOf(err) != credential.Usage {
			t.Errorf("Credential(%s) = %v, want %q", name, err, want)
		}
	}
	equal(t, file.Names(), []credential.Name{"dockerhub", "ecr-cache"})
	if _, err := (&File{}).Credential("x"); err == nil || !strings.HasSuffix(err.Error(), "it defines none") {
		t.Errorf("error = %v, want that it has none", err)
	}
}

func TestTheNearestFileUpwardsIsFound(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b", "c")
	// A folder named purser.yaml does not count.
	if err := os.MkdirAll(filepath.Join(deep, FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{root, filepath.Join(root, "a")} {
		if err := os.WriteFile(filepath.Join(dir, FileName), []byte(Example), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := filepath.Join(root, "a", FileName)
	if got, err := Find("", Environment{}, deep); err != nil || got != want {
		t.Errorf("Find = %q, %v, want %q", got, err, want)
	}
	if got, err := Find("", Environment{Config: "from-env.yaml"}, deep); err != nil || got != "from-env.yaml" {
		t.Errorf("Find with PURSER_CONFIG = %q, %v", got, err)
	}
	if got, err := Find("flag.yaml", Environment{Config: "from-env.yaml"}, deep); err != nil || got != "flag.yaml" {
		t.Errorf("Find with --config = %q, %v", got, err)
	}
	if got, err := Find("", Environment{}, string(filepath.Separator)); err != nil || got != "" {
		t.Errorf("Find at the root = %q, %v, want nothing", got, err)
	}
}

func TestAPathThatIsATokenIsNotRepeated(t *testing.T) {
	_, err := Find(canaries[0], Environment{}, ".")
	if credential.ReasonOf(err) != credential.TokenInArguments {
		t.Errorf("Find = %v, want a token in arguments", err)
	}
	assertHidden(t, err, canaries[0], "")
	_, err = Load(canaries[0], Environment{})
	if err == nil || strings.Contains(err.Error(), canaries[0]) {
		t.Errorf("Load = %v", err)
	}
}

func TestLoadResolvesPathsFromTheFilesFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its paths are those of Unix: skipped")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, []byte("credentials: {a: {registry: ghcr.io, repositories: [acme/app], ca: ca.pem, store: {file: ~/a.json}}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := Load(path, Environment{Home: "/home/me"})
	if err != nil {
		t.Fatal(err)
	}
	if c := file.Credentials[0]; file.Path != path || c.CAFile != filepath.Join(dir, "ca.pem") || c.Targets[0].Name != "/home/me/a.json" {
		t.Errorf("Load = %q, %q, %q", file.Path, c.CAFile, c.Targets[0].Name)
	}
}

func TestErrorsNameAFileInTheWorkingDirectoryShortly(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, []byte("credentials: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, Environment{})
	if err == nil || !strings.HasPrefix(err.Error(), "purser.yaml:1:14: credentials: ") {
		t.Errorf("Load = %v", err)
	}
}

func TestFilesThatCannotBeReadSayWhy(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "the file does not exist",
		dir:                             "it is a folder, not a file",
	} {
		_, err := Load(path, Environment{})
		if credential.ReasonOf(err) != credential.Usage || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("Load = %v, want %q", err, want)
		}
	}
}

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "24h": day, "2w": 14 * day, "1d12h": 36 * time.Hour, "30m": 30 * time.Minute,
		"1w1d1h1m1s": 8*day + time.Hour + time.Minute + time.Second, "0s": 0, "36500d": longest,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%s) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "90", "d", "-1d", "1.5d", "12h1d", "1d 12h", "1D", "99999w", "36501d", "5200w100d9999h", "1d1d", "100000d", "1y"} {
		if got, err := ParseDuration(text); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("ParseDuration(%q) = %v, %v, want a usage fault", text, got, err)
		}
	}
}

func TestNearestKeys(t *testing.T) {
	known := credentialTable().object.keys()
	for text, want := range map[string]string{
		"registri": "registry", "Registry": "registry", "reg": "registry", "ergistry": "registry",
		"auth_hosts": "auth-hosts", "authHosts": "auth-hosts", "repository": "", "repositorys": "repositories",
		"repo": "repositories", "user": "username", "stroe": "store", "cs": "", "x": "", "": "",
		"registry\x1b": "", "dckr_pat_x": "",
	} {
		if got := Nearest(text, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestAFileSaysWhetherItIsTrusted distinguishes a build agent's configuration from a checkout's.
func TestAFileSaysWhetherItIsTrusted(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, []byte("credentials: {dockerhub: {registry: docker.io, repositories: [a/b], store: {secret: x}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		read func() (*File, error)
		want bool
	}{
		"one that was found": {func() (*File, error) { return Load(path, Environment{}) }, false},
		"the system's":       {func() (*File, error) { return Trusted(Environment{}, path) }, true},
		"PURSER_CONFIG":      {func() (*File, error) { return Trusted(Environment{Config: path}, path+".none") }, true},
		"the environment":    {func() (*File, error) { return Trusted(Environment{SecretID: "x"}, path+".none") }, true},
	} {
		if file, err := c.read(); err != nil || file.Trusted != c.want {
			t.Errorf("%s: trusted %v, %v", name, file, err)
		}
	}
}

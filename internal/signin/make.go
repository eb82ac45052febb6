package signin

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"purser/internal/atomicfile"
	"purser/internal/boundedfile"
	"purser/internal/credential"
)

var (
	profileForm = credential.NewPattern(`^[A-Za-z0-9][A-Za-z0-9_.@ -]{0,62}$`)
	accountForm = credential.NewPattern(`^[0-9]{12}$`)
	roleForm    = credential.NewPattern(`^[A-Za-z0-9_+=,.@-]{1,64}$`)
	regionForm  = credential.NewPattern(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)
	startForm   = credential.NewPattern(`^https://[A-Za-z0-9.-]+(/[A-Za-z0-9/_#.-]*)?$`)
)

// NewProfile describes a profile of IAM Identity Center.
type NewProfile struct {
	Name, StartURL, SSORegion, Account, Role string
	Region                                   string // for AWS services; "": SSORegion
}

// Make adds a profile and its session to AWS's configuration file, and never changes an existing one.
// Its fault names the wrong flag of purser login.
func (f Files) Make(n NewProfile) error {
	for _, need := range []struct {
		flag, value string
		form        credential.Pattern
		example     string
	}{
		{"profile", n.Name, profileForm, "mockserver-build"}, {"start-url", n.StartURL, startForm, "https://mockserver.awsapps.com/start"},
		{"sso-region", n.SSORegion, regionForm, "eu-west-2"}, {"account", n.Account, accountForm, "123456789012"},
		{"role", n.Role, roleForm, "AdministratorAccess"}, {"region", cmp.Or(n.Region, n.SSORegion), regionForm, "eu-west-2"},
	} {
		if !need.form.MatchString(need.value) {
			return &credential.Fault{Reason: credential.Usage, What: "--" + need.flag + " must look like " + need.example, Why: "a new profile needs --profile, --start-url, --sso-region, --account and --role"}
		}
	}
	names, err := f.Names()
	if err != nil {
		return err
	}
	if slices.Contains(names, n.Name) {
		return &credential.Fault{Reason: credential.Usage, What: "the AWS profile " + n.Name + " already exists", Why: "purser does not change it; sign in to it without --start-url, or choose another name"}
	}
	text := fmt.Sprintf("[profile %[1]s]\nsso_session = %[1]s\nsso_account_id = %[2]s\nsso_role_name = %[3]s\nregion = %[4]s\n\n[sso-session %[1]s]\nsso_start_url = %[5]s\nsso_region = %[6]s\nsso_registration_scopes = sso:account:access\n",
		n.Name, n.Account, n.Role, cmp.Or(n.Region, n.SSORegion), n.StartURL, n.SSORegion)
	return appendTo(f.Config, text)
}

// appendTo appends text to a file, replacing it atomically.
func appendTo(path, text string) error {
	before, err := boundedfile.Read(path, boundedfile.Named)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("add a profile to AWS's configuration: %w", err)
	}
	gap := ""
	if len(before) > 0 {
		gap = strings.Repeat("\n", 2-min(1, strings.Count(string(before[len(before)-1:]), "\n")))
	}
	return atomicfile.Write(path, []byte(string(before)+gap+text), 0o600)
}

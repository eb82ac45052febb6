package registry

import (
	"context"
	"strings"
	"time"

	"purser/internal/credential"
)

// Kind is what purser knows about a kind of registry beyond the protocol. Each kind's package returns its
// description, and Know registers it. nil fields are unsupported.
type Kind struct {
	Name   string // one word, as users type it
	Vendor credential.Vendor
	Word   string // appears in names that people give it; may be ""
	// Page is where a person makes and revokes tokens in a browser.
	Page func(credential.Access) Page
	// Keyless is a page about using CI without a stored token; "": impossible.
	Keyless string
	// Identify finds a token's owner. With an error, it returns what it found out.
	Identify func(ctx context.Context, c *Client, cred credential.Credential, login credential.Login) (*Identity, error)
	// Works asks whether the vendor accepts a token of which only the form is known. An error
	// means that it does not know.
	Works func(ctx context.Context, c *Client, token credential.Secret) (bool, error)
	// End ends tokens for good on behalf of whoever found them.
	End func(ctx context.Context, c *Client, tokens []credential.Secret) error
	// Reach checks whether the services beyond the protocol answer, and describes them.
	Reach func(ctx context.Context, c *Client) (string, error)
	// Accounts signs people in to make, list and revoke tokens.
	Accounts Accounts
}

// Page is a page for tokens.
type Page struct {
	URL        string
	Note       string // a remark for the reader; may be empty
	Permission string // what to choose, in the page's words; may be empty
}

// Identity is what a registry says about a token besides its rights.
type Identity struct {
	Owner string // whose it is; "" where it is not told
	Token string // what the registry calls it in its lists; "" where it is not told
	Level string // in the registry's words; may be empty
	// Limited: the registry says that the token may do less than its account.
	Limited bool
	Excess  []string // rights that are not needed, in plain words
	Notes   []string
	// Exists asks the registry's own list of repositories, which has those without an
	// image as well.
	Exists func(ctx context.Context, repo credential.Repository) (bool, error)
}

// Accounts signs in to accounts of a registry. account owns the tokens to manage: "" means the person, or
// it names an organization.
type Accounts interface {
	// Session uses an earlier sign-in.
	Session(c *Client, bearer credential.Secret, account string) (Account, error)
	// SignIn signs in with a password and, if the account has one, a second factor.
	SignIn(ctx context.Context, c *Client, person string, password credential.Secret, code SecondFactor, account string) (Account, error)
}

// SecondFactor asks a person for the code of a second factor, again after a wrong one.
type SecondFactor func(ctx context.Context, again bool) (credential.Secret, error)

// Account makes, lists and revokes the tokens of an account with a person's session.
type Account interface {
	Account() string    // owner of the tokens
	Person() string     // who is signed in
	Organization() bool // whether the account is an organization
	Expires() time.Time // when the session ends
	Tokens(ctx context.Context) (tokens []credential.ManagedToken, now time.Time, err error)
	Mint(ctx context.Context, r credential.MintRequest) (credential.ManagedToken, credential.Secret, error)
	Revoke(ctx context.Context, id string) error
	Activate(ctx context.Context, id string, active bool) error
	// Pushes lists a repository's tags pushed since a time, and whether the list is complete.
	Pushes(ctx context.Context, repo credential.Repository, since time.Time) (pushes []credential.TagPush, complete bool, err error)
	// Events returns the account's audit log since a time, and whether it is complete.
	Events(ctx context.Context, since time.Time) (events []credential.AccountEvent, complete bool, err error)
}

var kinds []*Kind

// Know registers kinds. Call it once, before parsing anything.
func Know(all ...Kind) {
	for i := range all {
		kinds = append(kinds, &all[i])
		credential.Know(all[i].Vendor)
	}
}

// KindOf returns a registry's kind, or an empty one.
func KindOf(host credential.Host) *Kind {
	title := host.Vendor()
	for _, k := range kinds {
		if k.Vendor.Title == title && (k.Vendor.Aliases == nil || host == k.Host()) {
			return k
		}
	}
	return &Kind{}
}

// Minting returns the kinds whose tokens purser can manage.
func Minting() []*Kind {
	var all []*Kind
	for _, k := range kinds {
		if k.Accounts != nil {
			all = append(all, k)
		}
	}
	return all
}

// KindIn returns the kind whose word appears in a text, or nil.
func KindIn(text string) *Kind {
	for i := range kinds {
		if k := kinds[len(kinds)-1-i]; k.Word != "" && strings.Contains(text, k.Word) {
			return k
		}
	}
	return nil
}

// Hosts are the registries that the kinds know by name.
func Hosts() []string {
	var all []string
	for _, k := range kinds {
		for _, host := range k.Vendor.Hosts {
			if !strings.HasPrefix(host, ".") {
				all = append(all, host)
			}
		}
	}
	return all
}

// Host is the kind's own registry.
func (k *Kind) Host() credential.Host { return credential.Host(k.Vendor.Hosts[0]) }

// MakerOf returns the kind whose vendor marks its tokens as this one is marked, or an empty one.
func MakerOf(token credential.Secret) *Kind {
	for _, k := range kinds {
		if len(k.Vendor.Hosts) > 0 && credential.IsHome(k.Host(), token) {
			return k
		}
	}
	return &Kind{}
}

package registry

import (
	"context"
	"strings"
	"time"

	"purser/internal/credential"
)

// Kind is a kind of registry: what purser knows of it beyond the protocol. Its room
// describes it, and Know makes it known. What is nil it cannot do, or does not tell.
type Kind struct {
	Name   string // one word, as people type it
	Vendor credential.Vendor
	Word   string // what people put into names for it; "": nothing that tells it
	// Page is where a person makes and ends tokens for an access, in a browser.
	Page func(credential.Access) Page
	// Keyless is the page that says how CI can do without a stored token; "": it cannot.
	Keyless string
	// Identify asks whose a token is. With an error it gives what it has found out.
	Identify func(ctx context.Context, c *Client, cred credential.Credential, login credential.Login) (*Identity, error)
	// Reach finds out whether what it has besides the protocol answers, and says so.
	Reach func(ctx context.Context, c *Client) (string, error)
	// Accounts signs people in to make, list and end tokens.
	Accounts Accounts
}

// Page is where a person makes tokens.
type Page struct {
	URL        string
	Note       string // what to know there, in brackets; may be empty
	Permission string // what to choose, in the page's words; may be empty
}

// Identity is what a registry tells of a token besides what it may do.
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

// Accounts signs in to accounts of a registry. account is whose tokens are managed: the
// person's own where it is "", or an organization's.
type Accounts interface {
	// Session takes one that a sign-in has left.
	Session(c *Client, bearer credential.Secret, account string) (Account, error)
	// SignIn takes a password and, where the account has one, a second factor.
	SignIn(ctx context.Context, c *Client, person string, password credential.Secret, code SecondFactor, account string) (Account, error)
}

// SecondFactor asks a person for the code of a second factor. It is asked again
// after a wrong one.
type SecondFactor func(ctx context.Context, again bool) (credential.Secret, error)

// Account makes, lists and ends the tokens of one account, with a person's session.
type Account interface {
	Account() string    // whose tokens
	Person() string     // who is signed in
	Organization() bool // whether the account is one
	Expires() time.Time // when the session ends
	Tokens(ctx context.Context) (tokens []credential.ManagedToken, now time.Time, err error)
	Mint(ctx context.Context, r credential.MintRequest) (credential.ManagedToken, credential.Secret, error)
	Revoke(ctx context.Context, id string) error
	Activate(ctx context.Context, id string, active bool) error
	// Pushes lists the tags of a repository that were pushed since a time, and whether
	// that is all.
	Pushes(ctx context.Context, repo credential.Repository, since time.Time) (pushes []credential.TagPush, complete bool, err error)
	// Events reads the account's audit log since a time, and whether that is all.
	Events(ctx context.Context, since time.Time) (events []credential.AccountEvent, complete bool, err error)
}

var kinds []*Kind // what Know was told

// Know makes kinds known, once, before anything is parsed.
func Know(all ...Kind) {
	for i := range all {
		kinds = append(kinds, &all[i])
		credential.Know(all[i].Vendor)
	}
}

// KindOf is the kind of a registry; one that knows nothing where it is not known.
func KindOf(host credential.Host) *Kind {
	title := host.Vendor()
	for _, k := range kinds {
		if k.Vendor.Title == title && (k.Vendor.Aliases == nil || host == k.Host()) {
			return k
		}
	}
	return &Kind{}
}

// Minting is the kinds whose tokens purser makes and ends.
func Minting() []*Kind {
	var all []*Kind
	for _, k := range kinds {
		if k.Accounts != nil {
			all = append(all, k)
		}
	}
	return all
}

// KindIn is the kind whose word stands in a text; nil for none.
func KindIn(text string) *Kind {
	for i := range kinds {
		if k := kinds[len(kinds)-1-i]; k.Word != "" && strings.Contains(text, k.Word) {
			return k
		}
	}
	return nil
}

// Host is the kind's own registry.
func (k *Kind) Host() credential.Host { return credential.Host(k.Vendor.Hosts[0]) }

package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"purser/internal/credential"
)

// Clients reach one account with one identity.
type Clients struct {
	// Caller returns who asks.
	Caller        func(context.Context) (arn, account string, err error)
	IAM           IAM
	Organizations Organizations
	// In returns the clients of a region.
	In func(region string) (Regional, error)
}

// Regional are the clients of one region.
type Regional struct {
	Secrets Secrets
	KMS     KMS
	EC2     EC2
}

// IAM is the part of IAM's client that purser calls.
type IAM interface {
	GetAccountAuthorizationDetails(context.Context, *iam.GetAccountAuthorizationDetailsInput, ...func(*iam.Options)) (*iam.GetAccountAuthorizationDetailsOutput, error)
	GetPolicy(context.Context, *iam.GetPolicyInput, ...func(*iam.Options)) (*iam.GetPolicyOutput, error)
	GetPolicyVersion(context.Context, *iam.GetPolicyVersionInput, ...func(*iam.Options)) (*iam.GetPolicyVersionOutput, error)
}

// Organizations is the part of Organizations' client that purser calls.
type Organizations interface {
	DescribeOrganization(context.Context, *organizations.DescribeOrganizationInput, ...func(*organizations.Options)) (*organizations.DescribeOrganizationOutput, error)
	ListParents(context.Context, *organizations.ListParentsInput, ...func(*organizations.Options)) (*organizations.ListParentsOutput, error)
	ListPoliciesForTarget(context.Context, *organizations.ListPoliciesForTargetInput, ...func(*organizations.Options)) (*organizations.ListPoliciesForTargetOutput, error)
	DescribePolicy(context.Context, *organizations.DescribePolicyInput, ...func(*organizations.Options)) (*organizations.DescribePolicyOutput, error)
}

// Secrets is the part of Secrets Manager's client that purser calls. It reads no value.
type Secrets interface {
	DescribeSecret(context.Context, *sm.DescribeSecretInput, ...func(*sm.Options)) (*sm.DescribeSecretOutput, error)
	GetResourcePolicy(context.Context, *sm.GetResourcePolicyInput, ...func(*sm.Options)) (*sm.GetResourcePolicyOutput, error)
}

// KMS is the part of KMS's client that purser calls.
type KMS interface {
	DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
	GetKeyPolicy(context.Context, *kms.GetKeyPolicyInput, ...func(*kms.Options)) (*kms.GetKeyPolicyOutput, error)
	GetKeyRotationStatus(context.Context, *kms.GetKeyRotationStatusInput, ...func(*kms.Options)) (*kms.GetKeyRotationStatusOutput, error)
	ListGrants(context.Context, *kms.ListGrantsInput, ...func(*kms.Options)) (*kms.ListGrantsOutput, error)
}

// EC2 lists a page of the instances that have a profile. It is purser's own: the SDK's client of EC2
// takes a minute and 1.7 GB to compile.
type EC2 interface {
	Instances(ctx context.Context, page string) (all []Instance, next string, err error)
}

// Ref names a secret by name or ARN, and its region.
type Ref struct{ Secret, Region string }

// Rights are the actions that a snapshot takes. Without one, only what it reads is missing.
func Rights() []string {
	return []string{
		"ec2:DescribeInstances",
		"iam:GetAccountAuthorizationDetails", "iam:GetPolicy", "iam:GetPolicyVersion",
		"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants",
		"organizations:DescribeOrganization", "organizations:DescribePolicy", "organizations:ListParents", "organizations:ListPoliciesForTarget",
		"secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy",
	}
}

// Progress is how far a snapshot is. Total is 0 while nobody knows it.
type Progress struct {
	What        string // "secrets"
	Done, Total int
}

// Options set what the account does not.
type Options struct {
	Now      func() time.Time
	Progress func(Progress) // called by one goroutine at a time; may be nil
}

const (
	// atOnce is how many calls run at the same time. The SDK slows down when AWS throttles.
	atOnce = 8
	// mostPages bounds every list: five million principals, and far more than any other.
	mostPages = 5000
)

// Take reads one account. The error says that AWS refuses the caller, or that ctx ended. Whatever
// else fails is in About.NotLookedAt.
func Take(ctx context.Context, c Clients, refs []Ref, o Options) (*Snapshot, error) {
	arn, account, err := c.Caller(ctx)
	if err != nil {
		return nil, refused(ctx, err)
	}
	t := &taking{Clients: c, ctx: ctx, o: o, room: make(chan struct{}, atOnce), slot: make(map[string]*Key)}
	t.out.About = About{Schema: Schema, Account: account, Partition: partition(arn), Caller: arn, Taken: o.Now().UTC().Truncate(time.Second)}
	refs = slices.Clone(refs)
	slices.SortFunc(refs, func(a, b Ref) int { return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Secret, b.Secret)) })
	refs = slices.Compact(refs) // credentials may share a secret
	for _, r := range refs {
		t.region(r.Region)
	}
	t.together(t.readAccount, t.readOrganization, func() { t.readSecrets(refs) })
	if t.hasProfiles() {
		t.each(len(t.out.About.Regions), func(i int) { t.readInstances(t.out.About.Regions[i]) })
	}
	t.out.sort()
	return &t.out, credential.Stopped(ctx, "reading the AWS account")
}

// refused is the error about the caller himself.
func refused(ctx context.Context, err error) error {
	if ended := credential.Ended(ctx, "asking AWS who is calling"); ended != nil {
		return ended
	}
	f := &credential.Fault{Reason: credential.StoreUnreachable, What: "purser could not ask AWS who is calling", Why: why(err), Err: err}
	if _, unsigned := errors.AsType[*credential.Unsigned](err); unsigned || codeOf(err) != "" {
		f.Reason, f.What = credential.NotSignedIn, "AWS rejected your credentials"
	}
	return f
}

func partition(arn string) string {
	if parts := strings.SplitN(arn, ":", 3); len(parts) == 3 {
		return parts[1]
	}
	return "aws"
}

// taking is a snapshot in the making.
type taking struct {
	Clients
	ctx  context.Context // a taking is one call
	o    Options
	room chan struct{}

	mu   sync.Mutex // guards what follows
	out  Snapshot
	slot map[string]*Key // keys by region and by the name that a secret uses
}

// together runs functions at the same time. They do not count as calls.
func (t *taking) together(all ...func()) {
	var wg sync.WaitGroup
	for _, f := range all {
		wg.Go(f)
	}
	wg.Wait()
}

// each calls do for n things, atOnce at a time over the whole snapshot.
func (t *taking) each(n int, do func(int)) {
	var wg sync.WaitGroup
	for i := range n {
		t.room <- struct{}{}
		wg.Go(func() {
			defer func() { <-t.room }()
			if t.ctx.Err() == nil {
				do(i)
			}
		})
	}
	wg.Wait()
}

// add changes the snapshot.
func (t *taking) add(change func(*Snapshot)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.out)
}

func (t *taking) progress(what string, done, total int) {
	if t.o.Progress == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.o.Progress(Progress{what, done, total})
}

func (t *taking) region(name string) {
	t.add(func(s *Snapshot) {
		if !slices.Contains(s.About.Regions, name) {
			s.About.Regions = append(s.About.Regions, name)
			slices.Sort(s.About.Regions)
		}
	})
}

// miss notes what a failed call leaves unknown.
func (t *taking) miss(what, action, of string, err error) {
	if t.ctx.Err() != nil {
		return // Take returns the reason
	}
	code := codeOf(err)
	t.add(func(s *Snapshot) {
		s.About.NotLookedAt = append(s.About.NotLookedAt, NotLookedAt{
			What: what, Action: action, Of: credential.Quote(of), Why: why(err), Denied: strings.HasPrefix(code, "AccessDenied") || code == "UnauthorizedOperation",
		})
	})
}

func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

func why(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return "AWS says: " + credential.Quote(api.ErrorCode()+": "+api.ErrorMessage())
	}
	return credential.Quote(credential.Innermost(err))
}

// pages asks for one page after another. A list whose next page is the one that was just asked for
// would never end.
func (t *taking) pages(ask func(page string) (next string, err error)) error {
	page := ""
	for range mostPages {
		next, err := ask(page)
		if err != nil || next == "" {
			return err
		}
		if next == page {
			return fmt.Errorf("AWS answers the same page again")
		}
		page = next
	}
	return fmt.Errorf("the list has more than %d pages", mostPages)
}

// text keeps what people wrote. A token does not belong there, and must not get into a file.
func (t *taking) text(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD") // as JSON has it in the files
	if !credential.HoldsToken(s) {
		return s
	}
	t.add(func(s *Snapshot) { s.About.TokensHidden++ })
	return withheld
}

const withheld = "(a text that contains a token, not shown)"

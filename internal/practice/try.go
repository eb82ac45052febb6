package practice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/sandbox"
)

func (h *Host) tryCommand() *cobra.Command {
	var lines []string
	for _, s := range scenarios() {
		lines = append(lines, fmt.Sprintf("  %-10s %s", s.name, s.about))
	}
	return &cobra.Command{
		Use:   "try [SCENARIO]",
		Short: "Take a guided tour of what purser does when it matters",
		Long: `try starts the stand-ins and walks through a scenario with purser's real code,
telling you what happens. At the end it checks that what it told you is so, and
leaves nothing behind. Days pass in a moment.

` + strings.Join(lines, "\n"),
		Example: `  purser sandbox try
  purser sandbox try rotation
  purser sandbox try killed
  purser sandbox try leak
  purser sandbox try outage
  purser sandbox try expired`,
		Args: func(cmd *cobra.Command, args []string) error { return arguments.AtMost(cmd, args, 1) },
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := findScenario(args)
			if err != nil {
				return err
			}
			return h.try(cmd.Context(), s)
		},
	}
}

type scenario struct {
	name, about string
	walk        func(*tour, context.Context) error
}

func scenarios() []scenario {
	return []scenario{
		{"store", "the main job: store, check, status", (*tour).storing},
		{"rotation", "purser renews a token and retires the old one", (*tour).rotation},
		{"killed", "somebody kills a rotation half-way, and runs it again", (*tour).killed},
		{"leak", "a token may have leaked: stop, replace, report", (*tour).leak},
		{"outage", "AWS is down in the middle of a rotation", (*tour).outage},
		{"expired", "the token expires on release day", (*tour).expired},
	}
}

// Scenarios are the names of the tours.
func Scenarios() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

func findScenario(args []string) (scenario, error) {
	all := scenarios()
	if len(args) == 0 {
		return all[0], nil
	}
	for _, s := range all {
		if s.name == args[0] {
			return s, nil
		}
	}
	why := "there are " + strings.Join(Scenarios(), ", ")
	if near := config.Nearest(args[0], Scenarios()); near != "" {
		why = "did you mean " + near + "? " + why
	}
	return scenario{}, &credential.Fault{Reason: credential.Usage, What: "there is no such scenario", Why: why}
}

type tour struct {
	*Host
	out     io.Writer // for people
	told    Toured
	sandbox *sandbox.Sandbox
	dir     string
	ahead   time.Duration // added to the real clock
	unasked string        // a secret with an account that makes tokens; may be ""
}

// Toured is a tour as JSON.
type Toured struct {
	Scenario string     `json:"scenario"`
	Commands []stopJSON `json:"commands"`
}

type stopJSON struct {
	Command string `json:"command"`
	Exit    int    `json:"exit"`
}

// TourConfig is the purser.yaml of a tour.
const TourConfig = `aws: {profile: mockserver-build, region: eu-west-2}
credentials:
  dockerhub:
    registry: docker.io
    username: mockserver
    repositories: [mockserver/mockserver]
    access: push
    store: {secret: mockserver-build/dockerhub}
    rotate: {every: 90d}
`

func (h *Host) try(ctx context.Context, s scenario) (err error) {
	t := &tour{Host: h, out: h.Out, told: Toured{Scenario: s.name}}
	if h.JSON() {
		t.out = h.Err
	}
	t.sandbox, err = sandbox.Start(ctx, sandbox.Options{Random: h.Random, Now: t.clock, AWSNow: h.Now})
	if err != nil {
		return fmt.Errorf("start the stand-ins: %w", err)
	}
	t.dir, err = os.MkdirTemp("", "purser-try-")
	if err != nil {
		return errors.Join(err, t.sandbox.Close())
	}
	defer func() { err = errors.Join(err, t.sandbox.Close(), os.RemoveAll(t.dir)) }()
	if err := os.WriteFile(filepath.Join(t.dir, config.FileName), []byte(TourConfig), 0o600); err != nil {
		return err
	}
	t.say(`This machine's loopback now has a stand-in for Docker Hub, with an account "mockserver"
and its repository, and one for AWS Secrets Manager. This purser.yaml says what to store;
it holds no secret:

` + present.Indent(strings.TrimSpace(TourConfig), "    "))
	if err := s.walk(t, ctx); err != nil {
		return err
	}
	t.say("That was all. purser stopped the stand-ins, removed their files, and showed no token.")
	if h.JSON() {
		present.ReportOf(nil).With("tour", &t.told).Write(h.Out)
	}
	return nil
}

// clock is the tour's time, except at AWS.
func (t *tour) clock() time.Time { return t.Now().Add(t.ahead) }

// stop is a part of the tour: a text, then a command.
type stop struct {
	say   string
	args  []string
	stdin credential.Secret
	want  int
}

func (t *tour) stops(ctx context.Context, all ...stop) error {
	for _, s := range all {
		if err := t.visit(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) say(text string) { _, _ = fmt.Fprintf(t.out, "\n%s\n", text) }

// later advances the clock.
func (t *tour) later(d time.Duration, text string) {
	t.ahead += d
	t.say(text)
}

// visit runs purser on the stand-ins as a person would.
func (t *tour) visit(ctx context.Context, s stop) error {
	t.say(s.say)
	input := ""
	if !s.stdin.IsZero() {
		input = "… | "
	}
	_, _ = fmt.Fprintf(t.out, "\n$ %spurser %s\n", input, strings.Join(s.args, " "))
	on := Scene{
		Env: config.Environment{Home: t.dir, NoColor: t.Env.NoColor, Term: t.Env.Term, ManagementSecret: t.unasked},
		In:  strings.NewReader(s.stdin.Reveal()), Out: t.out, Now: t.clock, Transport: t.sandbox.Transport(), AWS: t.sandbox.SecretsManagerURL, Dir: t.dir,
		Wait: func(_ context.Context, d time.Duration) error { t.ahead += d; return nil },
	}
	code := t.Purser(ctx, s.args, on)
	t.told.Commands = append(t.told.Commands, stopJSON{"purser " + strings.Join(s.args, " "), code})
	if code != s.want {
		return fmt.Errorf("purser %s ended with code %d; the tour expects %d", s.args[0], code, s.want)
	}
	return nil
}

// management stores an account that may make tokens in a second secret, as schedules need.
func (t *tour) management() error {
	t.sandbox.Accounts.AddAccount("mockserver", t.sandbox.Password, false)
	t.unasked = "mockserver-build/management"
	return t.manage(t.sandbox, t.unasked, sandboxRegion, "mockserver")
}

// manage stores a stand-in account's password in a secret for PURSER_MANAGEMENT_SECRET_ID, unless it has
// one.
func (h *Host) manage(box *sandbox.Sandbox, secret, region, account string) error {
	value, err := credential.ShapePassword.Encode(credential.Secret{}, hubRegistry, credential.Login{Username: account, Token: box.Password})
	if err != nil {
		return err
	}
	id, err := credential.NewVersionID(h.Now(), h.Random, secret)
	if err != nil {
		return err
	}
	return box.SecretsManager.AddValue(secret, region, id, value)
}

// claim checks the tour's promise: readers get a working token, the only live one that purser made.
func (t *tour) claim(ctx context.Context) error {
	if err := t.visit(ctx, stop{say: "What readers get now, read as a build agent would and proved:", args: []string{"check"}}); err != nil {
		return err
	}
	n := 0
	for _, token := range t.sandbox.Accounts.Tokens("mockserver") {
		if _, ours := credential.ParseLabel(token.Label); ours && token.Active && (token.Expires.IsZero() || token.Expires.After(t.clock())) {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("%d tokens of purser's are alive; the tour claims one", n)
	}
	t.say("Looked at: readers get a token that works, and of those that purser made one is alive.")
	return nil
}

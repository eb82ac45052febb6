package practice

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
	"purser/internal/wire"
)

// RehearseCommand returns purser rehearse.
func (h *Host) RehearseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rehearse NAME",
		Short: "Rotate a credential against stand-ins, and list each call",
		Long: `rehearse rotates a credential of your purser.yaml, with stand-ins in place of
its registry and AWS: the same names, places and shapes, and purser's real
code. It prints each call that a rotation makes, in order, and the right that
the call needs. It asks nothing real, and changes nothing.`,
		Example: `  purser rehearse dockerhub
  purser rehearse dockerhub --output json`,
		Args: arguments.OneName("rehearse"),
		RunE: func(cmd *cobra.Command, args []string) error { return h.rehearse(cmd.Context(), args[0]) },
	}
}

// Rehearsed is a call of a rehearsal.
type Rehearsed struct {
	Service string `json:"service"`
	Call    string `json:"call"`
	On      string `json:"on,omitempty"`
	Needs   string `json:"needs,omitempty"`
}

func (h *Host) rehearse(ctx context.Context, name string) (err error) {
	file, err := h.Project(true)
	if err != nil {
		return err
	}
	all, err := file.Chosen([]string{name})
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "purser-rehearse-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := h.rehearsal(ctx, all[0], dir)
	if err != nil {
		return err
	}
	defer func() {
		r.aws.Close()
		err = errors.Join(err, r.box.Close())
	}()
	if err := r.rotate(ctx); err != nil {
		return credential.About(fmt.Errorf("the rehearsal stopped early: %w", err), all[0])
	}
	if h.JSON() {
		present.ReportOf(nil).With("rehearsal", r.calls).Write(h.Out)
		return nil
	}
	return r.print()
}

// stagedRun is a credential among stand-ins that record calls.
type stagedRun struct {
	*Host
	box   *sandbox.Sandbox
	aws   *httptest.Server // records calls to the AWS stand-in
	c     credential.Credential
	clock time.Time
	// connect returns a fresh Wire, like a new process has.
	connect func() *wire.Wire

	mu    sync.Mutex // guards calls
	calls []Rehearsed
}

// rehearsal adds the credential's account, repositories and places to the stand-ins.
func (h *Host) rehearsal(ctx context.Context, c credential.Credential, dir string) (*stagedRun, error) {
	r := &stagedRun{Host: h, c: c, clock: h.Now()}
	r.c.Username, r.c.CAFile, r.c.Via = cmp.Or(c.Username, "rehearsal"), "", ""
	options := sandbox.Options{Now: func() time.Time { return r.clock }, AWSNow: h.Now, Random: h.Random}
	if c.Registry != hubRegistry && c.Registry != githubRegistry {
		options.Hosts = []string{string(c.Registry)}
	}
	var err error
	if r.box, err = sandbox.Start(ctx, options); err != nil {
		return nil, fmt.Errorf("start the stand-ins: %w", err)
	}
	account := strings.ToLower(r.c.Username)
	accounts := accountsOf(r.box, c.Registry)
	if len(options.Hosts) > 0 {
		accounts.Form = "token-" // purser never sends Docker Hub's to another registry
	}
	accounts.AddAccount(account, r.box.Password, false)
	for _, repo := range c.Repositories {
		accounts.AddRepository(string(repo), account, false)
	}
	r.aws = httptest.NewServer(r.watched(r.box.SecretsManager))
	r.connect = func() *wire.Wire {
		return &wire.Wire{
			Env: config.Environment{Home: dir, AgeIdentity: filepath.Join(dir, "identity.txt")}, Now: func() time.Time { return r.clock },
			Transport: &watchedTransport{r, r.box.Transport()}, AWS: &wire.LocalAWS{Endpoint: r.aws.URL}, Trusted: true, // stand-in tokens are fake
		}
	}
	r.c.Targets = slices.Clone(c.Targets)
	for i := range r.c.Targets {
		t := &r.c.Targets[i]
		if t.Kind != config.SecretKind {
			t.Kind, t.Name, t.Options = config.FileKind, filepath.Join(dir, fmt.Sprint(i, ".age.json")), ""
			continue
		}
		t.Profile, t.Region = "", cmp.Or(t.Region, sandboxRegion)
		if parts := strings.Split(t.Name, ":"); parts[0] == "arn" {
			t.Region = parts[3] // config checked its form
			if err := r.box.SecretsManager.AddEmpty(t.Name, "", t.Options.Get("kms-key"), ""); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// rotate stores a first token, then rotates and records the calls.
func (r *stagedRun) rotate(ctx context.Context) error {
	runner, req, err := r.prepare(ctx)
	if err != nil {
		return err
	}
	if _, err := runner.Store(ctx, req.StoreRequest); err != nil {
		return err
	}
	r.mu.Lock()
	r.calls = nil
	r.mu.Unlock()
	r.clock = r.clock.Add(r.c.Rotate.Every)
	if runner, req, err = r.prepare(ctx); err != nil {
		return err
	}
	_, err = runner.Rotate(ctx, req)
	return err
}

// prepare makes a runner and its request.
func (r *stagedRun) prepare(ctx context.Context) (*lifecycle.Runner, lifecycle.RotateRequest, error) {
	w := r.connect()
	req := lifecycle.RotateRequest{Force: true, RetireNow: true, StoreRequest: lifecycle.StoreRequest{Credential: r.c, Create: true, Find: r.given}}
	for _, t := range r.c.Targets {
		s, err := w.Store(ctx, r.c, t)
		if err != nil {
			return nil, req, err
		}
		req.Places = append(req.Places, lifecycle.Place{Target: t, Store: s})
	}
	if r.c.Registry == hubRegistry {
		bearer, err := r.box.Hub.Session(strings.ToLower(r.c.Username), time.Hour)
		if err != nil {
			return nil, req, err
		}
		if req.Mint, err = w.Account(r.c.Registry, bearer, ""); err != nil {
			return nil, req, err
		}
	}
	wait := func(_ context.Context, d time.Duration) error { r.clock = r.clock.Add(d); return nil }
	return &lifecycle.Runner{Prover: w, Issuer: w, Now: func() time.Time { return r.clock }, Random: r.Random, Wait: wait, Trusted: w.Trusted}, req, nil
}

// given makes a token like one that a person brings.
func (r *stagedRun) given(context.Context) (lifecycle.Candidate, error) {
	token, err := accountsOf(r.box, r.c.Registry).AddToken(strings.ToLower(r.c.Username), sandboxhub.ReadWrite)
	if err != nil {
		return lifecycle.Candidate{}, err
	}
	l := credential.Login{Username: r.c.Username, Token: token.Secret}
	return lifecycle.Candidate{Login: l, Kind: credential.Classify(r.c.Registry, l), Where: "a person"}, nil
}

func (r *stagedRun) note(c Rehearsed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

// watched records calls to AWS: operation, secret and stage, but no value.
func (r *stagedRun) watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		service, operation, ours := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
		if !ours {
			r.note(Rehearsed{Service: "sts", Call: "GetCallerIdentity", Needs: "nothing"})
		} else {
			r.note(r.awsCall(service, operation, body))
		}
		next.ServeHTTP(w, req)
	})
}

// standInEnding matches the random suffix of a stand-in's ARN.
var standInEnding = credential.NewPattern(`^-[A-Za-z0-9]{6}$`)

func (r *stagedRun) awsCall(service, operation string, body []byte) Rehearsed {
	var in struct {
		SecretId, Name, VersionStage string
		VersionStages                []string
	}
	_ = json.Unmarshal(body, &in) // missing fields stay empty
	c := Rehearsed{Service: service, Call: operation, On: cmp.Or(in.SecretId, in.Name), Needs: service + ":" + operation}
	if stage := cmp.Or(in.VersionStage, strings.Join(in.VersionStages, ",")); stage != "" {
		c.Call += " " + stage
	}
	for _, t := range r.c.Targets {
		// A stand-in's ARN differs in each run, so show the name in purser.yaml.
		if _, name, isARN := strings.Cut(in.SecretId, ":secret:"); isARN && strings.HasPrefix(name, t.Name) && standInEnding.MatchString(name[len(t.Name):]) {
			c.On = t.Name
		}
		if t.Name != c.On || t.Options.Get("kms-key") == "" {
			continue
		}
		switch operation {
		case "GetSecretValue":
			c.Needs += ", kms:Decrypt"
		case "PutSecretValue":
			c.Needs += ", kms:GenerateDataKey, kms:Decrypt"
		}
	}
	return c
}

// watchedTransport records calls to the registry.
type watchedTransport struct {
	run  *stagedRun
	next http.RoundTripper
}

// idForm matches IDs, which differ between rehearsals.
var idForm = credential.NewPattern(`[0-9a-f]{8}-[0-9a-f-]{20,}|[0-9]{15,}`)

// RoundTrip records and sends a request.
func (t *watchedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	c := Rehearsed{Service: req.URL.Host, Call: req.Method + " " + idForm().ReplaceAllString(req.URL.Path, "ID"), Needs: "nothing"}
	if scope := req.URL.Query().Get("scope"); scope != "" {
		c.On = scope
	}
	switch auth, sent := req.Header["Authorization"]; {
	case strings.HasPrefix(req.URL.Path, "/v2/access-tokens"):
		c.Needs = "a session of " + t.run.c.Username
	case sent && strings.HasPrefix(auth[0], "Basic "):
		c.Needs = "the token"
	case sent:
		c.Needs = "the token service's grant"
	case req.URL.Path == "/v2/auth/token":
		c.Needs = "the token"
	}
	t.run.note(c)
	return t.next.RoundTrip(req)
}

// print shows the calls, then the permissions by secret, like a policy.
func (r *stagedRun) print() error {
	out := present.Out{To: r.Out}
	out.Text(fmt.Sprintf("A rotation of %s makes these calls. Stand-ins answered; purser contacted nothing real.\n", r.c.Name))
	t := present.Table{Columns: []present.Column{{}, {Head: "SERVICE", Goes: 1}, {Head: "CALL", Least: 20}, {Head: "ON", Goes: 2}, {Head: "NEEDS", Least: 16}}}
	rights := map[string][]string{}
	var secrets []string
	for i, c := range r.calls {
		t.Rows = append(t.Rows, []string{strconv.Itoa(i + 1), c.Service, c.Call, cmp.Or(c.On, "-"), c.Needs})
		if c.Service != "secretsmanager" {
			continue
		}
		if !slices.Contains(secrets, c.On) {
			secrets = append(secrets, c.On)
		}
		for right := range strings.SplitSeq(c.Needs, ", ") {
			if !slices.Contains(rights[c.On], right) {
				rights[c.On] = append(rights[c.On], right)
			}
		}
	}
	out.Table(t)
	for _, s := range secrets {
		slices.Sort(rights[s])
		out.Text(fmt.Sprintf("\n%s needs %s.", s, strings.Join(rights[s], ", ")))
	}
	out.Text("\n" + r.ends())
	if r.c.Registry == hubRegistry {
		out.Text(fmt.Sprintf("\npurser makes and revokes tokens with a session of %s at Docker Hub. The session comes from docker, a password, or PURSER_MANAGEMENT_SECRET_ID.", r.c.Username))
	} else {
		out.Text(fmt.Sprintf("\npurser cannot make or revoke tokens of %s: you make the new one and revoke the old one on its page.", r.c.Registry))
	}
	return nil
}

// ends tells when a new token expires if nothing renews it.
func (r *stagedRun) ends() string {
	life := lifecycle.Life(r.c)
	days := fmt.Sprintf("%d days", life/(24*time.Hour))
	switch {
	case life == 0:
		return "A new token never expires: purser.yaml has no rotate.every."
	case r.c.Registry == hubRegistry:
		return "A new token expires after " + days + ": rotate.every, plus the overlap, plus a week for late renewals; a year at most."
	}
	return "purser cannot choose when a token of " + string(r.c.Registry) + " expires. Choose " + days + " or more on its page, and note the date with --expires."
}

package practice

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/arguments"
	"purser/internal/boundedfile"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
	sandboxhub "purser/internal/sandbox/hub"
	sandboxregistry "purser/internal/sandbox/registry"
)

// faultSpec describes a fault of a running sandbox.
type faultSpec struct {
	At         string  `json:"at"` // aws:OPERATION, hub:KIND, registry:KIND or clock
	Status     int     `json:"status,omitempty"`
	Code       string  `json:"code,omitempty"`
	Message    string  `json:"message,omitempty"`
	RetryAfter float64 `json:"retry_after_seconds,omitempty"`
	Delay      float64 `json:"delay_seconds,omitempty"`
	Skew       float64 `json:"skew_seconds,omitempty"`
	Lost       bool    `json:"lost,omitempty"`
	Hang       bool    `json:"hang,omitempty"`
	Echo       bool    `json:"echo,omitempty"`
	Page       bool    `json:"page,omitempty"`
	Body       string  `json:"body,omitempty"`
	Stale      bool    `json:"stale,omitempty"`
	Limit      int     `json:"limit,omitempty"`
	EndSession string  `json:"end_sessions_of,omitempty"`
	Times      int     `json:"times,omitempty"`
}

// FaultPlaces are those of the stand-ins that are always there.
func FaultPlaces() []string {
	all := []string{"clock"}
	for _, place := range []struct {
		name  string
		kinds []string
	}{{"hub", sandboxhub.Faults()}, {"registry", sandboxregistry.Faults()}, {githubRegistry, sandboxregistry.Faults()}, {"aws", sandboxaws.Operations()}} {
		for _, kind := range place.kinds {
			all = append(all, place.name+":"+kind)
		}
	}
	return all
}

type faultFlags struct {
	spec                    faultSpec
	retryAfter, delay, skew string
	clear                   bool
	from                    string
}

func (h *Host) sandboxFaultCommand() *cobra.Command {
	var f faultFlags
	cmd := &cobra.Command{
		Use:   "fault [WHERE]",
		Short: "Make the stand-ins misbehave",
		Long: `fault makes the sandbox of PURSER_SANDBOX misbehave at the next request of a
kind. With WHERE alone, it cuts the connection before the request takes effect.

WHERE is one of these:

  aws:OPERATION, such as aws:PutSecretValue, or aws: for any
  hub:KIND, for a KIND of
    ` + strings.Join(sandboxhub.Faults(), ", ") + `
  registry:KIND, or HOST:KIND for ghcr.io or a registry of your purser.yaml,
    for a KIND of ` + strings.Join(sandboxregistry.Faults(), ", ") + `
  hub: with --limit
  clock with --skew`,
		Example: `  purser sandbox fault hub:mint --lost
  purser sandbox fault registry:upload --status 429 --retry-after 30s
  purser sandbox fault aws:GetSecretValue --code AccessDeniedException --times 3
  purser sandbox fault aws:GetSecretValue --code AccessDeniedException \
      --message 'Access to KMS is not allowed'
  purser sandbox fault aws:GetSecretValue --stale --times 2
  purser sandbox fault hub: --limit 3
  purser sandbox fault clock --skew 10m
  purser sandbox fault --from faults.json
  purser sandbox fault --clear`,
		Args: func(cmd *cobra.Command, args []string) error {
			if (len(args) > 0) == (f.clear || f.from != "") {
				return &credential.Fault{Reason: credential.Usage, What: "fault needs WHERE, or --from, or --clear", Why: "give one of the three"}
			}
			return arguments.AtMost(cmd, args, 1)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return h.sandboxFault(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&f.spec.Status, "status", 0, "answer with this HTTP status")
	flags.StringVar(&f.retryAfter, "retry-after", "", "answer with this Retry-After `TIME` as well")
	flags.StringVar(&f.spec.Code, "code", "", "aws: answer with this error `CODE`")
	flags.StringVar(&f.spec.Message, "message", "", "aws: answer with this error message, a `TEXT`")
	flags.BoolVar(&f.spec.Lost, "lost", false, "let the request take effect, and lose the answer")
	flags.BoolVar(&f.spec.Hang, "hang", false, "never answer")
	flags.StringVar(&f.delay, "delay", "", "answer after this `TIME`")
	flags.BoolVar(&f.spec.Echo, "echo", false, "repeat the secret of the request")
	flags.BoolVar(&f.spec.Page, "page", false, "answer with the web page of a proxy")
	flags.StringVar(&f.spec.Body, "body", "", "answer with this `TEXT`")
	flags.BoolVar(&f.spec.Stale, "stale", false, "aws: let reads see the secrets as they are now, whatever anybody writes later")
	flags.IntVar(&f.spec.Limit, "limit", 0, "hub: answer this many requests a minute, and the rest with 429")
	flags.StringVar(&f.spec.EndSession, "end-sessions", "", "hub: end the sessions of this `ACCOUNT`")
	flags.StringVar(&f.skew, "skew", "", "clock: put AWS ahead by this `TIME`, or behind with a -")
	flags.IntVar(&f.spec.Times, "times", 1, "misbehave for this many requests; -1 for all")
	flags.StringVar(&f.from, "from", "", "read faults from this `FILE`: a JSON list, with the names of these flags")
	flags.BoolVar(&f.clear, "clear", false, "behave again")
	return cmd
}

func (h *Host) sandboxFault(ctx context.Context, args []string, f faultFlags) error {
	specs := []faultSpec{}
	switch {
	case f.clear:
	case f.from != "":
		raw, err := boundedfile.Read(f.from, boundedfile.Named)
		if err != nil {
			return &credential.Fault{Reason: credential.Usage, What: "purser cannot read the file of --from", Why: credential.Quote(err.Error())}
		}
		dec := json.NewDecoder(strings.NewReader(string(raw)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&specs); err != nil || len(specs) == 0 {
			return &credential.Fault{Reason: credential.Usage, What: "the file of --from is not a list of faults", Why: faultWhy(err)}
		}
	default:
		f.spec.At = args[0]
		for _, t := range []struct {
			text string
			into *float64
		}{{f.retryAfter, &f.spec.RetryAfter}, {f.delay, &f.spec.Delay}, {f.skew, &f.spec.Skew}} {
			if t.text == "" {
				continue
			}
			d, err := config.ParseDuration(strings.TrimPrefix(t.text, "-"))
			if err != nil {
				return &credential.Fault{Reason: credential.Usage, What: "a time must be written as 30s or 10m"}
			}
			if *t.into = d.Seconds(); strings.HasPrefix(t.text, "-") {
				*t.into = -*t.into
			}
		}
		specs = append(specs, f.spec)
	}
	_, err := h.control(ctx, "/fault", specs)
	return err
}

func faultWhy(err error) string {
	if err == nil {
		return "it is empty"
	}
	return credential.Quote(err.Error())
}

// takeFault serves the fault command in the sandbox. It applies all specs or, after an error, none. An
// empty list clears all faults.
func (s *stage) takeFault(w http.ResponseWriter, req *http.Request) {
	var specs []faultSpec
	var apply []func()
	err := json.NewDecoder(io.LimitReader(req.Body, longestFaults)).Decode(&specs)
	for _, spec := range specs {
		var one func()
		if one, err = s.fault(spec); err != nil {
			break
		}
		apply = append(apply, one)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(specs) == 0 {
		s.box.ClearFaults() // and the rate limit
		s.skew.Store(0)
	}
	for _, one := range apply {
		one()
	}
}

// fault returns a function that applies a spec.
func (s *stage) fault(spec faultSpec) (apply func(), err error) {
	service, kind, found := strings.Cut(spec.At, ":")
	switch {
	case service == "clock":
		return func() { s.skew.Store(int64(seconds(spec.Skew))) }, nil
	case service == "aws" && found:
		f := spec.aws()
		return func() { s.box.SecretsManager.Fault(kind, f) }, nil
	case service == "hub" && found:
		return s.hubFault(spec, kind)
	case service == "registry" && found:
		return faultOfRegistry(spec, service, kind, s.box.HubRegistry)
	case found && s.box.Registry(service) != nil:
		return faultOfRegistry(spec, service, kind, s.box.Registry(service))
	}
	return nil, fmt.Errorf("%q is no place for a fault; there are aws:OPERATION, hub:KIND, registry:KIND, ghcr.io:KIND and clock", spec.At)
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func (spec faultSpec) aws() sandboxaws.Fault {
	f := sandboxaws.Fault{
		Code: spec.Code, Message: cmp.Or(spec.Message, "told to by purser sandbox fault"), Status: spec.Status, Body: spec.Body, Stale: spec.Stale,
		Echo: spec.Echo, Hang: spec.Hang, After: spec.Lost, Delay: seconds(spec.Delay), Times: spec.Times,
	}
	if f.Code == "" && f.Status != 0 {
		f.Code = "InternalFailure"
	}
	if spec.Page {
		f.Body = "<!doctype html><title>Sign in to the network</title>"
	}
	return f
}

func (s *stage) hubFault(spec faultSpec, kind string) (func(), error) {
	switch {
	case spec.EndSession != "":
		return func() { s.box.Hub.EndSessions(spec.EndSession) }, nil
	case spec.Limit > 0:
		return func() { s.box.Hub.Limit(spec.Limit) }, nil
	case !slices.Contains(sandboxhub.Faults(), kind):
		return nil, noKind("hub", kind, sandboxhub.Faults())
	}
	f := spec.http()
	return func() { s.box.Hub.Fault(kind, f) }, nil
}

func faultOfRegistry(spec faultSpec, name, kind string, r *sandboxregistry.Registry) (func(), error) {
	if !slices.Contains(sandboxregistry.Faults(), kind) {
		return nil, noKind(name, kind, sandboxregistry.Faults())
	}
	f := spec.http()
	return func() { r.Fault(kind, f) }, nil
}

func noKind(where, kind string, kinds []string) error {
	return fmt.Errorf("%s has no requests of the kind %q; there are %s", where, kind, strings.Join(kinds, ", "))
}

func (spec faultSpec) http() sandbox.Fault {
	f := sandbox.Fault{
		Status: spec.Status, Body: spec.Body, HTML: spec.Page, Echo: spec.Echo, Hang: spec.Hang, After: spec.Lost,
		Delay: seconds(spec.Delay), Times: spec.Times, Header: http.Header{},
	}
	if spec.RetryAfter > 0 {
		f.Header.Set("Retry-After", strconv.Itoa(int(spec.RetryAfter)))
		f.Status = cmp.Or(f.Status, http.StatusTooManyRequests)
	}
	if f.Body != "" {
		f.Status = cmp.Or(f.Status, http.StatusOK)
	}
	if f.Status != 0 && f.Body == "" {
		f.Body = `{"message":` + strconv.Quote(cmp.Or(spec.Message, "told to by purser sandbox fault")) + `}`
	}
	return f
}

// longestFaults limits a list of faults, in bytes.
const longestFaults = 1 << 20

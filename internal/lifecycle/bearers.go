package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"purser/internal/credential"
)

// Issuer gets bearers from a registry. See registry.Client.Issue.
type Issuer interface {
	Issue(ctx context.Context, c credential.Credential, l credential.Login) (credential.Bearer, error)
}

// Bearers says how long bearers outlive the token that they were issued for. purser gets one
// while the token works, and asks with it when the token has ended. Only memory holds it.
type Bearers struct {
	Ended     time.Time     // when the registry confirmed the token's end
	NoneSince time.Time     // when the registry was seen to refuse the token, so that it issues no more
	Life      time.Duration // how long one works at most, by what the registry says; 0: unknown
	Worked    time.Time     // when the registry last accepted purser's own after the end; zero: never
	Gone      time.Time     // since when it refuses that one; zero: not seen
	None      bool          // the registry issues no bearers, so nothing outlives the token
	Unasked   string        // why purser cannot ask with one; "": it can

	accepted func(context.Context) (credential.Verdict, error)
	taken    time.Time // before it was issued
	refused  time.Time // the first refusal, which a second one has to confirm
	waited   bool
}

// bearerLimit bounds each use of a bearer, because nothing may delay the end of a token.
const bearerLimit = 5 * time.Second

// endedBefore is why a run that came too late has no bearer.
const endedBefore = "the token had ended before"

// takeBearer gets a bearer of a token that is about to end, and what asks with it. A failure
// stops nothing. ended says why the token issues none any more; "": it works.
func (r *Runner) takeBearer(ctx context.Context, c credential.Credential, login credential.Login, ended string) (b Bearers, accepted func(context.Context) (credential.Verdict, error)) {
	if b.Unasked = ended; ended != "" || r.Issuer == nil {
		return b, nil
	}
	ctx, stop := context.WithTimeout(ctx, bearerLimit)
	defer stop()
	b.taken = r.Now()
	var got credential.Bearer
	var err error
	_, tried := r.Tries.suspect(c, login.Username, func() credential.Proof {
		if got, err = r.Issuer.Issue(ctx, c, login); err == nil {
			return credential.Proof{Verdict: credential.Granted}
		}
		f, _ := errors.AsType[*credential.Fault](err)
		return credential.Proof{Verdict: credential.Refused, Fault: f}
	})
	switch b.Life = got.Life; {
	case !tried:
		b.Unasked = "it did not try the token, to keep the account from being locked"
	case err != nil:
		b.Unasked = err.Error()
	default:
		b.None = got.Accepted == nil
	}
	return b, got.Accepted
}

// watch takes a bearer to ask with. It checks that the registry accepts it: without that, a
// refusal after the token's end would mean nothing.
func (r *Runner) watch(ctx context.Context, c credential.Credential, login credential.Login, ended string) Bearers {
	b, accepted := r.takeBearer(ctx, c, login, ended)
	if accepted == nil {
		return b
	}
	ctx, stop := context.WithTimeout(ctx, bearerLimit)
	defer stop()
	switch v, err := accepted(ctx); {
	case err != nil:
		b.Unasked = err.Error()
	case v != credential.Granted:
		b.Unasked = "the registry refused the one that it had just issued"
	default:
		b.accepted = accepted
	}
	return b
}

// tokenEnded notes that the registry confirmed the end of the token, from which on the time
// counts.
func (r *Runner) tokenEnded(ctx context.Context, b *Bearers) {
	if r.Issuer != nil {
		b.Ended = r.Now()
		r.ask(ctx, b)
	}
}

// tokenDead notes and reports that the registry was seen to refuse the token. If purser has
// no bearer of it, one of the current token tells how long they work; s is nil if the
// current token is the dead one.
func (r *Runner) tokenDead(ctx context.Context, req StoreRequest, s *slot, b *Bearers) error {
	if r.Issuer == nil {
		return nil
	}
	b.NoneSince = r.Now()
	switch {
	case b.Unasked == "":
		r.ask(ctx, b)
	case s != nil && b.Life == 0:
		if login, err := stored(ctx, req, s, credential.Current); err == nil {
			other, _ := r.takeBearer(ctx, req.Credential, login, "")
			b.Life, b.None = other.Life, other.None
		}
	}
	r.report(StepBearers, b.Text())
	if ctx.Err() != nil {
		return credential.Stopped(ctx, "finding out how long bearer tokens outlive the token")
	}
	return nil
}

// ask asks the registry once. Only its own refusal counts, and only the second in a row: no
// answer, a full registry or a broken one say nothing. ask returns how long the registry
// wants purser to wait.
func (r *Runner) ask(ctx context.Context, b *Bearers) time.Duration {
	if b.accepted == nil || !b.Gone.IsZero() {
		return 0
	}
	ctx, stop := context.WithTimeout(ctx, bearerLimit)
	defer stop()
	v, err := b.accepted(ctx)
	switch {
	case v == credential.Granted:
		b.Worked, b.refused = r.Now(), time.Time{}
	case v == credential.Refused && b.refused.IsZero():
		b.refused = r.Now()
	case v == credential.Refused:
		b.Gone = b.refused
	}
	if f, ok := errors.AsType[*credential.Fault](err); ok {
		return f.Wait
	}
	return 0
}

// The pauses between two questions. They grow with the time since the token's end, to a
// sixtieth of it: the result is that exact.
const (
	confirmPause = time.Second
	leastPause   = 5 * time.Second
	longestPause = time.Minute
	exactness    = 60
)

// AwaitBearers asks until the registry refuses the bearer, at most for limit. It reports
// whether it finished: false means that ctx ended first. What it found out until then holds.
func (r *Runner) AwaitBearers(ctx context.Context, b *Bearers, limit time.Duration) (finished bool) {
	switch {
	case b.accepted == nil && b.Unasked != "":
		r.report(StepBearers, "purser cannot ask with a bearer token: "+b.Unasked)
		return true
	case b.accepted == nil || !b.Gone.IsZero():
		return true
	}
	r.report(StepBearers, "asking until the last bearer token stops working, for "+elapsed(limit)+" at most; Ctrl-C ends the wait")
	b.waited = true
	var least time.Duration
	for waited := time.Duration(0); b.Gone.IsZero() && waited < limit; {
		pause := max(least, min(longestPause, max(leastPause, r.Now().Sub(b.Ended)/exactness)))
		if !b.refused.IsZero() {
			pause = max(least, confirmPause)
		}
		if pause = min(pause, limit-waited); r.wait(ctx, pause) != nil {
			break
		}
		waited += pause
		least = r.ask(ctx, b)
	}
	r.report(StepBearers, b.Text())
	return ctx.Err() == nil
}

// Until returns when no bearer of the token can work any more; zero: unknown. The last one
// may have been issued just before the registry began to refuse the token.
func (b Bearers) Until() time.Time {
	switch {
	case b.None || b.NoneSince.IsZero():
		return time.Time{}
	case !b.Gone.IsZero():
		return b.NoneSince.Add(max(0, b.Gone.Sub(b.taken)))
	case b.Life == 0 || b.Worked.After(b.taken.Add(b.Life)): // it works for longer than the registry says
		return time.Time{}
	}
	return b.NoneSince.Add(b.Life)
}

// Outlived returns how long the last bearer worked after the token's end, if purser saw both
// its last use and its refusal.
func (b Bearers) Outlived() (time.Duration, bool) {
	if b.Gone.IsZero() {
		return 0, false
	}
	return max(0, b.Gone.Sub(b.Ended)), true
}

// IsZero reports whether nothing is known.
func (b Bearers) IsZero() bool { return b.Ended.IsZero() && b.NoneSince.IsZero() }

// Text describes it for people; "" if nothing is known.
func (b Bearers) Text() string {
	const form = "2006-01-02 15:04:05 UTC"
	var text []string
	add := func(format string, a ...any) { text = append(text, fmt.Sprintf(format, a...)) }
	switch {
	case b.IsZero():
		return ""
	case b.None:
		return "the registry issues no bearer tokens, so nothing outlives the token"
	case b.NoneSince.IsZero() && b.Unasked != "":
		return "purser does not know how long a bearer token issued before works: " + b.Unasked
	case b.NoneSince.IsZero():
		add("purser has not seen the registry refuse the token yet, so it may still issue bearer tokens")
	default:
		add("no new bearer token since %s", b.NoneSince.UTC().Format(form))
	}
	life, measured := b.Outlived()
	switch {
	case measured && life < time.Second:
		add("the last one stopped working at once")
	case measured && b.Worked.IsZero():
		add("the last one stopped working within %s", elapsed(life))
	case measured:
		add("the last one stopped working after %s", elapsed(life))
	case b.waited && !b.Worked.IsZero():
		add("the last one still worked after %s", elapsed(b.Worked.Sub(b.Ended)))
	}
	switch until := b.Until(); {
	case measured && life < time.Second:
	case measured && !until.IsZero():
		add("none works after %s", until.UTC().Format(form))
	case !until.IsZero():
		add("one issued before may work until %s at the latest", until.UTC().Format(form))
	case b.NoneSince.IsZero():
	case b.Life > 0:
		add("that is longer than the registry says, so it may work for longer still")
	case b.Unasked == "":
		add("the registry does not say how long one issued before works")
	default:
		add("purser does not know how long one issued before works")
	}
	return strings.Join(text, "; ")
}

// elapsed returns a duration in words, to the second.
func elapsed(d time.Duration) string {
	d = d.Round(time.Second)
	h, m, s := d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second
	switch {
	case h > 0 && m > 0:
		return fmt.Sprintf("%d h %d min", h, m)
	case h > 0:
		return fmt.Sprintf("%d h", h)
	case m > 0 && s > 0:
		return fmt.Sprintf("%d min %d s", m, s)
	case m > 0:
		return fmt.Sprintf("%d min", m)
	}
	return fmt.Sprintf("%d s", s)
}

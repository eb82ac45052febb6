package lifecycle

import (
	"context"
	"strings"
	"sync"

	"purser/internal/credential"
)

// Work is a credential with its places.
type Work struct {
	Credential credential.Credential
	Places     []Place
}

// CheckResult is what a check found for one credential.
type CheckResult struct {
	Name    credential.Name
	Verdict credential.Verdict // over all places
	Places  []PlaceCheck
}

// PlaceCheck is what a consumer of one place gets.
type PlaceCheck struct {
	Target  credential.Target
	Version credential.VersionID
	Verdict credential.Verdict
	Fault   *credential.Fault // why the verdict is not Granted
	Keys    []string
	Length  int // of the token, in characters; 0 when unreadable
	Proof   credential.Proof
}

// checksAtOnce bounds how many credentials are proved at the same time: enough to hide
// latency, few enough not to look like an attack.
const checksAtOnce = 16

// Check reads each credential as its consumers would and proves it. Results are in the
// order of the work. Check calls done, if not nil, with each result as soon as it is known
// and its place in that order, one call at a time.
func (r *Runner) Check(ctx context.Context, work []Work, done func(int, CheckResult)) []CheckResult {
	results := make([]CheckResult, len(work))
	var mu sync.Mutex // guards done
	each(len(work), checksAtOnce, func(i int) {
		results[i] = r.checkOne(ctx, work[i])
		if done != nil {
			mu.Lock()
			defer mu.Unlock()
			done(i, results[i])
		}
	})
	return results
}

// each calls f for 0 to n-1, at most limit at once. It passes a panic of f to its caller:
// a panic in a goroutine would print every stack, and with them secrets.
func each(n, limit int, f func(int)) {
	var wg sync.WaitGroup
	bugs := make(chan any, n)
	guarded := func(i int) {
		defer func() {
			if bug := recover(); bug != nil {
				bugs <- bug
			}
		}()
		f(i)
	}
	next := make(chan int)
	for range min(n, limit) {
		wg.Go(func() {
			for i := range next {
				guarded(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	select {
	case bug := <-bugs:
		panic(bug)
	default:
	}
}

func (r *Runner) checkOne(ctx context.Context, w Work) CheckResult {
	res := CheckResult{Name: w.Credential.Name}
	var proved []provedLogin
	verdicts := make([]credential.Verdict, 0, len(w.Places))
	for _, p := range w.Places {
		var pc PlaceCheck
		pc, proved = r.checkPlace(ctx, w.Credential, p, proved)
		res.Places = append(res.Places, pc)
		verdicts = append(verdicts, pc.Verdict)
	}
	res.Verdict = credential.Fold(verdicts...)
	return res
}

// provedLogin avoids showing a wrong secret to the registry once for each place that
// holds it.
type provedLogin struct {
	login credential.Login
	proof credential.Proof
}

func (r *Runner) checkPlace(ctx context.Context, c credential.Credential, p Place, proved []provedLogin) (PlaceCheck, []provedLogin) {
	pc := PlaceCheck{Target: p.Target, Keys: p.Target.Shape.Keys()}
	fail := func(err error) (PlaceCheck, []provedLogin) {
		pc.Fault = asFault(locate(err, p.Target)).About(c)
		pc.Verdict = verdictOfRead(pc.Fault)
		return pc, proved
	}
	version, value, err := p.Store.Read(ctx, credential.Current)
	if err != nil {
		return fail(err)
	}
	pc.Version = version
	login, err := p.Target.Shape.Decode(value, c.Registry)
	if err != nil {
		return fail(err)
	}
	pc.Length = login.Token.Len()
	if c.Username != "" && !strings.EqualFold(c.Username, login.Username) {
		return fail(&credential.Fault{
			Reason: credential.WrongOwner, Registry: c.Registry, Account: c.Username, Access: c.Access,
			What: "the stored login belongs to another account than " + c.Username, Target: p.Target,
		})
	}
	for _, known := range proved {
		if known.login.Equal(login) {
			pc.take(known.proof)
			return pc, proved
		}
	}
	pc.take(r.Prover.Prove(ctx, c, login, false))
	return pc, append(proved, provedLogin{login, pc.Proof})
}

func (pc *PlaceCheck) take(p credential.Proof) {
	pc.Proof, pc.Verdict, pc.Fault = p, p.Verdict, p.Fault
}

// verdictOfRead: a value that consumers cannot use is Refused; a failed read is Unknown.
func verdictOfRead(f *credential.Fault) credential.Verdict {
	switch f.Reason {
	case credential.ValueStrange, credential.SecretEmpty, credential.WrongOwner, credential.SecretDeleted:
		return credential.Refused
	default:
		return credential.Unknown
	}
}

func asFault(err error) *credential.Fault {
	if f, ok := err.(*credential.Fault); ok { //nolint:errorlint // it would lose the text of a wrapping error
		return f
	}
	return &credential.Fault{Reason: credential.ReasonOf(err), What: err.Error(), Err: err}
}

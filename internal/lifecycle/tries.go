package lifecycle

import (
	"strings"
	"sync"

	"purser/internal/credential"
)

// wrongLogins is how many refused logins of one account a command may cause. After more,
// registries lock the account and refuse CI's good token as well. Docker Hub does not
// publish its number; common clients try a wrong secret two or three times.
const wrongLogins = 3

// Tries counts the refused logins of one command by account, and prevents too many. The
// zero value is ready; it is safe for concurrent use. A nil Tries has no limit, which suits
// a command that tries one token.
type Tries struct {
	mu       sync.Mutex
	accounts map[string]*account
}

type account struct {
	mu      sync.Mutex
	changed *sync.Cond // a login has ended
	good    int        // logins that were accepted
	wrong   int        // logins that were refused
	last    bool       // the last login was refused
	running int        // logins without an answer yet
	alone   bool       // the running login should be refused
}

func (t *Tries) of(c credential.Credential, user string) *account {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.accounts == nil {
		t.accounts = map[string]*account{}
	}
	name := string(c.Registry) + "\x00" + strings.ToLower(user)
	if t.accounts[name] == nil {
		a := &account{}
		a.changed = sync.NewCond(&a.mu)
		t.accounts[name] = a
	}
	return t.accounts[name]
}

// suspect makes a login that should be accepted, unless too many of the account were
// refused; then tried is false. It runs few logins at once until some are accepted, so that
// many wrong ones do not lock the account before the first answers arrive.
func (t *Tries) suspect(c credential.Credential, user string, login func() credential.Proof) (p credential.Proof, tried bool) {
	if t == nil {
		return login(), true
	}
	a := t.of(c, user)
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.running > 0 && (a.alone || a.wrong > 0 || a.running > a.good) {
		a.changed.Wait()
	}
	return a.try(login)
}

// dead makes a login that should be refused, unless too many of the account were refused;
// then tried is false. Between two refusals it calls good, which makes an accepted login:
// that resets the count of registries that count consecutive refusals.
func (t *Tries) dead(c credential.Credential, user string, good func(), login func() credential.Proof) (p credential.Proof, tried bool) {
	if t == nil {
		return login(), true
	}
	a := t.of(c, user)
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.running > 0 {
		a.changed.Wait()
	}
	a.alone = true
	defer func() { a.alone = false }()
	return a.try(func() credential.Proof {
		if a.last {
			good()
		}
		return login()
	})
}

// try makes a login without holding the lock while it runs.
func (a *account) try(login func() credential.Proof) (p credential.Proof, tried bool) {
	if a.wrong >= wrongLogins {
		return p, false
	}
	a.running++
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.running--
		switch {
		case isDead(p):
			a.wrong, a.last = a.wrong+1, true
		case p.Verdict == credential.Granted:
			a.good, a.last = a.good+1, false
		case p.Fault != nil && p.Fault.Reason == credential.RateLimited:
			a.wrong = wrongLogins // the registry counted more refusals than purser
		}
		a.changed.Broadcast()
	}()
	return login(), true
}

// isDead reports whether the registry refused the token itself, not what it may do.
func isDead(p credential.Proof) bool {
	return p.Verdict == credential.Refused && p.Fault != nil &&
		(p.Fault.Reason == credential.TokenRefused || p.Fault.Reason == credential.TokenExpired || p.Fault.Reason == credential.NeedsToken)
}

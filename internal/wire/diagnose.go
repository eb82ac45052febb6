package wire

import (
	"context"
	"net/http"
	"sync"
	"time"

	"purser/internal/credential"
)

// Identity is the identity that AWS sees.
type Identity struct {
	ARN, Account, Region string
	// Ahead is how far this machine's clock is ahead of AWS's, in whole seconds; negative: behind. It is
	// valid if Timed.
	Ahead time.Duration
	Timed bool
}

// Identity asks AWS who is calling, with a target's credentials. It returns the SDK's error; a store's
// Open explains what to do.
func (w *Wire) Identity(ctx context.Context, t credential.Target) (Identity, error) {
	clients, err := w.aws(ctx, t)
	if err != nil {
		return Identity{}, err
	}
	arn, account, err := clients.caller(ctx)
	id := Identity{ARN: arn, Account: account, Region: clients.region}
	id.Ahead, id.Timed = clients.clock.read()
	return id, err
}

// Reach checks whether a credential's registry answers. See registry.Client.Reach.
func (w *Wire) Reach(ctx context.Context, c credential.Credential) (string, error) {
	client, err := w.Registry(c)
	if err != nil {
		return "", err
	}
	return client.Reach(ctx, c)
}

// clock compares this machine's clock with the dates of answers.
type clock struct {
	next http.RoundTripper
	now  func() time.Time

	mu    sync.Mutex // guards what follows
	ahead time.Duration
	timed bool
}

// RoundTrip sends a request and reads the answer's date.
func (c *clock) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ahead, c.timed = c.now().Sub(date).Truncate(time.Second), true
	}
	return resp, nil
}

func (c *clock) read() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead, c.timed
}

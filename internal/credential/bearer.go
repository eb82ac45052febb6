package credential

import (
	"context"
	"time"
)

// Bearer is what a registry issues for a login. It works in the login's place for some time,
// even if the token ends meanwhile. The zero Bearer is that of a registry that issues none.
type Bearer struct {
	// Life is how long it works at most, by what the registry says; 0: it does not say.
	Life time.Duration
	// Accepted asks the registry that issued it whether it works. Only this closure holds
	// the secret.
	Accepted func(context.Context) (Verdict, error)
}

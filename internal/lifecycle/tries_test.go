package lifecycle

import (
	"slices"
	"sync"
	"testing"

	"purser/internal/credential"
)

var robots = credential.Credential{Registry: "docker.io"}

func refused() credential.Proof {
	return credential.Proof{Verdict: credential.Refused, Fault: &credential.Fault{Reason: credential.TokenRefused}}
}

func taken() credential.Proof { return credential.Proof{Verdict: credential.Granted} }

func TestAGoodLoginSeparatesTwoRefusedOnes(t *testing.T) {
	tries := &Tries{}
	var logins []string
	good := func() { logins = append(logins, "good") }
	wrong := func() credential.Proof { logins = append(logins, "wrong"); return refused() }
	for range 5 {
		tries.dead(robots, "robot", good, wrong)
	}
	if want := []string{"wrong", "good", "wrong", "good", "wrong"}; !slices.Equal(logins, want) {
		t.Errorf("the logins were %v, want %v", logins, want)
	}
	if _, tried := tries.dead(robots, "Robot", good, wrong); tried {
		t.Error("an account in other letters had tries of its own")
	}
	if _, tried := tries.dead(robots, "other", good, wrong); !tried {
		t.Error("another account had no tries")
	}
}

// TestManyWrongTokensAtOnceCauseFewLogins keeps every allowed login running at once.
func TestManyWrongTokensAtOnceCauseFewLogins(t *testing.T) {
	tries := &Tries{}
	var mu sync.Mutex
	logins := 0
	each(50, 50, func(int) {
		tries.suspect(robots, "robot", func() credential.Proof {
			mu.Lock()
			defer mu.Unlock()
			logins++
			return refused()
		})
	})
	if logins != wrongLogins {
		t.Errorf("%d logins were refused, want %d", logins, wrongLogins)
	}
}

// TestTokensAreTriedInParallelOnceOneIsAccepted hangs if they are not: the second and the
// third wait for each other.
func TestTokensAreTriedInParallelOnceOneIsAccepted(*testing.T) {
	tries := &Tries{}
	tries.suspect(robots, "robot", taken)
	var both sync.WaitGroup
	both.Add(2)
	each(2, 2, func(int) {
		tries.suspect(robots, "robot", func() credential.Proof {
			both.Done()
			both.Wait()
			return taken()
		})
	})
}

func TestALockedAccountIsLeftAlone(t *testing.T) {
	tries := &Tries{}
	limited := credential.Proof{Fault: &credential.Fault{Reason: credential.RateLimited}}
	tries.suspect(robots, "robot", func() credential.Proof { return limited })
	if _, tried := tries.suspect(robots, "robot", taken); tried {
		t.Error("an account that is locked was tried again")
	}
}

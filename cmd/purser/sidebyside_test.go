package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"purser/internal/present"
	sandboxaws "purser/internal/sandbox/aws"
)

func TestBlocksArePrintedInOrder(t *testing.T) {
	var out bytes.Buffer
	b := present.NewBlocks()
	first, second, third := b.Add(), b.Add(), b.Add()
	say := func(one *present.Block, text string) { _, _ = io.WriteString(one.Writer(&out), text) }
	say(third, "5")
	third.End()
	say(second, "3")
	say(first, "1")
	if out.String() != "1" {
		t.Errorf("the first block is not printed as it happens: %q", out.String())
	}
	say(first, "2")
	first.End()
	say(second, "4")
	if out.String() != "1234" {
		t.Errorf("the second block is not printed when it is its turn: %q", out.String())
	}
	second.End()
	say(b.Add(), "6")
	if out.String() != "123456" {
		t.Errorf("it printed %q", out.String())
	}
}

// TestTheNextQuestionWaitsForItsTurn until the first one ends.
func TestTheNextQuestionWaitsForItsTurn(t *testing.T) {
	b := present.NewBlocks()
	first, second := b.Add(), b.Add()
	ctx, stop := context.WithCancel(t.Context())
	asked := make(chan error)
	go func() { asked <- second.Await(t.Context()) }()
	if err := first.Await(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-asked:
		t.Errorf("two were asked at once (%v)", err)
	default:
	}
	first.End()
	if err := <-asked; err != nil {
		t.Error(err)
	}
	third := b.Add()
	go func() { asked <- third.Await(ctx) }()
	stop()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupt left a question waiting: %v", err)
	}
}

// TestAWaitingRotationLetsOthersWork hangs otherwise: both wait for each other on one seat.
func TestAWaitingRotationLetsOthersWork(*testing.T) {
	s := make(present.Seats, 1)
	var both sync.WaitGroup
	both.Add(2)
	s.Run(2, func(int) {
		_ = s.Without(func() error {
			both.Done()
			both.Wait()
			return nil
		})
	})
}

func TestAPanicSideBySideReachesTheCaller(t *testing.T) {
	defer func() {
		if bug := recover(); bug != "a bug" {
			t.Errorf("recovered %v", bug)
		}
	}()
	make(present.Seats, 2).Run(3, func(i int) {
		if i == 1 {
			panic("a bug")
		}
	})
}

// TestRotationsOfManyCredentialsReportInOrder, as if they ran one after the other.
func TestRotationsOfManyCredentialsReportInOrder(t *testing.T) {
	const n = 20
	f := newFleet(t, n, "every: 90d, overlap: 1h")
	for _, args := range [][]string{{"--all"}, {"--all", "--force"}, {"--due"}} {
		out := f.purser(present.ExitOK, append([]string{"rotate"}, args...)...)
		at := -1
		for i := range n {
			name := fmt.Sprintf("c%03d", i)
			header := strings.Index(out, "\n"+name+"\n")
			if i == 0 {
				header = strings.Index(out, name+"\n")
			}
			due := strings.Index(out[max(header, 0):], "fleet/"+name+" ")
			if header < at || due < 0 || due > 200 {
				t.Fatalf("%v: what is told of %s is not under its name\n%s", args, name, out)
			}
			at = header
		}
	}
}

// TestManyCredentialsSignInOnce: each sign-in can be a wrong one.
func TestManyCredentialsSignInOnce(t *testing.T) {
	f := newFleet(t, 20, "every: 90d, overlap: 1h")
	f.purser(present.ExitOK, "rotate", "--all")
	requests := f.requests()
	f.purser(present.ExitOK, "rotate", "--due")
	seen := f.requests()
	for what, most := range map[string]int{"POST /v2/auth/token": 1, "GET /v2/access-tokens": 1} {
		if n := seen[what] - requests[what]; n != most {
			t.Errorf("%s was asked for %d times, want %d", what, n, most)
		}
	}
}

// TestWaitingIsSideBySide: ten credentials with an hour's overlap take one hour, not ten.
func TestWaitingIsSideBySide(t *testing.T) {
	f := newFleet(t, 20, "every: 90d, overlap: 1h")
	f.purser(present.ExitOK, "rotate", "--all")
	f.meet(20)
	began := f.clock()
	out := f.purser(present.ExitOK, "rotate", "--all", "--force", "--wait")
	if took := f.clock().Sub(began); took < 60*60e9 || took > 90*60e9 {
		t.Errorf("it took %s", took)
	}
	if n := strings.Count(out, "the old token is revoked"); n != 20 {
		t.Errorf("%d of 20 were retired\n%s", n, out)
	}
}

// TestAnInterruptEndsTheWait: purser says so once, and reports what it renewed.
func TestAnInterruptEndsTheWait(t *testing.T) {
	f := newFleet(t, 12, "every: 90d, overlap: 1h")
	f.purser(present.ExitOK, "rotate", "--all")
	f.app.wait = func(context.Context, time.Duration) error { return context.Canceled }
	out := f.purser(present.ExitUnknown, "rotate", "--all", "--force", "--wait")
	_, end, _ := strings.Cut(out, "12 credentials: ")
	const want = `12 renewed
purser: it was interrupted
  why:  purser finished 0 of 12, but not c000, c001, c002 and 9 more
        This says nothing about the token.
  next: run the same command again: it finishes what this one started
`
	if end != want {
		t.Errorf("in the end it says\n%s", end)
	}
}

// TestAnInterruptedRotationReportsWhatItDid: only the last lines name what had not
// begun.
func TestAnInterruptedRotationReportsWhatItDid(t *testing.T) {
	f := newFleet(t, 60, "every: 90d, overlap: 1h")
	ctx, end := context.WithCancelCause(t.Context())
	f.box.SecretsManager.Fault("PutSecretValue", sandboxaws.Fault{Struck: func() { end(interrupted(os.Interrupt)) }, Status: 500})
	f.out.Reset()
	a := *f.app
	code := run(ctx, []string{"rotate", "--all"}, &a)
	out := f.out.String()
	named := 0
	for i := range 60 {
		named += strings.Count("\n"+out, fmt.Sprintf("\nc%03d\n", i))
	}
	if code != present.ExitUnknown || named > present.AtOnce || !strings.Contains(out, "60 credentials: ") || !strings.Contains(out, " not started") || strings.Count(out, "\n") > present.AtOnce*12 {
		t.Errorf("it ended with %d, and names %d\n%s", code, named, out)
	}
	if text := goEnding.FindString(out); text != "" {
		t.Errorf("it says %q:\n%s", text, out)
	}
}

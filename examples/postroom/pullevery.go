package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
)

// The pauses after runs that failed: each is twice as long as the one before.
const (
	firstPause = 30 * time.Second
	mostPause  = 15 * time.Minute
)

// forever runs again and again, until ctx ends or something fails that time does
// not mend, such as a wrong password.
func (p *pull) forever(ctx context.Context) error {
	for failed := 0; ; {
		err := p.once(ctx)
		pause := p.flags.every
		switch {
		case ctx.Err() != nil:
			return nil // it was told to stop: that is its end
		case err == nil || errors.Is(err, errIncomplete):
			failed = 0
		case !passes(err):
			return err
		default:
			failed++
			pause = pauseAfter(failed, p.flags.every, err)
			fmt.Fprintf(p.app.err, "postroom: %s; trying again in %v\n", human.Printable(err.Error()), pause.Round(time.Second))
		}
		if p.app.wait(ctx, pause) != nil {
			return nil
		}
	}
}

// passes reports whether a run that failed with err may succeed later. Each run
// lists the folders anew and looks for what may be stored already, so an epoch
// that ended and an answer that was lost pass as well.
func passes(err error) bool {
	if errors.Is(err, mailbox.ErrAuth) {
		return false
	}
	return mailbox.Retryable(err) || errors.Is(err, mailbox.ErrStale) || errors.Is(err, mailbox.ErrUnknownOutcome)
}

// pauseAfter is how long to wait after the n-th failure in a row. Chance spreads
// many clients of one server that was down; less than the server asks for it
// never is.
func pauseAfter(n int, every time.Duration, err error) time.Duration {
	pause := max(every, mostPause)
	if n < 20 {
		pause = min(pause, firstPause<<(n-1))
	}
	pause = pause/2 + rand.N(pause/2)
	var throttled *mailbox.ThrottledError
	if errors.As(err, &throttled) && throttled.RetryAfter > 0 {
		pause = max(pause, throttled.RetryAfter+rand.N(throttled.RetryAfter/4+1))
	}
	return pause
}

// wait waits, or gives ctx's error.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

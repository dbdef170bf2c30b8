package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestPullEvery goes through a life: new mail, a server that is down, one that
// asks for patience, a password that is no longer right.
func TestPullEvery(t *testing.T) {
	f := newFixture(t)
	dir := f.maildir()
	var pauses []time.Duration
	steps := []func(){
		func() { f.deliver(1) },
		func() {
			f.host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "pop3", Command: "AUTH", Text: "-ERR [SYS/TEMP] down", Times: 2})
		},
		func() {},
		func() {},
		func() { f.deliver(2) },
		func() { f.host.AddUser(user, "another") },
	}
	f.wait = func(_ context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		steps[0]()
		steps = steps[1:]
		return nil
	}
	status, out, stderr := f.run("pull", f.pop, dir, "--every", "5m")
	assert.Equal(t, 1, status, "a refused password ends it")
	assert.Contains(t, stderr, mailbox.ErrAuth.Error())
	assert.Equal(t, 2, strings.Count(stderr, "trying again in"))
	require.Empty(t, steps)

	assert.Equal(t, []string{"2", "1", "1"}, firstWords(out), "a run that finds nothing says nothing")
	require.Len(t, pauses, 6)
	for _, i := range []int{0, 1, 4, 5} {
		assert.Equal(t, 5*time.Minute, pauses[i])
	}
	assert.Greater(t, firstPause, pauses[2])
	assert.LessOrEqual(t, firstPause/2, pauses[2])
	assert.LessOrEqual(t, firstPause, pauses[3])

	f.host.AddUser(user, secret)
	assert.Equal(t, []string{attached, second, note(1), note(2)}, f.contents(dir))
}

func firstWords(text string) (words []string) {
	for line := range strings.Lines(text) {
		word, _, _ := strings.Cut(line, " ")
		words = append(words, word)
	}
	return words
}

// TestPullEveryStops: Ctrl-C is how it ends, and no failure.
func TestPullEveryStops(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.wait = func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}
	status, out, stderr := f.runUntil(ctx, "pull", f.imap, f.maildir(), "--every", "1h")
	assert.Zero(t, status)
	assert.Contains(t, out, "2 messages")
	assert.Empty(t, stderr)
}

// TestPullEveryAsksOnce: accounts are opened again and again, with the password
// that was given first.
func TestPullEveryAsksOnce(t *testing.T) {
	f := newFixture(t)
	runs, asked := 0, 0
	var out, stderr bytes.Buffer
	a := f.app(&out, &stderr)
	a.getenv = func(string) string { asked++; return secret }
	a.wait = func(context.Context, time.Duration) error {
		if runs++; runs == 3 {
			return context.Canceled
		}
		return nil
	}
	assert.Zero(t, a.run(t.Context(), []string{"--ca", f.ca, "pull", f.pop, f.maildir(), "--every", "1h"}), stderr.String())
	assert.Equal(t, 2, asked, "whether it is set, and what it is")
}

func TestPauseAfter(t *testing.T) {
	down := &mailbox.Error{Op: "dial", Err: mailbox.ErrUnavailable}
	for range 100 {
		for n, most := range map[int]time.Duration{1: 30 * time.Second, 2: time.Minute, 5: 8 * time.Minute, 6: 15 * time.Minute, 1000: 15 * time.Minute} {
			pause := pauseAfter(n, time.Minute, down)
			assert.GreaterOrEqual(t, pause, most/2)
			assert.Less(t, pause, most)
		}
		assert.GreaterOrEqual(t, pauseAfter(1000, 2*time.Hour, down), time.Hour)
		slow := &mailbox.ThrottledError{RetryAfter: time.Hour, Err: errors.New("slow down")}
		assert.GreaterOrEqual(t, pauseAfter(1, time.Minute, slow), time.Hour)
	}
}

func TestPasses(t *testing.T) {
	for _, err := range []error{mailbox.ErrUnavailable, mailbox.ErrBusy, &mailbox.ThrottledError{Err: errors.New("x")}, mailbox.ErrProtocol, mailbox.ErrStale, mailbox.ErrUnknownOutcome} {
		assert.True(t, passes(&mailbox.Error{Op: "list", Err: err}), err)
	}
	for _, err := range []error{mailbox.ErrAuth, mailbox.ErrCertificate, mailbox.ErrQuota, mailbox.ErrPermission, errors.ErrUnsupported, errors.New("disk full"),
		errors.Join(mailbox.ErrAuth, mailbox.ErrStale)} {
		assert.False(t, passes(&mailbox.Error{Op: "list", Err: err}), err)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.NoError(t, wait(t.Context(), time.Hour))
		assert.Equal(t, time.Hour, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, wait(ctx, time.Hour), context.DeadlineExceeded)
		assert.Equal(t, time.Hour+time.Minute, time.Since(start))
	})
}

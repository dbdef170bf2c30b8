package sinktest

import (
	"testing"
	"time"

	"github.com/postroom-go/postroom/smtpsink"
)

// Config tells the suite about one sender, or one flavour of it.
type Config struct {
	// New makes a fresh server, and a sender for it. It is called once for
	// each case, may fail t, and cleans up through t.Cleanup; the suite closes
	// the sender. It is required.
	New func(t testing.TB) *Harness

	// Without says why a function of Harness is nil: the field's name, then the
	// reason ("StallAnswer": "the server cannot wait"). The cases that need it
	// do not run.
	Without map[string]string

	// Known are the cases that are known to fail, with the reason. One that
	// passes, and one that there is not, is an error.
	Known map[string]string

	// Timeout is the most time for one case; 0 is 30 seconds.
	Timeout time.Duration

	// LargeSize is the size of the large message in octets; 0 is 32 MiB, which
	// a sender must pass. It is for further flavours of a sender that has.
	LargeSize int64
}

// Harness is one sender, and the ways to reach its server from outside.
type Harness struct {
	// Sender is what is tested. It is required.
	Sender smtpsink.Sender

	// From is an address that the sender may send from. It is required.
	From string

	// Recipients are 100 addresses or more that the server takes mail for, all
	// different (RFC 5321 section 4.5.3.1.8). They are required.
	Recipients []string

	// Delivered is all that the server has taken so far, in any order. It is
	// required, and called when the sender is closed and Settle has returned.
	Delivered func() []Delivery

	// Settle waits until the server has done what it does about connections
	// that have ended. It is called once, at a case's end. Nil has nothing to
	// wait for.
	Settle func()

	// RefuseRecipient has the server refuse the nth recipient, from 0, of the
	// next message, for good or for now. It may be called for several.
	RefuseRecipient func(nth int, temporary bool)

	// RefuseMessage has the server refuse the next message when it has all of
	// it, for good or for now. That message has two recipients.
	RefuseMessage func(temporary bool)

	// LoseAnswer has the server take the next message and then lose the answer:
	// the connection is cut before it (RFC 1047).
	LoseAnswer func()

	// CutMessage has the server cut the connection after so many octets of the
	// next message, and take nothing.
	CutMessage func(octets int64)

	// StallMessage has the server take no more of the next message than its
	// beginning, and say nothing, for as long as the connection lasts.
	StallMessage func()

	// StallAnswer has the server take the next message and then say nothing,
	// for as long as the connection lasts. The channel is closed when it has
	// taken it: the suite then ends the call.
	StallAnswer func() (taken <-chan struct{})

	// Secrets are the passwords and tokens that the sender uses. None may be
	// in any error.
	Secrets []string
}

// Delivery is a message that the server has taken: once for all its recipients,
// or once for each.
type Delivery struct {
	// From is the envelope's sender; empty is none.
	From string
	// To are the recipients.
	To []string
	// Body is the message as it came, without what the server has put before
	// it. It must not be changed.
	Body []byte
}

// Run runs every case as a subtest of its own, named group/case, each on a fresh
// Harness, and logs at the end which did not run and why.
func Run(t *testing.T, cfg Config) {
	t.Helper()
	for _, problem := range cfg.problems(allCases()) {
		t.Error("sinktest: " + problem)
	}
	if t.Failed() {
		return
	}
	sum := &summary{}
	for _, c := range allCases() {
		if reason := cfg.notApplicable(c); reason != "" {
			sum.skip(c, reason)
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Helper()
			sum.add(c, cfg.judge(t, c))
		})
	}
	t.Log(sum)
}

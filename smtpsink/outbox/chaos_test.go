package outbox

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// chaos is a server that does what it likes, and somebody who decides at random.
type chaos struct {
	*post
	random  *rand.Rand
	partial map[int]bool
	ids     map[int]ID
	spare   map[int]int  // how many copies more than one somebody has allowed
	removed map[int]bool // by somebody
	calm    bool
}

func newChaos(seed uint64) *chaos {
	c := &chaos{post: newPost(), random: rand.New(rand.NewPCG(seed, 5)), partial: map[int]bool{}, ids: map[int]ID{}, spare: map[int]int{}, removed: map[int]bool{}}
	c.answer = c.reply
	return c
}

// reply is the answer to a message, true or lost. What it says of a recipient is
// so.
func (c *chaos) reply(n, _ int, env *smtpsink.Envelope, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	if c.calm {
		return taken(env), nil
	}
	r := &smtpsink.Receipt{Outcome: rejected}
	for _, address := range env.To {
		r.Recipients = append(r.Recipients, smtpsink.Recipient{Address: address})
	}
	switch c.random.IntN(6) {
	case 0:
		r.Outcome = notSent
		return r, unavailable()
	case 1: // the answer is lost, and some have got it
		r.Outcome = unknown
		for i := range r.Recipients {
			r.Recipients[i].Outcome = unknown
			if c.random.IntN(2) == 0 {
				c.deliver(n, env.To[i])
			}
		}
		return r, mailbox.ErrUnknownOutcome
	case 2:
		return taken(env), nil
	}
	var first error
	for i := range r.Recipients {
		one := &r.Recipients[i]
		one.Outcome = accepted
		if code := []int{250, 250, 450, 550}[c.random.IntN(4)]; code != 250 {
			one.Outcome, one.Reply = rejected, reply("RCPT", code)
			if first == nil {
				first = one.Reply
			}
		}
	}
	if first != nil && !opts.Partial {
		for i := range r.Recipients {
			if one := &r.Recipients[i]; one.Outcome == accepted {
				one.Outcome = notSent
			}
		}
		return r, first
	}
	for _, one := range r.Recipients {
		if one.Outcome == accepted {
			r.Outcome, first = accepted, nil
			break
		}
	}
	return r, first
}

// step is one thing that somebody does.
func (c *chaos) step(t *testing.T, box *Outbox) error {
	n := len(c.ids)
	switch c.random.IntN(4) {
	case 0, 1:
		env := to("a@example.org", "b@example.org", "c@example.org")
		env.To = env.To[:1+c.random.IntN(3)]
		c.partial[n] = c.random.IntN(2) == 0
		id, err := box.Enqueue(t.Context(), env, strings.NewReader(note(n)), &EnqueueOptions{Send: smtpsink.SendOptions{Partial: c.partial[n]}})
		c.ids[n] = id
		return err
	case 2:
		_ = box.Flush()
		return runOnce(t.Context(), box, c, &RunOptions{Parallel: 1})
	}
	for _, e := range entries(t, box) {
		var n int
		_, err := fmt.Sscanf(e.MessageID, "%d@", &n)
		require.NoError(t, err)
		switch {
		case c.random.IntN(2) == 0:
		case e.State == Unknown:
			d := Decision(c.random.IntN(4))
			c.removed[n] = c.removed[n] || d == Drop || d == Accept
			if d == Resend {
				c.spare[n]++
			}
			if err := box.Decide(e.ID, d); err != nil {
				return err
			}
		case e.State == Dead:
			if err := box.Retry(e.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// live is a life with accidents, and an end in which everybody behaves.
func (c *chaos) live(t *testing.T, off off) error {
	opts := hasty()
	opts.off = off
	files := disktest.NewMem(512)
	for range 6 {
		box := openMem(t, files, opts)
		for range 8 {
			if err := c.step(t, box); err != nil {
				return err
			}
		}
		if c.random.IntN(2) == 0 {
			require.NoError(t, box.Close())
		}
		files = files.Crash(disktest.Sample(c.random))
	}
	c.calm = true
	box := openMem(t, files, opts)
	defer box.Close()
	waits := map[int]bool{}
	for range 2 { // some are dead only when all others have got it
		for _, e := range entries(t, box) {
			if e.State == Unknown {
				waits[c.number(e.ID)] = true
			} else if err := box.Retry(e.ID); err != nil {
				return err
			}
		}
		if err := runOnce(t.Context(), box, c, nil); err != nil {
			return err
		}
	}
	return c.fault(t, box, waits)
}

func (c *chaos) number(id ID) int {
	for n, other := range c.ids {
		if other == id {
			return n
		}
	}
	return -1
}

func (c *chaos) fault(t *testing.T, box *Outbox, waits map[int]bool) error {
	for n := range c.ids {
		if len(c.got[n]) == 0 && !waits[n] && !c.removed[n] {
			return fmt.Errorf("message %d is lost", n)
		}
		for address, times := range c.got[n] {
			if times > 1+c.spare[n] {
				return fmt.Errorf("message %d was sent to %s %d times", n, address, times)
			}
		}
	}
	for _, e := range entries(t, box) {
		if !waits[c.number(e.ID)] {
			return fmt.Errorf("message %d is still %s: %s", c.number(e.ID), e.State, e.LastError)
		}
	}
	return nil
}

// TestChaos: whatever servers answer and whoever decides what, between any
// accidents, no recipient gets a message more often than somebody has allowed,
// and none is lost.
func TestChaos(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		require.NoError(t, newChaos(seed).live(t, off{}), "seed %d", seed)
	}
	for name, off := range map[string]off{"all recipients again": {again: true}, "handing over is not noted": {intent: true, recovery: true, gone: true}} {
		t.Run("control "+name, func(t *testing.T) {
			var err error
			for seed := uint64(0); seed < 150 && err == nil; seed++ {
				err = newChaos(seed).live(t, off)
			}
			require.Error(t, err)
			t.Log(err)
		})
	}
}

package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// chaos is a POP3 account whose server does what it likes, and a destination that
// does, too.
type chaos struct {
	*maildrop
	random *rand.Rand
	sent   int              // messages so far
	hidden []dropped        // for one session
	sizes  map[string][]int // that a UIDL had
	gone   map[string]bool  // by octets: deleted by the transfer
	unique map[string]int   // by octets: how many of them there were
	to     *memory.Store
	calm   bool // it behaves
}

func newChaos(seed uint64) *chaos {
	return &chaos{
		maildrop: &maildrop{}, random: rand.New(rand.NewPCG(seed, 3)), sizes: map[string][]int{},
		gone: map[string]bool{}, unique: map[string]int{}, to: memory.NewStore(),
	}
}

func (c *chaos) message() []byte {
	c.sent++
	return fmt.Appendf(nil, "Subject: %d\r\nMessage-ID: <%d@x>\r\n\r\n%s", c.sent, c.sent, bytes.Repeat([]byte("a"), c.random.IntN(1000)))
}

// put gives a message a UIDL that has not been another one's of the same size:
// nobody could tell.
func (c *chaos) put(uidl string, raw []byte) bool {
	for _, n := range c.sizes[uidl] {
		if n == len(raw) {
			return false
		}
	}
	c.sizes[uidl] = append(c.sizes[uidl], len(raw))
	c.mail = append(c.mail, dropped{uidl, raw})
	c.unique[string(raw)]++
	return true
}

// mutate is what happens between two sessions.
func (c *chaos) mutate() {
	c.mail, c.hidden = append(c.mail, c.hidden...), nil
	for range c.random.IntN(6) {
		uidl := fmt.Sprint("u", c.random.IntN(40)) // some are shared, some come again
		if len(c.mail) > 0 && c.random.IntN(10) == 0 {
			c.put(uidl, c.mail[0].raw) // a copy
			continue
		}
		c.put(uidl, c.message())
	}
	if len(c.mail) > 0 && c.random.IntN(4) == 0 {
		c.mail = c.mail[1:] // somebody else has deleted it
	}
	if c.random.IntN(3) == 0 {
		c.hide()
	}
	c.random.Shuffle(len(c.mail), func(i, k int) { c.mail[i], c.mail[k] = c.mail[k], c.mail[i] })
}

// hide keeps messages with a UIDL of their own from being shown this time.
func (c *chaos) hide() {
	var shown []dropped
	for i, d := range c.mail {
		if c.id(i).Epoch() == "" && c.random.IntN(2) == 0 {
			c.hidden = append(c.hidden, d)
		} else {
			shown = append(shown, d)
		}
	}
	c.mail = shown
}

// Delete notes what the transfer deletes, and may lose its answer.
func (c *chaos) Delete(ctx context.Context, ids []mailbox.ID, o *mailbox.DeleteOptions) error {
	if c.random.IntN(5) == 0 {
		return mailbox.ErrUnknownOutcome
	}
	before := map[string]int{}
	for _, d := range c.mail {
		before[string(d.raw)]++
	}
	err := c.maildrop.Delete(ctx, ids, o)
	for _, d := range c.mail {
		before[string(d.raw)]--
	}
	for raw, n := range before {
		if n > 0 {
			c.gone[raw] = true
		}
	}
	if err == nil && c.random.IntN(5) == 0 {
		return mailbox.ErrUnknownOutcome
	}
	return err
}

// Open may fail, or cut the message.
func (c *chaos) Open(ctx context.Context, id mailbox.ID, o *mailbox.OpenOptions) (io.ReadCloser, error) {
	r, err := c.maildrop.Open(ctx, id, o)
	if c.calm || err != nil {
		return r, err
	}
	switch c.random.IntN(20) {
	case 0:
		return nil, &mailbox.Error{Op: "open", ID: id, Err: errors.New("no")}
	case 1:
		cut := io.MultiReader(io.LimitReader(r, 30), iotest.ErrReader(io.ErrUnexpectedEOF))
		return io.NopCloser(cut), nil
	case 2:
		return io.NopCloser(strings.NewReader("")), nil
	}
	return r, nil
}

// List may repeat itself.
func (c *chaos) List(ctx context.Context, folder string, o *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
	return func(yield func(*mailbox.Summary, error) bool) {
		for s, err := range c.maildrop.List(ctx, folder, o) {
			for again := true; again; again = o.IDs == nil && c.random.IntN(20) == 0 {
				if !yield(s, err) {
					return
				}
			}
		}
	}
}

// target opens a destination that refuses, and loses answers.
func (c *chaos) target(t *testing.T) mailbox.Mailbox {
	return oddly(t, c.to, func(raw []byte, add func([]byte) error) error {
		switch n := c.random.IntN(12); {
		case c.calm || n > 2:
			return add(raw)
		case n == 0:
			return errors.New("no")
		case n == 1:
			return errors.Join(mailbox.ErrUnknownOutcome, add(raw))
		}
		return mailbox.ErrUnknownOutcome
	})
}

// live is a dozen sessions, and two more in which everybody behaves. It says what
// went wrong first.
func (c *chaos) live(t *testing.T, o *Options) error {
	for session := range 12 {
		c.mutate()
		c.session++
		o.Remove, o.Order, o.MaxMessages = Remove{Stored: c.random.IntN(3) > 0}, Order(c.random.IntN(3)), 0
		if c.random.IntN(4) == 0 {
			o.MaxMessages = 1 + c.random.IntN(4)
		}
		o.RetryDead = c.random.IntN(5) == 0
		n, at := 0, c.random.IntN(60)
		for _, err := range Events(t.Context(), c, c.target(t), o) {
			if err != nil {
				return err
			}
			if n++; n > at && c.random.IntN(3) == 0 {
				break
			}
		}
		there := contents(t, open(t, c.to), mailbox.Inbox)
		for raw := range c.gone {
			if there[sumOf256([]byte(raw))] == 0 {
				return fmt.Errorf("session %d: %.20q is lost", session, raw)
			}
		}
		for raw, most := range c.unique {
			if n := there[sumOf256([]byte(raw))]; n > most {
				return fmt.Errorf("session %d: %.20q is stored %d times for %d", session, raw, n, most)
			}
		}
	}
	c.calm, o.RetryDead, o.Remove, o.MaxMessages = true, true, Remove{}, 0
	for range 2 {
		c.session++
		if _, err := Run(t.Context(), c, c.target(t), o); err != nil {
			return err
		}
	}
	there := contents(t, open(t, c.to), mailbox.Inbox)
	for _, d := range c.mail {
		if there[sumOf256(d.raw)] == 0 {
			return fmt.Errorf("%.20q was never stored", d.raw)
		}
	}
	return nil
}

// TestChaos: whatever servers do, nothing is deleted that is not stored, and
// nothing stored more often than it was there. Names that are reused for a message
// of the very same size are left out.
func TestChaos(t *testing.T) {
	live := func(seed uint64, off off) error {
		o := options(t)
		o.off = off
		return newChaos(seed).live(t, o)
	}
	for seed := range uint64(60) {
		require.NoError(t, live(seed, off{}), "seed %d", seed)
	}
	for name, off := range map[string]off{"digest": {digest: true}, "look first": {lookFirst: true}} {
		t.Run("control "+name, func(t *testing.T) {
			var err error
			for seed := uint64(0); seed < 60 && err == nil; seed++ {
				err = live(seed, off)
			}
			require.Error(t, err)
			t.Log(err)
		})
	}
}

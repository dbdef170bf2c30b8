package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// gated makes m's pool wait for a receive from the channel before each dial,
// and loses the session that it has.
func gated(t *testing.T, m *Mailbox) chan<- struct{} {
	gate, dial := make(chan struct{}), m.pool.dial
	m.pool.dial = func(ctx context.Context) (*session, error) {
		<-gate
		return dial(ctx)
	}
	s, err := m.pool.get(t.Context(), want{})
	require.NoError(t, err)
	s.drop(errYield)
	m.pool.put(s)
	return gate
}

// TestAskedWhileBeingMade: who comes to wait while the only session is being
// made for somebody else has nobody to ask. The session is asked for when it is
// there.
func TestAskedWhileBeingMade(t *testing.T) {
	bubble(t, access.TLSNone, func(c *mailtest.Conn) { selected(c, "IMAP4rev1", 0); idle(c) },
		func(t *testing.T, dial func(context.Context) (*Mailbox, error)) {
			m, err := dial(t.Context())
			require.NoError(t, err)
			m.pool.max = 1
			gate := gated(t, m)
			first, second := make(chan *session, 1), make(chan *session, 1)
			for _, got := range []chan *session{first, second} {
				go func() {
					s, err := m.pool.get(t.Context(), want{})
					assert.NoError(t, err)
					got <- s
				}()
				synctest.Wait()
			}
			gate <- struct{}{}
			s := <-first
			require.Len(t, s.asked, 1, "it is asked for")
			m.pool.put(s)
			require.Same(t, s, <-second)
			require.Empty(t, s.asked, "the control: nobody waits any more")
			m.pool.put(s)
		})
}

// TestFetchWhileListConnects: a List that has lost its connection takes the
// place of the next one. A Fetch that comes meanwhile gets that connection though
// the loop over the List takes nothing more.
func TestFetchWhileListConnects(t *testing.T) {
	const n = 5000
	script := func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", n)
		c.Answer("UID SEARCH", func(tag, args string) {
			var from int
			_, _ = fmt.Sscanf(args, "UID %d:", &from)
			c.Send("* SEARCH" + numbers(from, n) + "\r\n" + tag + " OK done\r\n")
		})
		fetchAnswers(c, func(_ int, args string) string {
			if strings.Contains(args, "BODY.PEEK[]") {
				return "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 1 INTERNALDATE \"02-Jan-2006 15:04:05 +0100\" BODY[] {1}\r\nx)\r\n"
			}
			var from, to int
			_, _ = fmt.Sscanf(args, "%d:%d ", &from, &to)
			var all []int
			for i := from; i <= to; i++ {
				all = append(all, i)
			}
			return rowsOf(all...)
		})
	}
	bubble(t, access.TLSNone, script, func(t *testing.T, dial func(context.Context) (*Mailbox, error)) {
		m, err := dial(t.Context())
		require.NoError(t, err)
		m.opts.Connections, m.pool.max = 1, 1
		gate := gated(t, m)
		var list sync.WaitGroup
		fetched, listed := make(chan struct{}), 0
		list.Go(func() {
			for _, err := range m.List(t.Context(), "INBOX", nil) {
				if !assert.NoError(t, err) {
					return
				}
				listed++
				<-fetched
			}
		})
		synctest.Wait() // the list is connecting
		got := 0
		go func() {
			defer close(fetched)
			for _, err := range m.Fetch(within(t, time.Minute), []mailbox.ID{id("1")}, &mailbox.FetchOptions{Sizes: all(1, 1)}) {
				if assert.NoError(t, err) {
					got++
				}
			}
		}()
		synctest.Wait() // the fetch waits for that connection
		gate <- struct{}{}
		list.Wait()
		assert.Equal(t, 1, got)
		assert.Equal(t, n, listed)
	})
}

func numbers(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, " %d", i)
	}
	return b.String()
}

// TestPoolServesEverybody: however calls that hold a session until somebody
// wants it meet short ones, those that lose it, those that are cut and servers
// that refuse, everybody has a turn. If not, the bubble is at a standstill.
func TestPoolServesEverybody(t *testing.T) {
	bubble(t, access.TLSNone, func(c *mailtest.Conn) { mailtest.IMAPLogin(c, "IMAP4rev1"); idle(c) },
		func(t *testing.T, dial func(context.Context) (*Mailbox, error)) {
			m, err := dial(t.Context())
			require.NoError(t, err)
			connect := m.pool.dial
			for seed := range uint64(200) {
				serveEverybody(t, m, connect, rand.New(rand.NewPCG(seed, 0)))
			}
		})
}

func serveEverybody(t *testing.T, m *Mailbox, connect func(context.Context) (*session, error), r *rand.Rand) {
	var mu sync.Mutex
	chance := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	moment := func() time.Duration { return time.Duration(chance(4)) * time.Millisecond }
	nap := func() { <-time.After(moment()) }
	p := newPool(m.ctx, 1+chance(3), func(ctx context.Context) (*session, error) {
		nap()
		if chance(8) == 0 {
			return nil, &StatusError{Kind: "NO"}
		}
		return connect(ctx)
	})
	over := make(chan struct{})
	turn := func(patient bool) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if chance(5) == 0 {
			defer time.AfterFunc(moment(), cancel).Stop()
		}
		var s *session
		if chance(4) == 0 {
			s = p.tryIdle(ctx, want{})
		} else {
			s, _ = p.get(ctx, want{})
		}
		if s == nil {
			return
		}
		if nap(); patient {
			select {
			case <-s.asked:
			case <-over:
			}
		}
		if chance(4) == 0 {
			s.drop(errors.New("lost"))
		}
		p.put(s)
	}
	var short, long sync.WaitGroup
	for range 1 + chance(3) {
		long.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					turn(true)
					<-time.After(time.Millisecond)
				}
			}
		})
	}
	for range 1 + chance(4) {
		short.Go(func() {
			for range 10 {
				turn(false)
				nap()
			}
		})
	}
	short.Wait()
	close(over)
	long.Wait()
	idle, busy := p.close()
	assert.Empty(t, busy)
	for _, s := range idle {
		s.drop(mailbox.ErrClosed)
	}
	p.making.Wait()
}

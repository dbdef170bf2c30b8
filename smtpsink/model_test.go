package smtpsink

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// kinds are the servers of the model.
func kinds() map[string]*lab {
	return map[string]*lab{
		"chunks":         {caps: []string{"PIPELINING", "CHUNKING"}},
		"data":           {caps: []string{"PIPELINING"}},
		"bare":           {caps: []string{"SIZE"}},
		"chunks in turn": {caps: []string{"CHUNKING"}},
		"takes bodies":   {caps: []string{"PIPELINING", "CHUNKING"}, keeps: true},
		"small parts":    {caps: []string{"PIPELINING", "CHUNKING", "LIMITS RCPTMAX=3"}},
		"lmtp":           {caps: []string{"PIPELINING"}, lmtp: true},
		"lmtp chunks":    {caps: []string{"PIPELINING", "CHUNKING"}, lmtp: true},
	}
}

// batch is what the model sends.
type batch struct {
	n       int
	to      int
	partial bool
	long    int  // this one is longer than what is known whole; -1 is none
	each    bool // by Send, one after the other
}

var batches = map[string]batch{
	"one recipient":  {n: 6, to: 1, long: -1},
	"all or nothing": {n: 6, to: 3, long: -1},
	"partial":        {n: 6, to: 3, partial: true, long: -1},
	"a long one":     {n: 4, to: 2, partial: true, long: 1},
	"one by one":     {n: 4, to: 2, long: 1, each: true},
	"in parts":       {n: 3, to: 5, partial: true, long: -1, each: true},
}

// evil would be commands if a server took a message for some. The lab complains of
// them.
const evil = "STOLEN mail\r\n"

func (b batch) seq(yield func(*Message) bool) {
	for i := range b.n {
		m := &Message{Envelope: &Envelope{From: "ann@example.org"}, Tag: i, Options: &SendOptions{Partial: b.partial}}
		for j := range b.to {
			m.Envelope.To = append(m.Envelope.To, fmt.Sprintf("m%d.r%d@example.net", i, j))
		}
		body := evil
		if i == b.long {
			body = strings.Repeat(evil, 100<<10/len(evil))
		}
		m.Body = strings.NewReader(fmt.Sprintf("Subject: %d\r\n\r\n%s", i, body))
		if !yield(m) {
			return
		}
	}
}

// tally is what came of a batch.
type tally struct {
	outcomes map[Outcome]int // of messages
	conns    int
	err      error
}

// run sends the batch to the server, and fails the test if what is told of a
// message is not what the server knows.
func (b batch) run(t *testing.T, l *lab, what string) tally {
	t.Helper()
	got := tally{outcomes: map[Outcome]int{}}
	synctest.Test(t, func(t *testing.T) {
		sink := l.dial(t, nil)
		told := map[string]Outcome{}
		next := 0
		for r, err := range b.results(t, sink) {
			if err != nil {
				got.err = err
				break
			}
			require.Equal(t, next, r.Message.Tag, what)
			next++
			b.consistent(t, r, l.lmtp, what)
			got.outcomes[r.Receipt.Outcome]++
			for _, rcpt := range r.Receipt.Recipients {
				told[rcpt.Address] = rcpt.Outcome
			}
		}
		if got.err == nil {
			require.Equal(t, b.n, next, what)
		}
		_ = sink.Close()
		synctest.Wait()
		taken := map[string]int{}
		for _, m := range l.mails() {
			for _, to := range m.to {
				taken[to]++
				var i, j int
				_, err := fmt.Sscanf(to, "m%d.r%d@", &i, &j)
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(m.raw, fmt.Sprintf("Subject: %d\r\n", i)), "%s: %s got %.40q", what, to, m.raw)
				require.True(t, strings.HasSuffix(m.raw, evil), what)
				if i == b.long {
					require.Greater(t, len(m.raw), 99<<10, what)
				}
			}
		}
		for to, outcome := range told {
			n := taken[to]
			switch outcome {
			case Accepted:
				require.Equal(t, 1, n, "%s: %s is accepted", what, to)
			case Unknown:
				require.LessOrEqual(t, n, 1, "%s: %s is unknown", what, to)
			default:
				require.Zero(t, n, "%s: %s is %v", what, to, outcome)
			}
			delete(taken, to)
		}
		require.Empty(t, taken, "%s: sent, and not told", what)
		if !l.keeps {
			require.Empty(t, l.oddities(), what)
		}
		got.conns = l.conns
	})
	return got
}

// results are what becomes of the messages.
func (b batch) results(t *testing.T, sink *Sink) iter.Seq2[*Result, error] {
	if !b.each {
		return sink.SendAll(t.Context(), b.seq)
	}
	return func(yield func(*Result, error) bool) {
		for m := range b.seq {
			receipt, err := sink.Send(t.Context(), m.Envelope, m.Body, m.Options)
			if !yield(&Result{Message: m, Receipt: receipt, Err: err}, nil) {
				return
			}
		}
	}
}

// consistent looks at a result alone.
func (b batch) consistent(t *testing.T, r *Result, lmtp bool, what string) {
	t.Helper()
	count := map[Outcome]int{}
	for _, rcpt := range r.Receipt.Recipients {
		count[rcpt.Outcome]++
	}
	what = fmt.Sprintf("%s: message %v, %+v, %v", what, r.Message.Tag, r.Receipt, r.Err)
	switch r.Receipt.Outcome {
	case Accepted:
		require.Positive(t, count[Accepted], what)
		if b.each && r.Err != nil { // of several parts one was not sent
			return
		}
		require.Zero(t, count[Unknown]+count[NotSent], what)
		if !lmtp && !b.partial {
			require.Len(t, r.Receipt.Recipients, count[Accepted], what)
		}
		require.Equal(t, count[Rejected] == 0 || b.partial, r.Err == nil, what)
		require.Positive(t, r.Receipt.Octets, what)
	case Rejected:
		require.Zero(t, count[Accepted]+count[Unknown], what)
		require.Positive(t, count[Rejected], what)
		if b.each && count[NotSent] > 0 { // the other parts
			require.Error(t, r.Err, what)
			return
		}
		var reply *Reply
		require.ErrorAs(t, r.Err, &reply, what)
		require.GreaterOrEqual(t, reply.Code, 400, what)
		require.Equal(t, reply, r.Receipt.Reply, what)
	case NotSent:
		require.Error(t, r.Err, what)
		require.Zero(t, count[Accepted]+count[Unknown], what)
		require.Zero(t, r.Receipt.Octets, what)
	case Unknown:
		require.Positive(t, count[Unknown], what)
		require.True(t, count[NotSent] == 0 || b.each, what)
	}
	require.Equal(t, r.Receipt.Outcome == Unknown, errors.Is(r.Err, mailbox.ErrUnknownOutcome), what)
}

// deeds are what a server may do wrong once.
var deeds = map[string]verdict{
	"451":      {reply: "451 4.3.0 later"},
	"550":      {reply: "550 5.1.1 never"},
	"421":      {reply: "421 4.3.2 bye"},
	"452":      {reply: "452 4.5.3 too many"},
	"cut":      {cut: true},
	"lose":     {lose: true},
	"cut then": {last: true},
	"odd":      {reply: "350-well\r\n350 well", last: true},
}

// TestEveryReply has the server do each wrong thing at each of its answers to a
// batch: what is told of each message is what the server knows, and nothing comes
// twice.
func TestEveryReply(t *testing.T) {
	for kind := range kinds() {
		for shape, b := range batches {
			t.Run(kind+"/"+shape, func(t *testing.T) {
				t.Parallel()
				for deed, v := range deeds {
					for at, done := 0, false; !done; at += slower {
						l := kinds()[kind]
						n, verb := 0, ""
						l.decide = func(_ *labConn, cmd, _ string) verdict {
							if n++; n-1 != at {
								return verdict{}
							}
							verb = cmd
							return v
						}
						what := fmt.Sprintf("%s at answer %d", deed, at)
						got := b.run(t, l, what)
						done = n <= at
						b.judge(t, got, l, v, verb, what)
					}
				}
			})
		}
	}
}

// judge says how much harm one wrong answer may do.
func (b batch) judge(t *testing.T, got tally, l *lab, v verdict, verb, what string) {
	t.Helper()
	bad := b.n - got.outcomes[Accepted]
	what = fmt.Sprintf("%s, to %s: %v", what, verb, got.outcomes)
	require.NoError(t, got.err, what)
	long := b.long >= 0 // what was begun to be read cannot be sent again
	switch {
	case verb == "":
		assert.Zero(t, bad, what)
		if !l.keeps {
			assert.Equal(t, 1, got.conns, what)
		}
	case v.cut || v.lose || v.last:
		if !long {
			assert.Zero(t, got.outcomes[NotSent], what)
		}
		if verb != "." && !l.has("CHUNKING") && !long {
			assert.LessOrEqual(t, bad, 1, what)
		}
	default:
		assert.LessOrEqual(t, bad, 1, what)
		if !l.lmtp {
			assert.Zero(t, got.outcomes[Unknown], what)
		}
		if strings.HasPrefix(v.reply, "421") && verb != "." && verb != "DATA" && !long {
			assert.Zero(t, bad, what)
		}
	}
}

// TestRandomReplies has the server toss coins.
func TestRandomReplies(t *testing.T) {
	for kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			shapes := []batch{{n: 12, to: 1, long: -1}, {n: 12, to: 3, long: -1}, {n: 12, to: 3, partial: true, long: -1}, {n: 6, to: 2, partial: true, long: 2},
				{n: 12, to: 1, partial: true, long: 5}, {n: 6, to: 2, long: 2, each: true}, {n: 6, to: 5, partial: true, long: 2, each: true}}
			var wrong []verdict
			for _, name := range []string{"451", "550", "421", "452", "cut", "lose", "cut then", "odd"} {
				wrong = append(wrong, deeds[name])
			}
			accepted, unknown := 0, 0
			for seed := range uint64(400 / slower) {
				l := kinds()[kind]
				rnd := rand.New(rand.NewPCG(seed, 0))
				odds := 2 + rnd.IntN(40)
				l.decide = func(*labConn, string, string) verdict {
					if rnd.IntN(odds) > 0 {
						return verdict{}
					}
					return wrong[rnd.IntN(len(wrong))]
				}
				got := shapes[seed%uint64(len(shapes))].run(t, l, fmt.Sprintf("seed %d", seed))
				accepted += got.outcomes[Accepted]
				unknown += got.outcomes[Unknown]
			}
			assert.Greater(t, accepted, 1000/slower, "or the model is too bad a server to show anything")
			assert.Positive(t, unknown)
		})
	}
}

package smtpsink

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// path is a network on which a round trip takes two seconds, and all else nothing.
const oneWay = time.Second

// trips is how many round trips have gone by since begin.
func trips(begin time.Time) float64 {
	return float64(time.Since(begin).Round(oneWay/2)) / float64(2*oneWay)
}

// far dials a lab over such a network, and logs in.
func far(t *testing.T, l *lab) *Sink {
	opts := l.options(nil)
	opts.Net.Dialer = &mailtest.CountingDialer{Dialer: l, Latency: oneWay}
	opts.Idle = 24 * time.Hour
	a := auth
	if l.lmtp {
		a = access.Auth{}
	} else {
		l.caps = append(l.caps, "AUTH PLAIN")
	}
	begin := time.Now()
	sink, err := Dial(t.Context(), "lab.example:25", a, opts)
	require.NoError(t, err)
	want := 3.5 // TCP's, the greeting, EHLO, AUTH
	if l.lmtp {
		want = 2.5
	}
	assert.Equal(t, want, trips(begin), "round trips of Dial")
	return sink
}

// TestFlights counts the round trips of one message on a connection that is there.
func TestFlights(t *testing.T) {
	for kind, want := range map[string][3]float64{ // a short one for one, for three, a long one
		"chunks": {2, 2, 2}, "data": {2, 2, 2}, "lmtp": {2, 2, 2}, "lmtp chunks": {2, 2, 2},
		"bare": {4, 6, 4}, "chunks in turn": {3, 5, 6},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := kinds()[kind]
			sink := far(t, l)
			for range 2 { // the second is as cheap as the first
				for i, n := range want {
					to := []string{"a@example.net", "b@example.net", "c@example.net"}[:1+i%2*2]
					raw := plain
					if i == 2 {
						raw += strings.Repeat("0123456789abcd\r\n", 200<<10/16)
					}
					begin := time.Now()
					_, err := sink.Send(t.Context(), envelope(to...), strings.NewReader(raw), nil)
					require.NoError(t, err)
					assert.Equal(t, n, trips(begin), "%s, case %d", kind, i)
				}
			}
			assert.Empty(t, strings.ReplaceAll(strings.Join(l.oddities(), ""), "X ", ""))
			_ = sink.Close()
			<-time.After(time.Minute) // what is under way arrives
		})
	}
}

// TestFlightsOfMany counts those of a hundred messages, the login among them.
func TestFlightsOfMany(t *testing.T) {
	for _, tt := range []struct {
		kind    string
		to      int
		partial bool
		want    float64
	}{
		{"chunks", 1, false, 6.5}, {"chunks", 20, true, 6.5}, {"chunks", 3, false, 104.5},
		{"data", 1, false, 104.5}, {"data", 3, false, 104.5}, {"data", 3, true, 104.5},
		{"lmtp", 2, true, 103.5},
		{"bare", 1, false, 403.5}, {"chunks in turn", 1, false, 303.5},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			l := kinds()[tt.kind]
			sink := far(t, l)
			var to []string
			for i := range tt.to {
				to = append(to, fmt.Sprintf("r%d@example.net", i))
			}
			n := 0
			all := func(yield func(*Message) bool) {
				for m := range messages(100, to...) {
					m.Options = &SendOptions{Partial: tt.partial}
					if !yield(m) {
						return
					}
				}
			}
			for r, err := range sink.SendAll(t.Context(), all) {
				require.NoError(t, err)
				require.NoError(t, r.Err)
				n++
			}
			assert.Equal(t, 100, n)
			assert.Equal(t, tt.want, trips(begin), "%+v", tt)
			assert.Equal(t, 1, l.conns)
			_ = sink.Close()
			<-time.After(time.Minute)
		})
	}
}

// TestFlightsOfOneAtATime: the control. With a window of one, or one Send after the
// other, a hundred messages take two hundred round trips.
func TestFlightsOfOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := kinds()["chunks"]
		sink := far(t, l)
		begin := time.Now()
		for m := range messages(100, "b@example.net") {
			_, err := sink.Send(context.Background(), m.Envelope, m.Body, nil)
			require.NoError(t, err)
		}
		assert.Equal(t, 200.0, trips(begin))
		_ = sink.Close()
		<-time.After(time.Minute)
	})
}

// TestFlightsInTLS counts turns on a real host, TLS and the login among them.
func TestFlightsInTLS(t *testing.T) {
	for flavour, most := range map[mailtest.SMTPFlavour]int64{mailtest.SMTPExtended: 10, mailtest.SMTPPipelining: 115} {
		host := newHost(t, &mailtest.Options{SMTP: flavour})
		d := &mailtest.CountingDialer{}
		sink := dial(t, host, &Options{Net: access.Options{Dialer: d}})
		n := 0
		for r, err := range sink.SendAll(t.Context(), messages(50, "bob@example.org")) {
			require.NoError(t, err)
			require.NoError(t, r.Err)
			n++
		}
		assert.Equal(t, 50, n)
		t.Log(d.Stats())
		assert.LessOrEqual(t, d.Stats().Flights, most)
	}
}

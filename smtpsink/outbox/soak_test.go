package outbox

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"
)

var soak = flag.Int("soak", 3, "how often TestSoak kills an outbox")

// TestSoak kills a process again and again at moments that nobody chose while it
// enqueues and sends, ten messages for each kill. None may be lost or sent twice.
// go test -run Soak -soak 1000 -timeout 1h
func TestSoak(t *testing.T) {
	e := newErrand(t)
	e.N = 10
	killed := 0
	for killed < *soak {
		e.KillIn = time.Duration(1+rand.IntN(40)) * time.Millisecond
		if e.send(t) {
			killed++
		}
		e.First += e.N
	}
	held := e.check(t)
	t.Logf("%d kills, %d messages, %d promised, %d held", killed, e.First, len(e.logged(t, "promised")), len(held))
}

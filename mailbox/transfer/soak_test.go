package transfer

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

var soak = flag.Int("soak", 3, "how often TestSoak kills a transfer")

// TestSoak kills a transfer again and again at moments that nobody chose, while
// new mail comes, ten messages for each kill; all of it must be in the Maildir
// once. go test -run Soak -soak 1000 -timeout 1h
func TestSoak(t *testing.T) {
	w := newWay(t, "pop3-maildir", 0)
	w.e.Group = 20
	sent, killed := 0, 0
	for killed < *soak {
		for range 10 {
			require.NoError(t, w.host.Deliver("ann", mailbox.Inbox, note(sent), nil))
			sent++
		}
		w.e.KillIn = time.Duration(1+rand.IntN(40)) * time.Millisecond
		for i := 0; ; i++ {
			if w.e.send(t) {
				killed++
				break
			}
			if i == 10 {
				w.e.KillIn = time.Millisecond
			}
		}
	}
	w.check(sent)
	t.Logf("%d kills, %d messages", killed, sent)
}

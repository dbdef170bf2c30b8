package transfer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// The crash matrix: a transfer dies, its connection is cut or its writes fail,
// at every point where that makes a difference, and one more run must end with
// each message stored exactly once, whole, and none lost.
//
// Over POP3 into a Maildir the points are: P1 before and after UIDL, P2 in RETR,
// P3 the temporary file made, P4 half written, P5 before it is synced (P5e: that
// fails), P6 before it has its name, P7 before the directory is synced, P8 before
// the journal is, P9 before DELE, P10 DELE's answer lost, P11 before QUIT, P12
// QUIT's answer lost, P13 QUIT refused, P14 before that is noted. The operations
// of the disk are numbered, and all are tried: P3 to P9 and P14 are among them.
//
// Into IMAP: A1 before APPEND, A2 in its literal, A3 its answer lost, A4 before
// that is noted; M1 to M4, moving: the same with STORE and EXPUNGE at the source.

// crashMail is how many messages a case moves.
const crashMail = 5

// way is one kind of transfer on a host of its own.
type way struct {
	t    *testing.T
	host *mailtest.Host
	e    errand
}

func (w *way) fill(n int) {
	w.host.AddUser("ann", secret)
	w.host.AddUser("bob", secret)
	for i := range n {
		require.NoError(w.t, w.host.Deliver("ann", mailbox.Inbox, note(i), nil))
	}
}

// newWay makes the kind of transfer that name says: "pop3-maildir",
// "imap-maildir", "maildir-imap", "imap-imap", "pop3-imap".
func newWay(t *testing.T, name string, n int) *way {
	t.Helper()
	w := &way{t: t, host: mailtest.New(t, &mailtest.Options{Plaintext: true})}
	w.fill(n)
	from, to, _ := strings.Cut(name, "-")
	dir := t.TempDir()
	w.e = errand{Remove: true, Group: 2, KillOp: -1}
	side := func(kind, user string) errandSide {
		switch kind {
		case "maildir":
			return errandSide{Maildir: filepath.Join(dir, user)}
		case "imap":
			return errandSide{IMAP: w.host.IMAP, User: user}
		}
		return errandSide{POP3: w.host.POP3, User: user}
	}
	w.e.From, w.e.To = side(from, "ann"), side(to, "bob")
	if to == "imap" {
		w.e.Journal = filepath.Join(dir, "journal")
	}
	if from == "maildir" {
		// What ann has on the server is put into her Maildir.
		first := errand{From: errandSide{IMAP: w.host.IMAP, User: "ann"}, To: w.e.From, KillOp: -1}
		_, err := first.do(t.Context(), nil, [2]access.Dialer{})
		require.NoError(t, err)
	}
	return w
}

// side is what one side holds.
func (w *way) side(s errandSide) map[[32]byte]int {
	w.t.Helper()
	mb, err := s.open(w.t.Context(), nil, nil)
	require.NoError(w.t, err)
	defer mb.Close()
	return contents(w.t, mb, mailbox.Inbox)
}

// check looks at both sides, has one more run end what is left, and looks again.
func (w *way) check(n int) {
	w.t.Helper()
	w.host.ClearFaults()
	from, to := w.side(w.e.From), w.side(w.e.To)
	for i := range n {
		h := sha256.Sum256(note(i))
		assert.Positive(w.t, from[h]+to[h], "message %d is lost", i)
	}
	last := w.e
	last.KillOp, last.KillAt, last.KillIn = -1, killPoint{}, 0
	report, err := last.do(w.t.Context(), nil, [2]access.Dialer{})
	require.NoError(w.t, err)
	assert.Equal(w.t, notes(upTo(n)...), w.side(w.e.To), "each once, whole, and nothing else: %+v", report)
	assert.Empty(w.t, w.side(w.e.From), "what is stored is deleted: %+v", report)
}

// operations counts what the errand does to the disk.
func operations(t *testing.T, name string) int {
	w := newWay(t, name, crashMail)
	var mu sync.Mutex // reading and storing go on at a time
	n := 0
	count := func(d disk.Dir) disk.Dir {
		return disktest.Hook(d, func(op disktest.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if op.Changes {
				n = max(n, op.N+1)
			}
			return nil
		})
	}
	_, err := w.e.do(t.Context(), count, [2]access.Dialer{})
	require.NoError(t, err)
	return n
}

// TestCrashKilledAtDisk kills the process at every operation of the disk.
func TestCrashKilledAtDisk(t *testing.T) {
	for _, name := range []string{"pop3-maildir", "imap-maildir"} {
		t.Run(name, func(t *testing.T) {
			n := operations(t, name)
			whole := 0
			for k := range n {
				t.Run(fmt.Sprint(k), func(t *testing.T) {
					w := newWay(t, name, crashMail)
					w.e.KillOp, w.e.KillAfter = k, k%2 == 1
					if !w.e.send(t) {
						whole++
					}
					w.check(crashMail)
				})
			}
			// What comes at a time is stored at a time, so that a run can need a
			// few operations less than the one that was counted.
			assert.LessOrEqual(t, whole, n/10, "runs that were not killed")
		})
	}
}

// TestCrashKilledAtWire kills the process at each command.
func TestCrashKilledAtWire(t *testing.T) {
	for name, commands := range map[string][]killPoint{
		"pop3-maildir": {
			{Command: "UIDL"}, {Command: "RETR"}, {Command: "RETR", Skip: 3}, {Command: "DELE"},
			{Command: "DELE", Skip: 4}, {Command: "QUIT"},
		},
		"imap-maildir": {
			{Command: "SELECT"}, {Command: "BODY.PEEK[]"}, {Command: "UID STORE"}, {Command: "UID EXPUNGE"},
		},
		"pop3-imap": {
			{Command: "APPEND", Target: true}, {Command: "APPEND", Target: true, Skip: 3}, {Command: "Number 1.", Target: true},
			{Command: "RETR"}, {Command: "QUIT"},
		},
		"imap-imap": {
			{Command: "APPEND", Target: true}, {Command: "APPEND", Target: true, Skip: 2}, {Command: "Number 1.", Target: true},
			{Command: "UID STORE"}, {Command: "UID EXPUNGE"},
		},
		"maildir-imap": {
			{Command: "APPEND", Target: true}, {Command: "APPEND", Target: true, Skip: 4}, {Command: "Number 3.", Target: true},
		},
	} {
		for _, at := range commands {
			for _, when := range []string{"before", "half", "after", "reply"} {
				at.When = when
				t.Run(fmt.Sprintf("%s/%s %d %s", name, at.Command, at.Skip, when), func(t *testing.T) {
					w := newWay(t, name, crashMail)
					w.e.KillAt = at
					require.True(t, w.e.send(t))
					w.check(crashMail)
				})
			}
		}
	}
}

// TestCrashCut cuts the connection, or has the server refuse, at each command.
func TestCrashCut(t *testing.T) {
	cut := func(protocol, command string, skip int, octets int64) mailtest.Fault {
		return mailtest.Fault{Kind: mailtest.FaultCut, Protocol: protocol, Command: command, Skip: skip, N: octets, Times: 1}
	}
	refuse := func(protocol, command, text string) mailtest.Fault {
		return mailtest.Fault{Kind: mailtest.FaultReply, Protocol: protocol, Command: command, Text: text, Times: 1}
	}
	for name, faults := range map[string][]mailtest.Fault{
		"pop3-maildir": {
			cut("pop3", "UIDL", 0, 0), cut("pop3", "UIDL", 0, 10), cut("pop3", "RETR", 0, 0), cut("pop3", "RETR", 2, 60),
			cut("pop3", "RETR", 4, 150), cut("pop3", "DELE", 0, 0), cut("pop3", "DELE", 3, 0), cut("pop3", "QUIT", 0, 0),
			refuse("pop3", "QUIT", "-ERR some deleted messages not removed"), refuse("pop3", "DELE", "-ERR no such message"),
			refuse("pop3", "RETR", "-ERR try later"),
		},
		"imap-maildir": {
			cut("imap", "UID FETCH", 1, 30), cut("imap", "UID FETCH", 1, 300), cut("imap", "UID STORE", 0, 0),
			cut("imap", "UID EXPUNGE", 0, 0), refuse("imap", "UID EXPUNGE", "NO not now"), refuse("imap", "UID STORE", "NO not now"),
		},
		"imap-imap": {
			cut("imap", "APPEND", 0, 0), cut("imap", "APPEND", 2, 5), cut("imap", "APPEND", 4, 40), refuse("imap", "APPEND", "NO [UNAVAILABLE] later"),
			cut("imap", "UID EXPUNGE", 0, 0),
		},
		"pop3-imap": {
			cut("imap", "APPEND", 1, 0), cut("imap", "APPEND", 3, 20), cut("pop3", "QUIT", 0, 0), cut("pop3", "RETR", 1, 100),
		},
	} {
		for i, f := range faults {
			t.Run(fmt.Sprintf("%s/%d %s %d", name, i, f.Command, f.N), func(t *testing.T) {
				w := newWay(t, name, crashMail)
				w.host.Inject(f)
				_, err := w.e.do(t.Context(), nil, [2]access.Dialer{})
				t.Log(err)
				w.check(crashMail)
			})
		}
	}
}

// TestCrashWriteFails has each operation of the disk fail, once and for good.
func TestCrashWriteFails(t *testing.T) {
	n := operations(t, "pop3-maildir")
	for _, fault := range []struct {
		name  string
		err   error
		again disktest.Again
	}{
		{"EIO", syscall.EIO, disktest.Once},
		{"ENOSPC", syscall.ENOSPC, disktest.SameKind},
		{"short", &disktest.ShortWrite{N: 7, Err: io.ErrShortWrite}, disktest.Once},
	} {
		t.Run(fault.name, func(t *testing.T) {
			w := newWay(t, "pop3-maildir", 0)
			sent := 0
			for k := range n {
				// The account goes on: what earlier cases moved stays.
				for range crashMail {
					require.NoError(t, w.host.Deliver("ann", mailbox.Inbox, note(sent), nil))
					sent++
				}
				failing := func(d disk.Dir) disk.Dir { return disktest.FailAt(d, k, fault.err, fault.again) }
				_, err := w.e.do(t.Context(), failing, [2]access.Dialer{})
				if err != nil && !errors.Is(err, fault.err) {
					t.Logf("operation %d: %v", k, err)
				}
				w.check(sent)
				if t.Failed() {
					t.Fatalf("at operation %d: %v", k, err)
				}
			}
		})
	}
}

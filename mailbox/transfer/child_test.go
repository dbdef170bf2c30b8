package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/popsrc"
)

// secret is the password of every account here.
const secret = "canary-5ecret"

// errand is a transfer that another process does, and where that dies.
type errand struct {
	From, To errandSide
	Journal  string // of a destination on the network
	Remove   bool
	Group    int // messages of a group

	// KillOp is the operation of the disk at which it dies, -1 for none: ahead
	// of it, or behind it.
	KillOp    int
	KillAfter bool
	// KillAt is what it dies at sending, "" for none.
	KillAt killPoint
	// KillIn is when it dies in any case; 0 is never.
	KillIn time.Duration
}

// errandSide is a Maildir's path, or an account on a server.
type errandSide struct {
	Maildir string
	IMAP    string
	POP3    string
	User    string
}

// killPoint is a place in a conversation.
type killPoint struct {
	Target  bool // of the destination, not the source
	Command string
	Skip    int
	When    string // "before" it is sent, "half" sent, "after" it is sent, "reply" has come
}

// open opens the side; hook is for its disk.
func (s errandSide) open(ctx context.Context, hook func(disk.Dir) disk.Dir, dialer access.Dialer) (mailbox.Mailbox, error) {
	auth := access.Password(s.User, secret, nil)
	n := access.Options{TLS: access.TLSNone, Dialer: dialer}
	switch {
	case s.Maildir != "":
		d, err := disk.OpenNew(s.Maildir)
		if err != nil {
			return nil, err
		}
		if hook != nil {
			d = hook(d)
		}
		return maildir.OpenOn(d, nil)
	case s.IMAP != "":
		return imapsrc.Dial(ctx, s.IMAP, auth, &imapsrc.Options{Net: n})
	}
	return popsrc.Dial(ctx, s.POP3, auth, &popsrc.Options{Net: n})
}

// do runs the transfer.
func (e *errand) do(ctx context.Context, hook func(disk.Dir) disk.Dir, dialers [2]access.Dialer) (*Report, error) {
	src, err := e.From.open(ctx, hook, dialers[0])
	if err != nil {
		return nil, err
	}
	defer src.Close()
	dst, err := e.To.open(ctx, hook, dialers[1])
	if err != nil {
		return nil, err
	}
	defer dst.Close()
	return Run(ctx, src, dst, &Options{
		Source: "errand", Journal: e.Journal, Remove: Remove{Stored: e.Remove}, messages: e.Group,
	})
}

const childVariable = "POSTROOM_TRANSFER_ERRAND"

func TestMain(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var e errand
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		panic(err)
	}
	if e.KillIn > 0 {
		time.AfterFunc(e.KillIn, die)
	}
	var dialers [2]access.Dialer
	if e.KillAt.Command != "" {
		side := 0
		if e.KillAt.Target {
			side = 1
		}
		dialers[side] = &killingDialer{at: e.KillAt}
	}
	hook := func(d disk.Dir) disk.Dir {
		return disktest.Hook(d, func(op disktest.Op) error {
			if op.Changes && op.N == e.KillOp && op.After == e.KillAfter {
				die()
			}
			return nil
		})
	}
	if e.KillOp < 0 {
		hook = nil
	}
	if _, err := e.do(context.Background(), hook, dialers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// die ends the process as a crash does.
func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {}
}

// send has another process do the errand, and reports whether it was killed.
func (e *errand) send(t testing.TB) (killed bool) {
	t.Helper()
	text, err := json.Marshal(e)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		require.True(t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%v: %s", err, out)
		return true
	}
	require.NoError(t, err)
	return false
}

// killingDialer makes connections whose process dies at a place of the
// conversation.
type killingDialer struct {
	net.Dialer
	at killPoint

	mu   sync.Mutex
	seen int
}

func (d *killingDialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &killingConn{Conn: c, d: d}, nil
}

type killingConn struct {
	net.Conn
	d    *killingDialer
	sent bool
}

func (c *killingConn) Write(p []byte) (int, error) {
	c.d.mu.Lock()
	n := bytes.Count(p, []byte(c.d.at.Command))
	hit := c.d.seen <= c.d.at.Skip && c.d.seen+n > c.d.at.Skip
	c.d.seen += n
	if hit && c.d.at.When == "reply" {
		c.sent = true
	}
	c.d.mu.Unlock()
	if !hit || c.d.at.When == "reply" {
		return c.Conn.Write(p)
	}
	switch c.d.at.When {
	case "half":
		_, _ = c.Conn.Write(p[:len(p)/2])
	case "after":
		_, _ = c.Conn.Write(p)
	}
	die()
	return 0, nil
}

func (c *killingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.d.mu.Lock()
	sent := c.sent
	c.d.mu.Unlock()
	if sent {
		die()
	}
	return n, err
}

package imapsrc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

func hostileBadUTF7(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1")
		c.Answer("LIST", func(tag, _ string) {
			c.Send("* LIST () \"/\" \"A&B\"\r\n* LIST () \"/\" \"Caf\xe9\"\r\n* LIST () NIL inbox\r\n* LIST () \"/\" Gr&APw-n\r\n* LIST () \"/\" un quoted\r\n* LIST () \"/\" NIL\r\n* LIST () \"/\" \"no end\r\n" + tag + " OK done\r\n")
		})
		for range 2 {
			tag, args := c.Command("EXAMINE")
			assert.Contains(t, []string{`"A&B"`, "{4}\r\nCaf\xe9"}, args)
			c.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + tag + " OK done\r\n")
		}
		idle(c)
	})
	m := r.mustDial()
	got := map[string]int{}
	for f, err := range m.Folders(t.Context(), nil) {
		require.NoError(t, err)
		got[f.Name] = len(f.Defects)
	}
	assert.Equal(t, map[string]int{"A&B": 1, "Caf\xe9": 1, "INBOX": 0, "Grün": 0, "un quoted": 1, "NIL": 0, "no end": 1}, got)
	for _, name := range []string{"A&B", "Caf\xe9"} {
		for _, err := range m.List(t.Context(), name, nil) {
			require.NoError(t, err)
		}
	}
	control := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 0)
		tag, _ := c.Command("LIST")
		c.Send("* LIST () \"/\" \"A&B\"\r\n" + tag + " OK done\r\n")
		c.Stall()
	})
	_, err := bare(t, control.Addr).List("", "*", nil).Collect()
	assert.Error(t, err, "the control: one name costs the bare engine its connection")
}

func hostileListFlood(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1")
		tag, _ := c.Command("LIST")
		chunk := strings.Builder{}
		for i := range 2000 {
			fmt.Fprintf(&chunk, "* LIST () \"/\" f%d\r\n", i)
			if i%1000 == 999 {
				c.Send(chunk.String())
				chunk.Reset()
			}
		}
		c.Send(tag + " OK done\r\n")
		idle(c)
	})
	folders := func() (n int, err error) {
		for _, err := range r.mustDial().Folders(t.Context(), nil) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	n, err := folders()
	require.NoError(t, err, "the control: below the limit it is a list")
	assert.Equal(t, 2001, n)
	r.opts.limits.Untagged = 1000
	_, err = folders()
	require.ErrorIs(t, err, mailbox.ErrTooLarge)
}

func hostileTag(t *testing.T) {
	for answer, want := range map[string]error{"Z9 OK done\r\n": mailbox.ErrProtocol, "+ go on\r\n": mailbox.ErrProtocol, "": nil} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, "IMAP4rev1")
			tag, _ := c.Command("EXAMINE")
			c.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + answer + tag + " OK done\r\n")
			idle(c)
		})
		_, err := r.list(r.mustDial(), nil)
		if want == nil {
			require.NoError(t, err, "without it nothing is wrong")
			continue
		}
		require.ErrorIs(t, err, want, answer)
		n := newNaive(t, r.srv.Addr)
		n.login()
		assert.Equal(t, strings.TrimSpace(answer), n.cmd("EXAMINE INBOX"), "the control: a naive client takes it for its answer")
	}
}

// hostileNoReply: a server that does not answer is waited for as long as the
// options say, and the next call has another connection.
func hostileNoReply(t *testing.T) {
	script := func(c *mailtest.Conn) { mailtest.IMAPLogin(c, "IMAP4rev1"); c.Stall() }
	bubble(t, access.TLSNone, script, func(t *testing.T, dial func(context.Context) (*Mailbox, error)) {
		m, err := dial(t.Context())
		require.NoError(t, err)
		begin := time.Now()
		for _, err = range m.List(t.Context(), "INBOX", nil) {
		}
		require.ErrorIs(t, err, mailbox.ErrUnavailable)
		assert.LessOrEqual(t, time.Since(begin), 5*time.Minute, "some attempts of a minute each")
		begin = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err = range m.List(ctx, "INBOX", nil) {
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(begin))

		nc := mailtest.Pipe(t, script)
		c := imapclient.New(nc, nil)
		require.NoError(t, c.Login("ann", canary).Wait())
		done := make(chan error, 1)
		go func() { done <- c.List("", "*", nil).Close() }()
		<-time.After(24 * time.Hour)
		assert.Empty(t, done, "the control: the bare engine is waiting after a day")
		_ = nc.Close()
		require.Error(t, <-done)
	})
}

// hostileDrip: a server may be slow, as long as it moves, and not for ever.
func hostileDrip(t *testing.T) {
	body := strings.Repeat("x", 1000)
	drips := func(size int, every time.Duration) func(c *mailtest.Conn) {
		return func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 1)
			for {
				tag, args := c.Command("UID FETCH")
				partial := "<0>"
				if !strings.Contains(args, "<") {
					partial = ""
				}
				c.Send("* 1 FETCH (UID 1 RFC822.SIZE 1000 BODY[]" + partial + " {1000}\r\n")
				for i := 0; i < len(body); i += size {
					<-time.After(every)
					c.Send(body[i : i+size])
				}
				c.Send(")\r\n" + tag + " OK done\r\n")
			}
		}
	}
	slow, drip := drips(50, 20*time.Second), drips(1, 4*time.Second)
	bubble(t, access.TLSNone, slow, func(t *testing.T, dial func(context.Context) (*Mailbox, error)) {
		m, err := dial(t.Context())
		require.NoError(t, err)
		got, err := m.Open(t.Context(), id("1"), nil)
		require.NoError(t, err)
		data, err := io.ReadAll(got)
		require.NoError(t, err)
		assert.Equal(t, body, string(data))

		nc := mailtest.Pipe(t, slow)
		defer nc.Close()
		c := imapclient.New(nc, nil)
		require.NoError(t, c.Login("ann", canary).Wait())
		_, err = c.Select("INBOX", nil).Wait()
		require.NoError(t, err)
		// Read by hand: Collect would read on in the literal that failed, beside
		// the engine's own reader.
		msg := c.Fetch(imap.UIDSetNum(1), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Next()
		require.NotNil(t, msg)
		var literal io.Reader
		for literal == nil {
			item := msg.Next()
			require.NotNil(t, item)
			if section, ok := item.(imapclient.FetchItemDataBodySection); ok {
				literal = section.Literal
			}
		}
		_, err = io.Copy(io.Discard, literal)
		var timeout net.Error
		require.ErrorAs(t, err, &timeout, "the control: the bare engine gives up on what moves")
	})
	bubble(t, access.TLSNone, drip, func(t *testing.T, dial func(context.Context) (*Mailbox, error)) {
		m, err := dial(t.Context())
		require.NoError(t, err)
		begin := time.Now()
		_, err = m.Open(t.Context(), id("1"), nil)
		require.ErrorIs(t, err, mailbox.ErrUnavailable)
		assert.Less(t, time.Since(begin), 4*4000*time.Second)

		nc := mailtest.Pipe(t, drip)
		defer nc.Close()
		n := &naive{textproto.NewReader(bufio.NewReader(nc)), t, nc}
		_, _ = n.ReadLine()
		n.login()
		n.cmd("EXAMINE INBOX")
		begin = time.Now()
		assert.Contains(t, n.all("UID FETCH 1 (BODY[])"), body)
		assert.Equal(t, 4000*time.Second, time.Since(begin), "the control: who waits for each octet alone waits for as long as the server likes")
	})
}

// hostileThrottle: a server that wants less is told apart from one that is
// broken, and what it refused is not asked for again.
func hostileThrottle(t *testing.T) {
	play := func(text string) *rig {
		return newRig(t, nil, func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, "IMAP4rev1")
			tag, _ := c.Command("EXAMINE")
			c.Send(strings.ReplaceAll(text, "%s", tag) + "\r\n")
			if !strings.HasPrefix(text, "* BYE") {
				idle(c)
			}
		})
	}
	for _, said := range []string{"%s NO [LIMIT] later", "%s NO [THROTTLED] later", "%s NO [OVERQUOTA] Account exceeded command or bandwidth limits.",
		"%s NO Too many simultaneous connections.", "%s NO Maximum number of connections from user+IP exceeded", "* BYE Too many requests"} {
		r := play(said)
		_, err := r.listing()
		require.ErrorIs(t, err, mailbox.ErrThrottled, said)
		assert.True(t, mailbox.Retryable(err), said)
		var throttled *mailbox.ThrottledError
		require.ErrorAs(t, err, &throttled)
		assert.Equal(t, 1, strings.Count(r.srv.Transcript(), "EXAMINE"), said)
	}
	_, err := play("%s NO Not today").listing()
	require.NotErrorIs(t, err, mailbox.ErrThrottled, "the control: the code or the text is what tells")

	r := play("%s NO Request is throttled. Suggested Backoff Time: 299961 milliseconds")
	_, err = r.listing()
	var throttled *mailbox.ThrottledError
	require.ErrorAs(t, err, &throttled)
	assert.Equal(t, 299961*time.Millisecond, throttled.RetryAfter)
}

// hostileNames: what a folder is called is a name, octet by octet, and stays in
// its place in commands and IDs; what cannot be one is left out.
func hostileNames(t *testing.T) {
	names := []string{"..", "a/../b", "../../etc/passwd", "/etc/passwd", `C:\x`, "con", "a.", "a b", "*", "%", "A", "a", "\x1b[31m",
		"\xff\xfe", "&AAo-", "&AAA-", "{5}", "NIL", "(x)", "a\" b"}
	opened := make(chan string, 1)
	unquote := func(args string) string {
		if _, name, literal := strings.Cut(args, "}\r\n"); literal {
			return name
		}
		if name, quoted := strings.CutPrefix(args, `"`); quoted {
			return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(strings.TrimSuffix(name, `"`))
		}
		return args
	}
	r := newRig(t, nil, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1")
		c.Answer("LIST", func(tag, _ string) {
			for _, n := range append(names, strings.Repeat("n", 10_000), "") {
				c.Sendf("* LIST () \"/\" {%d}\r\n%s\r\n", len(n), n)
			}
			c.Send(tag + " OK done\r\n")
		})
		c.Answer("EXAMINE", func(tag, args string) {
			opened <- args
			c.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + tag + " OK done\r\n")
		})
		idle(c)
	})
	m := r.mustDial()
	var got []string
	for f, err := range m.Folders(t.Context(), nil) {
		require.NoError(t, err)
		got = append(got, f.Name)
		for _, err := range m.List(t.Context(), f.Name, nil) {
			require.NoError(t, err, "%q", f.Name)
		}
		assert.Equal(t, f.Name, unquote(<-opened))
		text := mailbox.NewID(f.Name, "7", "1").String()
		assert.NotContains(t, text, "\x1b")
		back, err := mailbox.ParseID(text)
		require.NoError(t, err)
		assert.Equal(t, f.Name, back.Folder())
	}
	assert.Equal(t, append(names, "INBOX"), got)

	n := newNaive(t, r.srv.Addr)
	n.login()
	assert.Equal(t, "+ go on", n.cmd("EXAMINE {5}"), "the control: as it is, a name becomes something else")
}

// hostileHugeLiteral: what is announced is not believed.
func hostileHugeLiteral(t *testing.T) {
	flood := strings.Repeat("a", 4<<20)
	play := func(size string) *rig {
		return newRig(t, nil, func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, "IMAP4rev1")
			tag, _ := c.Command("LIST")
			c.Send("* LIST () \"/\" " + size + "\r\n" + flood + "\r\n" + tag + " OK done\r\n")
			idle(c)
		})
	}
	folders := func(r *rig) (err error) {
		for _, e := range r.mustDial().Folders(t.Context(), nil) {
			err = e
		}
		return err
	}
	for _, size := range []string{"{9000000000000}", "{4194304}"} {
		require.ErrorIs(t, folders(play(size)), mailbox.ErrTooLarge, size)
	}
	r := play("{4194304}")
	const most = 1 << 30
	r.opts.limits = imapwire.Limits{Line: most, Literal: most, Response: most}
	require.NoError(t, folders(r), "the control: with other limits it is taken, all of it")
}

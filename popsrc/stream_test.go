package popsrc

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestWindow: no more is asked for ahead than the window allows, and without
// PIPELINING nothing at all.
func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		caps   []string
		window int64
		ahead  int
	}{
		{"one", caps, 1, 1},
		{"three", caps, 3 * 1000, 3},
		{"all", caps, 0, 8},
		{"no PIPELINING", []string{"USER", "UIDL"}, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := mail("x") + strings.Repeat("y", 1000-len(mail("x"))-2) + "\r\n"
			mails := []string{body, body, body, body, body, body, body, body}
			script := func(c *mailtest.Conn, _ int) {
				serve(c, tt.caps, mails, func(c *mailtest.Conn) {
					for done := 0; done < len(mails); {
						c.Verb("RETR")
						asked := 1
						for {
							// In a bubble a second passes only once nobody else can move.
							_ = c.NetConn().SetReadDeadline(time.Now().Add(time.Second))
							b := make([]byte, 4096)
							n, err := c.Read(b)
							asked += strings.Count(string(b[:n]), "RETR")
							if err != nil {
								require.ErrorIs(t, err, os.ErrDeadlineExceeded)
								break
							}
						}
						_ = c.NetConn().SetReadDeadline(time.Time{})
						assert.LessOrEqual(t, asked, tt.ahead)
						for range asked {
							c.Send("+OK\r\n" + body + ".\r\n")
							done++
						}
					}
					c.Verb("QUIT")
				})
			}
			bubble(t, script, func(t *testing.T, _ *pipes, opts *Options) {
				opts.Window = tt.window
				mb := dialBubble(t, opts)
				n := 0
				for msg, err := range mb.Fetch(t.Context(), idsOf(t, mb), nil) {
					require.NoError(t, err)
					b, err := io.ReadAll(msg.Body)
					require.NoError(t, err)
					assert.Equal(t, body, string(b))
					n++
				}
				assert.Equal(t, len(mails), n)
			})
		})
	}
}

// TestPoison: a message without end fails alone, and what is behind it comes in
// another session.
func TestPoison(t *testing.T) {
	mails := []string{mail("one"), mail("two"), mail("three")}
	srv := maildrop(t, mails, func(c *mailtest.Conn) {
		c.Answer("RETR", func(_, args string) {
			if args != "2" {
				c.Send("+OK\r\n" + mails[args[0]-'1'] + ".\r\n")
				return
			}
			c.Send("+OK\r\n")
			for {
				c.Send(strings.Repeat("x", 4096))
			}
		})
	})
	cl := newClient(t, access.TLSImplicit)
	cl.opts.limits = withDefaults(limits{sizeFloor: 1})
	mb := cl.open(srv.Addr)
	var got []string
	for msg, err := range mb.Fetch(t.Context(), idsOf(t, mb), nil) {
		require.NoError(t, err)
		b, err := io.ReadAll(msg.Body)
		if err != nil {
			require.ErrorIs(t, err, mailbox.ErrTooLarge)
			got = append(got, "too large")
			continue
		}
		got = append(got, string(b))
	}
	assert.Equal(t, []string{mails[0], "too large", mails[2]}, got)
	assert.Equal(t, 2, srv.Accepted())
}

// TestRefusedMessage: -ERR to one RETR is that message's error.
func TestRefusedMessage(t *testing.T) {
	mails := []string{mail("one"), mail("two")}
	srv := maildrop(t, mails, func(c *mailtest.Conn) {
		c.Answer("RETR", func(_, args string) {
			if args == "1" {
				c.Send("-ERR [SYS/TEMP] locked\r\n")
				return
			}
			c.Send("+OK\r\n" + mails[1] + ".\r\n")
		})
	})
	mb := newClient(t, access.TLSImplicit).open(srv.Addr)
	ids := idsOf(t, mb)
	_, err := mb.Open(t.Context(), ids[0], nil)
	require.ErrorIs(t, err, mailbox.ErrUnavailable)
	var reply *ReplyError
	require.ErrorAs(t, err, &reply)
	n := 0
	for msg, err := range mb.Fetch(t.Context(), ids, &mailbox.FetchOptions{Fields: mailbox.FieldEnvelope}) {
		require.NoError(t, err)
		b, err := io.ReadAll(msg.Body)
		if n++; n == 1 {
			require.ErrorIs(t, err, mailbox.ErrUnavailable)
			assert.Nil(t, msg.Envelope)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, mails[1], string(b), "the header was read, and is still there")
		assert.Equal(t, "two", msg.Envelope.Subject)
	}
	assert.Equal(t, 2, n)
	assert.Equal(t, 1, srv.Accepted())
}

// TestDeleteWhatIsNotListed: a message that this session does not know may have
// come since it began. Nil must mean that it is gone.
func TestDeleteWhatIsNotListed(t *testing.T) {
	srv := secureServer(t, func(c *mailtest.Conn) {
		serve(c, caps, []string{mail("one"), mail("two")}[:min(c.Num(), 2)], nil)
	})
	mb := newClient(t, access.TLSImplicit).open(srv.Addr)
	require.Len(t, idsOf(t, mb), 1)
	late := mailbox.NewID(mailbox.Inbox, "", "uid2")
	require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{late}, nil))
	assert.Contains(t, srv.Transcript(), "C: DELE 2")

	never := mailbox.NewID(mailbox.Inbox, "", "uid99")
	require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{never}, nil))
	assert.Equal(t, 1, strings.Count(srv.Transcript(), "DELE"))
}

// bigMail serves one message of size octets without end of line problems.
func bigMail(t *testing.T, size int) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		_, _ = io.WriteString(nc, "+OK\r\n")
		buf := make([]byte, 1024)
		piece := []byte(strings.Repeat(strings.Repeat("x", 62)+"\r\n", 1024))
		for {
			n, err := nc.Read(buf)
			if err != nil {
				return
			}
			switch verb, _, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " "); verb {
			case "UIDL":
				_, _ = io.WriteString(nc, "+OK\r\n1 big\r\n.\r\n")
			case "LIST":
				_, _ = io.WriteString(nc, "+OK\r\n1 "+num(size)+"\r\n.\r\n")
			case "CAPA":
				_, _ = io.WriteString(nc, "-ERR\r\n")
			case "TOP":
				_, _ = io.WriteString(nc, "-ERR\r\n")
			case "RETR":
				_, _ = io.WriteString(nc, "+OK\r\n")
				for sent := 0; sent < size; sent += len(piece) {
					if _, err := nc.Write(piece); err != nil {
						return
					}
				}
				_, _ = io.WriteString(nc, ".\r\n")
			default:
				_, _ = io.WriteString(nc, "+OK\r\n")
			}
		}
	}()
	return ln.Addr().String()
}

// TestMemory streams a large message: memory does not grow with it.
func TestMemory(t *testing.T) {
	const size = 128 << 20
	mb, err := Dial(t.Context(), bigMail(t, size), alice, &Options{Net: access.Options{TLS: access.TLSNone}})
	require.NoError(t, err)
	defer mb.Close()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := mb.Open(context.Background(), mailbox.NewID(mailbox.Inbox, "", "big"), nil)
	require.NoError(t, err)
	defer r.Close()
	var total, most int64
	buf := make([]byte, 64<<10)
	for next := int64(0); ; {
		n, err := r.Read(buf)
		total += int64(n)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if total >= next {
			next += 8 << 20
			runtime.ReadMemStats(&now)
			most = max(most, int64(now.HeapAlloc)-int64(before.HeapAlloc))
		}
	}
	assert.Equal(t, int64(size), total)
	assert.Less(t, most, int64(16<<20))
}

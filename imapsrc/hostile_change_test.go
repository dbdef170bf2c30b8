package imapsrc

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

func hostileUnscoped(t *testing.T) {
	for caps, deletes := range map[string]bool{"IMAP4rev1": false, "IMAP4rev1 UIDPLUS": true} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, caps, 3)
			for _, name := range []string{"UID STORE", "UID EXPUNGE"} {
				c.Answer(name, func(tag, _ string) { c.Send(tag + " OK done\r\n") })
			}
			idle(c)
		})
		m := r.mustDial()
		err := m.Delete(t.Context(), []mailbox.ID{id("2")}, nil)
		require.NoError(t, m.Close())
		said := r.srv.Transcript()
		if deletes {
			require.NoError(t, err)
			assert.Contains(t, said, "UID EXPUNGE 2")
		} else {
			require.ErrorIs(t, err, errors.ErrUnsupported)
			assert.NotContains(t, said, "STORE")
		}
		assert.NotContains(t, strings.ReplaceAll(said, "UID EXPUNGE", ""), "EXPUNGE")
		assert.NotContains(t, said, "CLOSE")
	}

	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 3)
		for _, name := range []string{"UID COPY", "UID STORE", "EXPUNGE"} {
			c.Answer(name, func(tag, _ string) { c.Send(tag + " OK done\r\n") })
		}
		idle(c)
	})
	_, err := bare(t, r.srv.Addr).Move(imap.UIDSetNum(2), "Trash").Wait()
	require.NoError(t, err)
	assert.Regexp(t, `C: T\d+ EXPUNGE\\r`, r.srv.Transcript(), "the control: the bare engine takes along what others have marked")
}

func hostileEarlyAppend(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 UIDPLUS", 0)
		line := c.ReadLine()
		tag, _, _ := strings.Cut(line, " ")
		c.Send(tag + " OK [APPENDUID 7 1] done\r\n")
		c.Stall()
	})
	big := strings.NewReader(strings.Repeat("x", 10_000))
	_, err := r.mustDial().Append(t.Context(), "INBOX", big, &mailbox.AppendOptions{Size: 10_000})
	require.ErrorIs(t, err, mailbox.ErrProtocol)

	control := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 UIDPLUS", 0)
		line := c.ReadLine()
		for !strings.Contains(line, "APPEND") {
			tag, _, _ := strings.Cut(line, " ")
			c.Send("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n" + tag + " OK done\r\n")
			line = c.ReadLine()
		}
		tag, _, _ := strings.Cut(line, " ")
		c.Send(tag + " OK [APPENDUID 7 1] done\r\n")
		c.Stall()
	})
	cmd := bare(t, control.srv.Addr).Append("INBOX", 10_000, nil)
	_, err = cmd.Wait()
	assert.NoError(t, err, "the control: the bare engine believes it")
}

func hostileAppendUID(t *testing.T) {
	for code, want := range map[string]mailbox.ID{
		"": {}, "[APPENDUID 0 5] ": {}, "[APPENDUID 7 0] ": {}, "[APPENDUID x y] ": {}, "[APPENDUID 7 1:4] ": {}, "[APPENDUID 4294967296 1] ": {},
		"[COPYUID 7 1 1] ": {}, "[APPENDUID 7 5] ": id("5"),
	} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1 UIDPLUS", 0)
			tag, _ := c.Command("APPEND")
			c.Send(tag + " OK " + code + "done\r\n")
			idle(c)
		})
		got, err := r.mustDial().Append(t.Context(), "INBOX", strings.NewReader("x"), nil)
		require.NoError(t, err, code)
		assert.Equal(t, want, got, code)
	}

	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 UIDPLUS", 0)
		tag, _ := c.Command("APPEND")
		c.Send(tag + " OK [APPENDUID 0 5] done\r\n")
		idle(c)
	})
	cmd := bare(t, r.srv.Addr).Append("INBOX", 1, nil)
	_, err := io.WriteString(cmd, "x")
	require.NoError(t, err)
	require.NoError(t, cmd.Close())
	data, err := cmd.Wait()
	require.NoError(t, err)
	assert.EqualValues(t, 5, data.UID, "the control: the bare engine believes it, in no epoch")
	assert.Zero(t, data.UIDValidity)
}

func hostileAppendRefused(t *testing.T) {
	for answer, want := range map[string]error{
		"NO [OVERQUOTA] full": mailbox.ErrQuota, "NO [TOOBIG] big": mailbox.ErrTooLarge, "NO [TRYCREATE] none": mailbox.ErrNotFound,
		"NO [LIMIT] x": mailbox.ErrThrottled, "NO [NOPERM] x": mailbox.ErrPermission, "BAD x": mailbox.ErrProtocol,
		"NO Over Quota": mailbox.ErrQuota, "NO [ALERT] You exceeded your mail quota.": mailbox.ErrQuota, "NO Disk full.": mailbox.ErrQuota,
		"NO Mailbox full": mailbox.ErrQuota, "NO The mailbox is full": mailbox.ErrQuota, "NO Quota: too many requests": mailbox.ErrThrottled,
		"NO [UNAVAILABLE] quota server": mailbox.ErrUnavailable, "BAD quota": mailbox.ErrProtocol,
	} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 0)
			tag, _, _ := strings.Cut(c.ReadLine(), " ")
			c.Send(tag + " " + answer + "\r\n")
			c.Stall()
		})
		_, err := r.mustDial().Append(t.Context(), "Sent", strings.NewReader(strings.Repeat("x", 10_000)), nil)
		require.ErrorIs(t, err, want, answer)
		assert.NotErrorIs(t, err, mailbox.ErrUnknownOutcome, answer)
		assert.NotContains(t, r.srv.Transcript(), "xxxx", "none of the message was sent")
	}
	for name, whole := range map[string]bool{"half": false, "whole": true} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 0)
			c.ReadLine()
			c.Send("+ go on\r\n")
			if whole {
				c.ReadN(10_000)
			}
			c.Send("* BYE no more\r\n")
			if !whole {
				c.Cut()
			}
		})
		_, err := r.mustDial().Append(t.Context(), "Sent", strings.NewReader(strings.Repeat("x", 10_000)), nil)
		require.Error(t, err, name)
		if whole {
			assert.ErrorIs(t, err, mailbox.ErrUnknownOutcome, "the control: now nobody knows")
			assert.Equal(t, 1, r.srv.Accepted(), "and it is not tried again")
		}
	}
}

func hostileInject(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 UIDPLUS", 1)
		c.Answer("UID STORE", func(tag, _ string) { c.Send(tag + " OK done\r\n") })
		fetchAnswers(c, func(int, string) string { return rowsOf(1) })
	})
	m := r.mustDial()
	_, err := r.list(m, nil)
	require.NoError(t, err)
	before := len(r.srv.Transcript())
	for _, evil := range []string{"x\r\nP9 LOGOUT", "x\nP9 LOGOUT", "x\x00", "x y", "x)", "x\"", "", "x\xff", "a{3}"} {
		err := m.SetFlags(t.Context(), []mailbox.ID{id("1")}, mailbox.FlagChange{Add: []mailbox.Flag{mailbox.Flag(evil)}}, nil)
		require.Error(t, err, "flag %q", evil)
		_, err = m.Append(t.Context(), "INBOX", strings.NewReader("x"), &mailbox.AppendOptions{Flags: []mailbox.Flag{mailbox.Flag(evil)}})
		require.Error(t, err, "flag %q", evil)
		_, err = m.OpenPart(t.Context(), id("1"), "1"+evil+"]", nil)
		require.ErrorIs(t, err, mailbox.ErrNotFound, "part %q", evil)
		_, err = m.Open(t.Context(), id("1"+evil+" "), nil)
		require.ErrorIs(t, err, mailbox.ErrNotFound, "UID %q", evil)
	}
	for _, evil := range []string{"x\r\nP9 LOGOUT", "x\x00"} {
		for _, err := range m.List(t.Context(), evil, nil) {
			require.Error(t, err, "folder %q", evil)
		}
		_, err = Dial(t.Context(), r.srv.Addr, r.auth, &Options{Net: r.opts.Net, ID: map[string]string{"name": evil}})
		require.Error(t, err, "ID %q", evil)
	}
	said := r.srv.Transcript()[before:]
	assert.NotContains(t, said, "LOGOUT")
	require.NoError(t, m.SetFlags(t.Context(), []mailbox.ID{id("1")}, mailbox.FlagChange{Add: []mailbox.Flag{"ok"}}, nil))
	assert.Contains(t, r.srv.Transcript(), "FLAGS.SILENT (ok)", "the session is usable, and a good flag is sent")

	heard := make(chan string, 1)
	control := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 1)
		c.Answer("FETCH", func(string, string) {})
		tag, _ := c.Command("LOGOUT")
		heard <- tag
	})
	bare(t, control.Addr).Fetch(imap.SeqSetNum(1), &imap.FetchOptions{
		BodySection: []*imap.FetchItemBodySection{{Specifier: "1]\r\nP9 LOGOUT\r\n"}},
	})
	assert.Equal(t, "P9", <-heard, "the control: in the bare engine a section becomes a command")
}

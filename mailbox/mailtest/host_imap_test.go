package mailtest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

const ann, bob, secret = "ann@example.org", "bob@example.org", "correct horse"

// newHost is a host with two users.
func newHost(t testing.TB, o *Options) *Host {
	t.Helper()
	h := New(t, o)
	h.AddUser(ann, secret)
	h.AddUser(bob, secret)
	return h
}

// deliver puts n small messages into ann's INBOX.
func deliver(t testing.TB, h *Host, n int) {
	t.Helper()
	for i := range n {
		raw := fmt.Appendf(nil, "From: Bob <%s>\r\nTo: %s\r\nSubject: number %d\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\n\r\nbody %d\r\n", bob, ann, i, i)
		require.NoError(t, h.Deliver(ann, "", raw, nil))
	}
}

// imapDial logs in over implicit TLS.
func imapDial(t testing.TB, h *Host) *imapclient.Client {
	t.Helper()
	cfg := h.ClientTLS()
	c, err := imapclient.DialTLS(h.IMAPS, &imapclient.Options{TLSConfig: cfg})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.Login(ann, secret).Wait())
	return c
}

func TestIMAPFetch(t *testing.T) {
	h := newHost(t, nil)
	deliver(t, h, 3)
	c := imapDial(t, h)
	sel, err := c.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	assert.Equal(t, uint32(3), sel.NumMessages)
	assert.Equal(t, imap.UID(4), sel.UIDNext)

	all, err := c.Fetch(imap.UIDSetNum(2, 3), &imap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, RFC822Size: true, Envelope: true,
		BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
		BodySection: []*imap.FetchItemBodySection{
			{Peek: true},
			{Peek: true, Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"subject"}},
			{Peek: true, Specifier: imap.PartSpecifierText, Partial: &imap.SectionPartial{Offset: 5, Size: 100}},
			{Peek: true, Part: []int{7}},
		},
		BinarySection:     []*imap.FetchItemBinarySection{{Peek: true, Part: []int{1}}},
		BinarySectionSize: []*imap.FetchItemBinarySectionSize{{Part: []int{1}}},
	}).Collect()
	require.NoError(t, err)
	require.Len(t, all, 2)
	m := all[1]
	assert.Equal(t, imap.UID(3), m.UID)
	assert.Equal(t, "number 2", m.Envelope.Subject)
	assert.Equal(t, bob, m.Envelope.From[0].Addr())
	assert.Empty(t, m.Flags)
	assert.Equal(t, "text/plain", m.BodyStructure.MediaType())
	require.Len(t, m.BodySection, 4)
	assert.Equal(t, m.RFC822Size, int64(len(m.BodySection[0].Bytes)))
	assert.Equal(t, "Subject: number 2\r\n\r\n", string(m.BodySection[1].Bytes))
	assert.Equal(t, "2\r\n", string(m.BodySection[2].Bytes))
	assert.Empty(t, m.BodySection[3].Bytes)
	assert.Equal(t, "body 2\r\n", string(m.BinarySection[0].Bytes))
	assert.Equal(t, uint32(8), m.BinarySectionSize[0].Size)

	_, err = c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}).Collect()
	require.NoError(t, err)
	stored, err := h.Messages(ann, "")
	require.NoError(t, err)
	assert.Equal(t, []mailbox.Flag{mailbox.FlagSeen}, stored[0].Flags, "BODY[] marks as seen")
	assert.Empty(t, stored[2].Flags, "BODY.PEEK[] does not")
}

func TestIMAPChange(t *testing.T) {
	h := newHost(t, nil)
	deliver(t, h, 5)
	require.NoError(t, h.CreateFolder(ann, "Archive", mailbox.RoleArchive))
	c := imapDial(t, h)
	_, err := c.Select("INBOX", nil).Wait()
	require.NoError(t, err)

	flags, err := c.Store(imap.UIDSetNum(1, 3), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{`\deleted`, "$Junk"}}, nil).Collect()
	require.NoError(t, err)
	require.Len(t, flags, 2)
	assert.ElementsMatch(t, []imap.Flag{`\Deleted`, "$Junk"}, flags[0].Flags)
	gone, err := c.UIDExpunge(imap.UIDSetNum(2, 3)).Collect()
	require.NoError(t, err)
	assert.Equal(t, []uint32{3}, gone, "UID EXPUNGE removes what is both named and deleted")

	copied, err := c.Copy(imap.UIDSetNum(2), "Archive").Wait()
	require.NoError(t, err)
	assert.Equal(t, "1", copied.DestUIDs.String())
	_, err = c.Copy(imap.UIDSetNum(2), "nowhere").Wait()
	require.ErrorContains(t, err, "TRYCREATE")
	moved, err := c.Move(imap.UIDSetNum(4, 5), "Archive").Wait()
	require.NoError(t, err)
	assert.Equal(t, "2:3", moved.DestUIDs.(imap.UIDSet).String())

	raw := "Subject: added\r\n\r\n" + strings.Repeat("x", 10_000)
	app := c.Append("Archive", int64(len(raw)), &imap.AppendOptions{Flags: []imap.Flag{imap.FlagSeen}, Time: time.Unix(1e9, 0)})
	_, err = io.WriteString(app, raw)
	require.NoError(t, err)
	require.NoError(t, app.Close())
	added, err := app.Wait()
	require.NoError(t, err)
	assert.Equal(t, imap.UID(4), added.UID)
	stored, err := h.Messages(ann, "Archive")
	require.NoError(t, err)
	require.Len(t, stored, 4)
	assert.Equal(t, raw, string(stored[3].Raw))
	assert.Equal(t, int64(1e9), stored[3].Received.Unix())

	gone, err = c.Expunge().Collect()
	require.NoError(t, err)
	assert.Equal(t, []uint32{1}, gone)
	st, err := c.Status("INBOX", &imap.StatusOptions{NumMessages: true, NumUnseen: true, UIDNext: true, Size: true}).Wait()
	require.NoError(t, err)
	assert.Equal(t, uint32(1), *st.NumMessages)
	assert.Equal(t, imap.UID(6), st.UIDNext)
}

func TestIMAPExamine(t *testing.T) {
	h := newHost(t, nil)
	require.NoError(t, h.Deliver(ann, "", []byte("\r\nx"), &mailbox.AppendOptions{Flags: []mailbox.Flag{mailbox.FlagDeleted}}))
	c := imapDial(t, h)
	_, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	require.NoError(t, err)
	_, err = c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}).Collect()
	require.NoError(t, err)
	require.ErrorContains(t, c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}, nil).Close(), "READ-ONLY")
	require.ErrorContains(t, c.Expunge().Close(), "READ-ONLY")
	require.ErrorContains(t, c.UIDExpunge(imap.UIDSetNum(1)).Close(), "READ-ONLY")
	_, err = c.Move(imap.SeqSetNum(1), "INBOX").Wait()
	require.ErrorContains(t, err, "READ-ONLY")
	require.NoError(t, c.UnselectAndExpunge().Wait())
	stored, err := h.Messages(ann, "")
	require.NoError(t, err)
	require.Len(t, stored, 1)
	assert.Equal(t, []mailbox.Flag{mailbox.FlagDeleted}, stored[0].Flags)
}

func TestIMAPList(t *testing.T) {
	h := newHost(t, nil)
	require.NoError(t, h.CreateFolder(ann, "Gesendet & mehr", mailbox.RoleSent))
	require.NoError(t, h.CreateFolder(ann, "Gesendet & mehr/Älter", ""))
	c := imapDial(t, h)
	assert.True(t, c.Caps().Has(imap.CapSpecialUse))
	all, err := c.List("", "*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumMessages: true}, ReturnSpecialUse: true}).Collect()
	require.NoError(t, err)
	var names []string
	for _, d := range all {
		names = append(names, d.Mailbox)
		assert.NotNil(t, d.Status)
	}
	assert.Equal(t, []string{"INBOX", "Gesendet & mehr", "Gesendet & mehr/Älter"}, names)
	assert.ElementsMatch(t, []imap.MailboxAttr{imap.MailboxAttrHasChildren, imap.MailboxAttrSent}, all[1].Attrs)

	require.NoError(t, c.Create("Drafts", &imap.CreateOptions{SpecialUse: []imap.MailboxAttr{imap.MailboxAttrDrafts}}).Wait())
	require.NoError(t, c.Rename("Drafts", "Entwürfe", nil).Wait())
	require.NoError(t, c.Unsubscribe("Entwürfe").Wait())
	require.Error(t, c.Create("Entwürfe", nil).Wait())
	drafts, err := c.List("", "E*", &imap.ListOptions{ReturnSpecialUse: true, ReturnSubscribed: true}).Collect()
	require.NoError(t, err)
	assert.Contains(t, drafts[0].Attrs, imap.MailboxAttrDrafts)
	assert.NotContains(t, drafts[0].Attrs, imap.MailboxAttrSubscribed)
	require.NoError(t, c.Delete("Entwürfe").Wait())
	require.Error(t, c.Delete("INBOX").Wait())
	require.Error(t, c.Delete("nowhere").Wait())
	ns, err := c.Namespace().Wait()
	require.NoError(t, err)
	assert.Equal(t, '/', ns.Personal[0].Delim)
	id, err := c.ID(nil).Wait()
	require.NoError(t, err)
	assert.Equal(t, "mailtest", id.Name)
}

func TestIMAPSearch(t *testing.T) {
	h := newHost(t, nil)
	deliver(t, h, 12)
	require.NoError(t, h.Deliver(ann, "", []byte("Subject: =?utf-8?q?caf=C3=A9?=\r\n\r\nneedle\r\n"), &mailbox.AppendOptions{Flags: []mailbox.Flag{mailbox.FlagSeen}, Received: time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)}))
	c := imapDial(t, h)
	_, err := c.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	for want, crit := range map[string]*imap.SearchCriteria{
		"2,11:12": {Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "NUMBER 1"}}},
		"13":      {Text: []string{"Café"}},
		"1:12":    {NotFlag: []imap.Flag{imap.FlagSeen}},
		"3":       {UID: []imap.UIDSet{imap.UIDSetNum(3, 99)}},
		"1:3":     {Or: [][2]imap.SearchCriteria{{{UID: []imap.UIDSet{imap.UIDSetNum(3)}}, {SeqNum: []imap.SeqSet{imap.SeqSetNum(1, 2)}}}}},
		"":        {SentBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"10:12":   {Body: []string{"BODY"}, UID: []imap.UIDSet{{{Start: 10, Stop: 0}}}},
	} {
		got, err := c.UIDSearch(crit, nil).Wait()
		require.NoError(t, err)
		text := ""
		if got.All != nil {
			text = got.All.String()
		}
		assert.Equal(t, want, text, "%+v", crit)
	}
	got, err := c.UIDSearch(&imap.SearchCriteria{Before: time.Date(2001, 2, 4, 0, 0, 0, 0, time.UTC)}, nil).Wait()
	require.NoError(t, err)
	assert.Equal(t, "13", got.All.String())
}

// TestIMAPViews: two sessions, of which one learns what the other does.
func TestIMAPViews(t *testing.T) {
	h := newHost(t, nil)
	deliver(t, h, 4)
	counts := make(chan uint32, 10)
	expunged := make(chan uint32, 10)
	c, err := imapclient.DialTLS(h.IMAPS, &imapclient.Options{
		TLSConfig: h.ClientTLS(),
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Expunge: func(seq uint32) { expunged <- seq },
			Mailbox: func(d *imapclient.UnilateralDataMailbox) {
				if d.NumMessages != nil {
					counts <- *d.NumMessages
				}
			},
		},
	})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Login(ann, secret).Wait())
	_, err = c.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	idle, err := c.Idle()
	require.NoError(t, err)
	deliver(t, h, 1)
	assert.Equal(t, uint32(5), <-counts)

	other := imapDial(t, h)
	_, err = other.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	require.NoError(t, other.Store(imap.SeqSetNum(1, 3), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
	require.NoError(t, other.Expunge().Close())
	assert.Equal(t, []uint32{3, 1}, []uint32{<-expunged, <-expunged})
	require.NoError(t, idle.Close())
	require.NoError(t, idle.Wait())
	all, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true}).Collect()
	require.NoError(t, err)
	var uids []imap.UID
	for _, m := range all {
		uids = append(uids, m.UID)
	}
	assert.Equal(t, []imap.UID{2, 4, 5}, uids)
}

func TestIMAPEpoch(t *testing.T) {
	h := newHost(t, nil)
	deliver(t, h, 2)
	c := imapDial(t, h)
	first, err := c.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	h.Inject(Fault{Kind: FaultEpoch, Command: "UID STORE", Times: 1, Folder: "INBOX"})
	require.Error(t, c.Store(imap.UIDSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close())
	stored, err := h.Messages(ann, "")
	require.NoError(t, err)
	assert.Empty(t, stored[0].Flags, "a session of the old epoch changes nothing in the new one")
	again := imapDial(t, h)
	second, err := again.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	assert.NotEqual(t, first.UIDValidity, second.UIDValidity)
}

// TestIMAPSlowReader: a client that asks for much and reads nothing keeps
// nobody waiting.
func TestIMAPSlowReader(t *testing.T) {
	h := newHost(t, &Options{Plaintext: true})
	require.NoError(t, h.Deliver(ann, "", append([]byte("\r\n"), make([]byte, 30<<20)...), nil))
	slow := dial(t, h.IMAP)
	slow.send(fmt.Sprintf("1 LOGIN %s %q\r\n2 SELECT INBOX\r\n3 FETCH 1 BODY[]\r\n", ann, secret))
	for !strings.HasPrefix(slow.line(), "* 1 FETCH") {
	}
	c := imapDial(t, h)
	_, err := c.Select("INBOX", nil).Wait()
	require.NoError(t, err)
	require.NoError(t, c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, nil).Close())
	deliver(t, h, 1)
}

func TestIMAPFlavours(t *testing.T) {
	for _, tt := range []struct {
		flavour   IMAPFlavour
		has, lack []imap.Cap
	}{
		{IMAPExtended, []imap.Cap{"IMAP4rev1", "UIDPLUS", "LITERAL+", "IDLE", "SPECIAL-USE", "BINARY", "ID"}, []imap.Cap{"IMAP4rev2", "APPENDLIMIT"}},
		{IMAPBare, []imap.Cap{"IMAP4rev1"}, []imap.Cap{"UIDPLUS", "LITERAL+", "LITERAL-", "IDLE", "SPECIAL-USE", "BINARY", "ID", "ENABLE", "SASL-IR", "MOVE", "UNSELECT", "AUTH=PLAIN"}},
		{IMAPRev2, []imap.Cap{"IMAP4rev1", "IMAP4rev2", "UIDPLUS"}, nil},
	} {
		h := newHost(t, &Options{IMAP: tt.flavour})
		deliver(t, h, 1)
		require.NoError(t, h.CreateFolder(ann, "Sent", mailbox.RoleSent))
		c := imapDial(t, h)
		caps := c.Caps()
		for _, name := range tt.has {
			assert.True(t, caps.Has(name), "%v: %v", tt.flavour, name)
		}
		for _, name := range tt.lack {
			_, has := caps[name]
			assert.False(t, has, "%v: %v", tt.flavour, name)
		}
		_, err := c.Select("INBOX", nil).Wait()
		require.NoError(t, err)
		all, err := c.List("", "Sent", nil).Collect()
		require.NoError(t, err)
		assert.Equal(t, tt.flavour != IMAPBare, slices.Contains(all[0].Attrs, imap.MailboxAttrSent))
		gone, err := c.UIDExpunge(imap.UIDSetNum(1)).Collect()
		assert.Equal(t, tt.flavour == IMAPBare, err != nil)
		assert.Empty(t, gone)
	}
}

func TestIMAPAppendLimit(t *testing.T) {
	h := newHost(t, &Options{AppendLimit: 100})
	c := imapDial(t, h)
	limit, ok := c.Caps().AppendLimit()
	require.True(t, ok)
	assert.Equal(t, uint32(100), *limit)
	app := c.Append("INBOX", 101, nil)
	_, _ = app.Write(make([]byte, 101))
	_ = app.Close()
	_, err := app.Wait()
	require.ErrorContains(t, err, "TOOBIG")
	stored, err := h.Messages(ann, "")
	require.NoError(t, err)
	assert.Empty(t, stored)
}

func TestIMAPLogin(t *testing.T) {
	h := newHost(t, nil)
	c := dial(t, h.IMAP)
	c.want("* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID STARTTLS LOGINDISABLED] IMAP server ready")
	c.send("1 LOGIN " + ann + " {13}\r\n")
	c.want("1 NO [PRIVACYREQUIRED] TLS is required")
	c.send("2 STARTTLS\r\n")
	c.want("2 OK begin TLS now")
	c.startTLS()
	c.send("3 CAPABILITY\r\n")
	c.want("* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID AUTH=PLAIN")
	c.want("3 OK CAPABILITY completed")
	c.send("4 STARTTLS\r\n")
	c.want("4 BAD TLS is on")
	c.send("5 LOGIN " + ann + " wrong\r\n")
	c.want("5 NO [AUTHENTICATIONFAILED] Authentication failed")
	c.send("6 AUTHENTICATE PLAIN\r\n")
	c.want("+ ")
	c.send("AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl\r\n")
	assert.Contains(t, c.line(), "6 OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE ")
	c.send("7 SELECT {5+}\r\nINBOX\r\n8 STATUS {5}\r\n")
	for !strings.HasPrefix(c.line(), "7 OK") {
	}
	c.want("+ Ready for literal data")
	c.send("INBOX (MESSAGES)\r\n9 LOGOUT\r\n")
	c.want("* STATUS INBOX (MESSAGES 0)")
	c.want("8 OK STATUS completed")
	c.want("* BYE Logging out")
	c.want("9 OK LOGOUT completed")
	_, err := c.br.ReadByte()
	require.ErrorIs(t, err, io.EOF)

	// A literal that is too large is refused at once, whether it comes or not.
	plain := newHost(t, &Options{Plaintext: true})
	big := dial(t, plain.IMAP)
	big.line()
	big.send(fmt.Sprintf("1 LOGIN %s %q\r\n2 EXAMINE {5000}\r\n3 EXAMINE {5000+}\r\n%s\r\n4 NOOP\r\n", ann, secret, strings.Repeat("x", 5000)))
	assert.Contains(t, big.line(), "1 OK")
	big.want("2 NO [TOOBIG] literals are limited to 4096 octets here")
	big.want("3 NO [TOOBIG] literals are limited to 4096 octets here")
	big.want("4 OK NOOP completed")

	p := dial(t, plain.IMAP)
	p.want("* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID STARTTLS AUTH=PLAIN] IMAP server ready")
	p.send(fmt.Sprintf("1 LOGIN {%d+}\r\n%s %q\r\n", len(ann), ann, secret))
	assert.Contains(t, p.line(), "1 OK ")
}

func TestIMAPFaults(t *testing.T) {
	h := newHost(t, nil)
	deliver(t, h, 1)
	login := func() *client {
		nc, err := tls.Dial("tcp", h.IMAPS, h.ClientTLS())
		require.NoError(t, err)
		t.Cleanup(func() { _ = nc.Close() })
		c := newClient(t, nc)
		c.line()
		c.send(fmt.Sprintf("1 LOGIN %s %q\r\n", ann, secret))
		return c
	}
	h.Inject(Fault{Kind: FaultReply, Protocol: "imap", Command: "LOGIN", Times: 1, Text: "NO [UNAVAILABLE] later"})
	login().want("1 NO [UNAVAILABLE] later")
	h.Inject(Fault{Kind: FaultBye, Command: "LOGIN", Times: 1, Text: "too many connections"})
	c := login()
	c.want("* BYE too many connections")
	_, err := c.br.ReadByte()
	require.ErrorIs(t, err, io.EOF)

	c = login()
	assert.Contains(t, c.line(), "1 OK")
	h.Inject(Fault{Kind: FaultGarbage, Command: "EXAMINE", Text: "* XYZZY (1 2", Times: 1})
	h.Inject(Fault{Kind: FaultDelay, Command: "EXAMINE", Delay: 20 * time.Millisecond})
	start := time.Now()
	c.send("2 EXAMINE INBOX\r\n")
	c.want("* XYZZY (1 2")
	assert.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
	for !strings.HasPrefix(c.line(), "2 OK") {
	}
	h.Inject(Fault{Kind: FaultCut, Command: "UID FETCH", Skip: 1, N: 20})
	c.send("3 UID FETCH 1 FLAGS\r\n")
	c.want(`* 1 FETCH (FLAGS () UID 1)`)
	c.want("3 OK UID FETCH completed")
	c.send("4 UID FETCH 1 BODY.PEEK[]\r\n")
	rest, err := io.ReadAll(c.br)
	require.NoError(t, err)
	assert.Equal(t, "* 1 FETCH (UID 1 BOD", string(rest))

	h.ClearFaults()
	h.Inject(Fault{Kind: FaultStall, Command: "NOOP", N: 3})
	c = login()
	c.line()
	c.send("2 NOOP\r\n")
	got := make([]byte, 3)
	_, err = io.ReadFull(c.br, got)
	require.NoError(t, err)
	assert.Equal(t, "2 O", string(got))
	require.NoError(t, h.Close(), "the end of the host frees a connection that stalls")
	_, err = c.br.ReadByte()
	require.Error(t, err)
	assert.Contains(t, h.Transcript(), "-- stalling")
}

// TestIMAPLarge: parts of a large message, piece by piece.
func TestIMAPLarge(t *testing.T) {
	h := newHost(t, nil)
	big := BigMessage(1 << 20)
	require.NoError(t, h.Deliver(ann, "", big, nil))
	c := imapDial(t, h)
	_, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
	require.NoError(t, err)
	var whole bytes.Buffer
	for {
		all, err := c.Fetch(imap.UIDSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{
			Part: []int{2}, Partial: &imap.SectionPartial{Offset: int64(whole.Len()), Size: 300_000},
		}}}).Collect()
		require.NoError(t, err)
		piece := all[0].BodySection[0].Bytes
		if len(piece) == 0 {
			break
		}
		whole.Write(piece)
	}
	assert.Contains(t, string(big), whole.String())
	assert.Greater(t, whole.Len(), 1_000_000)
}

package sent

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/mailbox/memory"
	"github.com/postroom-go/postroom/smtpsink"
)

const (
	eml = "From: ann@example.org\r\nTo: bob@example.com\r\nBcc: carl@example.com\r\nSubject: Lunch\r\n" +
		"Date: Mon, 02 Mar 2026 09:30:00 +0100\r\nMessage-ID: <one@example.org>\r\n\r\nAt noon?\r\n"
	emlWithoutBcc = "From: ann@example.org\r\nTo: bob@example.com\r\nSubject: Lunch\r\n" +
		"Date: Mon, 02 Mar 2026 09:30:00 +0100\r\nMessage-ID: <one@example.org>\r\n\r\nAt noon?\r\n"
)

// message makes a Message of text.
func message(t testing.TB, text string) Message {
	t.Helper()
	m, err := Raw(t.Context(), &smtpsink.Envelope{From: "ann@example.org", To: []string{"bob@example.com", "carl@example.com"}},
		func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil })
	require.NoError(t, err)
	return m
}

// nameless is a message that cannot be recognised: what comes of it shows what the
// look for the Message-ID is good for.
func nameless(t testing.TB) Message {
	return message(t, strings.Replace(eml, "Message-ID: <one@example.org>\r\n", "", 1))
}

// post is a sender that notes what it was given.
type post struct {
	account string
	outcome smtpsink.Outcome
	err     error
	reply   *smtpsink.Reply
	sent    []string
	opts    []*smtpsink.SendOptions
	then    func() // when a message is taken
}

func (p *post) Account() string { return p.account }
func (p *post) Close() error    { return nil }

func (p *post) Send(_ context.Context, env *smtpsink.Envelope, message io.Reader, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	raw, err := io.ReadAll(message)
	if err != nil {
		return emptyReceipt(env, smtpsink.NotSent), err
	}
	p.sent, p.opts = append(p.sent, string(raw)), append(p.opts, opts)
	r := emptyReceipt(env, p.outcome)
	r.Reply = p.reply
	if p.then != nil {
		p.then()
	}
	return r, p.err
}

// taker is a post that accepts everything.
func taker() *post { return &post{outcome: smtpsink.Accepted} }

// box is a mailbox in memory that says where it is, and whose Append may fail.
type box struct {
	*memory.Mailbox
	account string
	appends int
	// before and after are called by Append, ahead of the message and behind it.
	before, after func(n int) error
}

func (b *box) Account() string { return b.account }

func (b *box) Append(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	b.appends++
	if b.before != nil {
		if err := b.before(b.appends); err != nil {
			return mailbox.ID{}, &mailbox.Error{Op: "append", Folder: folder, Err: err}
		}
	}
	id, err := b.Mailbox.Append(ctx, folder, message, opts)
	if err == nil && b.after != nil {
		if err = b.after(b.appends); err != nil {
			return mailbox.ID{}, &mailbox.Error{Op: "append", Folder: folder, Err: err}
		}
	}
	return id, err
}

// newBox is one with a Sent folder.
func newBox(t testing.TB, account string) *box {
	t.Helper()
	b := &box{Mailbox: memory.New(nil), account: account}
	require.NoError(t, b.Store().CreateFolder("Gesendet", mailbox.RoleSent))
	return b
}

// copies are the messages of a folder.
func copies(t testing.TB, mb mailbox.Mailbox, folder string) []string {
	t.Helper()
	var all []string
	for s, err := range mb.List(t.Context(), folder, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		if errors.Is(err, mailbox.ErrNotFound) {
			return nil
		}
		require.NoError(t, err)
		r, err := mb.Open(t.Context(), s.ID, nil)
		require.NoError(t, err)
		raw, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		all = append(all, string(raw))
	}
	return all
}

// store is a kind of mailbox with a Sent folder; each open is another session.
type store struct {
	folder string
	open   func() mailbox.Mailbox
}

// stores are those that copies are kept in.
func stores(t *testing.T) map[string]store {
	mem := memory.NewStore()
	require.NoError(t, mem.CreateFolder("Sent", mailbox.RoleSent))
	dir := t.TempDir()
	host := newHost(t)
	return map[string]store{
		"memory": {"Sent", func() mailbox.Mailbox { return memory.New(&memory.Options{Store: mem}) }},
		"maildir": {"Sent", func() mailbox.Mailbox {
			mb, err := maildir.Open(dir, nil)
			require.NoError(t, err)
			t.Cleanup(func() { _ = mb.Close() })
			return mb
		}},
		"imap": {"Sent", func() mailbox.Mailbox { return dial(t, host, nil) }},
	}
}

// newHost is a mail host with a Sent folder for ann.
func newHost(t testing.TB) *mailtest.Host {
	t.Helper()
	host := mailtest.New(t, nil)
	host.AddUser("ann@example.org", "canary-5ecret")
	require.NoError(t, host.CreateFolder("ann@example.org", "Sent", mailbox.RoleSent))
	return host
}

// dial opens ann's mailbox.
func dial(t testing.TB, host *mailtest.Host, dialer access.Dialer) *imapsrc.Mailbox {
	t.Helper()
	mb, err := imapsrc.Dial(t.Context(), host.IMAPS, access.Password("ann@example.org", "canary-5ecret", nil),
		&imapsrc.Options{Connections: 1, Net: access.Options{TLSConfig: host.ClientTLS(), Dialer: dialer}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = mb.Close() })
	return mb
}

// cutter is a dialer whose first connection is cut when so many octets were
// written to it.
type cutter struct {
	left  int
	dials int
}

func (c *cutter) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if c.dials++; c.dials > 1 || err != nil {
		return nc, err
	}
	return &cutConn{nc, c}, nil
}

type cutConn struct {
	net.Conn
	c *cutter
}

func (c *cutConn) Write(p []byte) (int, error) {
	if len(p) <= c.c.left {
		c.c.left -= len(p)
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:c.c.left])
	c.c.left = 0
	_ = c.Conn.Close()
	return n, net.ErrClosed
}

// folderNamed finds a folder.
func folderNamed(t testing.TB, mb mailbox.Mailbox, name string) *mailbox.Folder {
	t.Helper()
	var all []*mailbox.Folder
	for f, err := range mb.Folders(t.Context(), nil) {
		require.NoError(t, err)
		all = append(all, f)
	}
	if i := slices.IndexFunc(all, func(f *mailbox.Folder) bool { return f.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// burning is a message whose copy fails while it is read.
type burning struct {
	Message
	err error
}

func (b *burning) OpenCopy(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader(eml), &fails{b.err})), nil
}

type fails struct{ err error }

func (f *fails) Read([]byte) (int, error) { return 0, f.err }

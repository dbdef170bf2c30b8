package dovecot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/internal/dovecot"
	"github.com/postroom-go/postroom/internal/utf7"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/popsrc"
)

func netOf(s *dovecot.Server, d access.Dialer) access.Options {
	return access.Options{TLSConfig: s.TLSConfig(), Dialer: d}
}

// imapOf opens a user's account over IMAP; d may be nil.
func imapOf(t testing.TB, s *dovecot.Server, user string, d access.Dialer) *imapsrc.Mailbox {
	t.Helper()
	mb, err := imapsrc.Dial(t.Context(), s.IMAPS, access.Password(user, s.Password, nil), &imapsrc.Options{Net: netOf(s, d)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = mb.Close() })
	return mb
}

// popOf opens it over POP3.
func popOf(t testing.TB, s *dovecot.Server, user string, d access.Dialer) *popsrc.Mailbox {
	t.Helper()
	mb, err := popsrc.Dial(t.Context(), s.POP3S, access.Password(user, s.Password, nil), &popsrc.Options{Net: netOf(s, d)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = mb.Close() })
	return mb
}

func maildirOf(t testing.TB, dir string, o *maildir.Options) *maildir.Mailbox {
	t.Helper()
	mb, err := maildir.Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = mb.Close() })
	return mb
}

// letter is a message as IMAP's APPEND has it.
type letter struct {
	folder, flags, date string
	raw                 []byte
}

// deliver appends letters; folders that are missing are made.
func deliver(t testing.TB, s *dovecot.Server, user string, letters ...letter) {
	t.Helper()
	made := map[string]bool{mailbox.Inbox: true, "Sent": true, "Drafts": true, "Trash": true, "Junk": true, "Archive": true}
	commands := make([]string, 0, len(letters))
	for _, l := range letters {
		folder := quoted(l.folder)
		if !made[l.folder] {
			made[l.folder] = true
			commands = append(commands, "CREATE "+folder)
		}
		date := ""
		if l.date != "" {
			date = ` "` + l.date + `"`
		}
		commands = append(commands, fmt.Sprintf("APPEND %s (%s)%s {%d+}\r\n%s", folder, l.flags, date, len(l.raw), l.raw))
	}
	s.Do(t, user, commands...)
}

// quoted is a folder's name as IMAP4rev1 has it.
func quoted(folder string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(utf7.Encode(folder)) + `"`
}

// note is the n-th message of a kind, all of which differ.
func note(kind string, n int) []byte {
	return fmt.Appendf(nil, "From: a@example.org\r\nSubject: %s %d\r\nMessage-ID: <%s.%d@example.org>\r\n\r\nHello %s\r\n",
		kind, n, kind, n, strings.Repeat("x", 100*(n%7)))
}

func notes(kind string, n int) []letter {
	all := make([]letter, n)
	for i := range all {
		all[i] = letter{folder: mailbox.Inbox, raw: note(kind, i)}
	}
	return all
}

func raws(letters []letter) [][]byte {
	all := make([][]byte, len(letters))
	for i, l := range letters {
		all[i] = l.raw
	}
	return all
}

// mail is what a copy of a message must have in common with it.
type mail struct {
	Digest   string // of its octets with LF for CRLF
	Flags    string
	Received string // to the second
}

// mailIn is what is in a folder, sorted.
func mailIn(t testing.TB, mb mailbox.Mailbox, folder string) []mail {
	t.Helper()
	var ids []mailbox.ID
	for sum, err := range mb.List(t.Context(), folder, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		require.NoError(t, err)
		ids = append(ids, sum.ID)
	}
	all := []mail{}
	for m, err := range mailbox.Fetch(t.Context(), mb, ids, nil) {
		require.NoError(t, err)
		raw, err := io.ReadAll(m.Body)
		require.NoError(t, err)
		received := ""
		if !m.Received.IsZero() {
			received = m.Received.UTC().Format(time.RFC3339)
		}
		all = append(all, mail{digest(raw), flagsText(m.Flags), received})
	}
	slices.SortFunc(all, func(a, b mail) int { return strings.Compare(a.Digest+a.Flags+a.Received, b.Digest+b.Flags+b.Received) })
	return all
}

func flagsText(flags []mailbox.Flag) string {
	var words []string
	for _, f := range flags {
		if f != `\Recent` {
			words = append(words, string(f))
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func digest(raw []byte) string {
	h := sha256.Sum256(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")))
	return fmt.Sprintf("%x", h[:6])
}

// digestsIn is mailIn without flags and dates.
func digestsIn(t testing.TB, mb mailbox.Mailbox, folder string) []string {
	t.Helper()
	digests := []string{}
	for _, m := range mailIn(t, mb, folder) {
		digests = append(digests, m.Digest)
	}
	return digests
}

// allMail is what is in each folder of a mailbox that holds something.
func allMail(t testing.TB, mb mailbox.Mailbox) map[string][]mail {
	t.Helper()
	all := map[string][]mail{}
	for f, err := range mb.Folders(t.Context(), nil) {
		require.NoError(t, err)
		if f.NoSelect {
			continue
		}
		if in := mailIn(t, mb, f.Name); len(in) > 0 {
			all[f.Name] = in
		}
	}
	return all
}

// count is how many messages the server says a folder holds.
func count(t testing.TB, s *dovecot.Server, user, folder string) int {
	t.Helper()
	var n int
	for _, line := range s.Do(t, user, "STATUS "+quoted(folder)+" (MESSAGES)") {
		if i := strings.Index(line, "(MESSAGES "); i >= 0 {
			_, err := fmt.Sscanf(line[i:], "(MESSAGES %d)", &n)
			require.NoError(t, err)
			return n
		}
	}
	t.Fatal("no STATUS")
	return 0
}

var errCut = errors.New("the cable was pulled")

// faulty is a dialer to a server that may become unreachable for good.
type faulty struct {
	// left is how many octets go over all connections, in both directions,
	// before the cable is pulled; 0 is any number.
	left int64
	// swallow, if not nil, is asked about what the server sends; if it says so
	// these octets are lost, and the connection with them.
	swallow func(p []byte) bool
	// refused, if not nil, is called when somebody wants to dial after that.
	refused func()

	mu    sync.Mutex
	gone  bool
	moved int64
	conns []net.Conn
}

func (f *faulty) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		if f.refused != nil {
			f.refused()
		}
		return nil, errCut
	}
	nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	f.conns = append(f.conns, nc)
	return &faultyConn{nc, f}, nil
}

// move counts octets on their way; false is that they do not arrive.
func (f *faulty) move(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moved += int64(n)
	if !f.gone && f.left > 0 && f.moved > f.left {
		f.gone = true
		for _, nc := range f.conns {
			_ = nc.Close()
		}
	}
	return !f.gone
}

// count is how many octets have moved so far.
func (f *faulty) count() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.moved
}

type faultyConn struct {
	net.Conn
	f *faulty
}

func (c *faultyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.f.move(n) {
		return 0, errCut
	}
	if n > 0 && c.f.swallow != nil && c.f.swallow(p[:n]) {
		_ = c.Close()
		return 0, errCut
	}
	return n, err
}

func (c *faultyConn) Write(p []byte) (int, error) {
	if !c.f.move(len(p)) {
		return 0, errCut
	}
	return c.Conn.Write(p)
}

// plainOf opens an account over IMAP without TLS, so that a dialer sees what is
// said.
func plainOf(t testing.TB, s *dovecot.Server, user string, d access.Dialer) *imapsrc.Mailbox {
	t.Helper()
	mb, err := imapsrc.Dial(t.Context(), s.IMAP, access.Password(user, s.Password, nil), &imapsrc.Options{
		Net: access.Options{TLS: access.TLSNone, Dialer: d},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = mb.Close() })
	return mb
}

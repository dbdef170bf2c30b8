package imapsrc_test

import (
	"context"
	"encoding/base64"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// setUp is what TCP and the greeting cost in round trips: they are no turns of
// the client's. Farewell is a turn that nobody waits for.
const (
	setUp    = 2
	farewell = 1
)

func dialPlain(t testing.TB, addr string, d access.Dialer, conns int) *imapsrc.Mailbox {
	m, err := imapsrc.Dial(t.Context(), addr, access.Password(user, secret, nil), &imapsrc.Options{
		Net: access.Options{TLS: access.TLSNone, Dialer: d}, Connections: conns,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func count(t testing.TB, m mailbox.Mailbox, opts *mailbox.ListOptions) int {
	n := 0
	for s, err := range m.List(t.Context(), "INBOX", opts) {
		require.NoError(t, err)
		require.Empty(t, s.Defects)
		n++
	}
	return n
}

// TestRoundTripsOfList: connecting, logging in, listing everything and leaving,
// in at most 6 round trips.
func TestRoundTripsOfList(t *testing.T) {
	for n, want := range map[int]int64{1000: 5, 10_000: 6} {
		s := newSynth(t, &synth{n: n, body: []byte("x")})
		d := &mailtest.CountingDialer{}
		m := dialPlain(t, s.addr, d, 1)
		require.Equal(t, n, count(t, m, nil))
		require.NoError(t, m.Close())
		assert.LessOrEqual(t, setUp+d.Stats().Flights-farewell, want, "%d messages", n)
		assert.Equal(t, int64(1), d.Stats().Connections)
	}
}

// download is a whole process that downloads: the states of the folders, the IDs
// and sizes of INBOX, all bodies, and the end.
func download(t testing.TB, m *imapsrc.Mailbox) (n int) {
	for f, err := range m.Folders(t.Context(), &mailbox.FoldersOptions{Status: true}) {
		require.NoError(t, err)
		require.NotEmpty(t, f.Status.State)
	}
	var ids []mailbox.ID
	var sizes []int64
	for s, err := range m.List(t.Context(), "INBOX", &mailbox.ListOptions{Fields: mailbox.FieldSize}) {
		require.NoError(t, err)
		ids, sizes = append(ids, s.ID), append(sizes, s.Size)
	}
	for msg, err := range m.Fetch(t.Context(), ids, &mailbox.FetchOptions{Sizes: sizes}) {
		require.NoError(t, err)
		_, err := io.Copy(io.Discard, msg.Body)
		require.NoError(t, err)
		n++
	}
	require.NoError(t, m.Close())
	return n
}

// TestFlightsOfDownload: the login, the states of the folders, the selection
// with the list, the bodies, and a farewell that nobody waits for. One connection
// is enough.
func TestFlightsOfDownload(t *testing.T) {
	for n, body := range map[int]int{1000: 20_000, 2000: 100, 3: 100} {
		s := newSynth(t, &synth{n: n, body: make([]byte, body)})
		d := &mailtest.CountingDialer{}
		m := dialPlain(t, s.addr, d, 2)
		require.Equal(t, n, download(t, m))
		assert.Equal(t, int64(5), d.Stats().Flights, "%d messages", n)
		assert.Equal(t, int64(1), d.Stats().Connections)
	}
}

// TestFlightsOfNothingNew: the login, the states of the folders, and the
// farewell.
func TestFlightsOfNothingNew(t *testing.T) {
	s := newSynth(t, &synth{n: 10_000, body: []byte("x")})
	d := &mailtest.CountingDialer{}
	m := dialPlain(t, s.addr, d, 2)
	for _, err := range m.Folders(t.Context(), &mailbox.FoldersOptions{Status: true}) {
		require.NoError(t, err)
	}
	require.NoError(t, m.Close())
	assert.Equal(t, int64(3), d.Stats().Flights)
	assert.Less(t, d.Stats().Sent+d.Stats().Received, int64(1<<10))
}

// TestCostOfOneText: the text of the newest message, which has a large
// attachment, moves alone.
func TestCostOfOneText(t *testing.T) {
	d := &mailtest.CountingDialer{}
	m, id := bigMessage(t, d, 2<<20, "Hello, this is the text.\r\n")
	d.Reset()
	var newest mailbox.ID
	for s, err := range m.List(t.Context(), "INBOX", &mailbox.ListOptions{Newest: 1, Fields: mailbox.FieldsNone}) {
		require.NoError(t, err)
		newest = s.ID
	}
	require.Equal(t, id, newest)
	root, err := mailbox.Structure(t.Context(), m, newest)
	require.NoError(t, err)
	text := root.Text()
	r, err := mailbox.OpenPart(t.Context(), m, newest, text.ID, &mailbox.OpenPartOptions{Encoding: text.Encoding})
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "Hello, this is the text.\r\n", string(data))
	require.NoError(t, m.Close())
	st := d.Stats()
	const login = 1
	assert.LessOrEqual(t, st.Flights+login, int64(6))
	assert.Less(t, st.Sent+st.Received, int64(6<<10))
}

// TestCostOfOnePart: a part of 10 KiB in a message of 25 MiB.
func TestCostOfOnePart(t *testing.T) {
	d := &mailtest.CountingDialer{}
	text := strings.Repeat("0123456789abcde\r\n", 10<<10/17)
	m, id := bigMessage(t, d, 25<<20, text)
	d.Reset()
	r, err := mailbox.OpenPart(t.Context(), m, id, "1", nil)
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, text, string(data))
	assert.Less(t, d.Stats().Sent+d.Stats().Received, int64(64<<10))
}

func bigMessage(t *testing.T, d access.Dialer, size int, text string) (*imapsrc.Mailbox, mailbox.ID) {
	h := mailtest.New(t, &mailtest.Options{Plaintext: true})
	h.AddUser(user, secret)
	var b strings.Builder
	b.WriteString("Subject: big\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + text +
		"\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=x\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	line := base64.StdEncoding.EncodeToString(make([]byte, 57)) + "\r\n"
	b.WriteString(strings.Repeat(line, size/len(line)))
	b.WriteString("\r\n--b--\r\n")
	require.NoError(t, h.Deliver(user, "INBOX", []byte(b.String()), nil))
	m := dialPlain(t, h.IMAP, d, 2)
	// To the end: a list that is left may still hold its connection, and the
	// next call would open another.
	var id mailbox.ID
	for s, err := range m.List(t.Context(), "INBOX", nil) {
		require.NoError(t, err)
		id = s.ID
	}
	require.NotEmpty(t, id)
	return m, id
}

// peak gives the most memory in use while f runs, above what was in use before.
func peak(f func(sample func())) int64 {
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var most atomic.Int64
	f(func() {
		runtime.ReadMemStats(&now)
		if n := int64(now.HeapAlloc) - int64(before.HeapAlloc); n > most.Load() {
			most.Store(n)
		}
	})
	return most.Load()
}

// TestMemoryOfList: memory does not grow with the folder.
func TestMemoryOfList(t *testing.T) {
	list := func(n int) int64 {
		s := newSynth(t, &synth{n: n, body: []byte("x")})
		m := dialPlain(t, s.addr, nil, 2)
		return peak(func(sample func()) {
			i := 0
			for _, err := range m.List(context.Background(), "INBOX", nil) {
				if err != nil {
					t.Fatal(err)
				}
				if i++; i%500 == 0 {
					sample()
				}
			}
			require.Equal(t, n, i)
		})
	}
	few, many := list(1000), list(100_000/slow)
	t.Logf("peak: %d KiB for 1,000 messages, %d KiB for %d", few>>10, many>>10, 100_000/slow)
	assert.Less(t, many-few, int64(32<<20))
}

// TestMemoryOfLargeMessage: a message of 1 GiB streams through.
func TestMemoryOfLargeMessage(t *testing.T) {
	const size = 1 << 30 / slow
	s := newSynth(t, &synth{n: 1, size: size})
	m := dialPlain(t, s.addr, nil, 2)
	id := mailbox.NewID("INBOX", "7", "1")
	check := func(name string, r io.Reader) {
		most := peak(func(sample func()) {
			buf := make([]byte, 64<<10)
			total := int64(0)
			for i := 0; ; i++ {
				n, err := r.Read(buf)
				total += int64(n)
				if i%512 == 0 {
					sample()
				}
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			assert.Equal(t, int64(size), total)
		})
		t.Logf("%s: peak %d KiB", name, most>>10)
		assert.Less(t, most, int64(16<<20), name)
	}
	r, err := m.Open(t.Context(), id, nil)
	require.NoError(t, err)
	check("Open", r)
	for msg, err := range m.Fetch(t.Context(), []mailbox.ID{id}, nil) {
		require.NoError(t, err)
		check("Fetch", msg.Body)
	}
	for msg, err := range m.Fetch(t.Context(), []mailbox.ID{id}, &mailbox.FetchOptions{Sizes: []int64{100}}) {
		require.NoError(t, err)
		check("Fetch of a message that was said to be small", msg.Body)
	}
}

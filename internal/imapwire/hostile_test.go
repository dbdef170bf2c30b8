package imapwire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// wide are limits that stop nothing: the same script must get through with
// them, or the limit was not what stopped it.
func wide() Limits {
	const most = 1 << 30
	return Limits{Line: most, Literal: most, Response: most, Depth: most, Values: most, Untagged: most, Rounds: most}
}

// heap is how much is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// flood is a connection that says head, then text again and again, n octets of
// it, then tail.
type flood struct {
	nc    *canned
	limit *io.LimitedReader
	size  int64
}

func newFlood(head, text string, n int64, tail string) *flood {
	n -= n % int64(len(text))
	text = strings.Repeat(text, 1+4096/len(text))
	limit := &io.LimitedReader{R: &repeat{text: text}, N: n}
	return &flood{&canned{Reader: io.MultiReader(strings.NewReader(head), limit, strings.NewReader(tail))}, limit, n}
}

// repeat reads text for ever.
type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], r.text[r.at:])
		r.at = (r.at + k) % len(r.text)
		n += k
	}
	return n, nil
}

// drain reads a command to its end, parsing all, and counts responses and those
// that are malformed.
func drain(cmd *Command) (n, bad int, err error) {
	for {
		r, err := cmd.Next()
		if err == io.EOF {
			return n, bad, nil
		}
		if err != nil {
			return n, bad, err
		}
		n++
		var perr error
		if r.Name == "FETCH" {
			perr = readItems(r)
		} else {
			_, perr = r.Args()
		}
		if errors.Is(perr, ErrMalformed) {
			bad++
		}
	}
}

func readItems(r *Response) error {
	for {
		item, err := r.Item()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if item.Body != nil {
			if _, err := io.Copy(io.Discard, item.Body); err != nil {
				return err
			}
		}
	}
}

// drainFlood runs a command against a flood, and gives how much of it was read.
func drainFlood(t *testing.T, lim Limits, f *flood, name string) (n, bad int, read int64, err error) {
	t.Helper()
	c := New(f.nc, &Options{Limits: lim})
	cmd, err := c.Start(name, Raw("1:*"))
	require.NoError(t, err)
	require.NoError(t, c.Flush())
	n, bad, err = drain(cmd)
	return n, bad, f.size - f.limit.N, err
}

func TestHostile(t *testing.T) {
	t.Run("lit-huge-buffered", testLitHugeBuffered)
	t.Run("lit-odd-marker", testLitOddMarker)
	t.Run("line-endless", testLineEndless)
	t.Run("resp-many-literals", testRespManyLiterals)
	t.Run("bodystructure-nest", testBodystructureNest)
	t.Run("list-nest", testListNest)
	t.Run("untagged-flood", testUntaggedFlood)
	t.Run("list-flood", testListFlood)
	t.Run("fetch-flood-goroutines", testFetchFloodGoroutines)
	t.Run("search-quadratic", testSearchQuadratic)
	t.Run("uidset-expansion", testUIDSetExpansion)
	t.Run("enabled-map-race", testEnabledMapRace)
	t.Run("fetch-body-before-uid", testFetchBodyBeforeUID)
	t.Run("fetch-short-literal", testFetchShortLiteral)
	t.Run("untagged-unknown", testUntaggedUnknown)
	t.Run("value-bogus", testValueBogus)
	t.Run("mailbox-bad-utf7", testMailboxBadUTF7)
	t.Run("tag-unknown", testTagUnknown)
	t.Run("imap-cmd-inject", testIMAPCmdInject)
	t.Run("append-early-ok", testAppendEarlyOK)
	t.Run("append-refused", testAppendRefused)
	t.Run("appenduid-forged", testAppendUIDForged)
	t.Run("modseq-bogus", testModseqBogus)
	t.Run("bad-greeting", testBadGreeting)
	t.Run("sasl-endless", testSASLEndless)
	t.Run("starttls-early-ok", testStartTLSEarlyOK)
	t.Run("starttls-suffix", testStartTLSSuffix)
	t.Run("ui-spoof", testUISpoof)
	t.Run("secrets-in-logs", testSecretsInLogs)
}

// testLitHugeBuffered: a literal that must be kept is refused by its announced
// size, before an octet of it.
func testLitHugeBuffered(t *testing.T) {
	for _, line := range []string{
		"* LIST () \"/\" {%d}\r\n",
		"* 1 FETCH (ENVELOPE (NIL {%d}\r\n",
		"* 1 FETCH (UID {%d}\r\n",
		"* X-FOO {%d}\r\n",
	} {
		for _, size := range []int64{9_000_000_000_000, 1<<20 + 1} {
			f := newFlood(fmt.Sprintf(line, size), "a", 8<<20, "\"\r\n")
			_, _, read, err := drainFlood(t, Limits{}, f, "LIST")
			require.ErrorIs(t, err, mailbox.ErrTooLarge, line)
			assert.Less(t, read, int64(2*bufferSize))
		}
		f := newFlood(fmt.Sprintf(line, int64(8<<20)), "a", 8<<20, ")\r\n")
		_, _, read, err := drainFlood(t, wide(), f, "LIST")
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "with wide limits it is read until the server hangs up")
		assert.EqualValues(t, 8<<20, read)
	}
}

// testLineEndless: no line's end, ever.
func testLineEndless(t *testing.T) {
	assert.Equal(t, 16<<20, Limits{}.withDefaults().Line)
	lim := Limits{Line: 1 << 20}
	for _, head := range []string{"", "* OK ", "* 1 FETCH (ENVELOPE (\"", "P1 OK ", "+ ", "* SEARCH "} {
		before := heap()
		_, _, read, err := drainFlood(t, lim, newFlood(head, "1234567 ", 64<<20, ""), "UID SEARCH")
		require.ErrorIs(t, err, mailbox.ErrTooLarge)
		assert.LessOrEqual(t, read, int64(2<<20))
		assert.Less(t, heap(), before+3<<20)
	}
	_, _, read, err := drainFlood(t, wide(), newFlood("* OK ", "12345678", 4<<20, ""), "UID SEARCH")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "with wide limits it is read until the server hangs up")
	assert.EqualValues(t, 4<<20, read)
}

// testRespManyLiterals: one response of very many small literals. A response may
// hold so many values, and so many octets.
func testRespManyLiterals(t *testing.T) {
	many := func(size int64) *flood {
		return newFlood("* 1 FETCH (ENVELOPE (", "{1}\r\na ", size, "))\r\nP1 OK done\r\n")
	}
	lim := Limits{Values: 10_000, Response: 200_000}
	_, bad, _, err := drainFlood(t, lim, many(100_000), "UID FETCH")
	require.NoError(t, err)
	assert.Equal(t, 1, bad, "it fails alone")

	_, _, read, err := drainFlood(t, lim, many(2<<20), "UID FETCH")
	require.ErrorIs(t, err, mailbox.ErrTooLarge)
	assert.LessOrEqual(t, read, int64(400_000))

	n, bad, _, err := drainFlood(t, wide(), many(300_000), "UID FETCH")
	require.NoError(t, err)
	assert.Equal(t, []int{1, 0}, []int{n, bad}, "the limits were what stopped it")
}

// testBodystructureNest: six megabytes of "(" (go-imap's issue 574).
func testBodystructureNest(t *testing.T) {
	script := "* 1 FETCH (UID 1 BODYSTRUCTURE " + strings.Repeat("(", 6<<20) + "\r\n* 2 FETCH (UID 2)\r\n"
	cmd := fetch(t, script+"%s OK done\r\n")
	n, bad, err := drain(cmd)
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	assert.Equal(t, 1, bad, "the other message is well")

	out, err := inChild(t, "bare-nest")
	require.Error(t, err, "the bare client dies of it")
	assert.Contains(t, out, "stack overflow")

	deep := strings.Repeat("(", 500) + strings.Repeat(")", 500)
	_, err = parseValue(deep)
	require.ErrorIs(t, err, ErrMalformed)
	lim := wide()
	p := &parser{lim: &lim}
	p.reset([]byte(deep), 0)
	_, err = p.value()
	require.NoError(t, err, "the limit was what stopped it")
}

// testListNest: the same in other responses.
func testListNest(t *testing.T) {
	deep := strings.Repeat("(", 101) + strings.Repeat(")", 101)
	for _, tt := range []struct{ command, line string }{
		{"UID THREAD", "* THREAD " + deep},
		{"LIST", `* LIST () "/" a ("X" ` + deep + ")"},
		{"UID SEARCH", "* ESEARCH (TAG \"P1\") UID X-FOO " + deep},
	} {
		for _, lim := range []Limits{{}, {Depth: 200}} {
			n, bad, err := drain(run(t, lim, tt.line+"\r\n%s OK done\r\n", tt.command, Raw("x")))
			require.NoError(t, err)
			assert.Equal(t, 1, n, tt.command)
			assert.Equal(t, lim.Depth == 0, bad == 1, tt.command)
		}
	}
}

// testUntaggedFlood: responses that nobody asked for, without end. None is kept.
func testUntaggedFlood(t *testing.T) {
	assert.Equal(t, 100_000, Limits{}.withDefaults().Untagged)
	const sent = 4000
	for _, line := range []string{"* OK still here\r\n", "* 7 EXISTS\r\n", "* 1 EXPUNGE\r\n", "* X-FOO bar\r\n", "\r\n",
		"* 1 FETCH (FLAGS ())\r\n", "* CAPABILITY IMAP4rev1\r\n", "* LIST () NIL a\r\n", "* BYE\r\n"} {
		before := heap()
		f := newFlood("", line, int64(len(line))*sent, "P1 OK done\r\n")
		_, _, read, err := drainFlood(t, Limits{Untagged: 1000}, f, "NOOP")
		require.ErrorIs(t, err, mailbox.ErrTooLarge, line)
		assert.LessOrEqual(t, read, int64(len(line))*1000+bufferSize)
		assert.Less(t, heap(), before+1<<20)

		f = newFlood("", line, int64(len(line))*sent, "P1 OK done\r\n")
		_, _, _, err = drainFlood(t, Limits{Untagged: sent}, f, "NOOP")
		require.NoError(t, err, "the limit was what stopped it")
	}
}

// testListFlood: more rows than could be right, to a command that asked for
// some.
func testListFlood(t *testing.T) {
	row := "* LIST () \"/\" a\r\n"
	lim := Limits{Untagged: 1000}
	size := int64(len(row)) * 1500
	n, _, _, err := drainFlood(t, lim, newFlood("", row, size, "P1 OK done\r\n"), "LIST")
	require.ErrorIs(t, err, mailbox.ErrTooLarge)
	assert.Equal(t, 1000, n)

	c := New(newFlood("", row, size, "P1 OK done\r\n").nc, &Options{Limits: lim})
	cmd, err := c.Start("LIST", String(""), String("*"))
	require.NoError(t, err)
	require.NoError(t, c.Flush())
	n, _, err = drain(cmd.Expect(500))
	require.NoError(t, err, "those that were expected do not count")
	assert.Equal(t, 1500, n)
}

// testLitOddMarker: whatever stands where a literal's size should.
func testLitOddMarker(t *testing.T) {
	zeros := strings.Repeat("0", 1_000_000)
	for _, tt := range []struct {
		name, value string
		want        string // of the body
		err         error  // of the connection
		malformed   bool   // only the response
	}{
		{"zero", "{0}\r\n", "", nil, false},
		{"plain", "{3}\r\nabc", "abc", nil, false},
		{"plus", "{3+}\r\nabc", "abc", nil, false},
		{"literal8", "~{3}\r\na\x00c", "a\x00c", nil, false},
		{"LF only", "{3}\nabc", "abc", nil, false},
		{"leading zero", "{03}\r\nabc", "abc", nil, false},
		{"a million zeros", "{" + zeros + "3}\r\nabc", "abc", nil, false},
		{"a million digits", "{" + strings.Repeat("9", 1_000_000) + "}\r\nabc", "", mailbox.ErrTooLarge, false},
		{"2^63", "{9223372036854775808}\r\nabc", "", mailbox.ErrTooLarge, false},
		{"negative", "{-1}\r\nabc", "", mailbox.ErrProtocol, false},
		{"signed", "{+3}\r\nabc", "", mailbox.ErrProtocol, false},
		{"two adjacent", "{3}\r\nabc{3}\r\ndef", "abc", mailbox.ErrProtocol, false},
		{"too short", "{2}\r\nabc", "ab", mailbox.ErrProtocol, false},
		{"too long", "{9}\r\nabc", "abc)\r\nP1 ", mailbox.ErrProtocol, false},
		{"not at the end of the line", "{3} abc", "", nil, true},
		{"no number", "{}", "", nil, true},
		{"hexadecimal", "{0x3}", "", nil, true},
		{"no space", "\x08{3}\r\nabc", "", nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := fetch(t, "* 1 FETCH (BODY[] "+tt.value+")\r\n%s OK done\r\n")
			r, err := cmd.Next()
			if err == nil {
				var item *Item
				if item, err = r.Item(); err == nil {
					b, rerr := io.ReadAll(item.Body)
					require.NoError(t, rerr)
					assert.Equal(t, tt.want, string(b))
					_, err = r.Item()
				}
			}
			switch {
			case tt.err != nil:
				require.ErrorIs(t, err, tt.err)
				require.ErrorIs(t, cmd.c.Err(), tt.err)
				return
			case tt.malformed:
				require.ErrorIs(t, err, ErrMalformed)
			default:
				require.Equal(t, io.EOF, err)
			}
			_, err = cmd.Wait()
			require.NoError(t, err)
		})
	}
	// The bare client takes what is behind a bad marker for responses.
	err := bareFetch(t, "* 1 FETCH (UID 1 BODY[] {-1}\r\nabc)\r\n%s OK done\r\n")
	require.Error(t, err)
}

// testFetchBodyBeforeUID: the order of items is free.
func testFetchBodyBeforeUID(t *testing.T) {
	const script = "* 1 FETCH (BODY[] {5}\r\nhello FLAGS (\\Seen) UID 7)\r\n%s OK done\r\n"
	r, err := fetch(t, script).Next()
	require.NoError(t, err)
	var names []string
	for {
		item, err := r.Item()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		names = append(names, item.Name)
		if item.Name == "BODY[]" {
			b, err := io.ReadAll(item.Body)
			require.NoError(t, err)
			assert.Equal(t, "hello", string(b))
		}
		if item.Name == "UID" {
			uid, ok := item.Value.UID()
			assert.True(t, ok)
			assert.Equal(t, uint32(7), uid)
		}
	}
	assert.Equal(t, []string{"BODY[]", "FLAGS", "UID"}, names)

	n := 0
	err = bareFetchEach(t, script, func() { n++ })
	require.NoError(t, err)
	assert.Zero(t, n, "the bare client loses the message, and says nothing")
}

// testFetchShortLiteral cuts the connection at every octet of a body.
func testFetchShortLiteral(t *testing.T) {
	const head, body = "* 1 FETCH (UID 7 BODY[] {10}\r\n", "0123456789"
	for cut := range len(body) {
		for _, viaWriterTo := range []bool{false, true} {
			cmd := cutAfter(t, head+body[:cut])
			r, err := cmd.Next()
			require.NoError(t, err)
			_, err = r.Item()
			require.NoError(t, err)
			item, err := r.Item()
			require.NoError(t, err)
			var out bytes.Buffer
			if viaWriterTo {
				_, err = item.Body.WriteTo(&out)
			} else {
				_, err = io.Copy(&out, struct{ io.Reader }{item.Body})
			}
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			assert.Equal(t, body[:cut], out.String())
			_, err = cmd.Next()
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.ErrorIs(t, err, mailbox.ErrUnavailable)
		}
	}
	whole := fetch(t, head+body+")\r\n%s OK done\r\n")
	_, bad, err := drain(whole)
	require.NoError(t, err)
	assert.Zero(t, bad)

	out, _ := inChild(t, "bare-cut") // its reader and decoder race, too
	assert.Contains(t, out, `read "0123", <nil>`, "the bare client's reader ends as if all were there")
}

func cutAfter(t *testing.T, text string) *Command {
	t.Helper()
	c := New(serve(t, func(s *server) { s.line(); s.send("%s", text) }), nil)
	cmd, err := c.Start("UID FETCH", Raw("1:*"), Raw("(UID BODY[])"))
	require.NoError(t, err)
	return cmd
}

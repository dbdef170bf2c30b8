package imapwire

import (
	"encoding/base64"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// testFetchFloodGoroutines: very many FETCHes that nobody asked for.
func testFetchFloodGoroutines(t *testing.T) {
	const n = 20_000
	row := "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"
	c := New(newFlood("", row, n*int64(len(row)), "P1 OK done\r\n").nc, &Options{Limits: Limits{Untagged: 2 * n}})
	cmd, err := c.Start("NOOP")
	require.NoError(t, err)
	before := runtime.NumGoroutine()
	_, err = cmd.Wait()
	require.NoError(t, err)
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)

	// The bare client starts one for each: here as many as it takes to see.
	hold := make(chan struct{})
	most := 0
	client := bareClientWith(&imapclient.UnilateralDataHandler{Fetch: func(*imapclient.FetchMessageData) { <-hold }},
		strings.Repeat(row, 100)+"%s OK done\r\n")
	require.NoError(t, client.Noop().Wait())
	most = runtime.NumGoroutine()
	close(hold)
	_ = client.Close()
	assert.Greater(t, most, before+90)
}

// testSearchQuadratic: results in descending order, no two of them neighbours.
func testSearchQuadratic(t *testing.T) {
	const n = 20_000
	var b strings.Builder
	b.WriteString("* SEARCH")
	for i := n; i > 0; i-- {
		fmt.Fprintf(&b, " %d", 2*i)
	}
	r, err := run(t, Limits{}, b.String()+"\r\n%s OK done\r\n", "UID SEARCH", Raw("ALL")).Next()
	require.NoError(t, err)
	s, err := r.Numbers()
	require.NoError(t, err)
	assert.EqualValues(t, n, s.Len())
	assert.Len(t, s, n)
	assert.Equal(t, Range{2, 2}, s[0])
	assert.Equal(t, Range{2 * n, 2 * n}, s[n-1])

	var bare imap.UIDSet
	steps := 0
	for i := 200; i > 0; i-- { // go-imap keeps the set sorted at every step
		bare.AddNum(imap.UID(2 * i))
		assert.Equal(t, imap.UID(2*i), bare[0].Start)
		steps += len(bare)
	}
	assert.Equal(t, 200*201/2, steps, "which moves all that is there")
}

// testUIDSetExpansion: twelve octets that name four thousand million UIDs.
func testUIDSetExpansion(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Set
	}{
		{"* SEARCH 4294967295", Set{{4294967295, 4294967295}}},
		{"* ESEARCH (TAG \"P1\") UID ALL 1:4294967295", Set{{1, 4294967295}}},
		{"* ESEARCH (TAG \"P1\") UID ALL 4294967295:1,5", Set{{1, 4294967295}}},
		{"* ESEARCH (TAG \"P1\") UID", nil},
		{"* SEARCH 4294967294 4294967295 1", Set{{1, 1}, {4294967294, 4294967295}}},
	} {
		before := heap()
		r, err := run(t, Limits{}, tt.line+"\r\n%s OK done\r\n", "UID SEARCH", Raw("ALL")).Next()
		require.NoError(t, err)
		s, err := r.Numbers()
		require.NoError(t, err)
		assert.Equal(t, tt.want, s)
		assert.Less(t, heap(), before+1<<20)
	}
	for _, bad := range []string{"*", "1:*", "0", "0:5", "4294967296", "1:99999999999", "1,,2", ",", "1:2:3", "a", "-1", "+1"} {
		_, err := ParseSet([]byte(bad))
		assert.ErrorIs(t, err, ErrMalformed, bad)
	}
	_, err := parseSet([]byte("1,3,5,7"), 3)
	require.ErrorIs(t, err, ErrMalformed)
	_, err = parseSet([]byte("1,3,5,7"), 4)
	require.NoError(t, err)

	// All is lazy, and ends at the last UID that there is; go-imap's Nums does not
	// (it compares with <= in 32 bits).
	n := 0
	for range (Set{{4294967290, 4294967295}}).All() {
		n++
	}
	assert.Equal(t, 6, n)
	out, err := inChild(t, "bare-expand")
	require.NoError(t, err)
	assert.Contains(t, out, "goes on", "the bare loop over one UID does not end")
}

// testEnabledMapRace: the engine sees ENABLED only in answer to ENABLE.
func testEnabledMapRace(t *testing.T) {
	c, e := withEngine(t, nil, func(s *server) {
		s.send("* ENABLED UTF8=ACCEPT\r\n")
		s.expect("T1 NOOP")
		s.send("* ENABLED UTF8=ACCEPT\r\nT1 OK done\r\n")
		s.expect("T2 SELECT \"&AOk-\"")
		s.send("* ENABLED UTF8=ACCEPT\r\nT2 OK done\r\n")
		s.expect("T3 ENABLE METADATA")
		s.send("* ENABLED METADATA bad(atom\r\nT3 OK done\r\n")
	})
	require.NoError(t, e.Noop().Wait())
	_, err := e.Select("é", nil).Wait()
	require.NoError(t, err, "its names are still in UTF-7")
	data, err := e.Enable(imap.CapMetadata).Wait()
	require.NoError(t, err)
	assert.Equal(t, imap.CapSet{imap.CapMetadata: {}}, data.Caps)
	require.NoError(t, c.Err())

	// The bare client takes it at any time, and into a map that is not locked.
	wrote := make(chan string, 1)
	bareEngine := imapclient.New(serve(t, func(s *server) {
		s.send("* OK [CAPABILITY IMAP4rev1] x\r\n")
		s.expect("T1 NOOP")
		s.send("* ENABLED UTF8=ACCEPT\r\nT1 OK done\r\n")
		wrote <- s.line()
	}), nil)
	require.NoError(t, bareEngine.Noop().Wait())
	bareEngine.Select("é", nil)
	assert.Equal(t, "T2 SELECT \"é\"", <-wrote, "its names are in UTF-8 now")
	_ = bareEngine.Close()
}

// unknown are responses that go-imap's client does not know, or not like this.
var unknown = []string{
	"* VANISHED (EARLIER) 1:5", "* LSUB () \"/\" a", "* XLIST (\\Inbox) \"/\" INBOX", "* X-FOO bar",
	"* 1 FETCH (X-GM-MSGID 1278455344230334865)", "* 1 FETCH (X-GM-LABELS (\\Inbox \"a b\"))", "* 1 FETCH (EMAILID (M6d))",
	"* 1 FETCH (PREVIEW \"hello\")", "* 1 FETCH (SAVEDATE \"17-Jul-1996 02:44:25 -0700\")", "* 1 FETCH (RFC822 {2}\r\nhi)",
	"* 1 FETCH (UID 1 FOO (((\"x\"))))", "* 1 FETCH", "* 1 FETCH ()", "* FETCH (UID 1)",
	"* 99999999999 EXISTS", "* 1 EXPUNGED", "* NOOP", "*  OK two spaces", "* ID (\"a\" NIL)", "* ID NIL", "* NAMESPACE",
	"* STATUS INBOX (X-FOO 1)", "* LIST (\\Foo) \"/\" \"A&B\"", "* METADATA x", "* QUOTA", "* ACL a b",
	"* OK [REFERRAL imap://[::1]/] no", "* OK [X-FOO (]) ] bar", "* OK [", "* OK", "* NO", "* BAD", "* (", "* \"", "* {5", "* 1",
	"* LANGUAGE (EN)", "* ANNOTATION x", "* SEARCH 0", "* ESEARCH x", "* FLAGS (foo[bar])", "* FLAGS foo", spins, "",
}

// spins makes the bare client loop for ever.
const spins = "* CAPABILITY ("

// testUntaggedUnknown: responses may come that we do not know.
func testUntaggedUnknown(t *testing.T) {
	killed := 0
	for _, line := range unknown {
		c, e := withEngine(t, nil, func(s *server) {
			s.expect("T1 NOOP")
			s.send("%s\r\nT1 OK done\r\n", line)
			s.expect("T2 SELECT INBOX")
			s.send("%s\r\nT2 OK done\r\n", line)
			s.expect("P1 UID FETCH 1:* (UID)")
			s.send("%s\r\nP1 OK done\r\n", line)
		})
		require.NoError(t, e.Noop().Wait(), line)
		_, err := e.Select("INBOX", nil).Wait()
		require.NoError(t, err, line)
		cmd, err := c.Start("UID FETCH", Raw("1:*"), Raw("(UID)"))
		require.NoError(t, err)
		_, _, err = drain(cmd)
		require.NoError(t, err, line)
		if line == spins {
			continue
		}
		if bareNoop(t, line+"\r\n%s OK done\r\n") != nil {
			killed++
		}
	}
	assert.Greater(t, killed, len(unknown)/2, "most of them kill the bare client")
}

// testValueBogus: values that make no sense degrade their message, not others.
func testValueBogus(t *testing.T) {
	for _, tt := range []struct {
		item string
		ok   func(*Item) bool
	}{
		{`INTERNALDATE "00-Jan-0000 00:00:00 +0000"`, func(i *Item) bool { _, ok := i.Value.Time(); return ok }},
		{`INTERNALDATE NIL`, func(i *Item) bool { _, ok := i.Value.Time(); return ok }},
		{`INTERNALDATE "31-Feb-2024 00:00:00 +0000"`, func(i *Item) bool { _, ok := i.Value.Time(); return ok }},
		{`RFC822.SIZE -1`, func(i *Item) bool { _, ok := i.Value.Number(); return ok }},
		{`MODSEQ (36893488147419103232)`, func(i *Item) bool { _, ok := i.Value.At(0).Number(); return ok }},
		{`ENVELOPE NIL`, func(i *Item) bool { e, d := Envelope(i.Value, nil); return e != nil || len(d) == 0 }},
		{`ENVELOPE ()`, func(i *Item) bool { _, d := Envelope(i.Value, nil); return len(d) == 0 }},
		{`BODYSTRUCTURE NIL`, func(i *Item) bool { _, _, err := BodyStructure(i.Value, nil); return err == nil }},
		{`FLAGS "x"`, func(i *Item) bool { _, ok := i.Value.Flags(); return ok }},
		{`UID 0`, func(i *Item) bool { _, ok := i.Value.UID(); return ok }},
		{`UID 4294967296`, func(i *Item) bool { _, ok := i.Value.UID(); return ok }},
	} {
		script := "* 1 FETCH (UID 1 " + tt.item + ")\r\n* 2 FETCH (UID 2)\r\n%s OK done\r\n"
		cmd := fetch(t, script)
		r, err := cmd.Next()
		require.NoError(t, err)
		_, err = r.Item()
		require.NoError(t, err)
		item, err := r.Item()
		require.NoError(t, err, tt.item)
		assert.False(t, tt.ok(item), tt.item)
		r, err = cmd.Next()
		require.NoError(t, err)
		item, err = r.Item()
		require.NoError(t, err)
		uid, _ := item.Value.UID()
		assert.EqualValues(t, 2, uid)
		_, err = cmd.Wait()
		require.NoError(t, err)
	}
	require.Error(t, bareFetch(t, "* 1 FETCH (UID 1 INTERNALDATE \"00-Jan-0000 00:00:00 +0000\")\r\n%s OK done\r\n"),
		"the bare client ends the connection")
}

// testMailboxBadUTF7: one folder with an impossible name.
func testMailboxBadUTF7(t *testing.T) {
	const script = "* LIST () \"/\" \"A&B\"\r\n* LIST () \"/\" \"\xe9\"\r\n* LIST () \"/\" INBOX\r\n%s OK done\r\n"
	cmd := run(t, Limits{}, script, "LIST", String(""), String("*"))
	var names []string
	for {
		r, err := cmd.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		l, err := r.List()
		require.NoError(t, err)
		name, decoded := DecodeMailbox(l.Raw)
		names = append(names, fmt.Sprintf("%q %s %v", l.Raw, name, decoded))
	}
	assert.Equal(t, []string{`"A&B" A&B false`, `"\xe9" é false`, `"INBOX" INBOX true`}, names)

	require.Error(t, bare(t, script, func(c *imapclient.Client) error {
		_, err := c.List("", "*", nil).Collect()
		return err
	}), "the bare client lists nothing")
}

// testTagUnknown: answers and requests that belong to nothing.
func testTagUnknown(t *testing.T) {
	for _, line := range []string{"P9 OK done", "T1 OK done", "p1 OK done", "P1 MAYBE done", "P1", "+ go on", "Server Unavailable.",
		"P1 OK done\r\nP1 OK done", "* PREAUTH hello", "(", "\x00"} {
		c := New(serve(t, func(s *server) {
			s.expect("P1 NOOP")
			s.send("%s\r\n", line)
			if s.line() == "P2 NOOP" {
				s.send("P2 OK done\r\n")
			}
		}), nil)
		var err error
		for range 2 {
			cmd, serr := c.Start("NOOP")
			if serr != nil {
				err = serr
				break
			}
			if _, err = cmd.Wait(); err != nil {
				break
			}
		}
		require.ErrorIs(t, err, mailbox.ErrProtocol, line)
		_, err = c.Start("NOOP")
		require.ErrorIs(t, err, mailbox.ErrProtocol, "it stays broken")
	}
	_, err := run(t, Limits{}, "%s OK done\r\n", "NOOP").Wait()
	require.NoError(t, err)
	require.NoError(t, bareNoop(t, "* PREAUTH hello\r\n%s OK done\r\n"), "the bare client takes it for news")
	require.NoError(t, bareNoop(t, "%s OK done\r\n%s OK done\r\n"), "and an answer given twice does not harm the first")
	assert.Equal(t, "P9 OK done", naiveAnswer("* 1 EXISTS\r\nP9 OK done\r\nP1 OK done\r\n"), "a naive client takes any tag for its own")
	assert.Equal(t, "+ go on", naiveAnswer("+ go on\r\nP1 OK done\r\n"))
}

// naiveAnswer is the first line that a naive client takes for its answer: one
// that is not untagged.
func naiveAnswer(received string) string {
	for line := range strings.SplitSeq(received, "\r\n") {
		if !strings.HasPrefix(line, "*") {
			return line
		}
	}
	return ""
}

// testIMAPCmdInject: whatever octet is in whatever argument, it cannot become
// another command.
func testIMAPCmdInject(t *testing.T) {
	nc := &canned{Reader: strings.NewReader("")}
	c := New(nc, nil)
	var refused, breaks []byte
	for b := range 256 {
		bad := "a" + string([]byte{byte(b)}) + "x1 LOGOUT"
		// The control writes the argument as it is.
		if bare := "P1 STATUS " + bad + "\r\n"; strings.IndexAny(bare, "\r\n\x00") < len(bare)-2 {
			breaks = append(breaks, byte(b))
		}
		if _, err := New(&canned{}, nil).Start("STATUS", Raw(bad)); err != nil {
			refused = append(refused, byte(b))
		}
		for _, arg := range []Arg{Raw(bad), Atom(bad), String(bad), Mailbox(bad), Mailbox(string([]byte{byte(b)}))} {
			wrote := nc.wrote.Len()
			cmd, err := c.Start("STATUS", arg)
			if err != nil {
				require.Equal(t, wrote, nc.wrote.Len(), "nothing is written")
				continue
			}
			if len(cmd.parts) == 1 {
				require.NoError(t, c.Flush())
				c.mu.Lock()
				c.pending = nil
				c.mu.Unlock()
			} else {
				c.mu.Lock()
				c.queue = nil
				c.mu.Unlock()
			}
			for _, part := range cmd.parts[:len(cmd.parts)-1] {
				require.Equal(t, 1, strings.Count(string(part), "\n"), "%q", part)
			}
			last := string(cmd.parts[len(cmd.parts)-1])
			require.Equal(t, len(last)-2, strings.IndexAny(last, "\r\n\x00"), "%q", last)
		}
	}
	assert.Equal(t, []byte("\x00\n\r"), breaks)
	for _, b := range breaks {
		assert.Contains(t, refused, b, "what would break out of a raw argument")
	}
	assert.NotContains(t, refused, byte('('), "a raw argument is free otherwise")
	for _, name := range []string{"", "NOOP\r\nx", "A B", "UID FETCH\n", "X("} {
		_, err := c.Start(name)
		require.Error(t, err, name)
	}
	_, err := c.Start("UID FETCH", Arg{})
	require.Error(t, err)
	_, err = c.Start("UID FETCH", UIDs(nil))
	require.Error(t, err)
	require.NoError(t, c.Err(), "the connection is still well")

	// What the engine lets through breaks the connection before it is written.
	var wrote []string
	c2, e := withEngine(t, nil, func(s *server) {
		for line := s.line(); line != ""; line = s.line() {
			wrote = append(wrote, line)
		}
	})
	_, err = e.ID(&imap.IDData{Name: "a\r\nx1 LOGOUT"}).Wait()
	require.Error(t, err)
	require.ErrorIs(t, c2.Err(), mailbox.ErrProtocol)
	assert.Empty(t, wrote)

	got := make(chan string, 1)
	client := bareClientWith(nil, "%s OK done\r\n", got)
	client.ID(&imap.IDData{Name: "a\r\nx1 LOGOUT"})
	assert.Contains(t, <-got, "\r\nx1 LOGOUT", "the bare client writes it")
	_ = client.Close()
}

// testAppendEarlyOK: an OK before the message was sent.
func testAppendEarlyOK(t *testing.T) {
	c, e := withEngine(t, nil, func(s *server) {
		s.expect("T1 APPEND INBOX {5}")
		s.send("T1 OK [APPENDUID 1 2] stored\r\n")
		s.hold()
	})
	a := e.Append("INBOX", 5, nil)
	_, err := a.Wait()
	require.Error(t, err)
	require.ErrorIs(t, c.Err(), mailbox.ErrProtocol)

	require.NoError(t, bare(t, "%s OK [APPENDUID 1 2] stored\r\n", func(c *imapclient.Client) error {
		_, err := c.Append("INBOX", 5, nil).Wait()
		return err
	}), "the bare client calls it a success")
}

// testAppendRefused: a refusal in place of "+", before a byte of the message, is
// an answer and not a fault.
func testAppendRefused(t *testing.T) {
	for _, code := range []string{"OVERQUOTA", "TOOBIG", "TRYCREATE"} {
		var seen []Status
		c, e := withEngine(t, &Options{OnStatus: func(s Status) { seen = append(seen, s) }}, func(s *server) {
			s.expect("T1 APPEND INBOX {5}")
			s.send("T1 NO [%s] no\r\n", code)
			s.hold()
		})
		_, err := e.Append("INBOX", 5, nil).Wait()
		var refused *imap.Error
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, imap.ResponseCode(code), refused.Code)
		require.NotErrorIs(t, c.Err(), mailbox.ErrProtocol)
		assert.Equal(t, []Status{{Tag: "T1", Kind: "NO", Code: code, Text: "no"}}, seen)
	}
	// The same as an OK is a fault: it is what testAppendEarlyOK is about.
}

// testAppendUIDForged: a UID that cannot be one is none.
func testAppendUIDForged(t *testing.T) {
	for _, code := range []string{"[APPENDUID 0 0] ", "[APPENDUID 1] ", "[APPENDUID] ", "[APPENDUID 1 4294967296] ", "[APPENDUID 1 2:9] ", "[COPYUID 1 2 3] ", ""} {
		_, e := withEngine(t, nil, func(s *server) {
			s.expect("T1 NOOP")
			s.send("T1 OK [APPENDUID 1 9] done\r\n") // on another command
			s.expect("T2 APPEND INBOX {1}")
			s.send("+ go on\r\n")
			s.octets(3)
			s.send("T2 OK %sdone\r\n", code)
		})
		require.NoError(t, e.Noop().Wait())
		a := e.Append("INBOX", 1, nil)
		_, err := io.WriteString(a, "x")
		require.NoError(t, err)
		require.NoError(t, a.Close())
		data, err := a.Wait()
		require.NoError(t, err, code)
		assert.Zero(t, *data, code)
	}
	require.Error(t, bareNoop(t, "%s OK [APPENDUID 1] done\r\n"), "the bare client ends the connection")
}

// testModseqBogus: what SELECT says of the folder may be nonsense, piece by
// piece.
func testModseqBogus(t *testing.T) {
	for _, code := range []string{"HIGHESTMODSEQ 0", "HIGHESTMODSEQ -1", "HIGHESTMODSEQ 18446744073709551616", "HIGHESTMODSEQ x",
		"HIGHESTMODSEQ", "UIDNEXT 0", "UIDVALIDITY 4294967296", "UIDVALIDITY", "PERMANENTFLAGS"} {
		c, e := withEngine(t, nil, func(s *server) {
			s.expect("T1 SELECT INBOX")
			s.send("* OK [%s] x\r\n* 7 EXISTS\r\nT1 OK done\r\n", code)
		})
		data, err := e.Select("INBOX", nil).Wait()
		require.NoError(t, err, code)
		assert.Equal(t, &imap.SelectData{NumMessages: 7}, data)
		require.NoError(t, c.Err())
	}
	require.Error(t, bareNoop(t, "* OK [HIGHESTMODSEQ -1] x\r\n%s OK done\r\n"), "the bare client ends the connection")
}

// testBadGreeting: whatever is not a greeting ends the connection before
// anything is sent; TestGreeting has more.
func testBadGreeting(t *testing.T) {
	for text, want := range map[string]error{
		strings.Repeat("* ", 1<<10) + "\r\n": mailbox.ErrProtocol,
		strings.Repeat("A", 1<<20):           mailbox.ErrTooLarge,
		"* BAD no\r\n":                       mailbox.ErrProtocol,
		"P1 OK hello\r\n":                    mailbox.ErrProtocol,
		"* OK":                               mailbox.ErrUnavailable,
		"":                                   mailbox.ErrUnavailable,
	} {
		nc := &canned{Reader: strings.NewReader(text)}
		c := New(nc, &Options{Limits: Limits{Line: 1 << 16}})
		_, err := c.Greeting()
		require.ErrorIs(t, err, want)
		_, err = c.Start("NOOP")
		require.ErrorIs(t, err, want)
		assert.Zero(t, nc.wrote.Len())
	}
	c := New(&canned{Reader: strings.NewReader("* OK " + strings.Repeat("A", 1<<20) + "\r\n")}, &Options{Limits: wide()})
	_, err := c.Greeting()
	require.NoError(t, err, "the limit was what stopped it")
	client := bareClientWith(nil, "%s OK done\r\n")
	require.NoError(t, client.WaitGreeting())
	_ = client.Close()
}

// testSASLEndless: challenges without end.
func testSASLEndless(t *testing.T) {
	script := func(rounds int) func(s *server) {
		return func(s *server) {
			tag, _, _ := strings.Cut(s.line(), " ")
			for range rounds {
				s.send("+ %s\r\n", base64.StdEncoding.EncodeToString([]byte("more")))
				if s.line() == "" {
					return
				}
			}
			s.send("%s OK [CAPABILITY IMAP4rev1] in\r\n", tag)
		}
	}
	c, e := withEngine(t, nil, script(200))
	require.Error(t, e.Authenticate(echo{}))
	require.ErrorIs(t, c.Err(), mailbox.ErrProtocol)

	_, e = withEngine(t, &Options{Limits: wide()}, script(200))
	require.NoError(t, e.Authenticate(echo{}), "the limit was what stopped it")
}

// echo is a mechanism that answers everything.
type echo struct{}

func (echo) Start() (string, []byte, error)        { return "ECHO", nil, nil }
func (echo) Next(challenge []byte) ([]byte, error) { return []byte("more"), nil }

var _ sasl.Client = echo{}

// testStartTLSEarlyOK: the answer comes before the command.
func testStartTLSEarlyOK(t *testing.T) {
	for _, early := range []bool{true, false} {
		c := New(serve(t, func(s *server) {
			if early {
				s.send("* OK hello\r\nP1 OK begin TLS now\r\n")
				s.expect("P1 STARTTLS")
			} else {
				s.send("* OK hello\r\n")
				s.expect("P1 STARTTLS")
				s.send("P1 OK begin TLS now\r\n")
			}
			s.hold()
		}), nil)
		_, err := c.Greeting()
		require.NoError(t, err)
		cmd, err := c.Start("STARTTLS")
		require.NoError(t, err)
		_, err = cmd.Wait()
		if early {
			require.ErrorIs(t, err, mailbox.ErrProtocol)
		} else {
			require.NoError(t, err)
		}
	}
}

// testStartTLSSuffix: what comes behind the OK can be seen.
func testStartTLSSuffix(t *testing.T) {
	for _, suffix := range []string{"", "* OK [CAPABILITY EVIL]\r\n"} {
		c := New(serve(t, func(s *server) {
			s.expect("P1 STARTTLS")
			s.send("P1 OK begin TLS now\r\n" + suffix)
			s.hold()
		}), nil)
		cmd, err := c.Start("STARTTLS")
		require.NoError(t, err)
		_, err = cmd.Wait()
		require.NoError(t, err)
		assert.Equal(t, len(suffix), c.Buffered())
	}

	var believed []Status
	c := New(serve(t, func(s *server) {
		s.expect("P1 STARTTLS")
		s.send("P1 OK begin TLS now\r\n* OK [ALERT] evil\r\nP2 OK evil\r\n")
		s.hold()
	}), &Options{OnStatus: func(st Status) { believed = append(believed, st) }})
	for _, name := range []string{"STARTTLS", "NOOP"} {
		cmd, err := c.Start(name)
		require.NoError(t, err)
		_, err = cmd.Wait()
		if name == "STARTTLS" {
			require.NoError(t, err)
			require.NotZero(t, c.Buffered())
			continue
		}
		require.ErrorIs(t, err, mailbox.ErrProtocol, "a tagged answer is not believed before its command")
	}
	assert.Equal(t, []Status{{Kind: "OK", Code: "ALERT", Text: "evil"}}, believed, "the control: who goes on without asking is told it")
}

// testUISpoof: a server's words are marked, short, and cannot steer a terminal.
func testUISpoof(t *testing.T) {
	text := "\x1b]0;x\x07\x9b31m\u202eclick http://evil.example " + strings.Repeat("A", 1<<20)
	_, err := run(t, Limits{}, "%s NO [ALERT] "+text+"\r\n", "NOOP").Wait()
	var s *Status
	require.ErrorAs(t, err, &s)
	assert.True(t, strings.HasPrefix(err.Error(), "server said NO [ALERT]: "))
	assert.NotContains(t, err.Error(), "\x1b")
	assert.NotContains(t, err.Error(), "\u202e")
	assert.Less(t, len(err.Error()), 1200)
	assert.Equal(t, text, s.Text, "the text itself is all there for who wants it")

	_, e := withEngine(t, nil, func(s *server) {
		s.expect("T1 NOOP")
		s.send("T1 NO %s\r\n", text)
	})
	err = e.Noop().Wait()
	assert.NotContains(t, err.Error(), "\x1b")
	assert.Less(t, len(err.Error()), 1200)

	err = bareNoop(t, "%s NO "+text+"\r\n")
	require.ErrorContains(t, err, "\x1b]0;x\x07", "the bare client's error steers the terminal")
	require.ErrorContains(t, err, "\u202e")
	assert.Greater(t, len(err.Error()), 1<<20)
}

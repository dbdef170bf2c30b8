package imapwire

import (
	"bytes"
	"errors"
	"io"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// piece is what framing makes of a stream: a segment, or a body.
type piece struct {
	octets string
	body   bool
}

// fuzzLimits are small, so that the fuzzer meets them.
var fuzzLimits = Limits{Line: 300, Literal: 100, Response: 500}.withDefaults()

// frame frames a stream that comes in chunks of the given sizes.
func frame(text []byte, chunks []byte) (pieces []piece, err error) {
	rd := &reader{nc: &canned{Reader: &chunked{bytes.Clone(text), bytes.Clone(chunks)}}}
	for {
		var h head
		used := 0
		for {
			seg, err := rd.segment(&h, used, &fuzzLimits)
			if err != nil {
				return pieces, err
			}
			used += len(seg.octets)
			pieces = append(pieces, piece{string(seg.octets), false})
			if seg.body < 0 {
				break
			}
			var body bytes.Buffer
			for left := seg.body; left > 0; {
				p := make([]byte, min(left, 5000))
				n, err := rd.read(p)
				body.Write(p[:n])
				if err != nil {
					return pieces, err
				}
				left -= int64(n)
			}
			pieces = append(pieces, piece{body.String(), true})
		}
	}
}

// chunked gives its text in chunks.
type chunked struct{ text, sizes []byte }

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	size := len(c.text)
	if len(c.sizes) > 0 {
		size = int(c.sizes[0])%50 + 1
		c.sizes = append(c.sizes[1:], c.sizes[0])
	}
	n := copy(p, c.text[:min(size, len(c.text))])
	c.text = c.text[n:]
	return n, nil
}

var (
	marker   = regexp.MustCompile(`~?\{([+-]?)([0-9]+)\+?\}\r?\n$`)
	bodyName = regexp.MustCompile(`(?i)(?:[\]>]|(?:^|[ (])RFC822(?:\.TEXT|\.HEADER)?) *$`)
	statusIs = regexp.MustCompile(`(?i)^(?:\+|\* (?:[0-9]+ +)?(?:OK|NO|BAD|BYE|PREAUTH)[ \r\n])`)
	fetchIs  = regexp.MustCompile(`(?i)^\* (?:[0-9]+ +)?FETCH[ \r\n]`)
)

// slowFrame is frame written for reading: a line at a time, by regular
// expressions, of a stream that is all there.
func slowFrame(text string) (pieces []piece, err error) {
	for {
		first, _, found := strings.Cut(text, "\n")
		first += "\n"
		if !found {
			return pieces, slowEnd("", text)
		}
		plain := statusIs.MatchString(first) || !strings.HasPrefix(first, "* ") || strings.Trim(first, "\r\n") == ""
		used, seg := 0, ""
		for {
			line, rest, found := strings.Cut(text, "\n")
			if !found {
				return pieces, slowEnd(strings.Repeat("x", used)+seg, text)
			}
			line += "\n"
			if len(line) > fuzzLimits.Line || used+len(seg)+len(line) > fuzzLimits.Response {
				return pieces, mailbox.ErrTooLarge
			}
			m := marker.FindStringSubmatchIndex(line)
			if plain || m == nil {
				pieces = append(pieces, piece{seg + line, false})
				text = rest
				break
			}
			size, ok := new(big.Int).SetString(line[m[4]:m[5]], 10)
			switch {
			case m[2] != m[3]:
				return pieces, mailbox.ErrProtocol
			case !ok || !size.IsInt64():
				return pieces, mailbox.ErrTooLarge
			}
			n := size.Int64()
			if fetchIs.MatchString(first) && bodyName.MatchString(seg+line[:m[0]]) {
				pieces = append(pieces, piece{seg + line, false})
				used, seg = used+len(seg)+len(line), ""
				if n > int64(len(rest)) {
					return pieces, io.ErrUnexpectedEOF
				}
				pieces = append(pieces, piece{rest[:n], true})
				text = rest[n:]
				continue
			}
			if n > int64(fuzzLimits.Literal) || used+len(seg)+len(line)+int(n) > fuzzLimits.Response {
				return pieces, mailbox.ErrTooLarge
			}
			if n > int64(len(rest)) {
				return pieces, io.ErrUnexpectedEOF
			}
			seg += line + rest[:n]
			text = rest[n:]
		}
	}
}

// slowEnd is the error for a line that does not end.
func slowEnd(before, line string) error {
	if len(line) > fuzzLimits.Line || len(before)+len(line) > fuzzLimits.Response {
		return mailbox.ErrTooLarge
	}
	return io.ErrUnexpectedEOF
}

// FuzzLexer compares the framing with the slow one, however the stream is cut
// into chunks, and parses what comes out.
func FuzzLexer(f *testing.F) {
	for _, seed := range []string{
		"* OK hello {3}\r\n* 1 FETCH (UID 7 BODY[] {5}\r\nhello FLAGS (\\Seen))\r\nP1 OK done\r\n",
		"* LIST () \"/\" {3}\r\na\"b\r\n* 1 FETCH (ENVELOPE (NIL {2}\r\nab {1+}\r\nc) RFC822.TEXT ~{0}\r\n BINARY[1]<0> {4}\n)\r\n\r\n)\r\n",
		"* 1 FETCH (BODY[] {-1}\r\nabc", "* 1 FETCH ({99999999999999999999}\r\n", "+ {1}\r\n\r\n* X {0}\r\n{3}\r\n",
		"* 1 fetch (rfc822 {3}\r\nabc rfc822.header {1}\r\nx)\r\nT1 NO {9}\r\n",
		"* 1 FETCH (UID 1 FLAGS \"a\\\"b\" X[\"]\" (A)] NIL)\r\n* ESEARCH (TAG \"x\") ALL 1:5\r\n",
	} {
		f.Add([]byte(seed), []byte{3, 0, 49})
	}
	f.Fuzz(func(t *testing.T, text, chunks []byte) {
		want, wantErr := slowFrame(string(text))
		for _, sizes := range [][]byte{nil, chunks, {0}} {
			got, err := frame(text, sizes)
			require.Equal(t, want, got)
			require.ErrorIs(t, err, wantErr)
		}
		parseAll(t, text, chunks)
	})
}

// parseAll reads a stream as the answer to a FETCH, all of it.
func parseAll(t *testing.T, text, chunks []byte) {
	c := New(&canned{Reader: &chunked{bytes.Clone(text), bytes.Clone(chunks)}}, &Options{
		OnStatus: func(s Status) { assert.True(t, utf8.ValidString(s.Error())) },
		Trace:    func(bool, string) {},
	})
	cmd, err := c.Start("UID FETCH", Raw("1:*"), Raw("(UID)"))
	require.NoError(t, err)
	for {
		r, err := cmd.Next()
		if err != nil {
			break
		}
		for {
			item, err := r.Item()
			if err != nil {
				require.True(t, err == io.EOF || errors.Is(err, ErrMalformed) || c.Err() != nil, "%v", err)
				break
			}
			walk(t, item.Value, 0)
		}
	}
}

// walk looks at everything in a value.
func walk(t *testing.T, v Value, depth int) {
	require.LessOrEqual(t, depth, 100)
	n := 0
	for e := range v.All() {
		walk(t, e, depth+1)
		n++
	}
	require.Equal(t, n, v.Len())
	_, _, _ = v.Bytes(), v.Kind(), v.At(1)
	_, _ = v.Time()
	_, _ = v.Flags()
	_, _ = Envelope(v, nil)
	_, _, _ = BodyStructure(v, nil)
}

// FuzzEnvelope: whatever a server says, the envelope is fit to be shown, and
// decoding it again gives the same.
func FuzzEnvelope(f *testing.F) {
	f.Add(rfcEnvelope)
	f.Add(people(`((NIL NIL "team" NIL)("=?utf-8?q?=C3=BC?=" NIL "a" "x")(NIL NIL NIL NIL))`))
	f.Add(`(NIL "Re: "urgent" matter" ((NIL NIL "a" NIL)) NIL NIL NIL NIL "<a@b> <c@d>" "x" )`)
	f.Add("(\"Thu, 00 Jan 0000\" {3}\r\na\x00\xff)")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseValue(text)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		e, defects := Envelope(v, nil)
		again, defectsAgain := Envelope(v, nil)
		require.Equal(t, e, again)
		require.Equal(t, defects, defectsAgain)
		if e == nil {
			require.NotEqual(t, ListKind, v.Kind())
			return
		}
		fit(t, e.Subject)
		fit(t, e.MessageID)
		for _, list := range [][]string{e.InReplyTo} {
			for _, s := range list {
				fit(t, s)
			}
		}
		for _, a := range e.From {
			fit(t, a.Name)
			fit(t, a.Address)
		}
	})
}

func fit(t *testing.T, s string) {
	require.True(t, utf8.ValidString(s), "%q", s)
	require.False(t, strings.ContainsAny(s, "\x00\r\n\x1b"), "%q", s)
}

// FuzzBodyStructure: whatever a server says, the tree is bounded, its strings
// are fit to be shown, and no two parts that can be opened have one number.
func FuzzBodyStructure(f *testing.F) {
	for _, s := range quirkStructures {
		f.Add(s.text)
	}
	f.Add(`(("text" "html" NIL NIL NIL "QP" 1152 23)("message" "rfc822" NIL NIL NIL "8bit" 500 ` + rfcEnvelope +
		`(("text" "plain" NIL NIL NIL "7bit" 10 1) "mixed") 40) "mixed" ("boundary" "b"))`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseValue(text)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		p, _, err := BodyStructure(v, nil)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		ids := map[string]bool{}
		for q := range p.All() {
			fit(t, q.Type)
			fit(t, q.Filename())
			fit(t, q.Encoding+q.ContentID+q.Description+q.Location+q.MD5+q.Disposition)
			require.GreaterOrEqual(t, q.Size, int64(0))
			require.GreaterOrEqual(t, q.Lines, int64(0))
			require.Contains(t, q.Type, "/")
			if q.ID != "" {
				require.False(t, ids[q.ID], "two parts %s", q.ID)
				ids[q.ID] = true
			}
		}
	})
}

// FuzzMailboxName: what is encoded decodes to the same, and what decodes
// encodes to the same.
func FuzzMailboxName(f *testing.F) {
	for _, s := range []string{"INBOX", "inbox", "Entwürfe", "A&B", "&-", "&AGE-", "&2D3eCg-", "a&ZeVnLIqe-b", "\xff", "&", "&A-", "~peter/mail/&U,BTFw-", "日本語 x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if raw, err := EncodeMailbox(s); err == nil {
			require.True(t, printable(raw), "%q", raw)
			name, ok := DecodeMailbox(raw)
			require.True(t, ok)
			if !strings.EqualFold(s, "INBOX") {
				require.Equal(t, s, name)
			}
		}
		name, ok := DecodeMailbox(s)
		require.True(t, utf8.ValidString(name))
		if ok {
			raw, err := EncodeMailbox(name)
			require.NoError(t, err)
			require.True(t, raw == s || strings.EqualFold(s, "INBOX"))
		}
	})
}

// FuzzSet: a set that can be read is written and read back the same, ascending,
// and its ranges do not touch.
func FuzzSet(f *testing.F) {
	for _, s := range []string{"1", "1:3,5", "5,3,4", "4294967295", "1:4294967295", "9:1", "1,1,1", "*", "0", "1:2:3", "10,1:9,11"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSet(b)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		var n uint64
		for i, r := range s {
			require.LessOrEqual(t, r.First, r.Last)
			require.NotZero(t, r.First)
			if i > 0 {
				require.Greater(t, uint64(r.First), uint64(s[i-1].Last)+1)
			}
			require.True(t, s.Has(r.First) && s.Has(r.Last))
			n += uint64(r.Last) - uint64(r.First) + 1
		}
		require.Equal(t, n, s.Len())
		again, err := ParseSet([]byte(s.String()))
		require.NoError(t, err)
		require.Equal(t, s, again)
		if n < 1000 {
			var all []uint32
			for u := range s.All() {
				all = append(all, u)
			}
			require.Equal(t, s, SetOf(all))
		}
	})
}

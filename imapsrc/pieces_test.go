package imapsrc

import (
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/quotedprintable"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// manyOctets is data of more than one window, without a period.
func manyOctets(n int) string {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

// encodeAs is data as a part's body, in lines.
func encodeAs(encoding, data string) string {
	var b strings.Builder
	if encoding == "base64" {
		for s := base64.StdEncoding.EncodeToString([]byte(data)); s != ""; s = s[min(76, len(s)):] {
			b.WriteString(s[:min(76, len(s))] + "\r\n")
		}
		return b.String()
	}
	w := quotedprintable.NewWriter(&b)
	w.Binary = true
	_, _ = io.WriteString(w, data)
	_ = w.Close()
	return b.String()
}

var askedFor = regexp.MustCompile(`\((?:UID )(BODY|BINARY)\.PEEK\[2\]<(\d+)\.(\d+)>\)`)

// cutOut is the piece of data that <off.n> names.
func cutOut(data string, off, n int) string {
	off = min(off, len(data))
	return data[off:min(off+n, len(data))]
}

// servePieces answers FETCH of part 2: as it is stored from stored, or not at
// all; decoded, what answer says, given what was asked for. An answer is a FETCH
// item, or the tagged answer.
func servePieces(c *mailtest.Conn, stored string, answer func(off, n int) string) {
	selected(c, "IMAP4rev1 BINARY", 1)
	for {
		tag, args := c.Command("UID FETCH")
		m := askedFor.FindStringSubmatch(args)
		if m == nil {
			c.Send(tag + " OK done\r\n")
			continue
		}
		off, _ := strconv.Atoi(m[2])
		n, _ := strconv.Atoi(m[3])
		item := ""
		switch {
		case m[1] == "BINARY":
			item = answer(off, n)
		case stored != "":
			p := cutOut(stored, off, n)
			item = fmt.Sprintf("BODY[2]<%d> {%d}\r\n%s", off, len(p), p)
		}
		switch {
		case strings.HasPrefix(item, "BINARY"), strings.HasPrefix(item, "BODY"):
			c.Send("* 1 FETCH (UID 1 " + item + ")\r\n" + tag + " OK done\r\n")
		case item == "":
			c.Send(tag + " OK done\r\n")
		default:
			c.Send(tag + " " + item + "\r\n")
		}
	}
}

// TestBinaryPieces is a part that a server decodes, of more than one window. A
// server that does not send the pieces that it is asked for is done without.
func TestBinaryPieces(t *testing.T) {
	data := manyOctets(900 << 10)
	piece := func(origin string, p string) string { return fmt.Sprintf("BINARY[2]%s ~{%d}\r\n%s", origin, len(p), p) }
	right := func(off, n int) string { return piece(fmt.Sprintf("<%d>", off), cutOut(data, off, n)) }
	behind := func(first int, say string) func(off, n int) string {
		return func(off, n int) string {
			if off < first {
				return right(off, n)
			}
			return say
		}
	}
	for name, tt := range map[string]struct {
		answer func(off, n int) string
		again  bool // BINARY is asked for with the next part, too
	}{
		"as it should":       {right, true},
		"no origin":          {func(off, n int) string { return piece("", cutOut(data, off, n)) }, false},
		"no origin, midway":  {func(off, n int) string { return piece(map[bool]string{true: "<0>"}[off == 0], cutOut(data, off, n)) }, false},
		"all, without":       {func(int, int) string { return piece("", data) }, false},
		"all, always at 0":   {func(int, int) string { return piece("<0>", data) }, false},
		"more than asked":    {func(off, _ int) string { return piece(fmt.Sprintf("<%d>", off), data[off:]) }, false},
		"more, midway":       {func(off, n int) string { return piece(fmt.Sprintf("<%d>", off), cutOut(data, off, n+off)) }, false},
		"always the first":   {func(_, n int) string { return piece("<0>", cutOut(data, 0, n)) }, false},
		"another origin":     {func(off, n int) string { return piece(fmt.Sprintf("<%d>", off+1), cutOut(data, off, n)) }, false},
		"NIL midway":         {behind(1, "BINARY[2] NIL"), false},
		"NO midway":          {behind(1, "NO I cannot"), false},
		"BAD midway":         {behind(1, "BAD what"), false},
		"UNKNOWN-CTE midway": {behind(1, "NO [UNKNOWN-CTE] I cannot"), true},
		"late":               {behind(700<<10, "BINARY[2] ~{3}\r\nabc"), false},
	} {
		for _, encoding := range []string{"base64", "quoted-printable"} {
			t.Run(name+"/"+encoding, func(t *testing.T) {
				t.Parallel()
				stored := encodeAs(encoding, data)
				r := newRig(t, nil, func(c *mailtest.Conn) { servePieces(c, stored, tt.answer) })
				m := r.mustDial()
				binaries := 0
				for i := range 2 {
					part, err := m.OpenPart(t.Context(), id("1"), "2", &mailbox.OpenPartOptions{Encoding: encoding})
					require.NoError(t, err)
					got, err := io.ReadAll(part)
					require.NoError(t, err)
					require.NoError(t, part.Close())
					require.Equal(t, len(data), len(got))
					require.True(t, data == string(got), "the octets differ")
					n := strings.Count(r.srv.Transcript(), "(UID BINARY.PEEK[2]<")
					if i == 0 {
						assert.Positive(t, n)
					} else {
						assert.Equal(t, tt.again, n > binaries)
					}
					binaries = n
				}
			})
		}
	}
}

// TestBinaryPiecesFail is what is not made up for: no octet is given that does
// not belong to what was given before, and the reader learns that it is not whole.
func TestBinaryPiecesFail(t *testing.T) {
	data := manyOctets(900 << 10)
	otherwise := "X" + data[1:]
	stored := encodeAs("base64", data)
	first := func(data, then string) func(off, n int) string {
		return func(off, n int) string {
			if off > 0 {
				return then
			}
			return fmt.Sprintf("BINARY[2]<0> ~{%d}\r\n%s", n, cutOut(data, 0, n))
		}
	}
	for name, tt := range map[string]struct {
		stored string
		answer func(off, n int) string
		want   error
		bodies bool // the part was asked for as it is stored
	}{
		"decoded otherwise": {stored, first(otherwise, "BINARY[2] ~{1}\r\nx"), mailbox.ErrProtocol, true},
		"longer":            {encodeAs("base64", data[:1000]), first(data, "BINARY[2] ~{1}\r\nx"), mailbox.ErrProtocol, true},
		"gone":              {"", first(data, "BINARY[2] NIL"), mailbox.ErrNotFound, true},
		"gone, and said so": {stored, first(data, "NO [EXPUNGEISSUED] it is gone"), mailbox.ErrNotFound, false},
		"throttled":         {stored, first(data, "NO [LIMIT] slow down"), mailbox.ErrThrottled, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil, func(c *mailtest.Conn) { servePieces(c, tt.stored, tt.answer) })
			part, err := r.mustDial().OpenPart(t.Context(), id("1"), "2", &mailbox.OpenPartOptions{Encoding: "base64"})
			require.NoError(t, err)
			got, err := io.ReadAll(part)
			require.ErrorIs(t, err, tt.want)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			var e *mailbox.Error
			require.ErrorAs(t, err, &e)
			assert.Len(t, got, firstWindow)
			_, again := part.Read(make([]byte, 1))
			assert.Equal(t, err, again)
			require.NoError(t, part.Close())
			_, err = part.Read(make([]byte, 1))
			require.Error(t, err)
			assert.Equal(t, tt.bodies, strings.Contains(r.srv.Transcript(), "BODY.PEEK[2]<"))
		})
	}
}

// TestAlwaysTheFirstPiece: what says of itself that it is the beginning is not
// read on with, or a file would have it again and again.
func TestAlwaysTheFirstPiece(t *testing.T) {
	data := encodeAs("base64", manyOctets(900<<10))
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 1)
		for range 2 {
			tag, _ := c.Command("UID FETCH")
			c.Send(fmt.Sprintf("* 1 FETCH (UID 1 BODY[2]<0> {%d}\r\n%s)\r\n%s OK done\r\n", firstWindow, data[:firstWindow], tag))
		}
		idle(c)
	})
	part, err := r.mustDial().OpenPart(t.Context(), id("1"), "2", &mailbox.OpenPartOptions{Encoding: "base64", Encoded: true})
	require.NoError(t, err)
	got, err := io.ReadAll(part)
	require.ErrorIs(t, err, mailbox.ErrProtocol)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.True(t, data[:firstWindow] == string(got), "more than the first piece was given")
}

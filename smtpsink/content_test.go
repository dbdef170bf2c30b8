package smtpsink

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// drain reads all of a content.
func drain(c *content) (string, error) {
	var out []byte
	for {
		block, err := c.next()
		out = append(out, block...)
		if err == io.EOF {
			return string(out), nil
		}
		if err != nil {
			return string(out), err
		}
	}
}

// cutLine gives the first line of s, whatever ends it.
func cutLine(s string) (line, rest string) {
	i := strings.IndexAny(s, "\r\n")
	if i < 0 {
		return s, ""
	}
	if strings.HasPrefix(s[i:], "\r\n") {
		return s[:i], s[i+2:]
	}
	return s[:i], s[i+1:]
}

// plainly is what content does, line by line.
func plainly(raw string, binary, keep bool) (string, error) {
	var b strings.Builder
	drop := false
	for raw != "" {
		line, rest := cutLine(raw)
		if strings.Contains(line, "\x00") {
			return "", errNUL
		}
		raw = rest
		if line == "" {
			b.WriteString("\r\n")
			break
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(line, ":")
			name = strings.ToLower(strings.TrimRight(name, " \t"))
			drop = !keep && (name == "bcc" || name == "resent-bcc")
		}
		if !drop {
			b.WriteString(line + "\r\n")
		}
	}
	if binary {
		return b.String() + raw, nil
	}
	if strings.Contains(raw, "\x00") {
		return "", errNUL
	}
	for raw != "" {
		line, rest := cutLine(raw)
		b.WriteString(line + "\r\n")
		raw = rest
	}
	return b.String(), nil
}

// jumble makes a message of what is hard about them.
func jumble(rnd *rand.Rand) string {
	pieces := []string{
		"\r", "\n", "\r\n", "\r\n", "\r\n", "\r\n\r\n", "\n\n", "\r\r", "\n\r", "\r\r\n", ".", "..", "\r\n.\r\n", "\n.\n", "\r.\r",
		"Bcc: x", "bcc:", "Bcc", "To: y", "Resent-Bcc : z", " fold", "\tfold", ":", "text", "é", "\xff", " ", "Bcc: é",
	}
	var b strings.Builder
	for range rnd.IntN(40) {
		b.WriteString(pieces[rnd.IntN(len(pieces))])
		switch rnd.IntN(60) {
		case 0: // up to the border of a block, or a little on this side or that
			n := blockSize - b.Len()%blockSize - 3 + rnd.IntN(6)
			b.WriteString(strings.Repeat("x", max(n, 0)))
		case 1:
			b.WriteString(strings.Repeat("y", maxHeaderLine-3+rnd.IntN(6)))
		case 2:
			b.WriteString(strings.Repeat("line\r\n", rnd.IntN(12000)))
		case 3:
			b.WriteString(strings.Repeat([]string{"\n", "\r", ".\n", "é\n"}[rnd.IntN(4)], rnd.IntN(40000)))
		case 4:
			if rnd.IntN(10) == 0 {
				b.WriteByte(0)
			}
		}
	}
	return b.String()
}

// TestContent compares with plainly, for pieces of any size.
func TestContent(t *testing.T) {
	for seed := range uint64(1500 / slower) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		raw := jumble(rnd)
		binary, keep := rnd.IntN(4) == 0, rnd.IntN(3) == 0
		contentCase(t, raw, rnd, binary, keep)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// contentCase checks one message.
func contentCase(t *testing.T, raw string, rnd *rand.Rand, binary, keep bool) {
	t.Helper()
	var src io.Reader = &chopped{[]byte(raw), rnd}
	if len(raw) > 10_000 || rnd.IntN(2) == 0 {
		src = iotest.DataErrReader(strings.NewReader(raw))
	}
	c := &content{src: src, binary: binary, keep: keep}
	got, err := drain(c)
	want, bad := plainly(raw, binary, keep)
	if bad != nil {
		if err == nil || err.Error() != bad.Error() {
			t.Errorf("%.300q: %v", raw, err)
		}
		return
	}
	if err != nil || got != want {
		i := 0
		for i < len(got) && i < len(want) && got[i] == want[i] {
			i++
		}
		t.Errorf("%.300q (%d octets): %v, octet %d is wrong: %.60q, want %.60q", raw, len(raw), err, i, got[i:], want[i:])
		return
	}
	if c.octets != int64(len(got)) {
		t.Errorf("%.300q: %d octets, and it says %d", raw, len(got), c.octets)
	}
	if c.eight != strings.ContainsFunc(got, func(r rune) bool { return r >= utf8.RuneSelf }) {
		t.Errorf("%.300q: eight is %t", raw, c.eight)
	}
	if binary {
		return
	}
	if bare := strings.ReplaceAll(got, "\r\n", ""); strings.ContainsAny(bare, "\r\n\x00") {
		t.Errorf("%.300q: an end of line that is not CRLF", raw)
	}
	if got != "" && !strings.HasSuffix(got, "\r\n") {
		t.Errorf("%.300q: no CRLF at the end", raw)
	}
	again, err := drain(&content{src: strings.NewReader(got), keep: keep})
	if err != nil || again != got {
		t.Errorf("%.300q: sent twice it changes, %v", raw, err)
	}
	stuffCase(t, got, rnd)
}

// stuffCase stuffs lines that end in CRLF, in pieces, and takes it back.
func stuffCase(t *testing.T, lines string, rnd *rand.Rand) {
	t.Helper()
	var d dotStuffer
	var wire []byte
	for rest := []byte(lines); len(rest) > 0; {
		n := 1 + rnd.IntN(len(rest))
		if rnd.IntN(3) == 0 {
			n = 1 + rnd.IntN(min(len(rest), 4))
		}
		wire = d.stuff(wire, rest[:n])
		rest = rest[n:]
	}
	if string(wire) == ".\r\n" || bytes.HasPrefix(wire, []byte(".\r\n")) || bytes.Contains(wire, []byte("\r\n.\r\n")) {
		t.Errorf("%.300q ends early", lines)
	}
	if unstuff(string(wire)) != lines {
		t.Errorf("%.300q becomes %.300q", lines, wire)
	}
}

// TestStuffed: the control of the above, that it would show.
func TestStuffed(t *testing.T) {
	var d dotStuffer
	assert.Equal(t, "..\r\n...a\r\n", string(d.stuff(nil, []byte(".\r\n..a\r\n"))))
	assert.Equal(t, "..", string(d.stuff(nil, []byte("."))))
	assert.Equal(t, ".", string(d.stuff(nil, []byte("."))), "in the middle of a line")
	assert.Equal(t, "\r\n..\r\n", string(d.stuff(nil, []byte("\r\n.\r\n"))))
	assert.Empty(t, d.stuff(nil, nil))
	assert.Equal(t, "a\r\n.b", unstuff("a\r\n..b"))
}

// TestContentHeaders are the cases to read.
func TestContentHeaders(t *testing.T) {
	long := strings.Repeat("x", 3*maxHeaderLine)
	for raw, want := range map[string]string{
		"":                                  "",
		"\n":                                "\r\n",
		"\r":                                "\r\n",
		"a":                                 "a\r\n",
		"A: b\n\nc":                         "A: b\r\n\r\nc\r\n",
		"A: b\r\rc\r":                       "A: b\r\n\r\nc\r\n",
		"A: b\r\n\r\nc\r\n\r":               "A: b\r\n\r\nc\r\n\r\n",
		"Bcc: x":                            "",
		"Bcc: x\r":                          "",
		"Bcc: x\r\n y\r\n\tz\r\nA: b\r\n":   "A: b\r\n",
		"Bcc: x\n y\n\nBcc: body\n":         "\r\nBcc: body\r\n",
		"A: b\rBcc: x\rC: d\r":              "A: b\r\nC: d\r\n",
		"A: b\r\nBCC : x\r\n":               "A: b\r\n",
		"Bcc: " + long + "\r\n x\r\nA: b\n": "A: b\r\n",
		"Bcc-: x\nXBcc: x\n Bcc: x\n":       "Bcc-: x\r\nXBcc: x\r\n Bcc: x\r\n",
		long + "\n " + long:                 long + "\r\n " + long + "\r\n",
	} {
		got, err := drain(&content{src: strings.NewReader(raw)})
		require.NoError(t, err)
		assert.Equal(t, want, got, "%.100q", raw)
	}
	c := &content{src: strings.NewReader("A: \xff\n\n")}
	_, err := drain(c)
	require.NoError(t, err)
	assert.True(t, c.eight && c.utf8 && c.notUTF8)
	c = &content{src: strings.NewReader("A: é\nBcc: \xff\n\n")}
	_, err = drain(c)
	require.NoError(t, err)
	assert.True(t, c.eight && c.utf8 && !c.notUTF8, "what is left out does not count")
	for _, raw := range []string{"\x00", "A: \x00\n\n", "A: b\n\n\x00", "Bcc: \x00\n", "\n" + long + "\x00"} {
		_, err := drain(&content{src: strings.NewReader(raw)})
		require.ErrorIs(t, err, errNUL)
	}
}

// slowly counts how often it is read.
type slowly struct{ n int }

func (s *slowly) Read([]byte) (int, error) { s.n++; return 0, nil }

// TestNoProgress: a reader that gives nothing and no error does not go on for ever.
func TestNoProgress(t *testing.T) {
	s := &slowly{}
	_, err := drain(&content{src: s})
	require.ErrorIs(t, err, io.ErrNoProgress)
	assert.Equal(t, 100, s.n)
}

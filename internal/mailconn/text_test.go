package mailconn_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox/access"
)

func TestServerText(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"plain":                   "plain",
		"  two  spaces\t\r\n ":    "two spaces",
		"a\x1b[31mred\x1b[0m":     "a [31mred [0m",
		"a\x00b\x7fc\u009bd":      "a b c d",
		"evil\u202Egnp.exe":       "evil gnp.exe",
		"a\u2066b\u200Fc\ufeffd":  "a b c d",
		"one\u2028two\u2029three": "one two three",
		"Grüße, 你好":               "Grüße, 你好",
		"bad \xff\xfe utf-8":      "bad \ufffd\ufffd utf-8",
	} {
		assert.Equal(t, want, mailconn.ServerText(in), "%q", in)
	}
	for _, s := range []string{strings.Repeat("x", 1<<20), strings.Repeat("ü", 1<<20), strings.Repeat("\xff", 5000)} {
		got := mailconn.ServerText(s)
		assert.LessOrEqual(t, len(got), 1024)
		assert.Greater(t, len(got), 1000)
		assert.True(t, utf8.ValidString(got))
	}
}

func TestTrace(t *testing.T) {
	var got []access.TraceEvent
	c := mailconn.New(nil, "", &access.Options{Trace: func(e access.TraceEvent) { got = append(got, e) }})
	c.SetID(7)
	assert.Equal(t, 7, c.ID())
	assert.True(t, c.Tracing())
	c.Trace(true, "USER ü")
	c.Trace(false, "a\x1bb\xffc\u202Ed\x00")
	c.Trace(false, strings.Repeat("\x01", 2000))
	assert.Equal(t, access.TraceEvent{Conn: 7, Sent: true, Line: "USER ü"}, got[0])
	assert.Equal(t, `a\x1bb\xffc\xe2\x80\xaed\x00`, got[1].Line)
	assert.Equal(t, strings.Repeat(`\x01`, 256), got[2].Line)

	quiet := mailconn.New(nil, "", nil)
	assert.False(t, quiet.Tracing())
	quiet.Trace(true, "nobody listens")
}

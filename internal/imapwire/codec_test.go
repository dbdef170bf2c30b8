package imapwire

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMailboxNames(t *testing.T) {
	for name, raw := range map[string]string{
		"INBOX":                "INBOX",
		"inbox":                "INBOX",
		"Sent Mail":            "Sent Mail",
		"A&B":                  "A&-B",
		"Entwürfe":             "Entw&APw-rfe",
		"~peter/mail/台北/日本語":   "~peter/mail/&U,BTFw-/&ZeVnLIqe-", // RFC 3501 section 5.1.3
		"😀":                    "&2D3eAA-",
		"tab\there":            "tab&AAk-here",
		"Trash/inbox":          "Trash/inbox",
		"quoted \"x\" \\ back": "quoted \"x\" \\ back",
	} {
		got, err := EncodeMailbox(name)
		require.NoError(t, err)
		assert.Equal(t, raw, got)
		back, ok := DecodeMailbox(raw)
		assert.True(t, ok, raw)
		if name != "inbox" {
			assert.Equal(t, name, back)
		}
	}
	for _, name := range []string{"", "a\r\nb", "a\x00", "\xff", "a\nb"} {
		_, err := EncodeMailbox(name)
		assert.Error(t, err, "%q", name)
	}
	// Not what anybody should send: the octets address the folder.
	for _, raw := range []string{"A&B", "&", "&AGE-", "&2D0-", "&APw", "&AP-", "&APx-", "a&AAo-b", "é", "\xe9", "a\x01", "&AGEAYQ-", "&APw-&APw-"} {
		name, ok := DecodeMailbox(raw)
		assert.False(t, ok, "%q", raw)
		assert.NotEmpty(t, name)
	}
}

func TestSet(t *testing.T) {
	for _, tt := range []struct {
		uids []uint32
		want string
	}{
		{nil, ""}, {[]uint32{0}, ""}, {[]uint32{5}, "5"}, {[]uint32{1, 2, 3}, "1:3"}, {[]uint32{3, 2, 1}, "1:3"},
		{[]uint32{1, 3, 5, 4, 2}, "1:5"}, {[]uint32{9, 9, 1, 0}, "1,9"}, {[]uint32{4294967295, 4294967294, 1}, "1,4294967294:4294967295"},
		{[]uint32{10, 12, 11, 20}, "10:12,20"},
	} {
		s := SetOf(tt.uids)
		assert.Equal(t, tt.want, s.String())
		assert.False(t, s.Has(0))
		assert.False(t, s.Has(4294967293))
		for _, u := range tt.uids {
			assert.Equal(t, u != 0, s.Has(u))
		}
	}
	s, err := ParseSet([]byte("7,3:1,2:5"))
	require.NoError(t, err)
	assert.Equal(t, Set{{1, 5}, {7, 7}}, s)
	for range s.All() {
		break
	}
}

func TestArgs(t *testing.T) {
	for _, tt := range []struct {
		arg  Arg
		want string
	}{
		{Raw("(UID FLAGS)"), "(UID FLAGS)"},
		{Atom(`ALL`), "ALL"},
		{String(""), `""`},
		{String("a b"), `"a b"`},
		{String(`a"\`), `"a\"\\"`},
		{String("tab\t"), "\"tab\t\""},
		{Mailbox("inbox"), `"INBOX"`},
		{Mailbox("ü/&"), `"&APw-/&-"`},
		{UIDs(Set{{1, 5}, {7, 7}}), "1:5,7"},
	} {
		nc := &canned{Reader: strings.NewReader("")}
		c := New(nc, nil)
		_, err := c.Start("STATUS", tt.arg)
		require.NoError(t, err)
		require.NoError(t, c.Flush())
		assert.Equal(t, "P1 STATUS "+tt.want+"\r\n", nc.wrote.String())
	}
	for _, bad := range []Arg{Raw(""), Raw("é"), Atom("a b"), Atom(""), Atom("(a)"), Mailbox(""), Mailbox("\xff"), String("a\x00")} {
		_, err := New(&canned{}, nil).Start("STATUS", bad)
		assert.Error(t, err)
	}
}

func TestValue(t *testing.T) {
	v := value(t, `(a "b c" (NIL 17 ()) {3}`+"\r\nd\"e ~{1}\r\n\x00"+` "x\"\\y")`)
	assert.Equal(t, 6, v.Len())
	assert.Equal(t, "a", v.At(0).String())
	assert.Equal(t, "b c", v.At(1).String())
	assert.Equal(t, ListKind, v.At(2).Kind())
	assert.Equal(t, 3, v.At(2).Len())
	assert.True(t, v.At(2).At(0).IsNil())
	n, ok := v.At(2).At(1).Number()
	assert.True(t, ok)
	assert.EqualValues(t, 17, n)
	assert.Zero(t, v.At(2).At(2).Len())
	assert.Equal(t, `d"e`, v.At(3).String())
	assert.Equal(t, "\x00", v.At(4).String())
	assert.Equal(t, `x"\y`, v.At(5).String())
	assert.True(t, v.At(6).IsNil())
	assert.Nil(t, v.Bytes())
	_, ok = v.At(0).Number()
	assert.False(t, ok)
	for range v.All() {
		break
	}
	for _, bad := range []string{"", "(", ")", "(a", `"a`, `("a`, "{5}\r\nabc", "(a\r\n", `"a"b`, "{9223372036854775807}\r\n"} {
		_, err := parseValue(bad)
		assert.ErrorIs(t, err, ErrMalformed, "%q", bad)
	}
}

// TestItems: sections, partials, and items that are none.
func TestItems(t *testing.T) {
	cmd := fetch(t, "* 1 FETCH (uid 5 X-GM-LABELS (\\Inbox \"a b\") BODY[HEADER.FIELDS (\"DATE\" x]y)] NIL "+
		"BINARY.SIZE[1.2] 7 BODY[]<3> \"abc\")\r\n* 2 FETCH UID 1\r\n* 3 FETCH (UID 1) x\r\n* 4 FETCH (UID 1\r\n* 5 FETCH (BODY[1 NIL)\r\n"+
		"* 6 FETCH (BODY[]<x> NIL)\r\n* 7 FETCH (() NIL)\r\n%s OK done\r\n")
	r, err := cmd.Next()
	require.NoError(t, err)
	var got []string
	for {
		item, err := r.Item()
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed, "x] ends the section too early")
			break
		}
		got = append(got, item.Name+" "+item.Section)
	}
	assert.Equal(t, []string{"UID ", "X-GM-LABELS ", `BODY[] HEADER.FIELDS ("DATE" X`}, got[:3])
	for range 6 {
		r, err = cmd.Next()
		require.NoError(t, err)
		for err == nil {
			_, err = r.Item()
		}
		require.ErrorIs(t, err, ErrMalformed, "%s", r.Raw())
		_, again := r.Item()
		assert.Equal(t, err, again)
	}
	_, err = cmd.Next()
	require.Equal(t, io.EOF, err)

	r, err = fetch(t, "* 1 FETCH (BINARY.SIZE[1.2] 7 BODY[]<3> \"abc\")\r\n%s OK done\r\n").Next()
	require.NoError(t, err)
	item, err := r.Item()
	require.NoError(t, err)
	assert.Equal(t, "BINARY.SIZE[] 1.2 7", item.Name+" "+item.Section+" "+item.Value.String())
	item, err = r.Item()
	require.NoError(t, err)
	assert.EqualValues(t, 3, item.Partial)
	b, err := io.ReadAll(item.Body)
	require.NoError(t, err)
	assert.Equal(t, "abc", string(b))
	_, err = r.Item()
	require.Equal(t, io.EOF, err)
}

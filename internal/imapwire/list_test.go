package imapwire

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestQuirk18 is imap-names: names of folders as servers send them.
func TestQuirk18(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       *Listed
		shown      string
		decoded    bool
	}{
		{"plain", `(\HasNoChildren) "/" INBOX`, &Listed{[]string{`\HasNoChildren`}, "/", "INBOX", false}, "INBOX", true},
		{"quoted", `(\Sent \Marked) "." "Sent Mail"`, &Listed{[]string{`\Sent`, `\Marked`}, ".", "Sent Mail", false}, "Sent Mail", true},
		{"utf7", `() "/" "Entw&APw-rfe"`, &Listed{nil, "/", "Entw&APw-rfe", false}, "Entwürfe", true},
		{"literal", "() \"/\" {5}\r\na\"b c", &Listed{nil, "/", `a"b c`, false}, `a"b c`, true},
		{"backslash delimiter", `() "\\" "a\\b"`, &Listed{nil, `\`, `a\b`, false}, `a\b`, true},
		{"nil delimiter", `(\Noselect) NIL ""`, nil, "", false},
		{"nil delimiter and name", `() NIL foo`, &Listed{nil, "", "foo", false}, "foo", true},
		{"called NIL", `() "/" Nil`, &Listed{nil, "/", "Nil", false}, "Nil", true},
		{"nil attributes", `NIL "/" foo`, &Listed{nil, "/", "foo", false}, "foo", true},
		{"bad utf7", `() "/" "Foo & bar"`, &Listed{nil, "/", "Foo & bar", false}, "Foo & bar", false},
		{"utf7 of ASCII", `() "/" "&AGE-"`, &Listed{nil, "/", "&AGE-", false}, "&AGE-", false},
		{"raw UTF-8", `() "/" "Entwürfe"`, &Listed{nil, "/", "Entwürfe", false}, "Entwürfe", false},
		{"raw Latin-1", "() \"/\" \"Entw\xfcrfe\"", &Listed{nil, "/", "Entw\xfcrfe", false}, "Entwürfe", false},
		{"unquoted space", `() "/" Sent Mail`, &Listed{nil, "/", "Sent Mail", true}, "Sent Mail", true},
		{"control character", "() \"/\" \"a\x01b\"", &Listed{nil, "/", "a\x01b", false}, "a\x01b", false},
		{"no closing quote", `() "/" "Sent`, &Listed{nil, "/", "Sent", true}, "Sent", true},
		{"no opening quote", `() "/" Sent Mail"`, &Listed{nil, "/", "Sent Mail", true}, "Sent Mail", true},
		{"quote inside", `() "/" "a "b" c"`, &Listed{nil, "/", `a "b" c`, false}, `a "b" c`, true},
		{"brackets", `() "/" [Gmail]/All`, &Listed{nil, "/", "[Gmail]/All", false}, "[Gmail]/All", true},
		{"extended", `(\Subscribed) "/" "a b" ("CHILDINFO" ("SUBSCRIBED"))`, &Listed{[]string{`\Subscribed`}, "/", "a b", false}, "a b", true},
		{"unquoted, extended", `() "/" a b ("CHILDINFO" ("SUBSCRIBED"))`, &Listed{nil, "/", "a b", true}, "a b", true},
		{"no name", `() "/"`, nil, "", false},
		{"nothing", ``, nil, "", false},
		{"list for a name", `() "/" ()`, nil, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := run(t, Limits{}, "* LIST "+tt.line+"\r\n%s OK done\r\n", "LIST", String(""), String("*"))
			r, err := cmd.Next()
			require.NoError(t, err)
			got, err := r.List()
			if tt.want == nil {
				assert.ErrorIs(t, err, ErrMalformed)
			} else {
				require.NoError(t, err)
				assert.Equal(t, tt.want, got)
				shown, decoded := DecodeMailbox(got.Raw)
				assert.Equal(t, tt.shown, shown)
				assert.Equal(t, tt.decoded, decoded)
			}
			_, err = cmd.Wait()
			require.NoError(t, err, "one odd folder costs nothing else")
		})
	}
}

func TestFolderStatus(t *testing.T) {
	for _, tt := range []struct {
		line string
		want *FolderStatus
	}{
		{`INBOX (MESSAGES 3 UidNext 9)`, &FolderStatus{"INBOX", map[string]uint64{"MESSAGES": 3, "UIDNEXT": 9}}},
		{`"a b" (MESSAGES -1 UNSEEN 2)`, &FolderStatus{"a b", map[string]uint64{"UNSEEN": 2}}},
		{`a b (MESSAGES 1)`, &FolderStatus{"a b", map[string]uint64{"MESSAGES": 1}}},
		{`foo ()`, &FolderStatus{"foo", map[string]uint64{}}},
		{`foo (MESSAGES)`, &FolderStatus{"foo", map[string]uint64{}}},
		{`foo`, nil},
		{`(MESSAGES 1)`, nil},
	} {
		cmd := run(t, Limits{}, "* STATUS "+tt.line+"\r\n%s OK done\r\n", "STATUS", Mailbox("x"), Raw("(MESSAGES)"))
		r, err := cmd.Next()
		require.NoError(t, err)
		got, err := r.FolderStatus()
		if tt.want == nil {
			assert.ErrorIs(t, err, ErrMalformed, tt.line)
			continue
		}
		require.NoError(t, err, tt.line)
		assert.Equal(t, tt.want, got)
	}
}

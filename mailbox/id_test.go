package mailbox

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIDText(t *testing.T) {
	for _, tc := range []struct {
		id   ID
		text string
	}{
		{ID{}, ""},
		{NewID("INBOX", "17", "42"), "INBOX:17:42"},
		{NewID("INBOX", "", "UID12345-abc"), "INBOX::UID12345-abc"},
		{NewID("Entw\u00fcrfe/A B", "1", "2"), "Entw%C3%BCrfe%2FA%20B:1:2"},
		{NewID("inBox", "1", "2"), "INBOX:1:2"},
		{NewID("~root/../x", "1", "2"), "%7Eroot%2F..%2Fx:1:2"},
		{NewID("--json", "1", "-2"), "%2D-json:1:-2"},
		{NewID("a:b%", "\x00", "\"'$`\\\r\n"), "a%3Ab%25:%00:%22%27%24%60%5C%0D%0A"},
		{NewID("raw \xff octets", "1", "2"), "raw%20%FF%20octets:1:2"},
	} {
		assert.Equal(t, tc.text, tc.id.String())
		back, err := ParseID(tc.text)
		require.NoError(t, err)
		assert.Equal(t, tc.id, back)
	}
}

func TestParseIDRefuses(t *testing.T) {
	for _, s := range []string{"x", "a:b", "a:b:c:d", "a:b:%", "a:b:%4", "a:b:%41", "a:b:%zz", "a:b:%2f", "a b:c:d", "::", "\u00fc:1:2", "inbox:1:2", "-x:1:2", "a/b:1:2", "%2Da:1:%2D"} {
		_, err := ParseID(s)
		assert.Error(t, err, s)
	}
}

func TestIDAsMapKeyAndJSON(t *testing.T) {
	seen := map[ID]int{NewID("INBOX", "1", "2"): 7}
	data, err := json.Marshal(seen)
	require.NoError(t, err)
	assert.JSONEq(t, `{"INBOX:1:2":7}`, string(data))
	var back map[ID]int
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, seen, back)
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"", "INBOX:17:42", "a%3Ab:%00:%0D", ":::", "%", "::%41"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			return
		}
		if id.String() != s {
			t.Fatalf("%q reads as %#v, which is written %q", s, id, id.String())
		}
	})
}

func FuzzIDRoundTrip(f *testing.F) {
	f.Add("INBOX", "1", "2")
	f.Add("\xff:%", "\x00", " ")
	f.Fuzz(func(t *testing.T, folder, epoch, key string) {
		id := NewID(folder, epoch, key)
		back, err := ParseID(id.String())
		if err != nil || back != id {
			t.Fatalf("%#v is written %q, which reads as %#v, %v", id, id.String(), back, err)
		}
	})
}

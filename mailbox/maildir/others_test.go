package maildir

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
)

func TestKeyOf(t *testing.T) {
	for base, want := range map[string]string{
		"1700000000.M1.host,S=9":       "1700000000.M1.host,S=9",
		"1700000000.M1.host,S=9,U=123": "1700000000.M1.host,S=9",
		"1700000000.M1.host,U=1,U=2":   "1700000000.M1.host,U=1",
		// Not at the end, or no number: another program's.
		"1.M1.host,U=7,FMD5=abc":  "1.M1.host,U=7,FMD5=abc",
		"1.M1.host,U=":            "1.M1.host,U=",
		"1.M1.host,U=12x":         "1.M1.host,U=12x",
		"1.M1.host,U=12345678901": "1.M1.host,U=12345678901",
		",U=5":                    ",U=5", // nothing would be left
		"":                        "",
	} {
		assert.Equal(t, want, keyOf(base), base)
	}
}

// TestMbsync: mbsync renames files to add a UID or to change it. The message stays
// the same, and the UID stays in the name whatever we do: without it mbsync would
// take the message for a new one.
func TestMbsync(t *testing.T) {
	mb := openReal(t, nil)
	id, other := add(t, mb, 1), add(t, mb, 2)
	dir := mb.root.dir
	require.NoError(t, dir.Replace("new/"+id.Key(), "new/"+id.Key()+",U=1"))
	assert.Contains(t, text(t, mb, id), "Text 1", "under a name that we saw before")
	assert.Equal(t, []string{"1", "2"}, subjects(t, mb, ""))
	assert.Equal(t, id, list(t, mb, "", nil)[0].ID)

	setFlags(t, mb, id, mailbox.FlagChange{Add: words(mailbox.FlagSeen)})
	require.Equal(t, []string{id.Key() + ",U=1:2,S"}, names(t, dir, "cur"))
	require.NoError(t, dir.Replace("cur/"+id.Key()+",U=1:2,S", "cur/"+id.Key()+",U=20:2,S"))
	setFlags(t, mb, id, mailbox.FlagChange{Add: words(mailbox.FlagFlagged)})
	require.Equal(t, []string{id.Key() + ",U=20:2,FS"}, names(t, dir, "cur"))
	s := list(t, mb, "", &mailbox.ListOptions{IDs: []mailbox.ID{id}})
	require.Len(t, s, 1)
	assert.Equal(t, words(mailbox.FlagFlagged, mailbox.FlagSeen), s[0].Flags)

	// A copy with another UID is the same message, as one with other flags is.
	put(t, dir, "cur/"+id.Key()+",U=21:2,", "x")
	assert.Len(t, list(t, mb, "", nil), 2)
	require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{id}, nil))
	assert.Empty(t, names(t, dir, "cur"))
	assert.Equal(t, other, list(t, mb, "", nil)[0].ID)
}

// TestKeywordsTime: Dovecot looks at the seconds only.
func TestKeywordsTime(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 30, 0, 7, time.UTC)
	mb := openTest(t, disktest.NewMem(1), nil, func(mb *Mailbox) { mb.now = func() time.Time { return at } })
	id := add(t, mb, 1)
	for i, word := range []mailbox.Flag{"one", "two", "three"} {
		setFlags(t, mb, id, mailbox.FlagChange{Add: words(word)})
		info, err := mb.root.dir.Lstat(keywordsFile)
		require.NoError(t, err)
		assert.Equal(t, at.Unix()+int64(i), info.ModTime().Unix())
	}
	at = at.Add(time.Hour)
	setFlags(t, mb, id, mailbox.FlagChange{Add: words("four")})
	info, err := mb.root.dir.Lstat(keywordsFile)
	require.NoError(t, err)
	assert.Equal(t, at.Unix(), info.ModTime().Unix())
}

// TestForwarded: where Dovecot is in use it is a keyword, and can be taken away as
// such; elsewhere, and where there is no letter left, it is P.
func TestForwarded(t *testing.T) {
	mb := openReal(t, nil)
	id := add(t, mb, 1, mailbox.FlagForwarded)
	require.Equal(t, []string{id.Key() + ":2,P"}, names(t, mb.root.dir, "cur"))
	put(t, mb.root.dir, uidlistFile, "3 V1 N2\n")
	setFlags(t, mb, id, mailbox.FlagChange{Replace: words(mailbox.FlagForwarded)})
	require.Equal(t, []string{id.Key() + ":2,a"}, names(t, mb.root.dir, "cur"))
	setFlags(t, mb, id, mailbox.FlagChange{Remove: words(mailbox.FlagForwarded)})
	require.Equal(t, []string{id.Key() + ":2,"}, names(t, mb.root.dir, "cur"))

	other := openReal(t, nil)
	var all strings.Builder
	for i := range 26 {
		fmt.Fprintf(&all, "%d word%d\n", i, i)
	}
	put(t, other.root.dir, keywordsFile, all.String())
	put(t, other.root.dir, uidlistFile, "3 V1 N2\n")
	id = add(t, other, 1, mailbox.FlagForwarded)
	require.Equal(t, []string{id.Key() + ":2,P"}, names(t, other.root.dir, "cur"))
	assert.Equal(t, words(mailbox.FlagForwarded), list(t, other, "", nil)[0].Flags)
}

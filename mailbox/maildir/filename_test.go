package maildir

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/postroom-go/postroom/mailbox"
)

const colon = ":2,"

func TestStampOf(t *testing.T) {
	for base, want := range map[string]stamp{
		"1700000000.M123456P789R0123456789abcdefQ7.host,S=12": {1700000000, 123456, 7},
		"1700000000.M5P789.host,S=12,W=13":                    {1700000000, 5, 0}, // Dovecot
		"1700000000.12345_9.host,U=3":                         {1700000000, 0, 9}, // mbsync
		"1700000000.R1234567890123.host":                      {1700000000, 0, 0}, // mutt
		"1700000000.#3M42.host":                               {1700000000, 42, 3},
		"1700000000.M99999999999Q1.host":                      {1700000000, 0, 1}, // no number that we know
		"1700000000.":                                         {1700000000, 0, 0},
		"1700000000":                                          {},
		"x1700000000.M1.host":                                 {},
		"99999999999999999999.M1.host":                        {},
		"":                                                    {},
		".":                                                   {},
		"1700000000.host.M1":                                  {1700000000, 0, 0}, // the middle only
	} {
		assert.Equal(t, want, stampOf(base), base)
	}
}

func TestOrder(t *testing.T) {
	want := []string{
		"no-time", "1699999999.M999999P1.z", "1700000000.M1P2Q1.a", "1700000000.M1P1Q2.a", "1700000000.M20P1.a", "1700000000.M100P1.a", "1700000001.1_1.a",
	}
	var all []entry
	for i, name := range want {
		all = append(all, newEntry(name, colon, i%2 == 0, 0))
	}
	slices.Reverse(all)
	var got []string
	for _, e := range united(all) {
		got = append(got, e.name)
	}
	assert.Equal(t, want, got)
}

// TestUnited: of one message there is one entry.
func TestUnited(t *testing.T) {
	one := func(all ...entry) entry {
		all = united(all)
		assert.Len(t, all, 1)
		return all[0]
	}
	e := one(newEntry("1.a", colon, false, 0), newEntry("1.a:2,S", colon, true, 0))
	assert.Equal(t, "cur/1.a:2,S", e.path(), "cur wins")
	assert.True(t, e.twin)
	e = one(newEntry("1.a:2,S", colon, true, 0), newEntry("1.a:2,FS", colon, true, 1))
	assert.Equal(t, "cur/1.a:2,FS", e.path(), "the later pass wins")
	assert.False(t, e.twin, "it was renamed between two passes")
	e = one(newEntry("1.a:2,S", colon, true, 0), newEntry("1.a", colon, false, 1))
	assert.Equal(t, "new/1.a", e.path(), "the later pass wins, whatever the directory")
}

func TestInfo(t *testing.T) {
	k := &keywords{"$Junk", "", "own"}
	for name, want := range map[string][]mailbox.Flag{
		"1.a":           nil,
		"1.a:2,":        nil,
		"1.a:2,S":       {mailbox.FlagSeen},
		"1.a:2,DFPRST":  {mailbox.FlagDraft, mailbox.FlagFlagged, mailbox.FlagForwarded, mailbox.FlagAnswered, mailbox.FlagSeen, mailbox.FlagDeleted},
		"1.a:2,SSXabcz": {mailbox.FlagSeen, "$Junk", "own"},
		"1.a:2,F,S":     {mailbox.FlagFlagged}, // what is behind a comma is not ours
		"1.a:1,S":       nil,
	} {
		_, info := splitName(name, colon)
		got := k.flagsOf(info, colon)
		assert.ElementsMatch(t, want, got, name)
	}
}

func TestEdit(t *testing.T) {
	for _, c := range []struct{ old, add, remove, want string }{
		{"", "", "", ""},
		{"", "SF", "", "FS"},
		{"FS", "R", "", "FRS"},
		{"FS", "S", "", "FS"},
		{"SF", "S", "", "SF"}, // nothing changes, so nothing is put in order
		{"FSX", "", "F", "SX"},
		{"aXF", "S", "", "FSXa"},
		{"XYq", "S", ownLetters, "SXYq"},
		{"SS", "", "S", ""},
	} {
		assert.Equal(t, c.want, edit{c.add, c.remove}.apply(c.old), "%+v", c)
	}
}

// FuzzFileName: a name is put together again as it was, whatever it is; a change
// of flags leaves all else as it is, and can be undone.
func FuzzFileName(f *testing.F) {
	f.Fuzz(func(t *testing.T, name string) {
		for _, sep := range []string{":2,", ";2,"} {
			base, info := splitName(name, sep)
			assert.Equal(t, name, base+info)
			assert.NotContains(t, base, sep)
			letters, rest := splitInfo(info, sep)
			if info != "" {
				assert.Equal(t, info, sep+letters+rest)
			}
			assert.NotContains(t, letters, ",")
			s := stampOf(base)
			assert.GreaterOrEqual(t, s.micros(), int64(0))
			assert.Zero(t, s.compare(s))
			if validBase(base, sep) {
				assert.NotContains(t, base, "/")
				assert.False(t, strings.HasPrefix(base, "."))
			}
			added := edit{add: "S"}.apply(letters)
			assert.Contains(t, added, "S")
			if !strings.Contains(letters, "S") {
				removed := edit{remove: "S"}.apply(added)
				assert.ElementsMatch(t, []byte(letters), []byte(removed))
			}
			if len(name) <= maxName {
				e := newEntry(name, sep, true, 0)
				assert.Equal(t, keyOf(base), e.key())
				assert.Equal(t, info, e.info())
				assert.Equal(t, "cur/"+name, e.path())
			}
		}
	})
}

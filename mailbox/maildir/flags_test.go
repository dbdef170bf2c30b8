package maildir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
)

func flagsOf(t testing.TB, mb *Mailbox, id mailbox.ID) []mailbox.Flag {
	t.Helper()
	s, err := mailbox.Get(t.Context(), mb, id, mailbox.FieldFlags)
	require.NoError(t, err)
	return s.Flags
}

func setFlags(t testing.TB, mb *Mailbox, id mailbox.ID, c mailbox.FlagChange) {
	t.Helper()
	require.NoError(t, mb.SetFlags(t.Context(), []mailbox.ID{id}, c, nil))
}

func words(all ...mailbox.Flag) []mailbox.Flag { return all }

// TestUnknownLetters: what other programs mean by letters and by what is behind
// them outlasts every change.
func TestUnknownLetters(t *testing.T) {
	mb := openReal(t, nil)
	put(t, mb.root.dir, "cur/1700000000.M1P1.host,S=3:2,SXaz,rest", "x\r\n")
	put(t, mb.root.dir, "dovecot-keywords", "0 $Junk\n1 own\n")
	id := mailbox.NewID("INBOX", "", "1700000000.M1P1.host,S=3")
	assert.ElementsMatch(t, words(mailbox.FlagSeen, "$Junk"), flagsOf(t, mb, id))
	for _, c := range []struct {
		change mailbox.FlagChange
		want   string
	}{
		{mailbox.FlagChange{Add: words(mailbox.FlagSeen)}, "SXaz"},
		{mailbox.FlagChange{Add: words(mailbox.FlagFlagged, "own", "OWN", `\answered`)}, "FRSXabz"},
		{mailbox.FlagChange{Remove: words(mailbox.FlagSeen, "$junk", "other", `\Other`)}, "FRXbz"},
		{mailbox.FlagChange{Replace: words(mailbox.FlagForwarded)}, "PXz"},
		{mailbox.FlagChange{Add: words("own"), Remove: words("own")}, "PXz"},
		{mailbox.FlagChange{Replace: []mailbox.Flag{}}, "Xz"},
		{mailbox.FlagChange{}, "Xz"},
	} {
		setFlags(t, mb, id, c.change)
		assert.Equal(t, []string{"1700000000.M1P1.host,S=3:2," + c.want + ",rest"}, names(t, mb.root.dir, "cur"), "%+v", c.change)
	}
	err := mb.SetFlags(t.Context(), []mailbox.ID{id}, mailbox.FlagChange{Add: words(`\Other`, mailbox.FlagSeen)}, nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assert.Empty(t, flagsOf(t, mb, id))
}

// TestNewToCur: a message leaves new with its first flag, and not before.
func TestNewToCur(t *testing.T) {
	mb := openReal(t, nil)
	id := add(t, mb, 1)
	setFlags(t, mb, id, mailbox.FlagChange{Remove: words(mailbox.FlagSeen)})
	assert.Equal(t, []string{id.Key()}, names(t, mb.root.dir, "new"))
	setFlags(t, mb, id, mailbox.FlagChange{Add: words(mailbox.FlagSeen)})
	assert.Empty(t, names(t, mb.root.dir, "new"))
	assert.Equal(t, []string{id.Key() + ":2,S"}, names(t, mb.root.dir, "cur"))
	assert.Equal(t, string(message(1)), text(t, mb, id))
}

// TestKeywords: 26 in each folder, as Dovecot writes them.
func TestKeywords(t *testing.T) {
	mb := openReal(t, nil)
	create(t, mb, "Other")
	var all []mailbox.Flag
	for i := range 27 {
		all = append(all, mailbox.Flag(fmt.Sprintf("word%d", i)))
	}
	id := add(t, mb, 1, all...)
	assert.ElementsMatch(t, all[:26], flagsOf(t, mb, id), "a 27th is left out")
	file, err := mb.root.dir.Open(keywordsFile)
	require.NoError(t, err)
	raw, err := io.ReadAll(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	assert.True(t, strings.HasPrefix(string(raw), "0 word0\n1 word1\n"))
	assert.True(t, strings.HasSuffix(string(raw), "25 word25\n"))
	assert.Equal(t, []string{id.Key() + ":2,abcdefghijklmnopqrstuvwxyz"}, names(t, mb.root.dir, "cur"))

	second := add(t, mb, 2)
	change := mailbox.FlagChange{Add: words(mailbox.FlagSeen, "word26")}
	err = mb.SetFlags(t.Context(), []mailbox.ID{second}, change, nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assert.Empty(t, flagsOf(t, mb, second))
	other := addTo(t, mb, "Other", 3)
	setFlags(t, mb, other, change)
	assert.ElementsMatch(t, change.Add, flagsOf(t, mb, other), "another folder has keywords of its own")
	err = mb.SetFlags(t.Context(), []mailbox.ID{other, second}, mailbox.FlagChange{Add: words("word27")}, nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	assert.ElementsMatch(t, change.Add, flagsOf(t, mb, other), "nothing changes if one folder has no room")

	b, err := mb.NewBatch(t.Context(), "Other")
	require.NoError(t, err)
	defer b.Close()
	id, err = b.Add(t.Context(), bytes.NewReader(message(4)), &mailbox.AppendOptions{Flags: words("word26", "mine")})
	require.NoError(t, err)
	require.NoError(t, b.Commit(t.Context()))
	assert.ElementsMatch(t, words("word26", "mine"), flagsOf(t, mb, id))
	for _, name := range names(t, mb.root.dir, ".") {
		assert.NotContains(t, name, ".lock")
	}
}

func TestParseKeywords(t *testing.T) {
	k := parseKeywords([]byte("0 a\n1 b\r\n1 twice\n2 a\n26 z\n-1 y\nx w\n3 two words\n4\n5 \\Seen\n6 gr\xfcn\n25 last"))
	want := &keywords{"a", "b"}
	want[25] = "last"
	assert.Equal(t, want, k)
	assert.Equal(t, "0 a\n1 b\n25 last\n", k.String())
	assert.Equal(t, want, parseKeywords([]byte(k.String())))
	assert.Equal(t, &keywords{}, parseKeywords(bytes.Repeat([]byte("\x00\xff \n"), 1000)))
}

// TestKeywordsLocked: the file is changed by those who hold its locks; a lock that
// is left over is taken away.
func TestKeywordsLocked(t *testing.T) {
	for _, lock := range []string{keywordsLock, uidlistLock} {
		synctest.Test(t, func(t *testing.T) {
			m := disktest.NewMem(512)
			mb := openTest(t, m, nil, nil)
			id := add(t, mb, 1)
			put(t, m, lock, "")
			done := make(chan error, 1)
			go func() {
				done <- mb.SetFlags(t.Context(), []mailbox.ID{id}, mailbox.FlagChange{Add: words("own")}, nil)
			}()
			<-time.After(time.Minute)
			synctest.Wait()
			select {
			case err := <-done:
				t.Fatalf("a lock is ignored: %v", err)
			default:
			}
			if lock == keywordsLock {
				// Whoever held it has put another word there.
				file, err := m.OpenRW(lock)
				require.NoError(t, err)
				_, err = file.Write([]byte("0 theirs\n"))
				require.NoError(t, err)
				require.NoError(t, file.Close())
				require.NoError(t, m.Replace(lock, keywordsFile))
			} else {
				require.NoError(t, m.Remove(lock))
			}
			require.NoError(t, <-done)
			assert.Equal(t, words("own"), flagsOf(t, mb, id))
		})
	}
}

func TestStaleLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := disktest.NewMem(512)
		mb := openTest(t, m, nil, nil)
		id := add(t, mb, 1)
		put(t, m, uidlistLock, "")
		put(t, m, keywordsLock, "half of a list")
		from := time.Now()
		setFlags(t, mb, id, mailbox.FlagChange{Add: words("own")})
		assert.InDelta(t, lockStale, time.Since(from), float64(time.Second), "by the clock of the test")
		assert.Equal(t, words("own"), flagsOf(t, mb, id))
		assert.Equal(t, []string{keywordsFile}, withPrefix(names(t, m, "."), "dovecot"))
		assert.Empty(t, names(t, m, "tmp"))
	})
}

// withPrefix leaves the names that begin with a prefix.
func withPrefix(all []string, prefix string) []string {
	var kept []string
	for _, name := range all {
		if strings.HasPrefix(name, prefix) {
			kept = append(kept, name)
		}
	}
	return kept
}

// TestLockGoesWithContext: who waits for a lock obeys its context and Close.
func TestLockGoesWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := disktest.NewMem(512)
		mb := openTest(t, m, nil, nil)
		id := add(t, mb, 1)
		put(t, m, uidlistLock, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		change := mailbox.FlagChange{Add: words("own")}
		require.ErrorIs(t, mb.SetFlags(ctx, []mailbox.ID{id}, change, nil), context.DeadlineExceeded)
		done := make(chan error, 1)
		go func() { done <- mb.SetFlags(t.Context(), []mailbox.ID{id}, change, nil) }()
		synctest.Wait()
		require.NoError(t, mb.Close())
		require.ErrorIs(t, <-done, mailbox.ErrClosed)
	})
}

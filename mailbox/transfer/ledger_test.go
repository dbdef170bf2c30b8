package transfer

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
)

func idOf(n int) mailbox.ID { return mailbox.NewID("INBOX", "7", fmt.Sprint(n)) }

func entryOf(n int) entry {
	return entry{
		key: sumOf([]byte(idOf(n).String())), digest: sumOf(note(n)), essence: uint64(n), folder: tag("INBOX"), epoch: tag("7"),
		size: int64(n), at: uint32(1_700_000_000 + n), state: stored,
	}
}

// dump is all that a ledger knows.
func dump(l *ledger) (entries map[sum]entry, intents map[sum]intent, letters map[sum]DeadLetter, cursors map[string]string) {
	entries, intents, letters = map[sum]entry{}, map[sum]intent{}, map[sum]DeadLetter{}
	for i := range l.count {
		e := *l.entry(i)
		if e.seen, e.again, e.next = false, false, 0; e.state != none {
			entries[e.key] = e
		}
	}
	for k, in := range l.intents {
		intents[k] = *in
	}
	for k, d := range l.letters {
		letters[k] = *d
	}
	return entries, intents, letters, l.cursors
}

// story puts something of everything into a ledger.
func story(t testing.TB, l *ledger) {
	for n := range 10 {
		require.NoError(t, l.add(entryOf(n)))
	}
	in := &intent{id: idOf(20), target: "Work/2020", to: mailbox.NewID("Work/2020", "", "name"), messageID: "x@y", digest: sum{1}, stored: 5}
	require.NoError(t, l.intend(entryOf(20), in))
	require.NoError(t, l.intend(entryOf(21), &intent{id: idOf(21), target: "INBOX", after: idOf(3)}))
	require.NoError(t, l.note(stored, entryOf(21).key))
	require.NoError(t, l.note(pending, entryOf(3).key, entryOf(4).key))
	require.NoError(t, l.note(settled, entryOf(4).key))
	require.NoError(t, l.note(none, entryOf(5).key))
	require.NoError(t, l.bury(entryOf(30), &DeadLetter{ID: idOf(30), Reason: "no", Since: time.Unix(1_700_000_000, 0)}))
	require.NoError(t, l.setCursor("INBOX", "1 2 3"))
}

func TestLedgerKeeps(t *testing.T) {
	files := disktest.NewMem(512)
	l, err := openLedger(files, "j", "me")
	require.NoError(t, err)
	story(t, l)
	wantEntries, wantIntents, wantLetters, wantCursors := dump(l)
	now := time.Unix(1_700_000_100, 0)
	require.NoError(t, l.close(now))
	check := func(l *ledger) {
		entries, intents, letters, cursors := dump(l)
		assert.Equal(t, wantEntries, entries)
		assert.Equal(t, wantIntents, intents)
		assert.Equal(t, wantLetters, letters)
		assert.Equal(t, wantCursors, cursors)
	}
	l, err = openLedger(files, "j", "me")
	require.NoError(t, err)
	check(l)
	require.NoError(t, l.j.Rewrite(func(add func([]byte) error) error { return l.compact(now, add) }))
	require.NoError(t, l.close(now))
	l, err = openLedger(files, "j", "me")
	require.NoError(t, err)
	check(l)
	require.NoError(t, l.j.Rewrite(func(add func([]byte) error) error { return l.compact(now.Add(2*remembered), add) }))
	require.NoError(t, l.close(now))
	l, err = openLedger(files, "j", "me")
	require.NoError(t, err)
	_, found := l.find(entryOf(4).key)
	assert.False(t, found, "what is gone for long is forgotten")
	_, found = l.find(entryOf(1).key)
	assert.True(t, found, "what is stored is not")
	require.NoError(t, l.close(now))
}

// The journal does not grow with the number of runs.
func TestLedgerCompacts(t *testing.T) {
	files := disktest.NewMem(512)
	for range 50 {
		l, err := openLedger(files, "j", "me")
		require.NoError(t, err)
		for range 50 {
			require.NoError(t, l.add(entryOf(1)))
			require.NoError(t, l.note(stored, entryOf(1).key))
		}
		require.NoError(t, l.close(time.Unix(1_700_000_000, 0)))
	}
	assert.Less(t, len(files.Files()["j"]), 200_000)
}

// What the source has hidden is remembered from that day on, not from the day it
// came.
func TestGoneIsRemembered(t *testing.T) {
	files := disktest.NewMem(512)
	l, err := openLedger(files, "j", "me")
	require.NoError(t, err)
	e := entryOf(1)
	require.NoError(t, l.add(e))
	gone := e.time().Add(2 * remembered)
	l.now = seconds(gone)
	require.NoError(t, l.note(settled, e.key))
	for _, after := range []time.Duration{0, remembered, remembered + time.Second} {
		now := gone.Add(after)
		require.NoError(t, l.j.Rewrite(func(add func([]byte) error) error { return l.compact(now, add) }))
		require.NoError(t, l.close(now))
		l, err = openLedger(files, "j", "me")
		require.NoError(t, err)
		_, found := l.find(e.key)
		assert.Equal(t, after <= remembered, found, "%v later", after)
	}
	require.NoError(t, l.close(gone))
}

func FuzzReplay(f *testing.F) {
	e := entryOf(1)
	f.Add(append([]byte{recEntry}, func() []byte { p := packer{}; p.entry(&e); return p.b }()...))
	f.Add(intentRecord(&e, &intent{id: idOf(1), target: "INBOX"}))
	f.Add(deadRecord(&e, &DeadLetter{ID: idOf(1), Reason: "no"}))
	f.Add(cursorRecord("INBOX", "1"))
	f.Fuzz(func(t *testing.T, record []byte) {
		if len(record) == 0 {
			return // the journal has none
		}
		l := newLedger()
		if l.replay(record) != nil {
			return
		}
		// What was understood is written again as what it was.
		again := newLedger()
		require.NoError(t, l.compact(time.Unix(0, 0), again.replay))
		entries, intents, letters, cursors := dump(l)
		entries2, intents2, letters2, cursors2 := dump(again)
		assert.Equal(t, entries, entries2)
		assert.Equal(t, intents, intents2)
		assert.Equal(t, len(letters), len(letters2))
		assert.Equal(t, cursors, cursors2)
	})
}

func BenchmarkLedgerOpen(b *testing.B) {
	d, err := disk.Open(b.TempDir())
	require.NoError(b, err)
	l, err := openLedger(d, "j", "me")
	require.NoError(b, err)
	for n := range 100_000 {
		require.NoError(b, l.add(entryOf(n)))
	}
	require.NoError(b, l.close(time.Now()))
	b.ReportAllocs()
	for b.Loop() {
		l, err := openLedger(d, "j", "me")
		if err != nil {
			b.Fatal(err)
		}
		if err := l.close(time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

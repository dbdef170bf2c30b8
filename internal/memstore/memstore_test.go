package memstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fill adds n messages.
func fill(t testing.TB, f *Folder, n int) {
	t.Helper()
	for i := range n {
		_, _, err := f.Append(NewContent(fmt.Appendf(nil, "Subject: %d\r\n\r\nhi\r\n", i)), nil, time.Time{})
		require.NoError(t, err)
	}
}

// uids lists what a folder holds.
func uids(f *Folder) []uint32 {
	var all []uint32
	for _, m := range f.Snapshot().Messages {
		all = append(all, m.UID)
	}
	return all
}

func TestUsers(t *testing.T) {
	s := New()
	u := s.AddUser("ann", "secret")
	assert.Same(t, u, s.AddUser("ann", "other"), "a second AddUser changes the password alone")
	_, err := s.Login("ann", "secret")
	require.ErrorIs(t, err, ErrAuth)
	_, err = s.Login("bob", "other")
	require.ErrorIs(t, err, ErrAuth)
	got, err := s.Login("ann", "other")
	require.NoError(t, err)
	assert.Equal(t, "ann", got.Name())
	_, err = s.User("bob")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestFolders(t *testing.T) {
	u := NewUser("ann")
	_, err := u.Create("inbox", "")
	require.ErrorIs(t, err, ErrExists, "INBOX is there, in any case")
	sent, err := u.Create("Sent", `\Sent`)
	require.NoError(t, err)
	assert.Equal(t, `\Sent`, sent.Role())
	_, err = u.Create("Archive", "")
	require.NoError(t, err)
	var names []string
	for _, f := range u.Folders() {
		names = append(names, f.Name())
	}
	assert.Equal(t, []string{"INBOX", "Archive", "Sent"}, names)

	first := sent.Snapshot().Epoch
	require.NoError(t, u.Delete("Sent"))
	require.ErrorIs(t, u.Delete("Sent"), ErrNotFound)
	_, _, err = sent.Append(NewContent(nil), nil, time.Time{})
	require.ErrorIs(t, err, ErrEpoch)
	assert.True(t, sent.Snapshot().Deleted)
	again, err := u.Create("Sent", "")
	require.NoError(t, err)
	assert.Greater(t, again.Snapshot().Epoch, first, "a folder made anew has a new epoch")

	require.ErrorIs(t, u.Rename("Sent", "Archive"), ErrExists)
	require.ErrorIs(t, u.Rename("Gone", "New"), ErrNotFound)
	require.NoError(t, u.Rename("Sent", "Outbox"))
	f, err := u.Folder("Outbox")
	require.NoError(t, err)
	assert.Equal(t, "Outbox", f.Name())
	assert.True(t, f.Subscribed())
	f.Subscribe(false)
	assert.False(t, f.Subscribed())
}

func TestMessages(t *testing.T) {
	u := NewUser("ann")
	f, err := u.Folder("Inbox")
	require.NoError(t, err)
	fill(t, f, 5)
	old := f.Snapshot()
	require.NoError(t, f.Remove(old.Epoch, []uint32{2, 4, 99}))
	assert.Equal(t, []uint32{1, 3, 5}, uids(f))
	assert.Len(t, old.Messages, 5, "a snapshot stays as it was")
	fill(t, f, 1)
	assert.Equal(t, []uint32{1, 3, 5, 6}, uids(f), "UIDs are not used again")
	assert.Len(t, old.Messages, 5)

	now := f.Snapshot()
	for _, m := range now.Messages {
		got, i := now.Find(m.UID)
		assert.Same(t, m, got)
		assert.Same(t, m, now.Messages[i])
	}
	none, i := now.Find(4)
	assert.Nil(t, none)
	assert.Equal(t, 2, i)

	require.NoError(t, u.NewEpoch("INBOX"))
	assert.Equal(t, []uint32{1, 2, 3, 4}, uids(f))
	require.ErrorIs(t, f.Remove(old.Epoch, []uint32{1}), ErrEpoch)
	_, err = f.SetFlags(old.Epoch, []uint32{1}, func([]string) []string { return nil })
	require.ErrorIs(t, err, ErrEpoch)
	assert.Len(t, uids(f), 4)
	assert.Equal(t, now.Messages[0].Raw(), f.Snapshot().Messages[0].Raw())
}

func TestFlags(t *testing.T) {
	assert.Equal(t, []string{"$Junk", `\Deleted`, `\Seen`}, NormalFlags([]string{`\SEEN`, "$Junk", `\deleted`, `\Recent`, "$junk", `\Seen`, ""}))
	u := NewUser("ann")
	f, _ := u.Folder(Inbox)
	fill(t, f, 3)
	epoch := f.Snapshot().Epoch
	add := func(old []string) []string { return append(old[:len(old):len(old)], `\flagged`) }
	changed, err := f.SetFlags(epoch, []uint32{1, 3, 7}, add)
	require.NoError(t, err)
	require.Len(t, changed, 2)
	assert.True(t, changed[0].Has(`\FLAGGED`))
	version := f.Snapshot().Version
	changed, err = f.SetFlags(epoch, []uint32{1, 3}, add)
	require.NoError(t, err)
	assert.Empty(t, changed, "doing it twice is doing it once")
	assert.Equal(t, version, f.Snapshot().Version)
}

func TestWatch(t *testing.T) {
	u := NewUser("ann")
	f, _ := u.Folder(Inbox)
	changes, stop := f.Watch()
	fill(t, f, 3)
	<-changes
	select {
	case <-changes:
		t.Error("three changes before a look are one token")
	default:
	}
	require.NoError(t, f.Remove(f.Snapshot().Epoch, []uint32{1}))
	<-changes
	stop()
	fill(t, f, 1)
	assert.Empty(t, changes)
}

func TestHeaderLen(t *testing.T) {
	for raw, want := range map[string]int{
		"":                       0,
		"A: b\r\n\r\nbody\r\n":   8,
		"A: b\n\nbody\n":         6,
		"\r\nbody":               2,
		"A: b\r\n":               6,
		"A: b\r\n c\r\n\r\n\r\n": 12,
		"no end":                 6,
	} {
		assert.Equal(t, want, HeaderLen([]byte(raw)), "%q", raw)
	}
}

// TestConcurrent is for the race detector, and proves that no reader sees a
// folder out of order.
func TestConcurrent(t *testing.T) {
	u := NewUser("ann")
	f, _ := u.Folder(Inbox)
	fill(t, f, 50)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 100 {
				s := f.Snapshot()
				for j := 1; j < len(s.Messages); j++ {
					if s.Messages[j-1].UID >= s.Messages[j].UID {
						t.Error("out of order")
					}
				}
				switch (worker + i) % 4 {
				case 0:
					fill(t, f, 2)
				case 1:
					_ = f.Remove(s.Epoch, []uint32{uint32(i)})
				case 2:
					_, _ = f.SetFlags(s.Epoch, []uint32{s.UIDNext - 1}, func([]string) []string { return []string{`\Seen`} })
				case 3:
					if i%10 == 0 {
						assert.NoError(t, u.NewEpoch(Inbox))
					}
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkFind(b *testing.B) {
	u := NewUser("ann")
	f, _ := u.Folder(Inbox)
	fill(b, f, 100_000)
	s := f.Snapshot()
	b.ReportAllocs()
	uid := uint32(0)
	for b.Loop() {
		uid = uid%100_000 + 1
		if m, _ := s.Find(uid); m == nil {
			b.Fatal("not found")
		}
	}
}

func TestCreateAll(t *testing.T) {
	u := NewUser("ann")
	_, err := u.Create("a", "")
	require.NoError(t, err)
	f, err := u.CreateAll("a/b/c", "sent")
	require.NoError(t, err)
	assert.Equal(t, "sent", f.Role())
	_, err = u.CreateAll("a/b", "")
	require.ErrorIs(t, err, ErrExists)
	_, err = u.CreateAll("/x", "")
	require.NoError(t, err)
	var names []string
	for _, f := range u.Folders() {
		names = append(names, f.Name())
	}
	assert.Equal(t, []string{"INBOX", "/x", "a", "a/b", "a/b/c"}, names)
}

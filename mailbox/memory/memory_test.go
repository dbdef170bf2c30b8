package memory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// filled is a mailbox with n messages in INBOX.
func filled(t testing.TB, n int, caps func(*mailbox.Caps)) (*Mailbox, []mailbox.ID) {
	t.Helper()
	store := NewStore()
	for i := range n {
		require.NoError(t, store.Deliver("", fmt.Appendf(nil, "Subject: number %d\r\n\r\nbody %d\r\n", i, i), nil))
	}
	c := AllCaps()
	if caps != nil {
		caps(&c)
	}
	mb := New(&Options{Store: store, Caps: &c})
	t.Cleanup(func() { _ = mb.Close() })
	return mb, ids(t, mb, "")
}

func ids(t testing.TB, mb mailbox.Mailbox, folder string) []mailbox.ID {
	t.Helper()
	var all []mailbox.ID
	for s, err := range mb.List(t.Context(), folder, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		require.NoError(t, err)
		all = append(all, s.ID)
	}
	return all
}

func read(t testing.TB, mb mailbox.Mailbox, id mailbox.ID, opts *mailbox.OpenOptions) string {
	t.Helper()
	r, err := mb.Open(t.Context(), id, opts)
	require.NoError(t, err)
	defer r.Close()
	raw, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(raw)
}

func TestCapsNormal(t *testing.T) {
	assert.Equal(t, AllCaps(), New(nil).Caps())
	mb := New(&Options{Caps: &mailbox.Caps{
		Keywords: true, AppendID: true, AppendLimit: 5, Delete: true,
		Exclusive: true, Connections: 3, LoginDelay: time.Second,
	}})
	assert.Equal(t, mailbox.Caps{Protocol: "memory"}, mb.Caps())
}

func TestOpen(t *testing.T) {
	mb, all := filled(t, 2, nil)
	assert.Equal(t, "Subject: number 1\r\n\r\nbody 1\r\n", read(t, mb, all[1], nil))
	assert.Equal(t, "Subject: number 1\r\n\r\n", read(t, mb, all[1], &mailbox.OpenOptions{HeaderOnly: true}))
	assert.Equal(t, mailbox.NewID("INBOX", "1", "2"), all[1])
}

func TestReaderEnds(t *testing.T) {
	mb, all := filled(t, 1, nil)
	ctx, cancel := context.WithCancel(t.Context())
	byContext, err := mb.Open(ctx, all[0], nil)
	require.NoError(t, err)
	byItself, err := mb.Open(t.Context(), all[0], nil)
	require.NoError(t, err)
	byMailbox, err := mb.Open(t.Context(), all[0], nil)
	require.NoError(t, err)
	var b [1]byte
	for _, r := range []io.Reader{byContext, byItself, byMailbox} {
		_, err := r.Read(b[:])
		require.NoError(t, err)
	}
	cancel()
	_, err = byContext.Read(b[:])
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, byItself.Close())
	_, err = byItself.Read(b[:])
	require.ErrorIs(t, err, fs.ErrClosed)
	require.NoError(t, mb.Close())
	require.NoError(t, mb.Close())
	_, err = byMailbox.Read(b[:])
	require.ErrorIs(t, err, mailbox.ErrClosed)
	_, err = mb.Open(ctx, all[0], nil)
	require.ErrorIs(t, err, mailbox.ErrClosed)
}

func TestStaleAndGone(t *testing.T) {
	mb, all := filled(t, 3, nil)
	require.NoError(t, mb.Delete(t.Context(), all[1:2], nil))
	_, err := mb.Open(t.Context(), all[1], nil)
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	require.NoError(t, mb.Delete(t.Context(), all[1:2], nil), "gone already counts as removed")
	assert.Equal(t, []mailbox.ID{all[0], all[2]}, ids(t, mb, ""))

	require.NoError(t, mb.Store().NewEpoch("INBOX"))
	_, err = mb.Open(t.Context(), all[0], nil)
	require.ErrorIs(t, err, mailbox.ErrStale)
	fresh := ids(t, mb, "")
	require.ErrorIs(t, mb.Delete(t.Context(), []mailbox.ID{fresh[0], all[0]}, nil), mailbox.ErrStale)
	assert.Equal(t, fresh, ids(t, mb, ""), "nothing is removed when one ID is stale")

	require.NoError(t, mb.Store().CreateFolder("Old", mailbox.RoleArchive))
	require.NoError(t, mb.Store().Deliver("Old", []byte("\r\nx"), nil))
	old := ids(t, mb, "Old")
	require.NoError(t, mb.Store().DeleteFolder("Old"))
	_, err = mb.Open(t.Context(), old[0], nil)
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	require.NoError(t, mb.Delete(t.Context(), old, nil))
}

func TestListWhileItChanges(t *testing.T) {
	mb, all := filled(t, 5, nil)
	var seen []mailbox.ID
	for s, err := range mb.List(t.Context(), "inbox", nil) {
		require.NoError(t, err)
		if len(seen) == 0 {
			require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{all[2]}, nil))
		}
		seen = append(seen, s.ID)
	}
	assert.Equal(t, []mailbox.ID{all[0], all[1], all[3], all[4]}, seen, "what vanishes is left out")

	var last error
	for _, err := range mb.List(t.Context(), "", nil) {
		require.NoError(t, last, "an error is the last thing")
		if last = err; err == nil {
			require.NoError(t, mb.Store().NewEpoch("INBOX"))
		}
	}
	require.ErrorIs(t, last, mailbox.ErrStale)
	for _, err := range mb.List(t.Context(), "nowhere", nil) {
		require.ErrorIs(t, err, mailbox.ErrNotFound)
	}
}

func TestListChooses(t *testing.T) {
	mb, all := filled(t, 5, nil)
	for name, tt := range map[string]struct {
		opts mailbox.ListOptions
		want []mailbox.ID
	}{
		"all":            {mailbox.ListOptions{}, all},
		"newest":         {mailbox.ListOptions{Newest: 2}, all[3:]},
		"newest of many": {mailbox.ListOptions{Newest: 9}, all},
		"reverse":        {mailbox.ListOptions{Newest: 2, Reverse: true}, []mailbox.ID{all[4], all[3]}},
		"some":           {mailbox.ListOptions{IDs: []mailbox.ID{all[3], all[1], all[3]}}, []mailbox.ID{all[1], all[3]}},
		"none":           {mailbox.ListOptions{IDs: []mailbox.ID{}}, nil},
	} {
		var got []mailbox.ID
		for s, err := range mb.List(t.Context(), "", &tt.opts) {
			require.NoError(t, err)
			got = append(got, s.ID)
		}
		assert.Equal(t, tt.want, got, name)
	}
}

func TestUnstable(t *testing.T) {
	off := func(c *mailbox.Caps) { c.StableIDs = false }
	mb, all := filled(t, 1, off)
	caps := mb.Caps()
	assert.NotEmpty(t, read(t, mb, all[0], nil))
	next := New(&Options{Store: mb.Store(), Caps: &caps})
	_, err := next.Open(t.Context(), all[0], nil)
	require.ErrorIs(t, err, mailbox.ErrStale)
	require.ErrorIs(t, mb.Delete(t.Context(), all, nil), errors.ErrUnsupported)
}

func TestSwitchedOff(t *testing.T) {
	seen := mailbox.FlagChange{Add: []mailbox.Flag{mailbox.FlagSeen}}
	junk := mailbox.FlagChange{Add: []mailbox.Flag{mailbox.FlagJunk}}
	mb, all := filled(t, 1, func(c *mailbox.Caps) { *c = mailbox.Caps{} })
	require.NoError(t, mb.Store().CreateFolder("Other", ""))
	ctx := t.Context()
	_, err := mb.OpenPart(ctx, all[0], "1", nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	_, err = mb.Append(ctx, "", strings.NewReader("x"), nil)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorIs(t, mb.SetFlags(ctx, all, seen, nil), errors.ErrUnsupported)
	n := 0
	for f, err := range mb.Folders(ctx, &mailbox.FoldersOptions{Status: true}) {
		require.NoError(t, err)
		assert.Equal(t, "INBOX", f.Name)
		assert.Equal(t, int64(-1), f.Status.Unseen)
		n++
	}
	assert.Equal(t, 1, n)
	for s, err := range mb.List(ctx, "", &mailbox.ListOptions{Fields: mailbox.AllFields}) {
		require.NoError(t, err)
		assert.Equal(t, &mailbox.Summary{ID: all[0], Fields: mailbox.FieldSize, Size: 29}, s)
	}

	mb, all = filled(t, 1, func(c *mailbox.Caps) { c.Keywords, c.AppendID = false, false })
	require.ErrorIs(t, mb.SetFlags(ctx, all, junk, nil), errors.ErrUnsupported)
	require.NoError(t, mb.SetFlags(ctx, all, seen, nil))
	id, err := mb.Append(ctx, "", strings.NewReader("\r\n"), &mailbox.AppendOptions{Flags: []mailbox.Flag{mailbox.FlagJunk, mailbox.FlagSeen}})
	require.NoError(t, err)
	assert.True(t, id.IsZero())
	for s, err := range mb.List(ctx, "", nil) {
		require.NoError(t, err)
		assert.Equal(t, []mailbox.Flag{mailbox.FlagSeen}, s.Flags)
	}
}

func TestSetFlags(t *testing.T) {
	mb, all := filled(t, 2, nil)
	ctx := t.Context()
	for _, tt := range []struct {
		change mailbox.FlagChange
		want   []mailbox.Flag
	}{
		{mailbox.FlagChange{Add: []mailbox.Flag{`\seen`, "$Junk"}}, []mailbox.Flag{"$Junk", `\Seen`}},
		{mailbox.FlagChange{Remove: []mailbox.Flag{"$JUNK"}}, []mailbox.Flag{`\Seen`}},
		{mailbox.FlagChange{Replace: []mailbox.Flag{`\Draft`}}, []mailbox.Flag{`\Draft`}},
		{mailbox.FlagChange{Replace: []mailbox.Flag{}}, []mailbox.Flag{}},
	} {
		for range 2 {
			require.NoError(t, mb.SetFlags(ctx, all[:1], tt.change, nil))
			s, err := mailbox.Get(ctx, mb, all[0], mailbox.FieldFlags)
			require.NoError(t, err)
			assert.Equal(t, tt.want, s.Flags)
		}
	}
	for _, bad := range []mailbox.FlagChange{
		{Add: []mailbox.Flag{"a b"}},
		{Add: []mailbox.Flag{""}},
		{Add: []mailbox.Flag{`\`}},
		{Add: []mailbox.Flag{"x\r\ny"}},
		{Add: []mailbox.Flag{`\Seen`}, Replace: []mailbox.Flag{}},
	} {
		require.Error(t, mb.SetFlags(ctx, all, bad, nil), "%v", bad)
	}
	s, err := mailbox.Get(ctx, mb, all[1], mailbox.FieldFlags)
	require.NoError(t, err)
	assert.Empty(t, s.Flags)
}

func TestFetch(t *testing.T) {
	mb, all := filled(t, 3, nil)
	require.NoError(t, mb.Store().CreateFolder("Other", ""))
	require.NoError(t, mb.Store().Deliver("Other", []byte("\r\nother"), nil))
	asked := append([]mailbox.ID{ids(t, mb, "Other")[0], all[2], all[0], all[2]}, mailbox.NewID("Gone", "1", "1"))
	var got []string
	var last io.Reader
	for m, err := range mb.Fetch(t.Context(), asked, nil) {
		require.NoError(t, err)
		if last != nil {
			_, err := last.Read(make([]byte, 1))
			require.ErrorIs(t, err, fs.ErrClosed, "a body is good until the loop goes on")
		}
		raw, err := io.ReadAll(m.Body)
		require.NoError(t, err)
		assert.Equal(t, (&mailbox.FetchOptions{}).Wanted(), m.Fields)
		assert.Equal(t, int64(len(raw)), m.Size)
		got = append(got, string(raw[len(raw)-5:]))
		last = m.Body
	}
	assert.Equal(t, []string{"other", "y 0\r\n", "y 2\r\n"}, got)
}

func TestAppend(t *testing.T) {
	mb, _ := filled(t, 0, func(c *mailbox.Caps) { c.AppendLimit = 10 })
	ctx := t.Context()
	at := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	id, err := mb.Append(ctx, "", strings.NewReader("\r\n12345678"), &mailbox.AppendOptions{Size: 10, Received: at})
	require.NoError(t, err)
	s, err := mailbox.Get(ctx, mb, id, 0)
	require.NoError(t, err)
	assert.True(t, at.Equal(s.Received))
	for name, tt := range map[string]struct {
		text string
		size int64
		want error
	}{
		"too large":            {"\r\n123456789", 0, mailbox.ErrTooLarge},
		"too large, announced": {"", 11, mailbox.ErrTooLarge},
		"short":                {"\r\n", 3, io.ErrUnexpectedEOF},
		"long":                 {"\r\n123", 3, nil},
	} {
		_, err := mb.Append(ctx, "", strings.NewReader(tt.text), &mailbox.AppendOptions{Size: tt.size})
		require.Error(t, err, name)
		if tt.want != nil {
			require.ErrorIs(t, err, tt.want, name)
		}
	}
	_, err = mb.Append(ctx, "nowhere", strings.NewReader(""), nil)
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	assert.Len(t, ids(t, mb, ""), 1)
}

// TestAppendUnblocks: a message that never comes does not hold the call.
func TestAppendUnblocks(t *testing.T) {
	mb, _ := filled(t, 0, nil)
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	start := func(ctx context.Context) {
		_, err := mb.Append(ctx, "", r, nil)
		errs <- err
	}
	go start(ctx)
	cancel()
	require.ErrorIs(t, <-errs, context.Canceled)
	go start(t.Context())
	require.NoError(t, mb.Close())
	require.ErrorIs(t, <-errs, mailbox.ErrClosed)
}

// lateContext ends the moment that someone begins to wait for it, which lasts
// until the message has been read.
type lateContext struct {
	context.Context
	read  chan struct{}
	close func() error // instead of ending, if it is set
	over  bool
}

func (c *lateContext) Done() <-chan struct{} {
	<-c.read
	for range 20 { // let the reader's goroutine hand over what it has read
		runtime.Gosched()
	}
	if c.close != nil {
		_ = c.close()
		return nil
	}
	c.over = true
	done := make(chan struct{})
	close(done)
	return done
}

func (c *lateContext) Err() error {
	if c.over {
		return context.Canceled
	}
	return nil
}

// TestAppendEndsAsItIsRead: nothing is added after a Close or the end of the
// context, even if the last octet comes at that very moment.
func TestAppendEndsAsItIsRead(t *testing.T) {
	for name, want := range map[string]error{"close": mailbox.ErrClosed, "cancel": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			store := NewStore()
			for range 200 {
				mb := New(&Options{Store: store})
				ctx := &lateContext{Context: t.Context(), read: make(chan struct{})}
				if want == mailbox.ErrClosed {
					ctx.close = mb.Close
				}
				message := io.MultiReader(strings.NewReader("Subject: late\r\n\r\n"), endReader(ctx.read))
				_, err := mb.Append(ctx, "", message, nil)
				require.ErrorIs(t, err, want)
				require.NoError(t, mb.Close())
			}
			mb := New(&Options{Store: store})
			defer mb.Close()
			assert.Empty(t, ids(t, mb, ""))
		})
	}
}

// TestChangesEnd: a Close waits for changes that are under way, and none comes
// after it.
func TestChangesEnd(t *testing.T) {
	mb, _ := filled(t, 0, nil)
	appended := make(chan error)
	for range 8 {
		go func() {
			for {
				if _, err := mb.Append(t.Context(), "", strings.NewReader("\r\n"), nil); err != nil {
					appended <- err
					return
				}
			}
		}()
	}
	other := New(&Options{Store: mb.Store()})
	defer other.Close()
	for len(ids(t, other, "")) < 20 {
		runtime.Gosched()
	}
	require.NoError(t, mb.Close())
	last := len(ids(t, other, ""))
	for range 8 {
		require.ErrorIs(t, <-appended, mailbox.ErrClosed)
	}
	assert.Len(t, ids(t, other, ""), last, "what was added after Close")
}

// endReader is at its end, and tells so by closing itself.
type endReader chan struct{}

func (r endReader) Read([]byte) (int, error) {
	close(r)
	return 0, io.EOF
}

package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// One folder that cannot be listed or made does not stop the others, and is told.
func TestFolderFails(t *testing.T) {
	from := memory.NewStore()
	for i, name := range []string{"A", "B", "C"} {
		require.NoError(t, from.CreateFolder(name, ""))
		require.NoError(t, from.Deliver(name, note(i), nil))
	}
	for _, why := range []error{
		mailbox.ErrPermission, mailbox.ErrNotFound, mailbox.ErrProtocol, mailbox.ErrUnavailable, errors.New("no such thing"),
	} {
		src := &warped{Mailbox: open(t, from)}
		src.list = func(folder string, all []*mailbox.Summary) ([]*mailbox.Summary, error) {
			if folder == "B" {
				return nil, &mailbox.Error{Op: "list", Folder: folder, Err: why}
			}
			return all, nil
		}
		dst := open(t, memory.NewStore())
		report, err := Run(t.Context(), src, dst, options(t))
		require.ErrorIs(t, err, why)
		assert.Equal(t, 2, report.Stored, "%v", why)
		assert.Len(t, report.Warnings, 1)
	}
	t.Run("unreachable", func(t *testing.T) {
		asked := 0
		src := &warped{Mailbox: open(t, from)}
		src.list = func(string, []*mailbox.Summary) ([]*mailbox.Summary, error) {
			asked++
			return nil, mailbox.ErrUnavailable
		}
		_, err := Run(t.Context(), src, open(t, memory.NewStore()), options(t))
		require.ErrorIs(t, err, mailbox.ErrUnavailable)
		assert.Equal(t, 3, asked)
	})
	t.Run("logged out", func(t *testing.T) {
		asked := 0
		src := &warped{Mailbox: open(t, from)}
		src.list = func(string, []*mailbox.Summary) ([]*mailbox.Summary, error) {
			asked++
			return nil, mailbox.ErrAuth
		}
		_, err := Run(t.Context(), src, open(t, memory.NewStore()), options(t))
		require.ErrorIs(t, err, mailbox.ErrAuth)
		assert.Equal(t, 1, asked)
	})
	t.Run("name", func(t *testing.T) {
		from := memory.NewStore()
		for _, name := range []string{"A", strings.Repeat("long", 60), "Z"} {
			require.NoError(t, from.CreateFolder(name, ""))
			require.NoError(t, from.Deliver(name, note(1), nil))
		}
		src := &warped{Mailbox: open(t, from)}
		src.folders = func(all []*mailbox.Folder) []*mailbox.Folder {
			for _, f := range all {
				f.Name = strings.Replace(f.Name, "A", "\xff", 1) // as a server has it that knows no UTF-7
			}
			return all
		}
		src.list = func(_ string, all []*mailbox.Summary) ([]*mailbox.Summary, error) { return all, nil }
		dst, err := maildir.OpenOn(disktest.NewMem(512), nil)
		require.NoError(t, err)
		report, err := Run(t.Context(), src, dst, &Options{Source: "test"})
		require.ErrorContains(t, err, "UTF-8")
		assert.Equal(t, 2, report.Stored)
	})
}

// A folder of the destination that only holds others is made to hold messages.
func TestTargetOnlyHoldsOthers(t *testing.T) {
	from := memory.NewStore()
	require.NoError(t, from.CreateFolder("Work", ""))
	require.NoError(t, from.Deliver("Work", note(1), nil))
	files := disktest.NewMem(512)
	dst, err := maildir.OpenOn(files, nil)
	require.NoError(t, err)
	for _, dir := range []string{".Work.2020", ".Work.2020/cur", ".Work.2020/new", ".Work.2020/tmp"} {
		require.NoError(t, files.Mkdir(dir))
	}
	_, err = Run(t.Context(), open(t, from), dst, &Options{Source: "test"})
	require.NoError(t, err)
	assert.Equal(t, notes(1), contents(t, dst, "Work"))
}

// The work of a folder does not grow with the number of others.
func TestManyFolders(t *testing.T) {
	const n = 500
	from, to := memory.NewStore(), memory.NewStore()
	for i := range n {
		name := fmt.Sprintf("F%d", i)
		require.NoError(t, from.CreateFolder(name, ""))
		require.NoError(t, to.CreateFolder(name, ""))
		require.NoError(t, from.Deliver(name, []byte("Subject: x\r\n\r\n"), nil))
	}
	src, dst, o := open(t, from), open(t, to), options(t)
	report, err := Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, n, report.Stored)
	report, err = Run(t.Context(), src, dst, o)
	require.NoError(t, err)
	assert.Equal(t, n+1, report.Unchanged)

	l := newLedger()
	for i := range uint32(1000) {
		l.put(entry{key: sumOf(fmt.Append(nil, i)), folder: i % 10, state: stored})
	}
	looked := 0
	for range l.in(3) {
		looked++
	}
	assert.Equal(t, 100, looked)
}

// A destination that refuses everything is found out over many small folders as
// well, and one that finds many messages too large is believed.
func TestRefusals(t *testing.T) {
	from, to := memory.NewStore(), memory.NewStore()
	for i := range 3 * mostRefusals {
		name := fmt.Sprint("F", i)
		require.NoError(t, from.CreateFolder(name, ""))
		require.NoError(t, to.CreateFolder(name, ""))
		require.NoError(t, from.Deliver(name, note(i), nil))
	}
	refusing := func(why error) *odd {
		return oddly(t, to, func([]byte, func([]byte) error) error { return why })
	}
	dst := refusing(errors.New("over quota, says a server without the code"))
	_, err := Run(t.Context(), open(t, from), dst, options(t))
	require.ErrorContains(t, err, "refuses everything")
	assert.Equal(t, mostRefusals, dst.calls)

	report, err := Run(t.Context(), open(t, from), refusing(mailbox.ErrTooLarge), options(t))
	require.NoError(t, err)
	assert.Len(t, report.Dead, 3*mostRefusals)

	t.Run("protocol", func(t *testing.T) {
		bad := note(4)
		dst := oddly(t, memory.NewStore(), func(raw []byte, add func([]byte) error) error {
			if bytes.Equal(raw, bad) {
				return fmt.Errorf("BAD message: %w", mailbox.ErrProtocol)
			}
			return add(raw)
		})
		src, o := open(t, filled(t, 10)), options(t)
		for i, want := range []int{9, 0} {
			report, err := Run(t.Context(), src, dst, o)
			require.NoError(t, err)
			assert.Equal(t, want, report.Stored, "run %d", i)
			assert.Equal(t, 1, report.Failed, "run %d: it is tried again", i)
			assert.Empty(t, report.Dead)
		}
	})
	t.Run("folder", func(t *testing.T) {
		dst := refusing(mailbox.ErrPermission)
		report, err := Run(t.Context(), open(t, from), dst, options(t))
		require.ErrorIs(t, err, mailbox.ErrPermission)
		assert.Equal(t, 3*mostRefusals, dst.calls, "each folder may have rules of its own")
		assert.Empty(t, report.Dead)
	})
}

// One message that cannot be opened does not hold up the others.
func TestUnreadable(t *testing.T) {
	store := filled(t, 300)
	src, o := &warped{Mailbox: open(t, store)}, options(t)
	bad := map[int]bool{0: true, 7: true, 8: true, 299: true}
	n, damaged := 0, map[mailbox.ID]bool{}
	for s := range src.Mailbox.List(t.Context(), mailbox.Inbox, nil) {
		damaged[s.ID] = bad[n]
		n++
	}
	src.open = func(id mailbox.ID, r io.ReadCloser) (io.ReadCloser, error) {
		if damaged[id] {
			return nil, &mailbox.Error{Op: "open", ID: id, Err: mailbox.ErrPermission}
		}
		return r, nil
	}
	o.Remove = Remove{Stored: true}
	report, err := Run(t.Context(), src, open(t, memory.NewStore()), o)
	require.NoError(t, err)
	assert.Equal(t, 296, report.Stored)
	assert.Equal(t, 4, report.Failed)
	assert.Equal(t, notes(0, 7, 8, 299), contents(t, src.Mailbox, mailbox.Inbox))

	for id := range damaged {
		damaged[id] = true
	}
	store2 := filled(t, 300)
	src.Mailbox = open(t, store2)
	opened := 0
	src.open = func(id mailbox.ID, r io.ReadCloser) (io.ReadCloser, error) {
		opened++
		return nil, &mailbox.Error{Op: "open", ID: id, Err: errors.New("the disk is gone")}
	}
	_, err = Run(t.Context(), src, open(t, memory.NewStore()), options(t))
	require.ErrorContains(t, err, "no message can be read")
	assert.Equal(t, mostFailed, opened)
}

// A server that has lost a body may say that the message is empty.
func TestEmptyBody(t *testing.T) {
	src, o := &warped{Mailbox: open(t, filled(t, 2))}, options(t)
	o.Remove = Remove{Stored: true}
	src.open = func(_ mailbox.ID, r io.ReadCloser) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("")), nil
	}
	for range 2 {
		report, err := Run(t.Context(), src, open(t, memory.NewStore()), o)
		require.NoError(t, err)
		assert.Equal(t, 2, report.Failed)
		assert.Zero(t, report.Stored+report.Deleted)
	}
}

// Flags that are none are left out, and the message is none the worse.
func TestOddFlags(t *testing.T) {
	assert.Equal(t, []mailbox.Flag{mailbox.FlagSeen, "$Forwarded"}, flagsOf([]mailbox.Flag{
		mailbox.FlagSeen, "gr\xc3\xbcn", "two words", "", mailbox.FlagDeleted, "$Forwarded", `\Recent`,
		mailbox.Flag(strings.Repeat("x", 1000)),
	}))
}

// A folder is known in any spelling before anything is done.
func TestOntoItself(t *testing.T) {
	store := filled(t, 3)
	require.NoError(t, store.CreateFolder("Other", ""))
	mb, o := open(t, store), options(t)
	o.Target = func(f *mailbox.Folder) string {
		if f.Name == mailbox.Inbox {
			return "Other"
		}
		return f.Name
	}
	_, err := Run(t.Context(), mb, mb, o)
	require.ErrorContains(t, err, "onto itself")
	assert.Empty(t, contents(t, mb, "Other"))
	o.Folders, o.Target = []string{"inbox"}, func(*mailbox.Folder) string { return "inbox" }
	_, err = Run(t.Context(), mb, mb, o)
	require.ErrorContains(t, err, "onto itself")
}

// What IMAP servers answer to APPEND is blamed on whom it belongs to, and the next
// run ends with each message once in any case.
func TestAppendAnswers(t *testing.T) {
	for _, c := range []struct {
		answer string
		kind   mailtest.FaultKind
		err    error
		report Report
	}{
		{"NO I do not like it", mailtest.FaultReply, nil, Report{Stored: 4, Dead: make([]DeadLetter, 1)}},
		{"NO [TOOBIG] no", mailtest.FaultReply, nil, Report{Stored: 4, Dead: make([]DeadLetter, 1)}},
		{"BAD NUL in a literal", mailtest.FaultReply, nil, Report{Stored: 4, Failed: 1}},
		{"NO [OVERQUOTA] full", mailtest.FaultReply, mailbox.ErrQuota, Report{Stored: 2}},
		{"NO [TRYCREATE] no", mailtest.FaultReply, mailbox.ErrNotFound, Report{Stored: 2}},
		{"NO [NOPERM] no", mailtest.FaultReply, mailbox.ErrPermission, Report{Stored: 2}},
		{"NO [UNAVAILABLE] later", mailtest.FaultReply, mailbox.ErrUnavailable, Report{Stored: 2}},
		{"NO [LIMIT] slow down", mailtest.FaultReply, mailbox.ErrThrottled, Report{Stored: 2}},
		{"bye", mailtest.FaultBye, nil, Report{Stored: 4, Unknown: 1}},
	} {
		t.Run(c.answer, func(t *testing.T) {
			w := newWay(t, "pop3-imap", crashMail)
			w.e.Group = 0
			w.host.Inject(mailtest.Fault{Kind: c.kind, Protocol: "imap", Command: "APPEND", Text: c.answer, Skip: 2, Times: 1})
			report, err := w.e.do(t.Context(), nil, [2]access.Dialer{})
			if c.err == nil {
				require.NoError(t, err)
			}
			require.ErrorIs(t, err, c.err)
			assert.Equal(t, c.report.Stored, report.Stored)
			assert.Equal(t, c.report.Failed, report.Failed)
			assert.Equal(t, c.report.Unknown, report.Unknown)
			assert.Len(t, report.Dead, len(c.report.Dead))
			if len(c.report.Dead) == 0 {
				w.check(crashMail)
			}
		})
	}
}

// A message that the server will not give out stays, and the others go.
func TestRefusedRETR(t *testing.T) {
	w := newWay(t, "pop3-maildir", crashMail)
	w.host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "pop3", Command: "RETR", Text: "-ERR [SYS/PERM] damaged", Skip: 1, Times: 1})
	w.host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "pop3", Command: "RETR", Text: "-ERR [SYS/PERM] damaged", Skip: 5, Times: 1})
	report, err := w.e.do(t.Context(), nil, [2]access.Dialer{})
	require.NoError(t, err)
	assert.Equal(t, []int{4, 1, 4}, []int{report.Stored, report.Failed, report.Deleted})
	assert.Empty(t, report.Dead)
	w.check(crashMail)
}

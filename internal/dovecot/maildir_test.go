//go:build unix

package dovecot_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/internal/dovecot"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
	"github.com/postroom-go/postroom/mailbox/maildir"
)

// shared opens one account over IMAP and, as the user to whom its files belong,
// as a Maildir. Each call of server is a new session: an old one looks at the
// directory when it likes.
func shared(t *testing.T, o *maildir.Options) (server func() mailbox.Mailbox, local mailbox.Mailbox) {
	t.Helper()
	s := dovecot.Get(t)
	user := s.NewUser(t)
	dir := s.Maildir(t, user)
	become(t, dir)
	var mb *imapsrc.Mailbox
	server = func() mailbox.Mailbox {
		if mb != nil {
			_ = mb.Close()
		}
		mb = imapOf(t, s, user, nil)
		return mb
	}
	return server, maildirOf(t, dir, o)
}

// become makes the owner of a directory, for the rest of the test, the one who
// makes files and opens them.
func become(t *testing.T, dir string) {
	t.Helper()
	info, err := os.Lstat(dir)
	require.NoError(t, err)
	st, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	if os.Geteuid() == int(st.Uid) {
		return
	}
	uid, gid := os.Geteuid(), os.Getegid()
	require.NoError(t, syscall.Setegid(int(st.Gid)))
	t.Cleanup(func() { require.NoError(t, syscall.Setegid(gid)) })
	require.NoError(t, syscall.Seteuid(int(st.Uid)))
	t.Cleanup(func() { require.NoError(t, syscall.Seteuid(uid)) })
}

// beside are the two ways in which a Maildir has line ends.
func beside(t *testing.T, f func(t *testing.T, o *maildir.Options)) {
	t.Run("CRLF", func(t *testing.T) { f(t, nil) })
	t.Run("LF", func(t *testing.T) { f(t, &maildir.Options{LF: true}) })
}

// sizes are the sizes of a folder's messages, sorted.
func sizes(t *testing.T, mb mailbox.Mailbox, folder string) []int64 {
	t.Helper()
	var all []int64
	for s, err := range mb.List(t.Context(), folder, &mailbox.ListOptions{Fields: mailbox.FieldSize}) {
		require.NoError(t, err)
		all = append(all, s.Size)
	}
	slices.Sort(all)
	return all
}

// TestMaildirDelivery: what is delivered into Dovecot's Maildir is there over
// IMAP, with everything that belongs to it.
func TestMaildirDelivery(t *testing.T) {
	beside(t, func(t *testing.T, o *maildir.Options) {
		server, local := shared(t, o)
		var want []int64
		for i, l := range corpus(mailbox.Inbox) {
			var flags []mailbox.Flag
			for _, f := range strings.Fields(flagSets()[i%3]) {
				flags = append(flags, mailbox.Flag(f))
			}
			_, err := mailbox.Append(t.Context(), local, mailbox.Inbox, bytes.NewReader(l.raw), &mailbox.AppendOptions{
				Flags: flags, Received: time.Date(2011+i, 5, 6, 7, 8, 9, 0, time.UTC),
			})
			require.NoError(t, err)
			want = append(want, int64(len(l.raw)))
		}
		slices.Sort(want)
		there := mailIn(t, server(), mailbox.Inbox)
		assert.Equal(t, mailIn(t, local, mailbox.Inbox), there)
		assert.Equal(t, want, sizes(t, server(), mailbox.Inbox), "sizes are those of the network's line ends")
		assert.Contains(t, fmt.Sprint(there), `\Flagged \Seen`)
		assert.Contains(t, fmt.Sprint(there), "$Label1 Work")
	})
}

// ids are the IDs of a folder's messages by their digests.
func ids(t *testing.T, mb mailbox.Mailbox) map[string]mailbox.ID {
	t.Helper()
	all := map[string]mailbox.ID{}
	var list []mailbox.ID
	for s, err := range mb.List(t.Context(), mailbox.Inbox, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		require.NoError(t, err)
		list = append(list, s.ID)
	}
	for m, err := range mailbox.Fetch(t.Context(), mb, list, nil) {
		require.NoError(t, err)
		raw, err := io.ReadAll(m.Body)
		require.NoError(t, err)
		all[digest(raw)] = m.ID
	}
	return all
}

func flagsOf(t *testing.T, mb mailbox.Mailbox, id mailbox.ID) string {
	t.Helper()
	s, err := mailbox.Get(t.Context(), mb, id, mailbox.FieldFlags)
	require.NoError(t, err)
	return flagsText(s.Flags)
}

// TestMaildirFlags changes flags on either side, of messages that came on either
// side, and looks on the other.
func TestMaildirFlags(t *testing.T) {
	server, local := shared(t, nil)
	sides := []func() mailbox.Mailbox{server, func() mailbox.Mailbox { return local }}
	for i := range 4 {
		_, err := mailbox.Append(t.Context(), sides[i%2](), mailbox.Inbox, bytes.NewReader(note("flags", i)), nil)
		require.NoError(t, err)
	}
	atServer, here := ids(t, server()), ids(t, local)
	require.Len(t, here, 4)
	for i := range 4 {
		d := digest(note("flags", i))
		id := []mailbox.ID{atServer[d], here[d]}
		for from := range 2 {
			to := 1 - from
			for _, c := range []struct {
				change mailbox.FlagChange
				want   string
			}{
				{mailbox.FlagChange{Add: []mailbox.Flag{mailbox.FlagSeen, "Work"}}, `Work \Seen`},
				{mailbox.FlagChange{Add: []mailbox.Flag{mailbox.FlagForwarded}}, `$Forwarded Work \Seen`},
				{mailbox.FlagChange{Add: []mailbox.Flag{mailbox.Flag(fmt.Sprintf("own-%d", from))}, Remove: []mailbox.Flag{mailbox.FlagForwarded}},
					fmt.Sprintf(`Work \Seen own-%d`, from)},
				{mailbox.FlagChange{Replace: []mailbox.Flag{mailbox.FlagFlagged, mailbox.FlagAnswered, mailbox.FlagDraft, mailbox.FlagDeleted}},
					`\Answered \Deleted \Draft \Flagged`},
				{mailbox.FlagChange{Replace: []mailbox.Flag{}}, ""},
			} {
				require.NoError(t, mailbox.SetFlags(t.Context(), sides[from](), id[from:from+1], c.change, nil))
				assert.Equal(t, c.want, flagsOf(t, sides[from](), id[from]), "side %d, message %d", from, i)
				assert.Equal(t, c.want, flagsOf(t, sides[to](), id[to]), "side %d sees that of side %d, message %d", to, from, i)
			}
		}
	}
	assert.Equal(t, here, ids(t, local), "an ID has changed")
	assert.Equal(t, atServer, ids(t, server()), "an ID has changed")
}

// TestMaildirDelete: what is deleted on one side is gone on the other.
func TestMaildirDelete(t *testing.T) {
	server, local := shared(t, nil)
	for i := range 4 {
		_, err := mailbox.Append(t.Context(), local, mailbox.Inbox, bytes.NewReader(note("gone", i)), nil)
		require.NoError(t, err)
	}
	for n, mb := range []mailbox.Mailbox{server(), local} {
		id := ids(t, mb)[digest(note("gone", n))]
		require.NoError(t, mb.Delete(t.Context(), []mailbox.ID{id}, nil))
		assert.Len(t, ids(t, server()), 3-n)
		assert.Equal(t, mailIn(t, server(), mailbox.Inbox), mailIn(t, local, mailbox.Inbox))
	}
}

// names are the folders of a mailbox.
func names(t *testing.T, mb mailbox.Mailbox) []string {
	t.Helper()
	var all []string
	for f, err := range mb.Folders(t.Context(), nil) {
		require.NoError(t, err)
		require.Empty(t, f.Defects)
		if !f.NoSelect {
			all = append(all, f.Name)
		}
	}
	slices.Sort(all)
	return all
}

// TestMaildirFolders: folders made on one side have the same name on the other,
// and hold the same mail.
func TestMaildirFolders(t *testing.T) {
	server, local := shared(t, nil)
	sides := []func() mailbox.Mailbox{server, func() mailbox.Mailbox { return local }}
	const fromServer, fromHere = 0, 1
	made := 0
	check := func(from int, name, seen string) {
		made++
		mb, to := sides[from](), sides[1-from]
		require.NoError(t, folders.Create(t.Context(), mb, name, nil), name)
		_, err := mailbox.Append(t.Context(), mb, name, bytes.NewReader(note("folder", made)), nil)
		require.NoError(t, err)
		other := to()
		assert.Contains(t, names(t, other), seen)
		assert.Equal(t, mailIn(t, mb, name), mailIn(t, other, seen))
	}
	for _, name := range []string{"Ärger & Öl", "日本語/課長", "with space/ and more", "a/b/c/d", "INBOX/below", "!#$'()+,;=@[]^_`{}"} {
		check(fromServer, name+"/0", name+"/0")
		check(fromHere, name+"/1", name+"/1")
	}
	for _, name := range []string{`"off": <*?>|\`, "end ", "con", "Case", "case", "cur"} {
		check(fromServer, name, name)
	}
	// Dovecot knows nothing of our percent signs, unless they are its own escape
	// character.
	check(fromHere, "v1.0/x: y", "v1%2E0/x%3A y")
	check(fromHere, "CASE", "%43ASE")
	// It shows Sent and its like before it makes them.
	shown := slices.DeleteFunc(names(t, server()), func(name string) bool {
		return slices.Contains([]string{"Sent", "Drafts", "Trash", "Junk", "Archive"}, name)
	})
	for i := range shown {
		shown[i] = strings.NewReplacer("%2E", ".", "%3A", ":", "%43", "C").Replace(shown[i])
	}
	assert.ElementsMatch(t, shown, names(t, local))
}

// TestMaildirConcurrent changes flags over IMAP while the same messages are
// listed, read and marked in the Maildir, with new keywords on both sides: none is
// ever missing.
func TestMaildirConcurrent(t *testing.T) {
	server, local := shared(t, nil)
	const messages, flips = 30, 20
	for i := range messages {
		_, err := mailbox.Append(t.Context(), local, mailbox.Inbox, bytes.NewReader(note("both", i)), nil)
		require.NoError(t, err)
	}
	here, remote := slices.Collect(maps.Values(ids(t, local))), server()
	atServer := slices.Collect(maps.Values(ids(t, remote)))
	require.Len(t, atServer, messages)
	require.Len(t, here, messages)

	flip := func(mb mailbox.Mailbox, all []mailbox.ID, side string, own mailbox.Flag, n int) error {
		change := mailbox.FlagChange{Add: []mailbox.Flag{own, mailbox.Flag(fmt.Sprintf("%s-%d", side, n%10))}}
		if n%3 == 2 {
			change = mailbox.FlagChange{Remove: []mailbox.Flag{own, mailbox.Flag(side + "-0")}}
		}
		return mailbox.SetFlags(t.Context(), mb, all, change, nil)
	}
	done := make(chan error, 1)
	go func() {
		for n := range flips {
			if err := flip(remote, atServer, "server", mailbox.FlagSeen, n); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i, running := 0, true; running || i < flips; i++ {
		select {
		case err := <-done:
			require.NoError(t, err)
			running = false
		default:
		}
		n := 0
		for _, err := range local.List(t.Context(), mailbox.Inbox, nil) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, messages, n, "messages in the list")
		require.NoError(t, flip(local, here, "here", mailbox.FlagFlagged, i))
		n = 0
		for m, err := range mailbox.Fetch(t.Context(), local, here, nil) {
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, m.Body)
			require.NoError(t, err)
			n++
		}
		require.Equal(t, messages, n, "messages that could be read")
	}
	for _, id := range here {
		assert.Subset(t, strings.Fields(flagsOf(t, local, id)), []string{"server-1", "server-9", "here-1", "here-9"})
	}
	assert.Equal(t, mailIn(t, server(), mailbox.Inbox), mailIn(t, local, mailbox.Inbox))
}

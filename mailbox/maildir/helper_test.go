package maildir

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
)

// message is a small message that tells its number.
func message(n int) []byte {
	return fmt.Appendf(nil, "From: Ann <ann@example.org>\r\nSubject: Message %d\r\nDate: Mon, 02 Mar 2026 09:30:00 +0100\r\n\r\nText %d\r\n", n, n)
}

// openTest opens a Maildir; set, which may be nil, changes the Mailbox first.
func openTest(t testing.TB, files disk.Dir, opts *Options, set func(*Mailbox)) *Mailbox {
	t.Helper()
	mb, err := openOn(files, opts, set)
	require.NoError(t, err)
	t.Cleanup(func() { _ = mb.Close() })
	return mb
}

// openReal opens a Maildir on the disk.
func openReal(t testing.TB, opts *Options) *Mailbox {
	t.Helper()
	mb, err := Open(t.TempDir(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = mb.Close() })
	return mb
}

// add appends a numbered message to INBOX.
func add(t testing.TB, mb *Mailbox, n int, flags ...mailbox.Flag) mailbox.ID {
	t.Helper()
	id, err := mb.Append(t.Context(), mailbox.Inbox, bytes.NewReader(message(n)), &mailbox.AppendOptions{Flags: flags})
	require.NoError(t, err)
	return id
}

// put makes a file, as another program would.
func put(t testing.TB, files disk.Dir, name, text string) {
	t.Helper()
	file, err := files.Create(name)
	require.NoError(t, err)
	_, err = file.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// list lists a folder.
func list(t testing.TB, mb *Mailbox, folder string, opts *mailbox.ListOptions) []*mailbox.Summary {
	t.Helper()
	all, err := collect(mb, folder, opts)
	require.NoError(t, err)
	return all
}

func collect(mb *Mailbox, folder string, opts *mailbox.ListOptions) ([]*mailbox.Summary, error) {
	var all []*mailbox.Summary
	for s, err := range mb.List(context.Background(), folder, opts) {
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

// subjects are the subjects that a folder lists.
func subjects(t testing.TB, mb *Mailbox, folder string) []string {
	t.Helper()
	var all []string
	for _, s := range list(t, mb, folder, nil) {
		all = append(all, strings.TrimPrefix(s.Envelope.Subject, "Message "))
	}
	return all
}

// text reads a message.
func text(t testing.TB, mb *Mailbox, id mailbox.ID) string {
	t.Helper()
	r, err := mb.Open(t.Context(), id, nil)
	require.NoError(t, err)
	defer r.Close()
	raw, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(raw)
}

// names are the files in a directory, sorted.
func names(t testing.TB, files disk.Dir, dir string) []string {
	t.Helper()
	list, err := files.ReadDir(dir)
	require.NoError(t, err)
	var all []string
	for _, d := range list {
		all = append(all, d.Name())
	}
	slices.Sort(all)
	return all
}

// counted is a file system that counts what is done, by kind.
func counted(files disk.Dir) (disk.Dir, func(disktest.Kind) int) {
	c := &counter{n: map[disktest.Kind]int{}}
	return disktest.Hook(files, c.count), c.of
}

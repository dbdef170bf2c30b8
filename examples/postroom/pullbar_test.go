package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/transfer"
)

func TestPullBar(t *testing.T) {
	assert.Nil(t, newPullBar(&bytes.Buffer{}))
	f, err := os.Create(filepath.Join(t.TempDir(), "screen"))
	require.NoError(t, err)
	defer f.Close()
	assert.Nil(t, newPullBar(f), "a file is no terminal")

	synctest.Test(t, func(t *testing.T) {
		b := newBarOn(f)
		shows := func(e transfer.Event) {
			b.show(&e)
			require.NoError(t, wait(t.Context(), 2*barPause))
		}
		shows(transfer.Event{Kind: transfer.Began, Folder: "nothing yet"})
		b.show(&transfer.Event{Kind: transfer.Stored, Folder: "INBOX", Done: 1, Total: 3, DoneBytes: 1 << 20, TotalBytes: 3 << 20})
		b.show(&transfer.Event{Kind: transfer.Stored, Folder: "INBOX", Done: 2, Total: 3, DoneBytes: 2 << 20, TotalBytes: 3 << 20})
		shows(transfer.Event{Kind: transfer.Stored, Folder: "INBOX", Done: 3, Total: 3, DoneBytes: 3 << 20, TotalBytes: 3 << 20})
		b.clear()
		shows(transfer.Event{Kind: transfer.Stored, Folder: "Work\x1b[2J", Done: 4, Total: 10, DoneBytes: 4 << 20, TotalBytes: 8 << 20})
		b.show(&transfer.Event{Kind: transfer.Stored, Folder: "too late", Done: 5, Total: 10, DoneBytes: 5 << 20, TotalBytes: 8 << 20})
		b.clear()
		require.NoError(t, wait(t.Context(), 2*barPause))
	})
	data, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	screen := string(data)
	assert.NotContains(t, screen, "nothing yet")
	assert.NotContains(t, screen, "INBOX 1/3", "one picture for messages that come together")
	assert.Contains(t, screen, "INBOX 3/3")
	assert.Contains(t, screen, "Work\ufffd[2J 4/10", "nothing that a server says moves the cursor")
	assert.Contains(t, screen, "4.0/8.0 MiB", "it goes on after what was all there was to do until then")
	assert.NotContains(t, screen, "too late", "it was cleared before its picture")
	assert.True(t, strings.HasSuffix(screen, "\r"), "the line is free at the end")
}

package dovecot_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/dovecot"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/folders"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/mailbox/transfer"
)

// copyAll is a run that must come to its end with nothing amiss.
func copyAll(t testing.TB, src, dst mailbox.Mailbox, o transfer.Options) *transfer.Report {
	t.Helper()
	report, err := transfer.Run(t.Context(), src, dst, &o)
	require.NoError(t, err)
	require.Empty(t, report.Dead)
	require.Empty(t, report.Warnings)
	require.Zero(t, report.Failed+report.Unknown+report.Kept)
	return report
}

var removing = transfer.Remove{Stored: true}

func corpus(folder string) []letter {
	var all []letter
	for _, s := range mailtest.Corpus() {
		all = append(all, letter{folder: folder, raw: s.Raw})
	}
	return all
}

// TestTransferPOP3ToMaildir is what a mail program does.
func TestTransferPOP3ToMaildir(t *testing.T) {
	s := dovecot.Get(t)
	user := s.NewUser(t)
	letters := append(corpus(mailbox.Inbox), notes("pop", 40)...)
	deliver(t, s, user, letters...)
	there := digestsIn(t, imapOf(t, s, user, nil), mailbox.Inbox)
	require.Len(t, there, len(letters))

	src, dst := popOf(t, s, user, nil), maildirOf(t, t.TempDir(), nil)
	report := copyAll(t, src, dst, transfer.Options{Remove: removing})
	assert.Equal(t, len(letters), report.Stored)
	assert.Equal(t, len(letters), report.Deleted)
	assert.Equal(t, there, digestsIn(t, dst, mailbox.Inbox))
	assert.Zero(t, count(t, s, user, mailbox.Inbox))

	src = popOf(t, s, user, nil)
	report = copyAll(t, src, dst, transfer.Options{Remove: removing})
	assert.Zero(t, report.Listed+report.Stored+report.Known+report.Deleted)
	assert.Len(t, digestsIn(t, dst, mailbox.Inbox), len(letters))
}

// household is mail in several folders, whose names and flags are not only those
// of ASCII.
func household() []letter {
	all := corpus(mailbox.Inbox)
	for i, folder := range []string{"Entwürfe/Größe & Co", "日本語", "with space/deep/er", "Archive", "50% \"off\""} {
		for n := range 3 {
			all = append(all, letter{folder: folder, raw: note(fmt.Sprintf("f%d", i), n), flags: flagSets()[n],
				date: fmt.Sprintf("%02d-Mar-20%02d 01:02:03 +0100", n+1, i+10)})
		}
	}
	return all
}

func flagSets() []string {
	return []string{"", `\Seen \Flagged $Forwarded`, `\Answered \Draft Work $Label1`}
}

// TestTransferBackup takes an account into a Maildir, restores it into another,
// and moves that into a third.
func TestTransferBackup(t *testing.T) {
	s := dovecot.Get(t)
	user := s.NewUser(t)
	letters := household()
	deliver(t, s, user, letters...)
	src, backup := imapOf(t, s, user, nil), maildirOf(t, t.TempDir(), nil)
	there := allMail(t, src)
	require.Len(t, there, 6)

	report := copyAll(t, src, backup, transfer.Options{})
	assert.Equal(t, len(letters), report.Stored)
	assert.Equal(t, there, allMail(t, backup))
	again := copyAll(t, src, backup, transfer.Options{})
	assert.Equal(t, report.Folders, again.Unchanged)
	assert.Zero(t, again.Listed+again.Stored)

	state := t.TempDir()
	ageAll(t, backup.Dir())
	restored := s.NewUser(t)
	dst := imapOf(t, s, restored, nil)
	o := transfer.Options{Journal: filepath.Join(state, "restore")}
	report = copyAll(t, backup, dst, o)
	assert.Equal(t, len(letters), report.Stored)
	assert.Equal(t, there, allMail(t, dst))
	again = copyAll(t, backup, dst, o)
	assert.Equal(t, report.Folders, again.Unchanged)
	assert.Zero(t, again.Listed+again.Stored)

	moved := s.NewUser(t)
	house := imapOf(t, s, moved, nil)
	o = transfer.Options{Journal: filepath.Join(state, "move"), Remove: removing}
	report = copyAll(t, dst, house, o)
	assert.Equal(t, len(letters), report.Stored)
	assert.Equal(t, len(letters), report.Deleted)
	assert.Equal(t, there, allMail(t, house))
	assert.Empty(t, allMail(t, dst))
	report = copyAll(t, dst, house, o)
	assert.Zero(t, report.Stored+report.Listed)
}

// ageAll makes directories look as if they had been left alone for long: until
// then their times are not trusted to tell changes.
func ageAll(t *testing.T, root string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Chtimes(path, old, old)
	}))
}

func TestTransferPOP3ToIMAP(t *testing.T) {
	s := dovecot.Get(t)
	from, to := s.NewUser(t), s.NewUser(t)
	deliver(t, s, from, append(corpus(mailbox.Inbox), notes("pi", 20)...)...)
	there := digestsIn(t, imapOf(t, s, from, nil), mailbox.Inbox)
	dst := imapOf(t, s, to, nil)
	o := transfer.Options{Journal: filepath.Join(t.TempDir(), "j"), Remove: removing}
	report := copyAll(t, popOf(t, s, from, nil), dst, o)
	assert.Equal(t, len(there), report.Deleted)
	assert.Equal(t, there, digestsIn(t, dst, mailbox.Inbox))
	assert.Zero(t, count(t, s, from, mailbox.Inbox))
}

// TestTransferRefusedFolder: a folder that Dovecot cannot have, since a dot
// separates levels in its Maildir++, does not keep the others from being copied.
func TestTransferRefusedFolder(t *testing.T) {
	s := dovecot.Get(t)
	src, user := maildirOf(t, t.TempDir(), nil), s.NewUser(t)
	for _, folder := range []string{"v1.0", "zoo"} {
		require.NoError(t, folders.Create(t.Context(), src, folder, nil))
		_, err := src.Append(t.Context(), folder, bytes.NewReader(note(folder, 1)), nil)
		require.NoError(t, err)
	}
	_, err := transfer.Run(t.Context(), src, imapOf(t, s, user, nil), &transfer.Options{Journal: filepath.Join(t.TempDir(), "journal")})
	require.ErrorContains(t, err, "v1.0")
	assert.Equal(t, 1, count(t, s, user, "zoo"))
}

// route is a way for messages to go, between accounts that are there already.
type route struct {
	name string
	src  func(t testing.TB, s *dovecot.Server, user string, d access.Dialer) mailbox.Mailbox
	dst  func(t testing.TB, s *dovecot.Server, user, dir string, d access.Dialer) mailbox.Mailbox
}

func routes() []route {
	pop := func(t testing.TB, s *dovecot.Server, user string, d access.Dialer) mailbox.Mailbox {
		return popOf(t, s, user, d)
	}
	imap := func(t testing.TB, s *dovecot.Server, user string, d access.Dialer) mailbox.Mailbox {
		return imapOf(t, s, user, d)
	}
	local := func(t testing.TB, _ *dovecot.Server, _, dir string, _ access.Dialer) mailbox.Mailbox {
		return maildirOf(t, dir, nil)
	}
	remote := func(t testing.TB, s *dovecot.Server, user, _ string, d access.Dialer) mailbox.Mailbox {
		return imapOf(t, s, user, d)
	}
	return []route{
		{"POP3 to Maildir", pop, local}, {"IMAP to Maildir", imap, local},
		{"POP3 to IMAP", pop, remote}, {"IMAP to IMAP", imap, remote},
	}
}

// TestTransferCut pulls the cable of the source or of the destination after more
// and more octets. What is gone from the source by then is in the destination,
// and the next run leaves each message there once.
func TestTransferCut(t *testing.T) {
	s := dovecot.Get(t)
	const cuts = 3
	for _, r := range routes() {
		for _, side := range []string{"source", "destination"} {
			if side == "destination" && !strings.HasSuffix(r.name, "IMAP") {
				continue
			}
			t.Run(r.name+"/"+side, func(t *testing.T) {
				whole := cutRun(t, s, r, side, 0)
				require.NoError(t, whole.err)
				stopped := 0
				for i := range cuts {
					during := whole.moved - whole.dialled
					if cutRun(t, s, r, side, whole.dialled+during*int64(2*i+1)/(2*cuts)).err != nil {
						stopped++
					}
				}
				assert.GreaterOrEqual(t, stopped, cuts-1, "runs that the cut has stopped")
			})
		}
	}
}

// cutResult is what became of a run, and how many octets went over the cable until
// Dial had returned and in all.
type cutResult struct {
	dialled, moved int64
	err            error
}

// cutRun runs twice, the first time with one side's cable pulled at an octet, 0
// for not at all.
func cutRun(t *testing.T, s *dovecot.Server, r route, side string, at int64) (res cutResult) {
	t.Helper()
	p := r.prepare(t, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	cable := &faulty{left: at, refused: func() { cancel(errCut) }} // nobody waits for the driver to give up
	dialers := map[string]access.Dialer{side: cable}
	dst := p.dst(dialers["destination"])
	src := p.src(dialers["source"])
	res.dialled = cable.count()
	_, res.err = transfer.Run(ctx, src, dst, &p.opts)
	res.moved = cable.count()
	_, _ = src.Close(), dst.Close()

	dst = p.dst(nil)
	there := append(digestsIn(t, p.watch, mailbox.Inbox), digestsIn(t, dst, mailbox.Inbox)...)
	slices.Sort(there)
	require.Equal(t, p.want, slices.Compact(there), "cut at octet %d: a message is lost", at)
	p.finish(t, dst)
	return res
}

// passage is a route between two new accounts, with mail in the first.
type passage struct {
	src, dst func(d access.Dialer) mailbox.Mailbox
	opts     transfer.Options
	want     []string        // digests
	watch    mailbox.Mailbox // the source, by a session of its own
}

func (r route) prepare(t *testing.T, s *dovecot.Server) *passage {
	t.Helper()
	const messages = 20
	from, to, dir := s.NewUser(t), s.NewUser(t), t.TempDir()
	letters := notes("move", messages)
	s.Append(t, from, mailbox.Inbox, raws(letters)...)
	p := &passage{
		src: func(d access.Dialer) mailbox.Mailbox { return r.src(t, s, from, d) },
		dst: func(d access.Dialer) mailbox.Mailbox { return r.dst(t, s, to, filepath.Join(dir, "Maildir"), d) },
		opts: transfer.Options{
			Remove: removing, Folders: []string{mailbox.Inbox}, Journal: filepath.Join(dir, "journal"),
		},
		watch: imapOf(t, s, from, nil),
	}
	for _, l := range letters {
		p.want = append(p.want, digest(l.raw))
	}
	slices.Sort(p.want)
	require.Equal(t, p.want, digestsIn(t, p.watch, mailbox.Inbox))
	return p
}

// finish is the run after one that was stopped.
func (p *passage) finish(t *testing.T, dst mailbox.Mailbox) {
	t.Helper()
	copyAll(t, p.src(nil), dst, p.opts)
	require.Equal(t, p.want, digestsIn(t, dst, mailbox.Inbox), "not each message once")
	require.Empty(t, digestsIn(t, p.watch, mailbox.Inbox))
}

// TestTransferCancelled ends the context in the loop.
func TestTransferCancelled(t *testing.T) {
	s := dovecot.Get(t)
	for _, r := range routes() {
		for _, kind := range []transfer.Kind{transfer.Read, transfer.Stored, transfer.Deleted} {
			t.Run(r.name+"/"+string(kind), func(t *testing.T) {
				p := r.prepare(t, s)
				dst := p.dst(nil)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				n := 0
				for e, err := range transfer.Events(ctx, p.src(nil), dst, &p.opts) {
					if err != nil {
						require.ErrorIs(t, err, context.Canceled)
						continue
					}
					if e.Kind != kind {
						continue
					}
					if n++; n == 3 {
						cancel()
					}
				}
				require.GreaterOrEqual(t, n, 3)
				p.finish(t, dst)
			})
		}
	}
}

// oddities are messages of which Dovecot stores other octets than it gets, or
// which are hard to find again, beside those of the corpus.
func oddities() [][]byte {
	var all [][]byte
	for _, sample := range mailtest.Corpus() {
		all = append(all, sample.Raw)
	}
	for _, odd := range []string{
		"Subject: bare LF\r\nMessage-ID: <odd.1@example.org>\r\n\r\none\ntwo\r\nthree\n",
		"Subject: bare LF, no Message-ID\r\n\r\none\ntwo\r\nthree\n",
		"Subject: Unix\nMessage-ID: <odd.2@example.org>\n\nline\nline\n",
		"Subject: Unix, no Message-ID\n\nline\nline\n",
		"Subject: bare CR\r\nMessage-ID: <odd.3@example.org>\r\n\r\none\rtwo\r\r\nthree\r\n",
		"Subject: bare CR, no Message-ID\r\n\r\none\rtwo\r\r\nthree\r\n",
		"Subject: NUL\r\nMessage-ID: <odd.4@example.org>\r\n\r\nan \x00 octet\r\n",
		"Subject: NUL, no Message-ID\r\n\r\nan \x00 octet\r\n",
		"Subject: no end\r\nMessage-ID: <odd.5@example.org>\r\n\r\nno line end",
		"Subject: no end, no Message-ID\r\n\r\nno line end",
		"Subject: ends\r\nMessage-ID: <odd.6@example.org>\r\n\r\nends\r\n\r\n\r\n\r\n",
		"Message-ID:\r\n <odd.7@example.org>\r\nSubject: folded\r\n\r\n.\r\n",
		"Subject: only a header\r\nMessage-ID: <odd.8@example.org>\r\n",
		"From bob@example.org Mon Jan  1 00:00:00 2024\r\nSubject: mbox\r\nMessage-ID: <odd.9@example.org>\r\n\r\n>From here\r\nFrom here\r\n",
		"Subject: 8 bit \xff\xfe\r\nMessage-ID: <od\xe9d.10@example.org>\r\n\r\n\xff\xfe\x80\r\n",
		"Subject: twice\r\nMessage-ID: <odd.11@example.org>\r\nMessage-ID: <odd.12@example.org>\r\n\r\ntwice\r\n",
		"\r\nno header\r\n",
		"x",
	} {
		all = append(all, []byte(odd))
	}
	return all
}

// TestTransferLostAnswer lets the answer to an APPEND get lost behind Dovecot,
// which has stored the message. The next run finds it there and sends nothing
// again.
func TestTransferLostAnswer(t *testing.T) {
	s := dovecot.Get(t)
	all := oddities()
	fill := func(t *testing.T) mailbox.Mailbox {
		src := maildirOf(t, t.TempDir(), nil)
		for _, raw := range all {
			_, err := src.Append(t.Context(), mailbox.Inbox, bytes.NewReader(raw), nil)
			require.NoError(t, err)
		}
		return src
	}
	// run loses the answers for which lost says so, by their numbers from 1.
	run := func(t *testing.T, src mailbox.Mailbox, user string, o transfer.Options, lost func(n int) bool) *transfer.Report {
		answers := 0
		thief := &faulty{swallow: func(p []byte) bool {
			if !bytes.Contains(p, []byte("[APPENDUID ")) {
				return false
			}
			answers++
			return lost(answers)
		}}
		report, err := transfer.Run(t.Context(), src, plainOf(t, s, user, thief), &o)
		require.NoError(t, err)
		require.Equal(t, len(all), answers)
		require.NotZero(t, report.Unknown)
		require.Equal(t, len(all), report.Unknown+report.Stored)
		require.Equal(t, len(all), count(t, s, user, mailbox.Inbox))
		return report
	}
	every := func(int) bool { return true }
	for name, lost := range map[string]func(n int) bool{
		"first": func(n int) bool { return n == 1 }, "every third": func(n int) bool { return n%3 == 0 }, "every": every,
	} {
		t.Run(name, func(t *testing.T) {
			src, user := fill(t), s.NewUser(t)
			o := transfer.Options{Folders: []string{mailbox.Inbox}, Journal: filepath.Join(t.TempDir(), "journal"), Remove: removing}
			unknown := run(t, src, user, o, lost).Unknown
			report := copyAll(t, src, imapOf(t, s, user, nil), o)
			assert.Zero(t, report.Stored)
			assert.Equal(t, unknown, report.Known)
			assert.Equal(t, len(all), count(t, s, user, mailbox.Inbox))
			assert.Empty(t, digestsIn(t, src, mailbox.Inbox))
		})
	}
	t.Run("control: without the journal", func(t *testing.T) {
		src, user := fill(t), s.NewUser(t)
		o := transfer.Options{Folders: []string{mailbox.Inbox}, Journal: filepath.Join(t.TempDir(), "journal")}
		run(t, src, user, o, every)
		o.Journal += "2"
		assert.Equal(t, len(all), copyAll(t, src, imapOf(t, s, user, nil), o).Stored)
		assert.Equal(t, 2*len(all), count(t, s, user, mailbox.Inbox))
	})
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// maildir is the URL of a Maildir that is not there yet.
func (f *fixture) maildir() string {
	return (&url.URL{Scheme: "maildir", Path: filepath.ToSlash(filepath.Join(f.t.TempDir(), "Mail dir"))}).String()
}

// note is a short message.
func note(n int) string {
	return fmt.Sprintf("Subject: note %d\r\nMessage-ID: <note%[1]d@example.com>\r\n\r\nNumber %[1]d.\r\n", n)
}

// deliver gives the user notes.
func (f *fixture) deliver(numbers ...int) {
	f.t.Helper()
	for _, n := range numbers {
		require.NoError(f.t, f.host.Deliver(user, mailbox.Inbox, []byte(note(n)), nil))
	}
}

// atServer is what the server has.
func (f *fixture) atServer() (all []string) {
	f.t.Helper()
	stored, err := f.host.Messages(user, mailbox.Inbox)
	require.NoError(f.t, err)
	for _, m := range stored {
		all = append(all, string(m.Raw))
	}
	return all
}

// contents is what an account has.
func (f *fixture) contents(account string) (all []string) {
	f.t.Helper()
	for _, id := range f.ids(account) {
		all = append(all, f.ok("raw", account, id))
	}
	return all
}

// pullJSON gives the events of a run, and its report.
func (f *fixture) pullJSON(args ...string) (events []eventJSON, report reportJSON) {
	f.t.Helper()
	lines := strings.Split(strings.TrimSuffix(f.ok(append([]string{"pull", "--json"}, args...)...), "\n"), "\n")
	for i, line := range lines {
		var what struct{ Kind string }
		require.NoError(f.t, json.Unmarshal([]byte(line), &what), line)
		assert.Equal(f.t, i == len(lines)-1, what.Kind == "report", "the report comes last")
		if what.Kind == "report" {
			require.NoError(f.t, json.Unmarshal([]byte(line), &report))
			break
		}
		var e eventJSON
		require.NoError(f.t, json.Unmarshal([]byte(line), &e))
		events = append(events, e)
	}
	return events, report
}

func TestPull(t *testing.T) {
	f := newFixture(t)
	for name, account := range map[string]string{"imap": f.imap, "pop": f.pop} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			dir := f.maildir()
			out := f.ok("pull", account, dir)
			assert.Equal(t, fmt.Sprintf("2 messages, %d B stored in INBOX\n", len(attached)+len(second)), out)
			assert.Equal(t, []string{attached, second}, f.contents(dir))
			assert.Equal(t, "nothing is new\n", f.ok("pull", account, dir))
			assert.Empty(t, f.ok("pull", account, dir, "--quiet"))
			assert.Len(t, f.ids(dir), 2)
		})
	}
	assert.Len(t, f.atServer(), 2, "everything stays at the server unless it is to be deleted")
}

func TestPullDeletes(t *testing.T) {
	f := newFixture(t)
	dir := f.maildir()
	assert.NotContains(t, f.ok("pull", f.pop, dir, "--keep", "1"), "deleted", "tomorrow")
	assert.Len(t, f.atServer(), 2)
	assert.Equal(t, "nothing is new; 1 deleted at the source\n", f.ok("pull", f.pop, dir, "--delete-above", "300"))
	assert.Equal(t, []string{second}, f.atServer())
	f.deliver(1)
	assert.Contains(t, f.ok("pull", f.pop, dir, "--delete"), "; 2 deleted at the source\n")
	assert.Empty(t, f.atServer())
	assert.Equal(t, []string{attached, second, note(1)}, f.contents(dir))
}

func TestPullLimits(t *testing.T) {
	f := newFixture(t)
	f.deliver(1, 2, 3)
	dir := f.maildir()
	out := f.ok("pull", f.imap, dir, "--limit", "2", "--max-size", "400", "--newest-first")
	assert.Contains(t, out, "1 left (larger than 400 octets); 2 left (the limit of this run is reached)")
	assert.ElementsMatch(t, []string{note(2), note(3)}, f.contents(dir))
	f.ok("pull", f.imap, dir, "--limit-size", "1")
	assert.Len(t, f.ids(dir), 3, "one message is fetched whatever its size")
	f.ok("pull", f.imap, dir)
	assert.ElementsMatch(t, f.atServer(), f.contents(dir))
}

func TestPullFolders(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"Work/a,b", "Other"} {
		require.NoError(t, f.host.CreateFolder(user, name, ""))
		require.NoError(t, f.host.Deliver(user, name, []byte(note(1)), nil))
	}
	dir := f.maildir()
	assert.Contains(t, f.ok("pull", f.imap, dir, "--folder", "Work/a,b", "--folder", "INBOX"), "3 messages, ")
	folders := f.ok("folders", dir)
	assert.Contains(t, folders, "Work/a,b")
	assert.NotContains(t, folders, "Other")
	assert.Contains(t, f.ok("pull", f.imap, dir), "1 message, ")

	status, _, stderr := f.run("pull", f.imap, dir, "--folder", "Wrok")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, `"Wrok"`)
}

func TestPullJSON(t *testing.T) {
	f := newFixture(t)
	dir := f.maildir()
	events, report := f.pullJSON(f.pop, dir, "--delete", "--max-size", "400")
	kinds := map[string][]eventJSON{}
	for _, e := range events {
		kinds[string(e.Kind)] = append(kinds[string(e.Kind)], e)
	}
	require.Len(t, kinds["stored"], 1)
	require.Len(t, kinds["skipped"], 1)
	require.Len(t, kinds["deleted"], 1)
	stored := kinds["stored"][0]
	assert.Equal(t, mailbox.Inbox, stored.Folder)
	assert.Equal(t, mailbox.Inbox, stored.Target)
	assert.Equal(t, int64(len(second)), stored.Size)
	assert.Equal(t, f.ids(dir), []string{stored.To.String()})
	assert.Contains(t, kinds["skipped"][0].Reason, "400")
	assert.Equal(t, stored.ID, kinds["deleted"][0].ID)
	assert.Positive(t, report.Seconds)
	report.Seconds = 0
	assert.Equal(t, reportJSON{Kind: "report", Folders: 1, Listed: 2, Stored: 1, Bytes: int64(len(second)), Skipped: 1, Deleted: 1, Dead: []letterJSON{}}, report)
}

// tree names all files below a directory, and what they hold.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			all[name] = ""
			return err
		}
		data, err := os.ReadFile(name)
		all[name] = string(data)
		return err
	}))
	return all
}

func TestPullDryRun(t *testing.T) {
	f := newFixture(t)
	scratch, parent := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", scratch)
	dir := "maildir://" + filepath.ToSlash(filepath.Join(parent, "Mail"))
	out := f.ok("pull", f.pop, dir, "--dry-run", "--delete", "--max-size", "400")
	assert.Regexp(t, `(?m)^leave +\S+ +478 B +in INBOX +it is larger than 400 octets$`, out)
	assert.Regexp(t, `(?m)^store +\S+ +57 B +in INBOX +it is new$`, out)
	assert.Regexp(t, `(?m)^delete +\S+ +57 B +in INBOX +it is stored$`, out)
	assert.Contains(t, out, "would be stored in INBOX; 1 would be deleted at the source; 1 left (larger than 400 octets); nothing was changed\n")
	assert.Len(t, f.atServer(), 2)
	assert.Equal(t, map[string]string{parent: ""}, tree(t, parent), "there is still no Maildir")

	f.ok("pull", f.pop, dir)
	before := tree(t, parent)
	assert.Contains(t, f.ok("pull", f.pop, dir, "--dry-run", "--delete"), "2 would be deleted")
	assert.Equal(t, before, tree(t, parent))
	assert.Len(t, f.atServer(), 2)

	f.ok("pull", dir, f.imap, "--dry-run")
	assert.Empty(t, must(os.ReadDir(f.config)), "nor a directory for journals")
	assert.Empty(t, must(os.ReadDir(scratch)))
	assert.Len(t, f.atServer(), 2)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestPullRestore takes a Maildir to another account.
func TestPullRestore(t *testing.T) {
	f := newFixture(t)
	dir := f.maildir()
	f.ok("pull", f.pop, dir, "--delete")
	require.Empty(t, f.atServer())
	assert.Contains(t, f.ok("pull", dir, f.imap), "2 messages, ")
	assert.ElementsMatch(t, []string{attached, second}, f.atServer())
	assert.Contains(t, f.ok("pull", dir, f.imap), "nothing is new")
	assert.Len(t, f.atServer(), 2)

	journals := must(filepath.Glob(filepath.Join(f.config, "postroom", "*.journal")))
	require.Len(t, journals, 1)
	assert.Equal(t, fs.FileMode(0o600), must(os.Stat(journals[0])).Mode().Perm())
	assert.Equal(t, fs.FileMode(0o700), must(os.Stat(filepath.Join(f.config, "postroom"))).Mode().Perm())

	own := filepath.Join(t.TempDir(), "journal")
	f.host.AddUser("bob", secret)
	bob := (&url.URL{Scheme: "imap", Host: f.host.IMAP, User: url.User("bob")}).String()
	f.ok("pull", dir, bob, "--journal", own)
	assert.FileExists(t, own)
	assert.Equal(t, journals, must(filepath.Glob(filepath.Join(f.config, "postroom", "*.journal"))))
	moved, err := f.host.Messages("bob", mailbox.Inbox)
	require.NoError(t, err)
	assert.Len(t, moved, 2)
}

// TestPullPasswords: each account gets its own, whatever it comes from.
func TestPullPasswords(t *testing.T) {
	f := newFixture(t)
	const other = "another-5ecret"
	f.host.AddUser("bob", other)
	bob := (&url.URL{Scheme: "imaps", Host: f.host.IMAPS, User: url.User("bob")}).String()
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte(other+"\n"), 0o600))
	for name, give := range map[string]func(*app) []string{
		"environment": func(a *app) []string {
			a.getenv = func(name string) string {
				return map[string]string{"POSTROOM_PASSWORD": secret, "POSTROOM_DST_PASSWORD": other}[name]
			}
			return nil
		},
		"file": func(*app) []string { return []string{"--dst-password-file", file} },
		"standard input": func(a *app) []string {
			a.getenv = func(string) string { return "" }
			r, w, err := os.Pipe()
			require.NoError(t, err)
			_, err = w.WriteString(secret + "\n" + other + "\n")
			require.NoError(t, err)
			require.NoError(t, w.Close())
			t.Cleanup(func() { _ = r.Close() })
			a.in = r
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out, err bytes.Buffer
			a := f.app(&out, &err)
			more := append(give(a), "--journal", filepath.Join(t.TempDir(), "journal"))
			assert.Zero(t, a.run(t.Context(), append([]string{"pull", "--ca", f.ca, f.pop, bob}, more...)), err.String())
			assert.NotContains(t, out.String()+err.String(), other)
		})
	}
	status, _, stderr := f.run("pull", f.pop, bob)
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "destination: ")
	assert.Contains(t, stderr, mailbox.ErrAuth.Error())
}

// TestPullResumes loses the connection in the middle of the third message.
func TestPullResumes(t *testing.T) {
	f := newFixture(t)
	f.deliver(1, 2, 3)
	dir := f.maildir()
	f.host.Inject(mailtest.Fault{Kind: mailtest.FaultCut, Protocol: "pop3", Command: "RETR", Skip: 2, N: 30})
	status, _, stderr := f.run("pull", f.pop, dir, "--delete")
	assert.Equal(t, 1, status, "not all of it came")
	assert.Contains(t, stderr, "failed")
	f.host.ClearFaults()
	first := len(f.ids(dir))
	require.Positive(t, first)
	require.Less(t, first, 5)

	assert.Contains(t, f.ok("pull", f.pop, dir, "--delete"), messages(5-first)+", ")
	assert.ElementsMatch(t, []string{attached, second, note(1), note(2), note(3)}, f.contents(dir))
	assert.Empty(t, f.atServer())
}

// cancelling ends a context when something was written to it.
type cancelling struct {
	bytes.Buffer
	at     string
	cancel func()
}

func (c *cancelling) Write(p []byte) (int, error) {
	n, err := c.Buffer.Write(p)
	if bytes.Contains(p, []byte(c.at)) {
		c.cancel()
	}
	return n, err
}

// TestPullStops is Ctrl-C between two folders, the moment that the first message
// is stored: what was read whole is in the Maildir, and the next run brings the
// rest.
func TestPullStops(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, f.host.CreateFolder(user, "Work", ""))
	for n := range 3 {
		require.NoError(t, f.host.Deliver(user, "Work", []byte(note(n)), nil))
	}
	dir := f.maildir()
	ctx, cancel := context.WithCancel(t.Context())
	out := &cancelling{at: `"kind":"stored"`, cancel: cancel}
	var stderr bytes.Buffer
	assert.Equal(t, 1, f.app(out, &stderr).run(ctx, []string{"--ca", f.ca, "pull", f.imap, dir, "--json"}))
	assert.Contains(t, stderr.String(), "the next run goes on from here")
	assert.Contains(t, out.String(), `"kind":"report","folders":2,"unchanged":0,"listed":0,"present":0,"stored":2,`)
	assert.Equal(t, []string{attached, second}, f.contents(dir))

	assert.Contains(t, f.ok("pull", f.imap, dir), "3 messages, ")
	assert.Len(t, f.ids(dir, "--folder", "Work"), 3)
	assert.Len(t, f.ids(dir), 2)
}

// TestReporterStops: who is told to wait is told so, and nothing is written once
// the run is over.
func TestReporterStops(t *testing.T) {
	var out, stderr bytes.Buffer
	r := newReporter(&app{out: &out, err: &stderr}, &pullFlags{})
	r.stopping()
	assert.Contains(t, stderr.String(), "stopping")
	r.close()
	stderr.Reset()
	r.stopping()
	assert.Empty(t, stderr.String())
}

// TestPullDead: what the destination refuses is told, and is no failure.
func TestPullDead(t *testing.T) {
	f := newFixture(t)
	f.host = mailtest.New(t, &mailtest.Options{AppendLimit: 300})
	f.host.AddUser(user, secret)
	small := (&url.URL{Scheme: "imaps", Host: f.host.IMAPS, User: url.User(user)}).String()
	status, out, stderr := f.run("pull", f.pop, small)
	assert.Equal(t, 0, status, stderr)
	assert.Contains(t, out, "1 message, 57 B stored in INBOX; 1 dead letter\n")
	assert.Contains(t, stderr, ": dead letter: ")
	_, report := f.pullJSON(f.pop, small, "--retry-dead")
	require.Len(t, report.Dead, 1)
	assert.NotEmpty(t, report.Dead[0].Reason)
	assert.Contains(t, f.ok("pull", f.pop, small), "nothing is new", "it is not tried again by itself")
}

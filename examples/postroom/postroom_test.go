package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const (
	user   = "alice@example.com"
	secret = "canary-5ecret"
)

const attached = "From: Bob <bob@example.com>\r\nTo: alice@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"Date: Mon, 2 Jan 2006 15:04:05 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nsch=F6n\r\n" +
	"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"../re port.pdf\"\r\n" +
	"Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--b--\r\n"

const second = "From: carol@example.com\r\nSubject: second \x1b[31m\r\n\r\nhello\r\n"

// fixture is a host with two messages, and how the program is called on it.
type fixture struct {
	t         *testing.T
	host      *mailtest.Host
	ca        string
	imap, pop string
	config    string // the user's directory for configuration
	wait      func(context.Context, time.Duration) error
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, host: mailtest.New(t, nil), config: t.TempDir()}
	f.host.AddUser(user, secret)
	for _, raw := range []string{attached, second} {
		require.NoError(t, f.host.Deliver(user, mailbox.Inbox, []byte(raw), nil))
	}
	var err error
	f.ca, err = f.host.CAFile(t.TempDir())
	require.NoError(t, err)
	f.imap = (&url.URL{Scheme: "imaps", Host: f.host.IMAPS, User: url.User(user)}).String()
	f.pop = (&url.URL{Scheme: "pops", Host: f.host.POP3S, User: url.User(user)}).String()
	return f
}

// app is the program with both outputs.
func (f *fixture) app(out, err io.Writer) *app {
	secrets := map[string]string{"POSTROOM_PASSWORD": secret, "POSTROOM_DST_PASSWORD": secret}
	return &app{
		out: out, err: err, wait: f.wait,
		getenv:    func(name string) string { return secrets[name] },
		configDir: func() (string, error) { return f.config, nil },
	}
}

// run calls the program and gives its exit status and both outputs. The
// password must never be in them.
func (f *fixture) run(args ...string) (status int, stdout, stderr string) {
	f.t.Helper()
	return f.runUntil(f.t.Context(), args...)
}

// runUntil is run that a context ends.
func (f *fixture) runUntil(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	f.t.Helper()
	var out, err bytes.Buffer
	status = f.app(&out, &err).run(ctx, append([]string{"--ca", f.ca}, args...))
	assert.NotContains(f.t, out.String()+err.String(), secret)
	return status, out.String(), err.String()
}

// ok is run where nothing may go wrong.
func (f *fixture) ok(args ...string) string {
	f.t.Helper()
	status, out, err := f.run(args...)
	require.Equal(f.t, 0, status, err)
	return out
}

// ids are the IDs that "list --json" tells.
func (f *fixture) ids(account string, more ...string) []string {
	f.t.Helper()
	var all []string
	for line := range strings.Lines(f.ok(append([]string{"list", account, "--json"}, more...)...)) {
		var s summaryJSON
		require.NoError(f.t, json.Unmarshal([]byte(line), &s))
		all = append(all, s.ID.String())
	}
	return all
}

func TestReadingCommands(t *testing.T) {
	f := newFixture(t)
	dir := f.maildir()
	f.ok("pull", f.imap, dir)
	for name, account := range map[string]string{"imap": f.imap, "pop": f.pop, "maildir": dir} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			ids := f.ids(account)
			require.Len(t, ids, 2)
			assert.Len(t, f.ids(account, "--newest", "1"), 1)
			assert.Equal(t, "count=2\n", f.ok("list", account, "--count"))

			table := f.ok("list", account)
			assert.Contains(t, table, "Grüße")
			assert.Contains(t, table, ids[1])
			assert.NotContains(t, table, "\x1b", "nothing may change the terminal")

			assert.Equal(t, attached, f.ok("raw", account, ids[0]))
			header, _, _ := strings.Cut(second, "\r\n\r\n")
			assert.Equal(t, header+"\r\n\r\n", f.ok("raw", account, ids[1], "--header"))
			assert.Equal(t, fmt.Sprintf("count=2 bytes=%d\n", len(attached)+len(second)), f.ok("raw", account, "--count"))

			shown := f.ok("show", account, ids[0])
			assert.Contains(t, shown, "schön")
			assert.Contains(t, shown, "[part 2: ")

			assert.Contains(t, f.ok("parts", account, ids[0]), "application/pdf")
			assert.Equal(t, "%PDF", f.ok("save", account, ids[0], "2", "-o", "-"))
			assert.Equal(t, "count=1 bytes=4\n", f.ok("save", account, ids[0], "2", "--count"))
			uid := strings.Split(ids[0], ":")[2]
			assert.Equal(t, "count=1 bytes=5\n", f.ok("save", account, "--uid", uid, "--text", "--count"))

			status, _, stderr := f.run("save", account, ids[0], "9", "-o", "-")
			assert.Equal(t, 1, status)
			assert.Contains(t, stderr, "not found")
		})
	}
}

func TestListJSON(t *testing.T) {
	f := newFixture(t)
	line, _, _ := strings.Cut(f.ok("list", f.imap, "--json"), "\n")
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &got))
	for _, key := range []string{"id", "uid_text", "subject", "from", "to", "date", "size", "flags", "attachments"} {
		assert.Contains(t, got, key)
	}
	assert.Equal(t, "Grüße", got["subject"])
	assert.Equal(t, []any{"Bob <bob@example.com>"}, got["from"])
	assert.Equal(t, "../re port.pdf", got["attachments"].([]any)[0].(map[string]any)["filename"])
}

func TestCapsAndFolders(t *testing.T) {
	f := newFixture(t)
	var caps mailbox.Caps
	require.NoError(t, json.Unmarshal([]byte(f.ok("caps", f.imap, "--json")), &caps))
	assert.True(t, caps.Folders && caps.Parts)
	assert.Contains(t, f.ok("caps", f.pop), "stable ids")
	require.NoError(t, f.host.CreateFolder(user, "Gesendet", mailbox.RoleSent))
	folders := f.ok("folders", f.imap, "--status")
	assert.Contains(t, folders, "Gesendet")
	assert.Contains(t, folders, "2 messages, 2 unseen")
	assert.Contains(t, f.ok("folders", f.pop, "--json"), `"INBOX"`)
}

func TestSaveMakesFile(t *testing.T) {
	f := newFixture(t)
	t.Chdir(t.TempDir())
	id := f.ids(f.imap)[0]
	f.ok("save", f.imap, id, "2")
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Len(t, files, 1)
	st, err := files[0].Info()
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	data, err := os.ReadFile(files[0].Name())
	require.NoError(t, err)
	assert.Equal(t, "%PDF", string(data))

	status, _, stderr := f.run("save", f.imap, id, "2")
	assert.Equal(t, 1, status, "a file that is there stays")
	assert.Contains(t, stderr, "exist")
}

func TestChangingCommands(t *testing.T) {
	f := newFixture(t)
	ids := f.ids(f.imap)
	f.ok("flag", f.imap, ids[0], "--add", "seen,$Forwarded")
	f.ok("flag", f.imap, ids[0], "--remove", "seen")
	assert.Contains(t, f.ok("list", f.imap, "--json"), `"$Forwarded"`)
	f.ok("flag", f.imap, ids[0], "--set", "")
	assert.NotContains(t, f.ok("list", f.imap, "--json"), `"$Forwarded"`)

	name := filepath.Join(t.TempDir(), "new.eml")
	require.NoError(t, os.WriteFile(name, []byte(second), 0o600))
	out := f.ok("append", f.imap, name, "--flag", "seen", "--received", "2020-02-02T02:02:02Z")
	require.Len(t, f.ids(f.imap), 3)
	assert.Contains(t, out, f.ids(f.imap)[2])
	stored, err := f.host.Messages(user, mailbox.Inbox)
	require.NoError(t, err)
	assert.Equal(t, second, string(stored[2].Raw))
	assert.Equal(t, []mailbox.Flag{mailbox.FlagSeen}, stored[2].Flags)
	assert.Equal(t, int64(1580608922), stored[2].Received.Unix())

	f.ok("delete", f.imap, ids[0])
	f.ok("delete", f.pop, f.ids(f.pop)[0])
	assert.Len(t, f.ids(f.imap), 1)

	status, _, stderr := f.run("flag", f.pop, f.ids(f.pop)[0], "--add", "seen")
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr, "unsupported")
}

func TestChangingMaildir(t *testing.T) {
	f := newFixture(t)
	dir := f.maildir()
	status, _, stderr := f.run("append", dir, "new.eml")
	assert.Equal(t, 1, status, "only pull makes a Maildir")
	assert.Contains(t, stderr, "not found")
	f.ok("pull", f.imap, dir)
	ids := f.ids(dir)
	f.ok("flag", dir, ids[0], "--add", "seen,$Forwarded")
	assert.Equal(t, ids, f.ids(dir), "flags change no ID")
	assert.Contains(t, f.ok("list", dir, "--json"), `"$Forwarded"`)
	assert.Contains(t, f.ok("folders", dir, "--status"), "2 messages, 1 unseen")
	assert.Contains(t, f.ok("caps", dir), "maildir")

	name := filepath.Join(t.TempDir(), "new.eml")
	require.NoError(t, os.WriteFile(name, []byte(second), 0o600))
	f.ok("append", dir, name, "--flag", "seen", "--received", "2020-02-02T02:02:02Z")
	require.Len(t, f.ids(dir), 3)
	var appended summaryJSON
	require.NoError(t, json.Unmarshal([]byte(f.ok("list", dir, "--json", "--newest", "1")), &appended))
	require.NotNil(t, appended.Received)
	assert.Equal(t, int64(1580608922), appended.Received.Unix())
	f.ok("delete", dir, ids[0])
	assert.NotContains(t, f.ids(dir), ids[0])
	assert.Len(t, f.ids(dir), 2)
}

func TestUsage(t *testing.T) {
	f := newFixture(t)
	for name, args := range map[string][]string{
		"no command's name":   {"lsit", f.imap},
		"no account":          {"list"},
		"no URL":              {"list", "alice"},
		"unknown scheme":      {"list", "http://a@b"},
		"no user":             {"list", "imaps://127.0.0.1"},
		"a password":          {"list", "imaps://alice:pw@127.0.0.1"},
		"a flag":              {"list", f.imap, "--nwest", "3"},
		"plaintext and imaps": {"list", f.imap, "--plaintext"},
		"not an ID":           {"raw", f.imap, "17"},
		"an empty ID":         {"delete", f.imap, ""},
		"no part":             {"save", f.imap, "INBOX:1:1"},
		"add and set":         {"flag", f.imap, "INBOX:1:1", "--add", "x", "--set", "y"},
		"a Maildir's host":    {"list", "maildir://alice/Mail"},
		"one account to pull": {"pull", f.imap},
		"delete and keep":     {"pull", f.imap, "maildir:x", "--delete", "--keep", "3"},
		"keep whom":           {"pull", f.imap, "maildir:x", "--keep", "-1"},
		"no size":             {"pull", f.imap, "maildir:x", "--max-size", "huge"},
		"a limit below zero":  {"pull", f.imap, "maildir:x", "--limit", "-1"},
		"too often":           {"pull", f.imap, "maildir:x", "--every", "1ms"},
		"a dry run for ever":  {"pull", f.imap, "maildir:x", "--every", "1m", "--dry-run"},
		"no second URL":       {"pull", f.imap, "Mail"},
		"into itself":         {"pull", f.imap, f.imap},
	} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			status, out, stderr := f.run(args...)
			assert.Equal(t, 2, status)
			assert.Empty(t, out)
			assert.True(t, strings.HasPrefix(stderr, "postroom: "), stderr)
			assert.NotContains(t, stderr, "pw")
		})
	}
	assert.Contains(t, f.ok("--help"), "imaps://alice@imap.example.com")
}

func TestFailures(t *testing.T) {
	f := newFixture(t)
	f.host.AddUser(user, "another")
	for _, account := range []string{f.imap, f.pop} {
		status, out, stderr := f.run("list", account)
		assert.Equal(t, 1, status)
		assert.Empty(t, out)
		assert.Contains(t, stderr, mailbox.ErrAuth.Error())
	}
}

func TestTrace(t *testing.T) {
	f := newFixture(t)
	for _, account := range []string{f.imap, f.pop} {
		status, _, stderr := f.run("list", account, "--trace")
		assert.Equal(t, 0, status)
		assert.Contains(t, stderr, "***")
		assert.Contains(t, stderr, "1 > ")
		assert.Contains(t, stderr, "1 < ")
	}
}

func TestPasswordFile(t *testing.T) {
	f := newFixture(t)
	name := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(name, []byte(secret+"\r\nnot this\n"), 0o600))
	var out, err bytes.Buffer
	a := &app{out: &out, err: &err, getenv: func(string) string { return "" }}
	assert.Equal(t, 0, a.run(t.Context(), []string{"--ca", f.ca, "--password-file", name, "list", f.imap, "--count"}), err.String())
	err.Reset()
	a = &app{out: &out, err: &err, getenv: func(string) string { return "" }}
	assert.Equal(t, 1, a.run(t.Context(), []string{"--ca", f.ca, "list", f.imap}))
	assert.Contains(t, err.String(), "POSTROOM_PASSWORD")
}

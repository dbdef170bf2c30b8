package main

import (
	"encoding/json"
	"fmt"
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

// smtp is the fixture's URL for sending.
func (f *fixture) smtp() string {
	return (&url.URL{Scheme: "smtps", Host: f.host.SMTPS, User: url.User(user)}).String()
}

// file writes a file and gives its name.
func (f *fixture) file(name, content string) string {
	path := filepath.Join(f.t.TempDir(), name)
	require.NoError(f.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// inbox is what a user has got, oldest first.
func (f *fixture) inbox(user string) (all []string) {
	stored, err := f.host.Messages(user, mailbox.Inbox)
	require.NoError(f.t, err)
	for _, m := range stored {
		all = append(all, string(m.Raw))
	}
	return all
}

func TestSendMessage(t *testing.T) {
	f := newFixture(t)
	f.host.AddUser("bob@example.com", secret)
	f.host.AddUser("carol@example.com", secret)
	out := f.ok("send", f.smtp(), "--from", "Alice <"+user+">", "--to", "Bob <bob@example.com>", "--bcc", "carol@example.com",
		"--subject", "Zahlen für März", "--text", "Here.", "--attach", f.file("übersicht.csv", "a,b\n"), "--copy", f.imap)
	assert.Regexp(t, `(?m)^bob@example\.com +accepted +queued as \S+$`, out)
	assert.Regexp(t, `(?m)^carol@example\.com +accepted`, out)
	assert.Regexp(t, `(?m)^copy +filed +Sent$`, out)

	for _, who := range []string{"bob@example.com", "carol@example.com"} {
		got := f.inbox(who)
		require.Len(t, got, 1)
		assert.Contains(t, got[0], "To: Bob <bob@example.com>\r\n")
		assert.NotContains(t, got[0], "carol", "Bcc is nobody's business")
	}
	kept, err := f.host.Messages(user, "Sent")
	require.NoError(t, err)
	require.Len(t, kept, 1)
	assert.Contains(t, string(kept[0].Raw), "carol@example.com", "one's own copy says whom it went to")
	parts := f.ok("parts", f.imap, f.ids(f.imap, "--folder", "Sent")[0])
	assert.Contains(t, parts, "übersicht.csv")
}

func TestSendRefused(t *testing.T) {
	f := newFixture(t)
	f.host.AddUser("bob@example.com", secret)
	send := []string{"send", f.smtp(), "--from", user, "--to", "bob@example.com,nobody@example.com", "--text", "x"}
	status, out, errOut := f.run(send...)
	assert.Equal(t, 1, status)
	assert.Regexp(t, `(?m)^bob@example\.com +not sent`, out)
	assert.Regexp(t, `(?m)^nobody@example\.com +rejected +550 5\.1\.1`, out)
	assert.Contains(t, errOut, "nobody@example.com")
	assert.Empty(t, f.inbox("bob@example.com"))

	assert.Contains(t, errOut, "Nobody got it: --partial")
	assert.NotContains(t, out, "I'll make sure", "that he was welcome is no news to who got nothing")

	status, out, errOut = f.run(append(send, "--partial", "--json")...)
	assert.Equal(t, 1, status, "somebody has not got it")
	assert.Contains(t, errOut, "refused some of the recipients: 1 of 2")
	assert.NotContains(t, errOut, "Nobody")
	var j sentJSON
	require.NoError(t, json.Unmarshal([]byte(out), &j))
	assert.Equal(t, "accepted", j.Outcome)
	assert.NotEmpty(t, j.QueueID)
	require.Len(t, j.Recipients, 2)
	assert.Equal(t, []string{"accepted", "rejected"}, []string{j.Recipients[0].Outcome, j.Recipients[1].Outcome})
	assert.Len(t, f.inbox("bob@example.com"), 1)
}

// TestSendRaw sends files over one connection, as they are but for Bcc.
func TestSendRaw(t *testing.T) {
	f := newFixture(t)
	f.host.AddUser("bob@example.com", secret)
	args := []string{"send", f.smtp(), "--json", "--raw"}
	for i := range 20 {
		args = append(args, f.file(fmt.Sprintf("%d.eml", i), fmt.Sprintf(
			"From: %s\nTo: Bob <bob@example.com>, bob@example.com\nBcc: %s\nSubject: n%d\nMessage-ID: <%d@example.com>\n\n.text\n", user, user, i, i)))
	}
	missing := filepath.Join(t.TempDir(), "missing.eml")
	nobody := f.file("nobody.eml", "From: alice@example.com\n\nto nobody\n")
	status, out, errOut := f.run(append(args, missing, nobody, "--copy", f.imap)...)
	assert.Equal(t, 1, status)
	assert.Contains(t, errOut, "missing.eml")
	assert.Contains(t, errOut, "give --to")
	assert.Contains(t, errOut, "2 of 22")
	n := 0
	for line := range strings.Lines(out) {
		var j sentJSON
		require.NoError(t, json.Unmarshal([]byte(line), &j))
		if n >= 20 {
			assert.Equal(t, []string{missing, nobody}[n-20], j.File)
			assert.Equal(t, "not sent", j.Outcome)
			assert.NotEmpty(t, j.Error)
			n++
			continue
		}
		assert.Equal(t, args[4+n], j.File, "in order")
		assert.Equal(t, "accepted", j.Outcome)
		assert.Equal(t, "filed", j.Copy)
		require.Len(t, j.Recipients, 2, "each once, Bcc among them")
		n++
	}
	assert.Equal(t, 22, n, "each file is told of")
	got := f.inbox("bob@example.com")
	require.Len(t, got, 20)
	for i, raw := range got {
		assert.Contains(t, raw, fmt.Sprintf("Subject: n%d\r\n", i))
		assert.True(t, strings.HasSuffix(raw, "\r\n\r\n.text\r\n"))
		assert.NotContains(t, raw, "Bcc")
	}
	// One connection for all of them: one login.
	assert.Len(t, f.ids(f.imap, "--folder", "Sent"), 20)
}

func TestSendRepeat(t *testing.T) {
	f := newFixture(t)
	f.host.AddUser("bob@example.com", secret)
	out := f.ok("send", f.smtp(), "--from", user, "--to", "bob@example.com", "--repeat", "5", "--raw", f.file("x.eml", second))
	assert.Equal(t, 5, strings.Count(out, "accepted"))
	assert.Len(t, f.inbox("bob@example.com"), 5)

	// Each has its copy, while the file is read for the next.
	f.ok("send", f.smtp(), "--to", "bob@example.com", "--repeat", "20", "--copy", f.imap, "--raw", f.file("x.eml", "From: "+user+"\n\nx\n"))
	assert.Len(t, f.inbox("bob@example.com"), 25)
}

func TestSendUnknown(t *testing.T) {
	f := newFixture(t)
	f.host.Inject(mailtest.Fault{Kind: mailtest.FaultCut, Protocol: "smtp", Command: "DATA", N: 1 << 20, Times: 1})
	status, out, errOut := f.run("send", f.smtp(), "--from", user, "--to", user, "--text", "x", "--json")
	assert.Equal(t, 1, status)
	assert.Contains(t, out, `"outcome":"unknown"`)
	assert.Contains(t, errOut, "unknown outcome")
	var j sentJSON
	require.NoError(t, json.Unmarshal([]byte(out), &j))
	assert.Contains(t, errOut, "look for the message <"+j.MessageID+"> where it should have arrived")

	f.host.Inject(mailtest.Fault{Kind: mailtest.FaultCut, Protocol: "smtp", Command: "DATA", N: 1 << 20, Times: 1})
	status, out, errOut = f.run("send", f.smtp(), "--raw", f.file("x.eml", "Message-ID: <1@example.com>\n"+letter))
	assert.Equal(t, 1, status)
	assert.Regexp(t, `x\.eml +alice@example\.com +unknown *\n`, out, "what was said to him before is no answer")
	assert.Contains(t, errOut, "x.eml: It may have been sent: look for the message <1@example.com> where")
}

func TestSendUsage(t *testing.T) {
	f := newFixture(t)
	for _, args := range [][]string{
		{}, {f.smtp()}, {f.smtp(), "--from", user}, {f.smtp(), "--to", user}, {f.smtp(), "--raw"}, {f.smtp(), "--raw", "--repeat", "2", "-"},
		{f.smtp(), "a.eml"}, {f.smtp(), "--raw", "--subject", "x", "a.eml"},
		{f.smtp(), "--raw", "--bcc", user, "a.eml"}, {f.smtp(), "--raw", "--cc", user, "--to", user, "a.eml"},
		{f.smtp(), "--from", user, "--to", user, "--notify", "sometimes"}, {f.smtp(), "--from", user, "--to", user, "--notify", "never,delay"},
		{f.smtp(), "--from", user, "--to", user, "--hello", "my host"}, {f.smtp(), "--from", user + "," + user, "--to", user},
		{f.smtp(), "--from", "not an address", "--to", user}, {f.smtp(), "--from", user, "--to", "a b@c"},
		{f.smtp(), "--from", user, "--to", user, "--subject", "a\nb"},
		{f.imap, "--from", user, "--to", user}, {"smtps://", "--from", user, "--to", user},
		{"smtps://a:b@example.com", "--from", user, "--to", user},
	} {
		status, _, errOut := f.run(append([]string{"send"}, args...)...)
		assert.Equal(t, 2, status, "%q: %s", args, errOut)
	}
}

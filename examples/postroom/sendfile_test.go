package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const letter = "From: alice@example.com\nTo: alice@example.com\nSubject: note\n\ntext\n"

// TestSendOddFiles: what people name that is not one message.
func TestSendOddFiles(t *testing.T) {
	f := newFixture(t)
	const line = "From alice@example.com Thu Nov 26 09:00:00 2026\n"
	dir := t.TempDir()
	for name, tt := range map[string]struct{ content, want string }{
		"empty.eml":  {"", "it is empty"},
		"line.eml":   {line, "it is empty"},
		"begin.eml":  {"From alice", "it is empty"},
		"two.mbox":   {line + letter + "\n" + line + letter, "split it into files of one message each"},
		"crlf.mbox":  {strings.ReplaceAll(line+letter+"\n"+line+letter, "\n", "\r\n"), "split it"},
		"large.mbox": {line + letter + strings.Repeat("0123456789abcd\n", 20_000) + "\n" + line + letter, "split it"},
	} {
		for _, more := range [][]string{nil, {"--from", user, "--to", user}, {"--from", user, "--to", user, "--repeat", "2"}} {
			status, out, errOut := f.run(append([]string{"send", f.smtp(), "--raw", f.file(name, tt.content)}, more...)...)
			assert.Equal(t, 1, status, name)
			assert.Contains(t, errOut, name+": ")
			assert.Contains(t, errOut, tt.want, name)
			assert.NotContains(t, out, "accepted")
		}
	}
	for _, args := range [][]string{{"--raw", dir}, {"--raw", dir, "--from", user, "--to", user}, {"--attach", dir, "--from", user, "--to", user}} {
		status, _, errOut := f.run(append([]string{"send", f.smtp()}, args...)...)
		assert.Equal(t, 1, status, args)
		assert.Contains(t, errOut, dir)
		assert.Contains(t, errOut, "is a directory")
	}
	missing := filepath.Join(dir, "missing.pdf")
	status, _, errOut := f.run("send", f.smtp(), "--from", user, "--to", user, "--attach", missing)
	assert.Equal(t, 1, status, "nothing is wrong with the command line")
	assert.Contains(t, errOut, "--attach")
	assert.Contains(t, errOut, missing)
	require.Len(t, f.inbox(user), 2, "nothing was sent")

	// One message is one, with that line or without it, with a body or without one.
	for name, content := range map[string]string{
		"one.mbox": line + letter, "git.patch": strings.Replace(line, "alice@example.com", strings.Repeat("a1", 20), 1) + letter,
		"text.eml": letter + "\nFrom here on it is text.\n\n>" + line, "header.eml": strings.TrimSuffix(letter, "\ntext\n"),
	} {
		f.ok("send", f.smtp(), "--raw", f.file(name, content), "--copy", f.imap)
		f.ok("send", f.smtp(), "--raw", f.file(name, content), "--from", user, "--to", user, "--repeat", "2")
	}
	got := f.inbox(user)[2:]
	require.Len(t, got, 12)
	for _, raw := range got {
		_, fields, _ := strings.Cut(raw, "\r\nFrom: ")
		assert.True(t, strings.HasPrefix(fields, "alice@example.com\r\nTo: alice@example.com\r\nSubject: note\r\n"), "%q", raw)
		assert.NotRegexp(t, `(?m)^From alice`, raw)
	}
	f.ok("send", f.smtp(), "--to", user, "--raw", f.file("old.eml", "From : alice@example.com\n\ntext\n"))
	assert.Contains(t, f.inbox(user)[14], "\r\nFrom : alice@example.com\r\n", "a field as they once were")
	copies, err := f.host.Messages(user, "Sent")
	require.NoError(t, err)
	require.Len(t, copies, 4)
	for _, c := range copies {
		assert.True(t, strings.HasPrefix(string(c.Raw), "From: "), "%q", c.Raw)
	}
}

// TestUnboxed: what is read does not depend on how it comes.
func TestUnboxed(t *testing.T) {
	const line = "From a Thu Nov 26 09:00:00 2026\n"
	long := strings.Repeat("x", 10_000) + "\n" + strings.Repeat("\n", 5)
	for _, body := range []string{letter, letter + long, long + "From b\n", "\n", "", "a", "From b\n", strings.Repeat("x", 4096) + line, "\nFrom the 10:00 train of 2026 on\n"} {
		for _, first := range []string{line, "From " + long[:10_001]} {
			for _, r := range []io.Reader{strings.NewReader(first + body), iotest.OneByteReader(strings.NewReader(first + body)), iotest.DataErrReader(strings.NewReader(first + body))} {
				got, err := io.ReadAll(newUnboxed(r))
				require.NoError(t, err)
				assert.Equal(t, body, string(got))
			}
		}
	}
	boom := errors.New("boom")
	_, err := io.ReadAll(newUnboxed(io.MultiReader(strings.NewReader(line+letter), iotest.ErrReader(boom))))
	assert.ErrorIs(t, err, boom)
	_, err = io.ReadAll(newUnboxed(iotest.ErrReader(boom)))
	assert.ErrorIs(t, err, boom)
	for _, body := range []string{letter + "\n" + line + letter, "\r\n" + line, "\n\n" + strings.TrimSuffix(line, "\n")} {
		_, err = io.ReadAll(newUnboxed(iotest.HalfReader(strings.NewReader(line + body))))
		assert.ErrorIs(t, err, errMbox, "%q", body)
	}
}

// told are the objects of --json.
func told(t *testing.T, out string) (all []sentJSON) {
	for line := range strings.Lines(out) {
		assert.NotContains(t, line, "null")
		var j sentJSON
		require.NoError(t, json.Unmarshal([]byte(line), &j))
		all = append(all, j)
	}
	return all
}

// TestSendStopped: each file is told of, also those whose turn did not come.
func TestSendStopped(t *testing.T) {
	for _, args := range [][]string{{"--json"}, {}, {"--quiet"}} {
		f := newFixture(t)
		files := []string{f.file("0.eml", letter), f.file("missing.eml", ""), f.file("2.eml", letter), f.file("3.eml", letter)}
		require.NoError(t, os.Remove(files[1]))
		// Nobody is let in any more behind the first message.
		f.host.Inject(mailtest.Fault{Kind: mailtest.FaultBye, Protocol: "smtp", Command: "MAIL", Skip: 1, Text: "going down"})
		f.host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "smtp", Command: "AUTH", Skip: 1, Text: "535 5.7.8 account closed"})
		status, out, errOut := f.run(append(append([]string{"send", f.smtp(), "--raw"}, files...), args...)...)
		assert.Equal(t, 1, status)
		assert.Contains(t, errOut, "3 of 4")
		assert.Contains(t, errOut, "account closed")
		if len(args) == 1 && args[0] == "--json" {
			byFile := map[string]sentJSON{}
			for _, j := range told(t, out) {
				byFile[j.File] = j
			}
			require.Len(t, byFile, 4)
			assert.Equal(t, "accepted", byFile[files[0]].Outcome)
			for _, name := range files[1:] {
				assert.Equal(t, "not sent", byFile[name].Outcome, name)
				assert.NotEmpty(t, byFile[name].Error)
			}
			continue
		}
		for _, name := range files[1:] {
			assert.Contains(t, errOut, name+": ", "%q", args)
		}
	}
}

// fullAfter takes n writes and no more.
type fullAfter struct {
	bytes.Buffer
	n int
}

func (w *fullAfter) Write(p []byte) (int, error) {
	if w.n--; w.n < 0 {
		return 0, errors.New("broken pipe")
	}
	return w.Buffer.Write(p)
}

// TestSendUnread: whoever read the results has gone. What became of the messages is
// told on standard error, and no more are begun than were.
func TestSendUnread(t *testing.T) {
	for _, format := range []string{"--json", "--json=false"} {
		f := newFixture(t)
		args := []string{"--ca", f.ca, "send", f.smtp(), format, "--raw"}
		var files []string
		for range 300 {
			files = append(files, f.file("x.eml", letter))
		}
		out, errOut := &fullAfter{n: 2}, &bytes.Buffer{}
		assert.Equal(t, 1, f.app(out, errOut).run(context.Background(), append(args, files...)))
		assert.Contains(t, errOut.String(), "writing the results: broken pipe")
		all := out.String() + errOut.String()
		for _, name := range files {
			assert.Contains(t, all, name)
		}
		sent := len(f.inbox(user)) - 2
		accepted := 0
		for line := range strings.Lines(all) {
			if strings.Contains(line, "accepted") {
				accepted++
			}
		}
		assert.Equal(t, sent, accepted, "each that was sent is told of")
		assert.Less(t, sent, len(files))
	}
}

// TestSendText: a text from standard input is sent whole, or not at all.
func TestSendText(t *testing.T) {
	f := newFixture(t)
	run := func(size int64) (int, string) {
		name := f.file("text", strings.Repeat("0123456789abcd\n", 100))
		require.NoError(t, os.Truncate(name, size))
		in, err := os.Open(name)
		require.NoError(t, err)
		defer in.Close()
		var out, errOut bytes.Buffer
		a := f.app(&out, &errOut)
		a.in = in
		return a.run(t.Context(), []string{"--ca", f.ca, "send", f.smtp(), "--from", user, "--to", user, "--text", "-"}), errOut.String()
	}
	status, errOut := run(maxText + 1)
	assert.Equal(t, 1, status)
	assert.Contains(t, errOut, "attach it as a file")
	require.Len(t, f.inbox(user), 2)
	status, errOut = run(1500)
	assert.Equal(t, 0, status, errOut)
	assert.Equal(t, 100, strings.Count(f.inbox(user)[2], "0123456789abcd\r\n"))
}

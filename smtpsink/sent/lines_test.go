package sent

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/smtpsink"
)

func TestLines(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a": "a\r\n", "a\r\n": "a\r\n", "a\n": "a\r\n", "a\r": "a\r\n", "\n": "\r\n", "\r": "\r\n",
		"a\nb\rc\r\nd": "a\r\nb\r\nc\r\nd\r\n", "a\r\r\nb": "a\r\n\r\nb\r\n", "a\n\rb": "a\r\n\r\nb\r\n",
		"a\r\n.\r\nb\r\n": "a\r\n.\r\nb\r\n",
	} {
		assert.NoError(t, iotest.TestReader(newLines(strings.NewReader(in)), []byte(want)), "%q", in)
		got, err := io.ReadAll(newLines(iotest.OneByteReader(strings.NewReader(in))))
		require.NoError(t, err)
		assert.Equal(t, want, string(got), "%q", in)
	}
	_, err := io.ReadAll(newLines(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(io.ErrNoProgress))))
	assert.ErrorIs(t, err, io.ErrNoProgress)
}

// TestNoProgress: a source that gives neither octets nor an error is not read for
// ever.
func TestNoProgress(t *testing.T) {
	idle := func() io.Reader { return io.MultiReader(strings.NewReader("Subject: x\r\n"), idleReader{}) }
	for name, r := range map[string]io.Reader{"lines": newLines(idle()), "withoutBcc": mailmime.WithoutBcc(newLines(idle()))} {
		_, err := io.ReadAll(r)
		assert.ErrorIs(t, err, io.ErrNoProgress, name)
	}
	_, err := Raw(t.Context(), nil, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(idle()), nil })
	assert.ErrorIs(t, err, io.ErrNoProgress)
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

func TestWithoutBcc(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for in, want := range map[string]string{
		"":                                  "",
		"Bcc: eve\r\n":                      "",
		"To: bob\r\nBcc: eve\r\n\r\nt\r\n":  "To: bob\r\n\r\nt\r\n",
		"bcc : eve,\r\n dora\r\nX: y\r\n":   "X: y\r\n",
		"RESENT-BCC: eve\nX: y\n\nBcc: z\n": "X: y\n\nBcc: z\n",
		"\r\nBcc: body\r\n":                 "\r\nBcc: body\r\n",
		"Bcc: " + long + "\r\n " + long + "\r\nX: y\r\n\r\nt": "X: y\r\n\r\nt",
		"X: " + long + "\r\nBcc: eve\r\n\r\n" + long:          "X: " + long + "\r\n\r\n" + long,
	} {
		assert.NoError(t, iotest.TestReader(mailmime.WithoutBcc(strings.NewReader(in)), []byte(want)), "%.100q", in)
	}
	_, err := io.ReadAll(mailmime.WithoutBcc(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(io.ErrNoProgress))))
	assert.ErrorIs(t, err, io.ErrNoProgress)
}

func TestRaw(t *testing.T) {
	long := "X: " + strings.Repeat("x", maxHeader) + "\r\n"
	for text, want := range map[string]string{
		eml: "one@example.org", strings.ReplaceAll(eml, "\r\n", "\n"): "one@example.org",
		"Message-ID: <a@b>": "a@b", "Subject: x\r\n\r\nMessage-ID: <a@b>\r\n": "", "\r\nMessage-ID: <a@b>\r\n": "", "": "",
		"Message-ID: <a@b>\r\n" + long: "a@b", long + "Message-ID: <a@b>\r\n": "",
	} {
		assert.Equal(t, want, message(t, text).MessageID(), "%.100q", text)
	}
	open := func(r io.Reader, err error) func(context.Context) (io.ReadCloser, error) {
		return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(r), err }
	}
	_, err := Raw(t.Context(), &smtpsink.Envelope{}, open(nil, io.ErrNoProgress))
	require.ErrorIs(t, err, io.ErrNoProgress)
	_, err = Raw(t.Context(), &smtpsink.Envelope{}, open(iotest.ErrReader(io.ErrNoProgress), nil))
	require.ErrorIs(t, err, io.ErrNoProgress)
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{"", eml, "a\nb\rc\r\nd", "Bcc: eve\n dora\r\n\r\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		want := strings.ReplaceAll(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(in)), "\n", "\r\n")
		if want != "" && !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		got, err := io.ReadAll(newLines(iotest.HalfReader(bytes.NewReader(in))))
		require.NoError(t, err)
		require.Equal(t, want, string(got))

		without, err := io.ReadAll(mailmime.WithoutBcc(strings.NewReader(want)))
		require.NoError(t, err)
		again, err := io.ReadAll(mailmime.WithoutBcc(bytes.NewReader(without)))
		require.NoError(t, err)
		header, _, _ := strings.Cut("\r\n"+string(without), "\r\n\r\n")
		require.NotContains(t, strings.ToLower(header), "\r\nbcc:")
		require.Equal(t, string(without), string(again))
	})
}

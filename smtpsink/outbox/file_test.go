package outbox

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/smtpsink"
)

// written is the file of a message.
func written(t testing.TB, message string) (files *disktest.Mem, name string) {
	t.Helper()
	files = disktest.NewMem(512)
	s, err := newSpool(files)
	require.NoError(t, err)
	id, err := s.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(message), nil)
	require.NoError(t, err)
	return files, id.file()
}

// with is a directory with that file alone.
func with(t testing.TB, name, octets string) *disktest.Mem {
	t.Helper()
	files := disktest.NewMem(512)
	require.NoError(t, files.Mkdir(queueDir))
	f, err := files.Create(name)
	require.NoError(t, err)
	_, err = f.Write([]byte(octets))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return files
}

// readWhole reads a file as Run does; last is whether the last octets were asked
// for.
func readWhole(files *disktest.Mem, name string, unsure bool) (text string, last bool, err error) {
	s, err := openStored(files, name)
	if err != nil {
		return "", false, err
	}
	b := s.body(context.Background(), func() error { last = true; return nil })
	b.unsure = unsure
	defer b.Close()
	raw, err := io.ReadAll(b)
	return string(raw), last, err
}

func TestFile(t *testing.T) {
	for _, message := range []string{note(7), "x", "a: b\n\n", strings.Repeat("long line ", 30_000), "\r\n", note(3) + footMark} {
		files, name := written(t, message)
		text, last, err := readWhole(files, name, false)
		require.NoError(t, err)
		assert.Equal(t, message, text)
		assert.True(t, last)
		s, err := openStored(files, name)
		require.NoError(t, err)
		assert.Equal(t, int64(len(strings.ReplaceAll(strings.ReplaceAll(message, "\r\n", "\n"), "\n", "\r\n"))), s.meta.Wire)
		assert.True(t, strings.HasPrefix(files.Files()[name], message), "the message can be read without us")
		require.NoError(t, s.f.Close())
	}
}

// TestFileWire counts the octets on the wire, however the reader cuts them.
func TestFileWire(t *testing.T) {
	const message = "a: b\r\nc: d\n\r\n\ne\r\n\rf\n"
	files := disktest.NewMem(512)
	s, err := newSpool(files)
	require.NoError(t, err)
	for _, cut := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
		id, err := s.Enqueue(t.Context(), to("bob@example.com"), cut(strings.NewReader(message)), nil)
		require.NoError(t, err)
		f, err := openStored(files, id.file())
		require.NoError(t, err)
		assert.EqualValues(t, len(message)+3, f.meta.Wire)
		require.NoError(t, f.f.Close())
	}
}

// TestFileCut cuts a file at every octet: that is never a message.
func TestFileCut(t *testing.T) {
	files, name := written(t, note(1)[:300])
	octets := files.Files()[name]
	for n := range octets {
		_, last, err := readWhole(with(t, name, octets[:n]), name, false)
		require.ErrorIs(t, err, errDamaged, "%d octets", n)
		require.False(t, last)
	}
	text, _, err := readWhole(with(t, name, octets), name, false)
	require.NoError(t, err)
	require.Equal(t, note(1)[:300], text, "control")
}

// TestFileDamaged changes every octet: the last octets of the message never leave.
func TestFileDamaged(t *testing.T) {
	files, name := written(t, note(1)[:300])
	octets := files.Files()[name]
	sent := 0
	for n := range octets {
		for _, bit := range []byte{1, 0x80} {
			damaged := []byte(octets)
			damaged[n] ^= bit
			_, last, err := readWhole(with(t, name, string(damaged)), name, false)
			require.ErrorIs(t, err, errDamaged, "octet %d", n)
			require.False(t, last)
			if _, last, _ := readWhole(with(t, name, string(damaged)), name, true); last {
				sent++
			}
		}
	}
	assert.GreaterOrEqual(t, sent, 600, "control: without the checksum they are sent")
}

// TestDamagedIsDead: a message whose file was damaged is kept, never sent, and
// hinders no other.
func TestDamagedIsDead(t *testing.T) {
	for what, damage := range map[string]func(string) string{
		"message": func(s string) string { return "x" + s[1:] },
		"foot":    func(s string) string { return s[:len(s)-1] },
	} {
		t.Run(what, func(t *testing.T) {
			files, name := written(t, note(1))
			files = with(t, name, damage(files.Files()[name]))
			box := openMem(t, files, nil)
			id := put(t, box, 2, nil)
			p := newPost()
			once(t, box, p, nil)
			assert.Equal(t, []int{2}, p.order)
			_, err := box.Get(id)
			require.Error(t, err)
			all := entries(t, box)
			require.Len(t, all, 1)
			assert.Equal(t, Dead, all[0].State)
			assert.Contains(t, all[0].LastError, "damaged")
			_, err = whole(all[0])
			require.ErrorIs(t, err, errDamaged)
			require.NoError(t, box.Remove(all[0].ID))
			require.NoError(t, box.Close())
			assert.NotContains(t, files.Files(), name)
		})
	}
}

// TestDamagedControl: without the checksum a damaged message would be sent.
func TestDamagedControl(t *testing.T) {
	files, name := written(t, note(1))
	box := openMem(t, with(t, name, "x"+files.Files()[name][1:]), &Options{off: off{whole: true}})
	p := newPost()
	once(t, box, p, nil)
	assert.Equal(t, []int{1}, p.order)
	assert.True(t, p.cut)
	require.NoError(t, box.Close())
}

// TestBodyWithholds: until last has returned, the end of the message is not given
// out; after an error it never is.
func TestBodyWithholds(t *testing.T) {
	files, name := written(t, note(5))
	for _, size := range []int{1, 7, 512, 64 << 10} {
		s, err := openStored(files, name)
		require.NoError(t, err)
		given, errLast := 0, errors.New("the journal is broken")
		b := s.body(t.Context(), func() error {
			assert.Less(t, given, len(note(5)))
			return errLast
		})
		buf := make([]byte, size)
		for {
			n, err := b.Read(buf)
			if given += n; err != nil {
				require.ErrorIs(t, err, errLast)
				break
			}
		}
		assert.Less(t, given, len(note(5)))
		_, err = b.Read(buf)
		require.ErrorIs(t, err, errLast, "again")
		require.NoError(t, b.Close())
	}
}

// TestBodyAgain: a Sender may read it anew, and last is asked once.
func TestBodyAgain(t *testing.T) {
	files, name := written(t, note(5))
	s, err := openStored(files, name)
	require.NoError(t, err)
	asked := 0
	b := s.body(t.Context(), func() error { asked++; return nil })
	for range 3 {
		at, err := b.Seek(0, io.SeekStart)
		require.NoError(t, err)
		require.Zero(t, at)
		text, err := io.ReadAll(b)
		require.NoError(t, err)
		require.Equal(t, note(5), string(text))
	}
	assert.Equal(t, 1, asked)
	at, err := b.Seek(0, io.SeekCurrent)
	require.NoError(t, err)
	assert.EqualValues(t, len(note(5)), at)
	_, err = b.Seek(3, io.SeekStart)
	require.Error(t, err)
	require.NoError(t, b.Close())
}

// TestOptionsKept: what a message is sent with is what was given.
func TestOptionsKept(t *testing.T) {
	box, files := fresh(t, nil)
	until := time.Date(2031, 2, 3, 4, 5, 6, 7, time.UTC)
	opts := smtpsink.SendOptions{
		Partial: true, Binary: true, KeepBcc: true, RequireTLS: true, DeliverByNotify: true, Priority: -4,
		DSN: &smtpsink.DSN{Notify: []string{"NEVER"}, Return: "HDRS", EnvelopeID: "q<1>", Original: map[string]string{"bob@example.com": "rfc822;b@x"}},
	}
	id := put(t, box, 1, &EnqueueOptions{Send: opts, Expires: until})
	again, err := openStored(files, id.file())
	require.NoError(t, err)
	defer again.f.Close()
	assert.Equal(t, opts, again.meta.Options)
	assert.Equal(t, until, again.meta.Expires)
	e := get(t, box, id)
	assert.Equal(t, opts, e.Options)
	assert.Equal(t, "1@example.org", e.MessageID)
	assert.EqualValues(t, len(note(1)), e.Size)
	var got *smtpsink.SendOptions
	p := newPost()
	p.answer = func(_, _ int, env *smtpsink.Envelope, o *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		got = o
		return taken(env), nil
	}
	once(t, box, p, nil)
	opts.Size = int64(len(note(1)))
	assert.Equal(t, &opts, got)
}

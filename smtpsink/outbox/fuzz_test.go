package outbox

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/journal"
)

// FuzzReplay opens an outbox whose journal has the records, one a line, about one
// message that is there and others that are not, and runs it. Whatever they say,
// the message is sent once at most, and only if nothing says that it may have
// been.
func FuzzReplay(f *testing.F) {
	const id = "00112233445566778899aabbccddeeff"
	for _, seed := range []string{
		"", `{"id":"` + id + `"}`, `{"id":"` + id + `","mark":"sending"}`, `{"id":"` + id + `","mark":"gone","keyed":true}`,
		`{"id":"` + id + `","mark":"dead","err":"no","rcpts":[{"o":2,"r":{"Code":550},"f":true}]}`,
		`{"id":"` + id + `","rcpts":[{"o":1}],"copy":"due","copies":3,"copynext":"2001-02-03T04:05:06Z"}`,
		`{"id":"` + id + `","rcpts":[{"o":3}],"resent":1}`, `{"id":"` + id + `","rcpts":[{},{"o":1}]}`,
		`{"id":"` + id + "\",\"mark\":\"sending\"}\n{\"id\":\"" + id + `","tries":1,"next":"2999-01-01T00:00:00Z"}`,
	} {
		f.Add([]byte(seed))
	}
	files, name := written(f, note(1))
	octets := files.Files()[name]
	f.Fuzz(func(t *testing.T, text []byte) {
		files := with(t, queueDir+"/"+id, octets)
		j, err := journal.Open(files, journalName, journalKind, nil)
		require.NoError(t, err)
		last := &status{}
		for record := range bytes.SplitSeq(text, []byte("\n")) {
			if len(record) == 0 {
				continue
			}
			require.NoError(t, j.Append(record))
			if s, err := parseStatus(record); err != nil {
				last = nil
			} else if s.ID == id && last != nil {
				last = s
			}
		}
		require.NoError(t, j.Close())
		box, err := openOn(files, nil)
		if last == nil {
			require.ErrorIs(t, err, errRecord)
			return
		}
		require.NoError(t, err)
		p := newPost()
		once(t, box, p, nil)
		may := last.Mark == markNone && len(last.Rcpts) < 2 && len(last.pending(1)) == 1
		if last.Mark == markGone && last.Keyed {
			may = true // it is another message with the same key, if that was long ago
		}
		if len(last.Rcpts) == 1 && !last.Rcpts[0].pending() {
			may = false
		}
		require.LessOrEqual(t, p.calls[1], 1)
		if !may {
			require.Zero(t, p.calls[1], "%s", text)
		}
		for _, e := range entries(t, box) {
			require.NotEqual(t, Sending, e.State)
			require.NotNil(t, e.Receipt)
		}
		require.NoError(t, box.Close())
		again := openMem(t, files, nil)
		once(t, again, p, nil)
		require.LessOrEqual(t, p.calls[1], 1)
		require.NoError(t, again.Close())
	})
}

// FuzzFile reads a file of these octets as one of the queue.
func FuzzFile(f *testing.F) {
	files, name := written(f, note(1)[:200])
	whole := files.Files()[name]
	f.Add([]byte(whole))
	f.Add([]byte(whole[:len(whole)-1]))
	f.Add([]byte(whole[50:]))
	f.Add([]byte("\xff\xff\xff\xff............pro1"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		files := with(t, name, string(octets))
		text, last, err := readWhole(files, name, false)
		if err == nil {
			require.True(t, last)
			require.True(t, bytes.HasPrefix(octets, []byte(text)))
			s, err := openStored(files, name)
			require.NoError(t, err)
			_, err = json.Marshal(s.meta)
			require.NoError(t, err)
			require.NoError(t, s.f.Close())
		} else {
			require.ErrorIs(t, err, errDamaged)
		}
		box := openMem(t, files, nil)
		for _, e := range entries(t, box) {
			r, err := e.Open()
			if err == nil {
				_, err = io.Copy(io.Discard, r)
				require.NoError(t, r.Close())
			}
			if err != nil {
				require.ErrorIs(t, err, errDamaged)
			}
		}
		require.NoError(t, box.Close())
	})
}

package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// sender is a Sender that is one function.
type sender func(env *smtpsink.Envelope, m io.Reader, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error)

func (s sender) Send(_ context.Context, env *smtpsink.Envelope, m io.Reader, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	return s(env, m, opts)
}

func (sender) Close() error { return nil }

// TestReaderSaysExists: a message that could not be read is not taken for one
// that is there already.
func TestReaderSaysExists(t *testing.T) {
	box, files := fresh(t, nil)
	for _, opts := range []*EnqueueOptions{nil, {Key: "k"}} {
		_, err := box.Enqueue(t.Context(), to("bob@example.com"), iotest.ErrReader(fs.ErrExist), opts)
		require.ErrorIs(t, err, fs.ErrExist)
		_, err = box.Enqueue(t.Context(), to("bob@example.com"), nil, opts)
		require.Error(t, err)
	}
	assert.Empty(t, names(files))
}

// TestSenderLies: whatever a sender says, the outbox can be opened again, and what
// it contradicts itself about is Unknown.
func TestSenderLies(t *testing.T) {
	long := strings.Repeat("<x>", 1<<20)
	whole := func(r *smtpsink.Receipt, err error) sender {
		return func(env *smtpsink.Envelope, m io.Reader, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
			if _, err := io.Copy(io.Discard, m); err != nil {
				return &smtpsink.Receipt{}, err
			}
			if r != nil && r.Recipients != nil {
				r.Recipients[0].Address = env.To[0]
			}
			return r, err
		}
	}
	for name, c := range map[string]struct {
		s    sender
		want State
	}{
		"an outcome of its own":   {whole(&smtpsink.Receipt{Outcome: 17}, nil), Unknown},
		"a recipient's":           {whole(&smtpsink.Receipt{Outcome: accepted, Recipients: []smtpsink.Recipient{{Outcome: -1}}}, nil), Unknown},
		"a long answer":           {whole(&smtpsink.Receipt{Outcome: rejected, Reply: &smtpsink.Reply{Code: 450, Text: long, Command: long}, QueueID: long}, nil), Queued},
		"a long answer, unknown":  {whole(&smtpsink.Receipt{Outcome: unknown, Reply: &smtpsink.Reply{Code: 250, Text: long}, QueueID: long}, mailbox.ErrUnknownOutcome), Unknown},
		"nothing, behind the end": {whole(nil, io.ErrUnexpectedEOF), Unknown},
		"accepted without reading": {func(env *smtpsink.Envelope, _ io.Reader, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
			return taken(env), nil
		}, Unknown},
		"control: nothing, unread": {func(*smtpsink.Envelope, io.Reader, *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
			return nil, io.ErrUnexpectedEOF
		}, Queued},
		"control: accepted and read": {whole(&smtpsink.Receipt{Outcome: accepted}, nil), Done},
	} {
		t.Run(name, func(t *testing.T) {
			box, files := fresh(t, nil)
			put(t, box, 1, nil)
			once(t, box, c.s, nil)
			for range 2 {
				state := Done
				for _, e := range entries(t, box) {
					state = e.State
				}
				assert.Equal(t, c.want, state)
				require.NoError(t, box.Close())
				box = openMem(t, files, nil)
			}
			require.NoError(t, box.Close())
		})
	}
}

// TestSenderComesBack: a sender that reads on when its Send has returned gets
// nothing, and what it said stands.
func TestSenderComesBack(t *testing.T) {
	box, files := fresh(t, nil)
	id := put(t, box, 1, nil)
	var kept io.Reader
	once(t, box, sender(func(_ *smtpsink.Envelope, m io.Reader, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		kept = m
		_, err := io.CopyN(io.Discard, m, int64(len(note(1))-1))
		return &smtpsink.Receipt{}, errors.Join(err, unavailable())
	}), nil)
	n, err := kept.Read(make([]byte, 1))
	assert.Zero(t, n)
	require.ErrorIs(t, err, fs.ErrClosed)
	require.NoError(t, box.Close())
	box = openMem(t, files, nil)
	assert.Equal(t, Queued, get(t, box, id).State)
	require.NoError(t, box.Close())
}

// TestSenderChanges: what a sender does to its options is not what is sent next.
func TestSenderChanges(t *testing.T) {
	box, _ := fresh(t, hasty())
	_, err := box.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), &EnqueueOptions{Send: smtpsink.SendOptions{
		DSN: &smtpsink.DSN{Return: "FULL", Original: map[string]string{"bob@example.com": "b@example.com"}},
	}})
	require.NoError(t, err)
	tries := 0
	s := sender(func(env *smtpsink.Envelope, m io.Reader, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		assert.Equal(t, "FULL", opts.DSN.Return)
		assert.Len(t, opts.DSN.Original, 1)
		opts.DSN.Return = "HDRS"
		clear(opts.DSN.Original)
		if tries++; tries == 1 {
			return refused(env, 450)
		}
		_, err := io.Copy(io.Discard, m)
		return taken(env), err
	})
	for range 2 {
		require.NoError(t, box.Flush())
		once(t, box, s, nil)
	}
	assert.Equal(t, 2, tries)
}

// TestThrottledLong: no mistake of a server's stops the outbox for good.
func TestThrottledLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, _ := fresh(t, nil)
		calls := 0
		p := newTimed(func(_ int, env *smtpsink.Envelope) (*smtpsink.Receipt, error) {
			if calls++; calls == 1 {
				return &smtpsink.Receipt{}, &mailbox.ThrottledError{RetryAfter: 1 << 62, Err: errors.New("slowly")}
			}
			return taken(env), nil
		})
		put(t, box, 1, nil)
		put(t, box, 2, nil)
		r := start(t, box, p, nil)
		pass(box, 7*24*time.Hour)
		assert.Equal(t, []time.Duration{0, 24 * time.Hour, 24 * time.Hour}, p.at)
		r.stop(t)
	})
}

// someTaken is a message to two, whom ann has got and bob not yet.
func someTaken(t *testing.T, box *Outbox, p *post, opts *EnqueueOptions) ID {
	t.Helper()
	opts.Send.Partial = true
	id, err := box.Enqueue(t.Context(), to("ann@example.org", "bob@example.com"), strings.NewReader(note(1)), opts)
	require.NoError(t, err)
	p.answer = func(_, call int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		r := taken(env)
		if call == 0 {
			r.Recipients[1].Outcome, r.Recipients[1].Reply = rejected, reply("RCPT", 450)
		}
		return r, nil
	}
	once(t, box, p, nil)
	require.Equal(t, map[string]int{"ann@example.org": 1}, p.got[1])
	return id
}

// failing is a disk on which one file fails as err says.
func failing(files *disktest.Mem, name string, err *error) *Outbox {
	box, _ := openOn(disktest.Hook(files, func(op disktest.Op) error {
		if !op.After && op.Name == name && op.Kind == disktest.KindOpen {
			return *err
		}
		return nil
	}), nil)
	return box
}

// TestUnreadableForNow: what is known of a message outlasts that its file could
// not be read for a while.
func TestUnreadableForNow(t *testing.T) {
	for _, bad := range []error{fs.ErrPermission, syscall.EIO} {
		files, p := disktest.NewMem(512), newPost()
		var err error
		box := failing(files, keyID("k").file(), &err)
		id := someTaken(t, box, p, &EnqueueOptions{Key: "k"})
		err = bad
		require.NoError(t, box.Flush())
		once(t, box, p, nil)
		assert.Equal(t, Dead, get(t, box, id).State)
		require.ErrorIs(t, box.Retry(id), bad)
		err = nil
		require.NoError(t, box.Retry(id))
		require.NoError(t, box.Flush())
		once(t, box, p, nil)
		assert.Equal(t, map[string]int{"ann@example.org": 1, "bob@example.com": 1}, p.got[1])
		require.NoError(t, box.Close())
	}
}

// TestUnreadableRemoved: what was known of a message whose file could not be read
// does not come again when it was removed.
func TestUnreadableRemoved(t *testing.T) {
	files, p := disktest.NewMem(512), newPost()
	var err error
	box := failing(files, keyID("k").file(), &err)
	id := someTaken(t, box, p, &EnqueueOptions{Key: "k"})
	require.NoError(t, box.Close())
	err = fs.ErrPermission
	box = failing(files, id.file(), &err)
	assert.Equal(t, Dead, get(t, box, id).State)
	require.NoError(t, box.Remove(id))
	err = nil
	require.NoError(t, box.rewrite())
	require.NoError(t, box.Close())
	box = openMem(t, files, nil)
	put(t, box, 1, &EnqueueOptions{Key: "k"})
	assert.Empty(t, entries(t, box), "its key is remembered")
	require.NoError(t, box.Close())
}

// TestOtherMessage: a journal that is of another message is not forgotten, and
// the message never sent.
func TestOtherMessage(t *testing.T) {
	files, p := disktest.NewMem(512), newPost()
	box := openMem(t, files, nil)
	id := someTaken(t, box, p, &EnqueueOptions{Key: "k"})
	require.NoError(t, box.Close())
	require.NoError(t, files.Remove(id.file()))
	box = openMem(t, files, nil)
	put(t, box, 2, &EnqueueOptions{Key: "k"}) // to one recipient
	for range 3 {
		assert.Equal(t, Dead, get(t, box, id).State)
		require.ErrorIs(t, box.Retry(id), errDamaged)
		once(t, box, p, nil)
		assert.Zero(t, p.calls[2])
		require.NoError(t, box.rewrite())
		require.NoError(t, box.Close())
		box = openMem(t, files, nil)
	}
	require.NoError(t, box.Remove(id))
	require.NoError(t, box.Close())
}

// TestReplaced: a message that has come in the place of another, by the same key,
// goes to its own recipients.
func TestReplaced(t *testing.T) {
	box, files := fresh(t, nil)
	key := &EnqueueOptions{Key: "k"}
	id := put(t, box, 1, key)
	first := get(t, box, id)
	require.NoError(t, files.Remove(id.file()))
	s, err := newSpool(files)
	require.NoError(t, err)
	_, err = s.Enqueue(t.Context(), to("eve@example.net"), strings.NewReader(note(2)), key)
	require.NoError(t, err)
	_, err = first.Open()
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	p := newPost()
	for range 2 {
		once(t, box, p, nil)
	}
	assert.Equal(t, map[int]map[string]int{2: {"eve@example.net": 1}}, p.got)
}

// TestRecipientsOfFile: a file to nobody, or to too many, hinders no other message.
func TestRecipientsOfFile(t *testing.T) {
	for _, n := range []int{0, mostRecipients + 1, 60_000} {
		files, _ := written(t, note(2))
		m := &meta{To: make([]string, n), Enqueued: time.Now()}
		for i := range m.To {
			m.To[i] = fmt.Sprintf("bob+%d@example.com", i)
		}
		f, err := files.Create(newID().file())
		require.NoError(t, err)
		w := &messageWriter{f: f}
		_, err = w.Write([]byte(note(1)))
		require.NoError(t, err)
		require.NoError(t, w.finish(m))
		require.NoError(t, f.Close())
		box, p := openMem(t, files, nil), newPost()
		once(t, box, p, nil)
		assert.Equal(t, []int{2}, p.order)
		all := entries(t, box)
		require.Len(t, all, 1)
		assert.Equal(t, Dead, all[0].State)
		assert.Contains(t, all[0].LastError, "recipients")
		require.NoError(t, box.Close())
	}
}

// TestBadSector: a file that the disk cannot give hinders no other, whether it is
// found out when it is opened or in its middle.
func TestBadSector(t *testing.T) {
	for _, when := range []string{"open", "list", "send", "middle"} {
		t.Run(when, func(t *testing.T) {
			files, name := written(t, note(1))
			reads, bad := 0, when == "open" || when == "list"
			hooked := disktest.Hook(files, func(op disktest.Op) error {
				if op.After || op.Name != name || op.Kind != disktest.KindRead || !bad {
					return nil
				}
				if reads++; when == "middle" && reads < 4 {
					return nil
				}
				return syscall.EIO
			})
			box, err := openOn(hooked, nil)
			require.NoError(t, err)
			bad = true
			put(t, box, 2, nil)
			put(t, box, 3, nil)
			p := newPost()
			once(t, box, p, nil)
			assert.Equal(t, []int{2, 3}, p.order)
			all := entries(t, box)
			require.Len(t, all, 1)
			assert.Equal(t, Dead, all[0].State)
			assert.Zero(t, all[0].Tries)
			bad = false
			require.NoError(t, box.Retry(all[0].ID))
			once(t, box, p, nil)
			assert.Equal(t, []int{2, 3, 1}, p.order)
			require.NoError(t, box.Close())
		})
	}
}

// TestNotifyDurable: what is not durable is not told.
func TestNotifyDurable(t *testing.T) {
	files := disktest.NewMem(512)
	broken := false
	box, err := openOn(disktest.Hook(files, func(op disktest.Op) error {
		if broken && !op.After && strings.HasPrefix(op.Name, journalName) && op.Kind == disktest.KindSync {
			return syscall.EIO
		}
		return nil
	}), nil)
	require.NoError(t, err)
	put(t, box, 1, nil)
	p := newPost()
	p.answer = func(_, _ int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		broken = true
		return taken(env), nil
	}
	var told []State
	require.ErrorIs(t, runOnce(t.Context(), box, p, &RunOptions{Notify: func(e *Entry) { told = append(told, e.State) }}), syscall.EIO)
	assert.Equal(t, []State{Sending}, told)
	require.Error(t, box.Close())
	box = openMem(t, files.Crash(disktest.Least), nil)
	assert.Equal(t, Unknown, entries(t, box)[0].State)
	require.NoError(t, box.Close())
}

// TestKeyAgain: a message whose key was forgotten is not taken for the one before,
// and not removed in its place.
func TestKeyAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files, p := disktest.NewMem(512), newPost()
		stays := true
		box, err := openOn(disktest.Hook(files, func(op disktest.Op) error {
			if stays && !op.After && op.Kind == disktest.KindRemove && !strings.HasSuffix(op.Name, temporary) && strings.HasPrefix(op.Name, queueDir) {
				return fs.ErrPermission
			}
			return nil
		}), &Options{Remember: time.Hour})
		require.NoError(t, err)
		key := &EnqueueOptions{Key: "k"}
		id := put(t, box, 1, key)
		once(t, box, p, nil)
		assert.Len(t, names(files), 1, "it could not be removed")
		old := box.gone[id]
		require.NoError(t, box.Close())

		<-time.After(2 * time.Hour)
		stays = false
		box = openMem(t, files, &Options{Remember: time.Hour})
		put(t, box, 2, key)
		// Somebody else is still about to remove the file of the first.
		box.unwanted = append(box.unwanted, &item{id: id, meta: meta{Enqueued: old.was, Seq: 1}, st: status{Keyed: true}})
		require.NoError(t, box.settle())
		once(t, box, p, nil)
		assert.Equal(t, []int{1, 2}, p.order)
		require.NoError(t, box.Close())
	})
}

// TestJournalSize: long records do not make the journal grow without end.
func TestJournalSize(t *testing.T) {
	box, _ := fresh(t, &Options{RetryMin: 1, RetryMax: 1})
	many := to()
	for n := range mostRecipients {
		many.To = append(many.To, fmt.Sprintf("bob+%d@example.com", n))
	}
	_, err := box.Enqueue(t.Context(), many, strings.NewReader(note(1)), &EnqueueOptions{Send: smtpsink.SendOptions{Partial: true}})
	require.NoError(t, err)
	tries, most := 0, int64(0)
	ctx, cancel := context.WithCancel(t.Context())
	err = box.Run(ctx, sender(func(env *smtpsink.Envelope, _ io.Reader, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
		most = max(most, box.ledger.j.Size())
		if tries++; tries == 60 {
			cancel()
		}
		return refused(env, 450)
	}), nil)
	require.ErrorIs(t, err, context.Canceled)
	assert.Greater(t, most, int64(spareSize/2), "control: it does grow")
	assert.Less(t, most, int64(spareSize)+4<<20)
}

// TestGoexit: a sender or a function that ends its goroutine ends the Run, and
// what was handed over by then is not sent again.
func TestGoexit(t *testing.T) {
	for at, want := range map[string]State{"begin": Queued, "end": Unknown, "Sent": Accepted, "Notify": Queued} {
		t.Run(at, func(t *testing.T) {
			box, _ := fresh(t, nil)
			id := put(t, box, 1, nil)
			die := func(here string) {
				if here == at {
					runtime.Goexit()
				}
			}
			s := sender(func(env *smtpsink.Envelope, m io.Reader, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
				die("begin")
				_, err := io.Copy(io.Discard, m)
				die("end")
				return taken(env), err
			})
			err := box.Run(t.Context(), s, &RunOptions{
				Sent:   func(context.Context, *Entry, *smtpsink.Receipt) error { die("Sent"); return nil },
				Notify: func(*Entry) { die("Notify") },
			})
			require.ErrorContains(t, err, "goroutine")
			assert.Equal(t, want, get(t, box, id).State)
			at = ""
			once(t, box, s, nil)
			if want == Unknown {
				assert.Equal(t, Unknown, get(t, box, id).State)
			} else {
				assert.Empty(t, entries(t, box))
			}
		})
	}
}

// TestMovedHalf: a message that has its name all the same is not said to be
// refused.
func TestMovedHalf(t *testing.T) {
	for _, after := range []bool{true, false} {
		files := disktest.NewMem(512)
		s, err := newSpool(disktest.Hook(files, func(op disktest.Op) error {
			if op.Kind == disktest.KindMove && op.After == after {
				return syscall.EBUSY
			}
			return nil
		}))
		require.NoError(t, err)
		_, err = s.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), nil)
		require.ErrorIs(t, err, syscall.EBUSY)
		assert.Equal(t, after, errors.Is(err, mailbox.ErrUnknownOutcome))
		box := openMem(t, files, nil)
		assert.Equal(t, after, len(entries(t, box)) == 1)
		require.NoError(t, box.Close())
	}
}

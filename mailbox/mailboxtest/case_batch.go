package mailboxtest

import (
	"bytes"
	"errors"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
)

func batchCases() []testCase {
	needs := []string{"append"}
	return []testCase{
		{"batch/added", "After Commit all messages are there, whole, in the order of Add.", needs, batchAdded},
		{"batch/options", "A message of a batch has the flags asked for.", []string{"append", "flags"}, batchOptions},
		{"batch/ids", "An ID that Add tells is that of the message, once Commit has returned nil.", []string{"append_id"}, batchIDs},
		{"batch/close", "What was not committed is dropped by Close; where a driver has no batches each Add is an Append.", needs, batchClose},
		{"batch/empty", "A batch of no messages can be committed, and Close is idempotent.", needs, batchEmpty},
		{"batch/failed-add", "A message that Add refuses is left out, and the others are added.", needs, batchFailedAdd},
		{"batch/several", "Several batches may be under way at a time, and one that is closed takes nothing from another.", needs, batchSeveral},
		{"batch/missing-folder", "A folder that is not there is ErrNotFound, and is not made.", needs, batchMissing},
		{"batch/unsupported", "Without the capability NewBatch is errors.ErrUnsupported.", []string{"!append"}, batchUnsupported},
	}
}

// batch begins a batch in INBOX; an error ends the case.
func (t *tester) batch() batch.Batch {
	b, err := batch.New(t.ctx, t.box, mailbox.Inbox)
	t.must("NewBatch", err)
	return b
}

// take adds a numbered message to a batch; an error ends the case.
func (t *tester) take(b batch.Batch, n int, opts *mailbox.AppendOptions) mailbox.ID {
	id, err := b.Add(t.ctx, bytes.NewReader(numbered(n)), opts)
	t.must("Add", err)
	return id
}

// commit ends a batch; an error ends the case.
func (t *tester) commit(b batch.Batch) {
	t.must("Commit", b.Commit(t.ctx))
	t.must("Close after Commit", b.Close())
}

// hasBatches reports whether the driver has batches of its own.
func (t *tester) hasBatches() bool {
	_, ok := t.box.(batch.Batcher)
	return ok
}

// addTo appends a numbered message to a folder; an error ends the case.
func (t *tester) addTo(folder string, n int) {
	_, err := mailbox.Append(t.ctx, t.box, folder, bytes.NewReader(numbered(n)), nil)
	t.must("Append", err)
}

func batchAdded(t *tester) {
	t.fill(1)
	b := t.batch()
	for n := 1; n < 12; n++ {
		t.take(b, n, nil)
	}
	_, err := b.Add(t.ctx, bytes.NewReader(t.large), &mailbox.AppendOptions{Size: int64(len(t.large))})
	t.must("Add of a large message", err)
	t.commit(b)
	check := func(mb mailbox.Mailbox) {
		all, err := collect(mb.List(t.ctx, mailbox.Inbox, &mailbox.ListOptions{Fields: mailbox.FieldsNone}))
		t.must("List", err)
		if len(all) != 13 {
			t.Fatalf("there are %d messages, want 13", len(all))
		}
		for i, s := range all {
			want := t.large
			if i < 12 {
				want = numbered(i)
			}
			raw, err := readAll(t.ctx, mb, s.ID, nil)
			t.must("reading a message", err)
			t.same("a message of a batch", raw, want)
		}
	}
	check(t.box)
	t.elsewhere(check)
}

func batchOptions(t *tester) {
	b := t.batch()
	t.take(b, 0, &mailbox.AppendOptions{Flags: flags(mailbox.FlagSeen), Size: int64(len(numbered(0)))})
	t.take(b, 1, nil)
	t.commit(b)
	ids := t.ids(mailbox.Inbox)
	if len(ids) != 2 {
		t.Fatalf("there are %d messages, want 2", len(ids))
	}
	t.wantFlags(ids[0], flags(mailbox.FlagSeen), flags(mailbox.FlagFlagged))
	t.wantFlags(ids[1], nil, flags(mailbox.FlagSeen))
}

func batchIDs(t *tester) {
	t.fill(2)
	b := t.batch()
	var told []mailbox.ID
	for n := range 5 {
		told = append(told, t.take(b, n, nil))
	}
	t.commit(b)
	listed := t.ids(mailbox.Inbox)[2:]
	known := 0
	for n, id := range told {
		switch {
		case !id.IsZero() && id != listed[n]:
			t.Errorf("Add tells the ID %v of a message that has %v", id, listed[n])
		case !id.IsZero():
			known++
			if got := t.number(id); got != n {
				t.Errorf("the ID that Add tells of message %d opens message %d", n, got)
			}
		case !t.hasBatches():
			t.Errorf("Add is Append here and tells no ID")
		}
	}
	if known == 0 {
		t.nothing("the driver's batches tell no IDs")
	}
}

func batchClose(t *tester) {
	t.fill(1)
	b := t.batch()
	t.take(b, 1, nil)
	t.take(b, 2, nil)
	t.must("Close", b.Close())
	t.must("Close again", b.Close())
	if t.hasBatches() {
		t.wantNumbers(mailbox.Inbox, 0)
		t.reopen()
		t.wantNumbers(mailbox.Inbox, 0)
		return
	}
	t.wantNumbers(mailbox.Inbox, 0, 1, 2)
}

func batchEmpty(t *tester) {
	ids := t.fill(1)
	b := t.batch()
	t.commit(b)
	t.must("Close again", b.Close())
	t.must("Close", t.batch().Close())
	t.wantIDs(mailbox.Inbox, ids...)
}

func batchFailedAdd(t *tester) {
	errDisk := errors.New("the disk is on fire")
	b := t.batch()
	t.take(b, 0, nil)
	size := int64(len(numbered(1)))
	for _, wrong := range []int64{size - 1, size + 1} {
		if _, err := b.Add(t.ctx, bytes.NewReader(numbered(1)), &mailbox.AppendOptions{Size: wrong}); err == nil {
			t.Errorf("Add of %d octets that are said to be %d: no error", size, wrong)
		}
	}
	_, err := b.Add(t.ctx, &failing{errDisk}, nil)
	t.wantErr("Add of a message whose reader fails", err, errDisk)
	t.take(b, 2, nil)
	t.commit(b)
	t.wantNumbers(mailbox.Inbox, 0, 2)
}

func batchSeveral(t *tester) {
	one, two, three := t.batch(), t.batch(), t.batch()
	t.take(one, 0, nil)
	t.take(two, 1, nil)
	t.take(one, 2, nil)
	t.addTo(mailbox.Inbox, 3)
	t.take(three, 4, nil)
	t.commit(two)
	t.must("Close", three.Close())
	t.commit(one)
	var got []int
	for _, id := range t.ids(mailbox.Inbox) {
		got = append(got, t.number(id))
	}
	slices.Sort(got)
	want := []int{0, 1, 2, 3}
	if !t.hasBatches() {
		want = append(want, 4)
	}
	if !slices.Equal(got, want) {
		t.Errorf("INBOX holds the messages %v, want %v", got, want)
	}
}

func batchMissing(t *tester) {
	b, err := batch.New(t.ctx, t.box, "No such folder")
	if err == nil {
		if t.hasBatches() {
			t.Errorf("NewBatch in a folder that is not there: no error")
		}
		_, err = b.Add(t.ctx, bytes.NewReader(numbered(0)), nil)
		t.must("Close", b.Close())
	}
	t.wantErr("a batch in a folder that is not there", err, mailbox.ErrNotFound)
	if folderNamed(t.folders(nil), "No such folder") != nil {
		t.Errorf("the missing folder was made")
	}
}

func batchUnsupported(t *tester) {
	ids := t.fill(1)
	_, err := batch.New(t.ctx, t.box, mailbox.Inbox)
	t.wantErr("NewBatch", err, errors.ErrUnsupported)
	if b, ok := t.box.(batch.Batcher); ok {
		_, err := b.NewBatch(t.ctx, mailbox.Inbox)
		t.wantErr("the driver's NewBatch", err, errors.ErrUnsupported)
	}
	t.wantIDs(mailbox.Inbox, ids...)
}

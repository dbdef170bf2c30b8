package mailboxtest

import (
	"io"
	"slices"
	"sync"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

func closeCases() []testCase {
	return []testCase{
		{"close/twice", "Close is idempotent, also from several goroutines.", nil, closeTwice},
		{"close/afterwards", "Every call made after Close gives ErrClosed, and changes nothing.", nil, closeAfterwards},
		{"close/reader", "A reader that is open gives ErrClosed after Close.", nil, closeReader},
		{"close/in-list", "Close within the loop ends it with ErrClosed.", nil, closeInList},
		{"close/in-fetch", "Close within the loop of Fetch ends it with ErrClosed.", nil, closeInFetch},
		{"close/in-append", "Close during an Append ends it with ErrClosed, and adds nothing.", []string{"append"}, closeInAppend},
		{"close/deletes-nothing", "Close deletes nothing, not even what is marked \\Deleted (RFC 9051 section 6.4.1 would).", nil, closeDeletesNothing},
		{"close/other-session", "Closing one session does not touch another.", []string{"!exclusive"}, closeOther},
	}
}

// closeBound is how long Close may take.
const closeBound = 10 * time.Second

// closeNow closes the mailbox, and checks that it does not take for ever.
func (t *tester) closeNow() {
	done := make(chan error, 1)
	go func() { done <- t.box.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Close: %v", err)
		}
	case <-time.After(closeBound):
		t.Errorf("Close does not return within %v", closeBound)
	}
}

func closeTwice(t *tester) {
	t.fill(1)
	for range 3 {
		t.must("Close", t.box.Close())
	}
	var wg sync.WaitGroup
	mb := t.open()
	for range 4 {
		wg.Go(func() {
			if err := mb.Close(); err != nil {
				t.Errorf("Close from several goroutines: %v", err)
			}
		})
	}
	wg.Wait()
}

func closeAfterwards(t *tester) {
	ids := t.fill(2)
	t.closeNow()
	for _, c := range slices.Concat(t.reads(t.ctx, ids[0]), t.scans(t.ctx, ids[0]), t.changes(t.ctx, ids[0])) {
		t.wantErr(c.name+" after Close", c.err(), mailbox.ErrClosed)
	}
	t.box = t.open()
	t.wantNumbers(mailbox.Inbox, 0, 1)
}

func closeReader(t *tester) {
	id := t.one(t.large)
	r, err := t.box.Open(t.ctx, id, nil)
	t.must("Open", err)
	_, err = io.CopyN(io.Discard, r, 1000)
	t.must("Read", err)
	t.closeNow()
	_, err = io.Copy(io.Discard, r)
	t.wantErr("reading on after the mailbox was closed", err, mailbox.ErrClosed)
	_ = r.Close()
}

func closeInList(t *tester) {
	t.fill(30)
	var last error
	n := 0
	for _, err := range t.box.List(t.ctx, mailbox.Inbox, nil) {
		if last = err; err == nil {
			n++
		}
		if n == 1 && err == nil {
			t.closeNow()
		}
	}
	t.wantErr("List, the mailbox closed at the first message", last, mailbox.ErrClosed)
}

func closeInFetch(t *tester) {
	ids := t.fill(30)
	var last error
	n := 0
	for _, err := range mailbox.Fetch(t.ctx, t.box, ids, nil) {
		if last = err; err == nil {
			n++
		}
		if n == 1 && err == nil {
			t.closeNow()
		}
	}
	t.wantErr("Fetch, the mailbox closed at the first message", last, mailbox.ErrClosed)
}

func closeInAppend(t *tester) {
	t.fill(1)
	err := t.gatedAppend(t.ctx, true, t.closeNow)
	t.wantErr("Append, the mailbox closed while the message was read", err, mailbox.ErrClosed)
	t.box = t.open()
	t.wantNumbers(mailbox.Inbox, 0)
}

func closeDeletesNothing(t *tester) {
	ids := t.fill(3)
	if t.caps.Flags {
		t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagDeleted)}, ids[:2]...)
	}
	t.reopen()
	t.wantNumbers(mailbox.Inbox, 0, 1, 2)
}

func closeOther(t *tester) {
	ids := t.fill(2)
	r, err := t.box.Open(t.ctx, ids[1], nil)
	t.must("Open", err)
	t.must("Close", t.open().Close())
	raw, err := io.ReadAll(r)
	t.must("Read", err)
	t.same("the message, another session closed", raw, numbered(1))
	t.must("Close", r.Close())
	t.wantIDs(mailbox.Inbox, ids...)
}

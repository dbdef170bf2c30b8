package mailboxtest

import (
	"bytes"
	"context"
	"io"
	"slices"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

func contextCases() []testCase {
	return []testCase{
		{"context/before", "A call whose context is over does nothing and gives the context's error.", nil, contextBefore},
		{"context/before-change", "A change whose context is over changes nothing.", nil, contextBeforeChange},
		{"context/deadline", "A deadline that has passed is context.DeadlineExceeded.", nil, contextDeadline},
		{"context/in-list", "A context that ends within the loop ends it with its error.", nil, contextInList},
		{"context/in-fetch", "So it does in Fetch, and in the body at hand.", nil, contextInFetch},
		{"context/in-read", "Open's context covers the reader's life.", nil, contextInRead},
		{"context/in-append", "A context that ends while the message is read adds nothing.", []string{"append"}, contextInAppend},
		{"context/others", "The end of one call's context does not touch the others.", nil, contextOthers},
		{"context/after", "After cancelled calls everything works: no connection is used that was cut short.", nil, contextAfter},
	}
}

// over is a context that was cancelled.
func (t *tester) over() context.Context {
	ctx, cancel := context.WithCancel(t.ctx)
	cancel()
	return ctx
}

func contextBefore(t *tester) {
	id := t.fill(2)[0]
	for _, c := range slices.Concat(t.reads(t.over(), id), t.scans(t.over(), id)) {
		t.wantErr(c.name+" with a cancelled context", c.err(), context.Canceled)
	}
	t.wantNumbers(mailbox.Inbox, 0, 1)
}

func contextBeforeChange(t *tester) {
	id := t.fill(2)[0]
	for _, c := range t.changes(t.over(), id) {
		t.wantErr(c.name+" with a cancelled context", c.err(), context.Canceled)
	}
	if t.caps.Flags {
		t.wantFlags(id, nil, flags(mailbox.FlagFlagged))
	}
	t.wantNumbers(mailbox.Inbox, 0, 1)
}

func contextDeadline(t *tester) {
	id := t.fill(2)[0]
	ctx, cancel := context.WithDeadline(t.ctx, time.Unix(1, 0))
	defer cancel()
	for _, c := range slices.Concat(t.reads(ctx, id), t.scans(ctx, id), t.changes(ctx, id)) {
		t.wantErr(c.name+" after its deadline", c.err(), context.DeadlineExceeded)
	}
	t.wantNumbers(mailbox.Inbox, 0, 1)
}

func contextInList(t *tester) {
	t.fill(30)
	for _, fields := range []mailbox.Fields{mailbox.FieldsNone, 0} {
		ctx, cancel := context.WithCancel(t.ctx)
		var last error
		n := 0
		for _, err := range t.box.List(ctx, mailbox.Inbox, &mailbox.ListOptions{Fields: fields}) {
			if last = err; err == nil {
				n++
			}
			cancel()
		}
		cancel()
		t.wantErr("List, cancelled at the first message", last, context.Canceled)
		if n != 1 {
			t.Errorf("%d messages were listed, want 1: the context ended at the first", n)
		}
	}
}

func contextInFetch(t *tester) {
	ids := t.fill(30)
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	var last error
	for m, err := range mailbox.Fetch(ctx, t.box, ids, nil) {
		if last = err; err != nil {
			break
		}
		cancel()
		_, err = io.Copy(io.Discard, m.Body)
		t.wantErr("reading a body after its context ended", err, context.Canceled)
	}
	t.wantErr("Fetch, cancelled at the first message", last, context.Canceled)
}

func contextInRead(t *tester) {
	large := t.large
	id := t.one(large)
	for _, octets := range []int64{0, 1000, int64(len(large)) / 10} {
		ctx, cancel := context.WithCancel(t.ctx)
		r, err := t.box.Open(ctx, id, nil)
		t.must("Open", err)
		_, err = io.CopyN(io.Discard, r, octets)
		t.must("Read", err)
		cancel()
		_, err = io.Copy(io.Discard, r)
		t.wantErr("reading on after the context ended", err, context.Canceled)
		_ = r.Close()
	}
}

// gate is a reader that stops in the middle until it is released.
type gate struct {
	front, back io.Reader
	reached     chan struct{}
	release     chan struct{}
	open        bool
}

func newGate(raw []byte) *gate {
	half := len(raw) / 2
	return &gate{bytes.NewReader(raw[:half]), bytes.NewReader(raw[half:]), make(chan struct{}), make(chan struct{}), false}
}

func (g *gate) Read(p []byte) (int, error) {
	if !g.open {
		if n, err := g.front.Read(p); err == nil {
			return n, nil
		}
		g.open = true
		close(g.reached)
		<-g.release
	}
	return g.back.Read(p)
}

// gatedAppend appends a message, calls f while the message is half read, and
// gives Append's error.
func (t *tester) gatedAppend(ctx context.Context, size bool, f func()) error {
	raw := t.large
	opts := &mailbox.AppendOptions{}
	if size {
		opts.Size = int64(len(raw))
	}
	g := newGate(raw)
	result := make(chan error, 1)
	go func() {
		_, err := mailbox.Append(ctx, t.box, mailbox.Inbox, g, opts)
		result <- err
	}()
	select {
	case <-g.reached:
	case err := <-result:
		t.Errorf("Append returns before it read the message: %v", err)
		return err
	}
	f()
	close(g.release)
	return <-result
}

func contextInAppend(t *tester) {
	t.fill(1)
	for _, size := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.ctx)
		err := t.gatedAppend(ctx, size, cancel)
		cancel()
		t.wantErr("Append, cancelled while the message was read", err, context.Canceled)
		t.wantNumbers(mailbox.Inbox, 0)
	}
}

func contextOthers(t *tester) {
	large := t.large
	t.deliver(mailbox.Inbox, large, numbered(1))
	ids := t.ids(mailbox.Inbox)
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	doomed, err := t.box.Open(ctx, ids[0], nil)
	t.must("Open", err)
	kept, err := t.box.Open(t.ctx, ids[0], nil)
	t.must("Open", err)
	for _, r := range []io.Reader{doomed, kept} {
		_, err = io.CopyN(io.Discard, r, 1000)
		t.must("Read", err)
	}
	cancel()
	_, _ = io.Copy(io.Discard, doomed)
	_ = doomed.Close()
	rest, err := io.ReadAll(kept)
	t.must("reading on, the context of another reader ended", err)
	t.same("the rest of the message", rest, large[1000:])
	t.must("Close", kept.Close())
	t.same("another message", t.read(ids[1]), numbered(1))
}

func contextAfter(t *tester) {
	large := t.large
	t.deliver(mailbox.Inbox, large, numbered(1), numbered(2))
	ids := t.ids(mailbox.Inbox)
	for range 5 {
		ctx, cancel := context.WithCancel(t.ctx)
		for range t.box.List(ctx, mailbox.Inbox, nil) {
			cancel()
		}
		cancel()
		ctx, cancel = context.WithCancel(t.ctx)
		if r, err := t.box.Open(ctx, ids[0], nil); err == nil {
			_, _ = io.CopyN(io.Discard, r, 10)
			cancel()
			_ = r.Close()
		}
		cancel()
		for _, c := range slices.Concat(t.reads(t.over(), ids[1]), t.scans(t.over(), ids[1])) {
			_ = c.err()
		}
		t.wantIDs(mailbox.Inbox, ids...)
		t.same("a message, after cancelled calls", t.read(ids[2]), numbered(2))
	}
	t.same("the large message, after cancelled calls", t.read(ids[0]), large)
}

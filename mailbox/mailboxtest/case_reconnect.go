package mailboxtest

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

func reconnectCases() []testCase {
	needs := []string{"Interrupt", "stable_ids"}
	return []testCase{
		{"reconnect/idle", "Reads are done on a fresh connection when the last one was lost.", needs, reconnectIdle},
		{"reconnect/changes", "So are changes that can be repeated.", needs, reconnectChanges},
		{"reconnect/in-list", "A list goes on where it was, each message once.", needs, reconnectInList},
		{"reconnect/in-read", "A body is whole or an error: what was cut is io.ErrUnexpectedEOF, never a clean end.", needs, reconnectInRead},
		{"reconnect/in-fetch", "Nor does Fetch end a body cleanly that was cut, or yield one twice.", needs, reconnectInFetch},
		{"reconnect/append", "Append is not tried again: the message is there once, or the error says so.", append(needs, "append"), reconnectAppend},
		{"reconnect/unstable", "IDs that do not hold over sessions reach nothing after a reconnect.", []string{"Interrupt", "!stable_ids"}, reconnectUnstable},
	}
}

func reconnectIdle(t *tester) {
	ids := t.fill(3)
	for range 3 {
		for _, c := range t.reads(t.ctx, ids[1]) {
			t.inst.Interrupt()
			t.try(c.name+" after the connection was lost", c.err())
		}
		t.inst.Interrupt()
		t.folders(nil)
		t.inst.Interrupt()
		t.wantFetch(ids[2:], map[mailbox.ID]int{ids[2]: 2})
		t.inst.Interrupt()
		t.wantIDs(mailbox.Inbox, ids...)
	}
}

func reconnectChanges(t *tester) {
	ids := t.fill(3)
	if t.caps.Flags {
		t.inst.Interrupt()
		t.flag(mailbox.FlagChange{Add: flags(mailbox.FlagFlagged)}, ids[0])
		t.wantFlags(ids[0], flags(mailbox.FlagFlagged), nil)
	}
	want := []int{0, 1, 2}
	if t.caps.Delete {
		t.inst.Interrupt()
		t.remove(ids[1])
		want = []int{0, 2}
	}
	t.inst.Interrupt()
	t.wantNumbers(mailbox.Inbox, want...)
}

func reconnectInList(t *tester) {
	ids := t.fill(t.many())
	for _, fields := range []mailbox.Fields{mailbox.FieldsNone, 0} {
		var seen []mailbox.ID
		for s, err := range t.box.List(t.ctx, mailbox.Inbox, &mailbox.ListOptions{Fields: fields}) {
			t.must("List, the connection lost in the middle", err)
			seen = append(seen, s.ID)
			if n := len(seen); n == 1 || n == len(ids)/2 {
				t.inst.Interrupt()
			}
		}
		if !slices.Equal(seen, ids) {
			t.Errorf("the list has %d messages, want each of the %d once and in order", len(seen), len(ids))
		}
	}
}

func reconnectInRead(t *tester) {
	large := t.large
	id := t.one(large)
	for _, octets := range []int64{0, 1000, int64(len(large)) * 2 / 3} {
		r, err := t.box.Open(t.ctx, id, nil)
		t.must("Open", err)
		var got bytes.Buffer
		_, err = io.CopyN(&got, r, octets)
		t.must("Read", err)
		t.inst.Interrupt()
		_, err = io.Copy(&got, r)
		t.wantWhole(got.Bytes(), large, err)
		_ = r.Close()
		t.same("the message, read after the connection was lost", t.read(id), large)
	}
}

// wantWhole checks a body whose connection was cut: all of it, or the beginning
// of it and io.ErrUnexpectedEOF.
func (t *tester) wantWhole(got, want []byte, err error) {
	switch {
	case err == nil:
		t.same("a body that ends cleanly", got, want)
	case !errors.Is(err, io.ErrUnexpectedEOF):
		t.Errorf("a body that was cut ends with %q, want io.ErrUnexpectedEOF", err)
	case !bytes.HasPrefix(want, got):
		t.Errorf("the %d octets before the cut are not those of the message", len(got))
	}
}

func reconnectInFetch(t *tester) {
	large := t.large
	t.deliver(mailbox.Inbox, large, numbered(1), large, numbered(3))
	ids := t.ids(mailbox.Inbox)
	want := [][]byte{large, numbered(1), large, numbered(3)}
	seen := map[mailbox.ID]bool{}
	for m, err := range mailbox.Fetch(t.ctx, t.box, ids, nil) {
		if err != nil {
			break
		}
		if seen[m.ID] {
			t.Errorf("%v is yielded twice", m.ID)
		}
		seen[m.ID] = true
		var got bytes.Buffer
		if _, err = io.CopyN(&got, m.Body, 10); err == nil {
			t.inst.Interrupt()
			_, err = io.Copy(&got, m.Body)
		}
		if i := slices.Index(ids, m.ID); i >= 0 {
			t.wantWhole(got.Bytes(), want[i], err)
		}
	}
	if len(seen) == 0 {
		t.Errorf("Fetch yields no message at all")
	}
	for i, id := range ids {
		t.same("a message, read after the connection was lost", t.read(id), want[i])
	}
}

func reconnectAppend(t *tester) {
	t.fill(1)
	t.inst.Interrupt()
	_, err := mailbox.Append(t.ctx, t.box, mailbox.Inbox, bytes.NewReader(numbered(1)), nil)
	added := len(t.ids(mailbox.Inbox)) - 1
	switch {
	case added < 0 || added > 1:
		t.Errorf("INBOX has %d messages after one Append to one", added+1)
	case err == nil && added == 0:
		t.Errorf("Append gives no error, and the message is not there")
	case err != nil && added == 1 && !errors.Is(err, mailbox.ErrUnknownOutcome):
		t.Errorf("Append gives %q, and the message is there", err)
	}
}

func reconnectUnstable(t *tester) {
	old := t.fill(2)
	t.inst.Interrupt()
	for _, id := range old {
		if raw, err := readAll(t.ctx, t.box, id, nil); err == nil {
			t.same("the message, if the connection was not needed", raw, numbered(slices.Index(old, id)))
		}
	}
	t.wantNumbers(mailbox.Inbox, 0, 1)
}

package mailboxtest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/postroom-go/postroom/mailbox"
)

func appendCases() []testCase {
	needs := []string{"append"}
	return []testCase{
		{"append/round-trip", "A message is added at the end, octet by octet as it was given.", needs, appendRoundTrip},
		{"append/sized", "With its Size it streams, with the same result.", needs, appendSized},
		{"append/seeds", "Any message in CRLF form comes back as it was given.", needs, appendSeeds},
		{"append/id", "The ID that Append tells is that of the new message (RFC 4315 section 3).", []string{"append_id"}, appendID},
		{"append/no-id", "Without the capability the ID is zero.", []string{"append", "!append_id"}, appendNoID},
		{"append/flags", "The new message has the flags asked for.", []string{"append", "flags"}, appendFlags},
		{"append/received", "The new message has the date of receipt asked for (RFC 9051 section 6.3.12).", []string{"append", "received"}, appendReceived},
		{"append/too-short", "A message that is shorter than its Size is an error, and nothing is added.", needs, appendTooShort},
		{"append/too-long", "A message that is longer than its Size is an error, and nothing is added.", needs, appendTooLong},
		{"append/broken-reader", "A reader that fails gives its own error, and nothing is added.", needs, appendBroken},
		{"append/limit", "A message over AppendLimit is ErrTooLarge, and nothing is added (RFC 7889).", []string{"append", "append_limit"}, appendLimit},
		{"append/missing-folder", "A folder that is not there is ErrNotFound, and is not made (RFC 9051 section 6.3.12).", needs, appendMissing},
		{"append/folder", "The message is added to the folder named and to no other.", []string{"append", "folders", "CreateFolder"}, appendFolder},
		{"append/inbox-any-case", "INBOX is INBOX in any case, and an empty name means it.", needs, appendInbox},
		{"append/unsupported", "Without the capability Append is errors.ErrUnsupported and reads nothing.", []string{"!append"}, appendUnsupported},
	}
}

// add appends to INBOX; an error ends the case.
func (t *tester) add(raw []byte, opts *mailbox.AppendOptions) mailbox.ID {
	id, err := mailbox.Append(t.ctx, t.box, mailbox.Inbox, bytes.NewReader(raw), opts)
	t.must("Append", err)
	return id
}

func appendRoundTrip(t *tester) {
	t.fill(2)
	t.add(numbered(2), nil)
	t.wantNumbers(mailbox.Inbox, 0, 1, 2)
	large := t.large
	t.add(large, nil)
	ids := t.ids(mailbox.Inbox)
	t.same("the message that was added", t.read(ids[len(ids)-1]), large)
	t.elsewhere(func(mb mailbox.Mailbox) {
		all, err := collect(mb.List(t.ctx, mailbox.Inbox, nil))
		t.must("List", err)
		if len(all) != 4 {
			t.Errorf("another session sees %d messages, want 4", len(all))
		}
	})
}

func appendSized(t *tester) {
	for _, raw := range [][]byte{numbered(0), t.large} {
		t.add(raw, &mailbox.AppendOptions{Size: int64(len(raw))})
		ids := t.ids(mailbox.Inbox)
		t.same("the message that was added", t.read(ids[len(ids)-1]), raw)
	}
}

func appendSeeds(t *tester) {
	var raws [][]byte
	for _, s := range t.seeds {
		if !s.loose {
			t.add(s.raw, nil)
			raws = append(raws, s.raw)
		}
	}
	for i, id := range t.ids(mailbox.Inbox) {
		t.same("the message that was added", t.read(id), raws[i])
	}
}

func appendID(t *tester) {
	t.fill(2)
	id := t.add(numbered(2), nil)
	ids := t.ids(mailbox.Inbox)
	if id.IsZero() || id != ids[len(ids)-1] {
		t.Fatalf("Append tells the ID %v; INBOX lists %v", id, ids)
	}
	if n := t.number(id); n != 2 {
		t.Errorf("the ID that Append tells opens message %d", n)
	}
}

func appendNoID(t *tester) {
	if id := t.add(numbered(0), nil); !id.IsZero() {
		t.Errorf("Append tells the ID %v", id)
	}
	t.wantNumbers(mailbox.Inbox, 0)
}

func appendFlags(t *tester) {
	want := flags(mailbox.FlagSeen, mailbox.FlagDraft)
	if t.caps.Keywords {
		want = append(want, "postroom-test")
	}
	t.add(numbered(0), &mailbox.AppendOptions{Flags: want})
	t.add(numbered(1), nil)
	ids := t.ids(mailbox.Inbox)
	t.wantFlags(ids[0], want, flags(mailbox.FlagFlagged))
	t.wantFlags(ids[1], nil, want)
}

func appendReceived(t *tester) {
	want := time.Date(2019, 12, 31, 23, 59, 58, 0, time.FixedZone("", -5*3600-1800))
	t.add(numbered(0), &mailbox.AppendOptions{Received: want})
	t.add(numbered(1), nil)
	all := t.list(mailbox.Inbox, &mailbox.ListOptions{Fields: mailbox.FieldReceived})
	if got := all[0].Received; !got.Truncate(time.Second).Equal(want) {
		t.Errorf("the date of receipt is %v, want %v", got, want)
	}
	if got := all[1].Received; time.Since(got).Abs() > 48*time.Hour {
		t.Errorf("without a date of receipt it is %v, want now", got)
	}
}

// wantRefused checks that an Append fails and that nothing is added.
func (t *tester) wantRefused(what string, message io.Reader, size int64, targets ...error) {
	ids := t.ids(mailbox.Inbox)
	_, err := mailbox.Append(t.ctx, t.box, mailbox.Inbox, message, &mailbox.AppendOptions{Size: size})
	switch {
	case err == nil:
		t.Errorf("Append of %s: no error", what)
	case len(targets) > 0:
		t.wantErr("Append of "+what, err, targets...)
	case errors.Is(err, mailbox.ErrUnknownOutcome):
		t.Errorf("Append of %s: the error is %q, though the message was never sent whole", what, err)
	}
	t.wantIDs(mailbox.Inbox, ids...)
	t.elsewhere(func(mb mailbox.Mailbox) {
		all, err := collect(mb.List(t.ctx, mailbox.Inbox, nil))
		t.must("List", err)
		if len(all) != len(ids) {
			t.Errorf("after a refused Append another session sees %d messages, want %d", len(all), len(ids))
		}
	})
}

func appendTooShort(t *tester) {
	t.fill(1)
	raw, large := numbered(5), t.large
	t.wantRefused("a message that lacks an octet", bytes.NewReader(raw), int64(len(raw))+1)
	t.wantRefused("a message of no octets", bytes.NewReader(nil), 10)
	t.wantRefused("a large message that lacks an octet", bytes.NewReader(large), int64(len(large))+1)
	t.wantNumbers(mailbox.Inbox, 0)
}

func appendTooLong(t *tester) {
	t.fill(1)
	raw, large := numbered(5), t.large
	t.wantRefused("a message with an octet too many", bytes.NewReader(raw), int64(len(raw))-1)
	t.wantRefused("a large message with an octet too many", bytes.NewReader(large), int64(len(large))-1)
	t.wantNumbers(mailbox.Inbox, 0)
}

func appendBroken(t *tester) {
	t.fill(1)
	errDisk := errors.New("the disk is on fire")
	for _, n := range []int{0, 10, 20_000} {
		for _, size := range []int64{0, 40_000} {
			message := io.MultiReader(strings.NewReader(strings.Repeat("x", n)), &failing{errDisk})
			t.wantRefused("a message whose reader fails", message, size, errDisk)
		}
	}
}

// failing is a reader that fails at once.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func appendLimit(t *tester) {
	t.fill(1)
	over := t.box.Caps().AppendLimit + 1
	t.wantRefused("a message over the limit", io.LimitReader(zeros{}, over), over, mailbox.ErrTooLarge)
	if over <= 64<<20 {
		t.wantRefused("a message over the limit, of unknown size", io.LimitReader(zeros{}, over), 0, mailbox.ErrTooLarge)
	}
}

// zeros is a reader of many "0".
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func appendMissing(t *tester) {
	t.fill(1)
	raw := numbered(1)
	for _, size := range []int64{0, int64(len(raw))} {
		_, err := mailbox.Append(t.ctx, t.box, "No such folder", bytes.NewReader(raw), &mailbox.AppendOptions{Size: size})
		t.wantErr("Append", err, mailbox.ErrNotFound)
	}
	if folderNamed(t.folders(nil), "No such folder") != nil {
		t.Errorf("the missing folder was made")
	}
	t.wantNumbers(mailbox.Inbox, 0)
}

func appendFolder(t *tester) {
	for i, name := range folderNames() {
		t.must("CreateFolder", t.inst.CreateFolder(name))
		_, err := mailbox.Append(t.ctx, t.box, name, bytes.NewReader(numbered(i)), nil)
		t.must("Append", err)
		t.wantNumbers(name, i)
	}
	t.wantNumbers(mailbox.Inbox)
}

func appendInbox(t *tester) {
	for i, name := range []string{"inbox", "Inbox", ""} {
		id, err := mailbox.Append(t.ctx, t.box, name, bytes.NewReader(numbered(i)), nil)
		t.must("Append", err)
		if t.caps.AppendID && id.Folder() != mailbox.Inbox {
			t.Errorf("Append to %q tells the ID %v", name, id)
		}
	}
	t.wantNumbers(mailbox.Inbox, 0, 1, 2)
}

func appendUnsupported(t *tester) {
	ids := t.fill(1)
	message := bytes.NewReader(numbered(1))
	before := message.Len()
	id, err := mailbox.Append(t.ctx, t.box, mailbox.Inbox, message, nil)
	t.wantErr("Append", err, errors.ErrUnsupported)
	if !id.IsZero() || message.Len() != before {
		t.Errorf("a refused Append tells the ID %v and reads %d octets", id, before-message.Len())
	}
	t.wantIDs(mailbox.Inbox, ids...)
}

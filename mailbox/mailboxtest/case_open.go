package mailboxtest

import (
	"bytes"
	"errors"
	"io"
	"testing/iotest"

	"github.com/postroom-go/postroom/mailbox"
)

// openCases have one row for each seed.
func openCases() []testCase {
	var all []testCase
	for i, s := range seeds(nil) {
		all = append(all, testCase{"open/" + s.name, s.why, nil, func(t *tester) { openSeed(t, t.seeds[i]) }})
	}
	return all
}

func openSeed(t *tester, s seed) {
	if got := t.read(t.one(s.raw)); !s.asStored(got) {
		t.same("Open", got, s.raw)
	}
}

func readerCases() []testCase {
	return []testCase{
		{"reader/contract", "The reader keeps the rules of io.Reader.", nil, readerContract},
		{"reader/end", "After the last octet Read gives io.EOF, again and again.", nil, readerEnd},
		{"reader/close-early", "A reader may be closed early and twice; then it reads no more.", nil, readerCloseEarly},
		{"reader/interleaved", "Two readers do not disturb each other.", nil, readerInterleaved},
		{"reader/no-lock", "A reader holds no lock and no connection between two Reads: other calls work meanwhile.", nil, readerNoLock},
		{"reader/many-open", "Readers that nobody reads cost no connection: many may be open.", nil, readerManyOpen},
		{"reader/not-seen", "Reading sets no \\Seen (RFC 9051 section 6.4.5, BODY.PEEK).", []string{"flags"}, readerNotSeen},
	}
}

func readerContract(t *tester) {
	multi, _ := multipartSeed()
	for _, opts := range []*mailbox.OpenOptions{nil, {}} {
		r, err := t.box.Open(t.ctx, t.latest(multi), opts)
		t.must("Open", err)
		if err := iotest.TestReader(r, multi); err != nil {
			t.Errorf("%v", err)
		}
		t.must("Close", r.Close())
	}
}

// latest delivers a message to INBOX and gives its ID.
func (t *tester) latest(raw []byte) mailbox.ID {
	t.deliver(mailbox.Inbox, raw)
	ids := t.ids(mailbox.Inbox)
	if len(ids) == 0 {
		t.Fatalf("INBOX is empty after a delivery")
	}
	return ids[len(ids)-1]
}

func readerEnd(t *tester) {
	r, err := t.box.Open(t.ctx, t.fill(1)[0], nil)
	t.must("Open", err)
	_, err = io.Copy(io.Discard, r)
	t.must("Read", err)
	for range 3 {
		if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("after the end Read gives %d, %v", n, err)
		}
	}
	t.must("Close", r.Close())
}

func readerCloseEarly(t *tester) {
	large := t.large
	id := t.one(large)
	for _, octets := range []int64{0, 1, int64(len(large)) / 30} {
		r, err := t.box.Open(t.ctx, id, nil)
		t.must("Open", err)
		_, err = io.CopyN(io.Discard, r, octets)
		t.must("Read", err)
		t.must("Close", r.Close())
		_ = r.Close()
		if n, err := r.Read(make([]byte, 10)); err == nil || err == io.EOF {
			t.Errorf("closed after %d octets, Read gives %d, %v: want an error", octets, n, err)
		}
	}
	t.same("the message, after readers were closed early", t.read(id), large)
}

func readerInterleaved(t *tester) {
	large, multi := t.large, bytes.Repeat(numbered(7), t.size/1500)
	t.deliver(mailbox.Inbox, large, multi)
	ids := t.ids(mailbox.Inbox)
	var got [3]bytes.Buffer
	var r [3]io.ReadCloser
	for i, id := range []mailbox.ID{ids[0], ids[1], ids[0]} {
		var err error
		r[i], err = t.box.Open(t.ctx, id, nil)
		t.must("Open", err)
		got[i].Grow(len(large))
	}
	for left := 3; left > 0; {
		left = 0
		for i := range r {
			_, err := io.CopyN(&got[i], r[i], int64(len(large)/(60-10*i)))
			switch {
			case err == nil:
				left++
			case !errors.Is(err, io.EOF):
				t.Fatalf("reader %d: %v", i, err)
			}
		}
	}
	for i, want := range [][]byte{large, multi, large} {
		t.same("an interleaved reader", got[i].Bytes(), want)
		t.must("Close", r[i].Close())
	}
}

func readerNoLock(t *tester) {
	large := t.large
	t.deliver(mailbox.Inbox, large, numbered(1), numbered(2))
	ids := t.ids(mailbox.Inbox)
	r, err := t.box.Open(t.ctx, ids[0], nil)
	t.must("Open", err)
	var got bytes.Buffer
	_, err = io.CopyN(&got, r, 5000)
	t.must("Read", err)
	for _, c := range t.reads(t.ctx, ids[1]) {
		t.must(c.name+" while a reader is open", c.err())
	}
	t.folders(nil)
	for _, c := range t.changes(t.ctx, ids[2]) {
		t.must(c.name+" while a reader is open", c.err())
	}
	_, err = io.Copy(&got, r)
	t.must("reading on after other calls", err)
	t.same("the message that was read in two parts", got.Bytes(), large)
	t.must("Close", r.Close())
}

func readerManyOpen(t *tester) {
	ids := t.fill(20)
	var open []io.ReadCloser
	for _, id := range ids {
		r, err := t.box.Open(t.ctx, id, nil)
		t.must("Open", err)
		open = append(open, r)
	}
	t.wantIDs(mailbox.Inbox, ids...)
	for i := len(open) - 1; i >= 0; i-- {
		raw, err := io.ReadAll(open[i])
		t.must("Read", err)
		t.same("one of many messages", raw, numbered(i))
		t.must("Close", open[i].Close())
	}
}

func readerNotSeen(t *tester) {
	raw, parts := multipartSeed()
	id := t.one(raw)
	t.read(id)
	for _, c := range t.reads(t.ctx, id) {
		if c.name != "OpenPart" {
			t.must(c.name, c.err())
		}
	}
	_, err := readPart(t.ctx, t.box, id, parts[0].id, nil)
	t.must("OpenPart", err)
	for m, err := range mailbox.Fetch(t.ctx, t.box, []mailbox.ID{id}, nil) {
		t.must("Fetch", err)
		_, err = io.Copy(io.Discard, m.Body)
		t.must("Read", err)
	}
	t.wantFlags(id, nil, []mailbox.Flag{mailbox.FlagSeen})
	t.elsewhere(func(mb mailbox.Mailbox) {
		all, err := collect(mb.List(t.ctx, mailbox.Inbox, nil))
		t.must("List", err)
		if len(all) != 1 || hasFlag(all[0].Flags, mailbox.FlagSeen) {
			t.Errorf("another session sees the flag that reading set")
		}
	})
}

func headerCases() []testCase {
	return []testCase{
		{"header/section", "HeaderOnly reads the header section and the empty line after it.", nil, headerSection},
		{"header/no-body", "A message that is all header is read to its end.", nil, headerNoBody},
		{"header/large", "HeaderOnly of a large message leaves its body, and the next call works.", nil, headerLarge},
		{"header/unknown", "HeaderOnly of a message that is not there is ErrNotFound.", nil, headerUnknown},
	}
}

// headerOf reads the header of a message.
func (t *tester) headerOf(id mailbox.ID) []byte {
	raw, err := readAll(t.ctx, t.box, id, &mailbox.OpenOptions{HeaderOnly: true})
	t.must("Open with HeaderOnly", err)
	return raw
}

func headerSection(t *tester) {
	var raws [][]byte
	for _, s := range t.seeds {
		if !s.loose && s.name != "large" && s.name != "damaged" && s.name != "no-body" {
			raws = append(raws, s.raw)
		}
	}
	t.deliver(mailbox.Inbox, raws...)
	for i, id := range t.ids(mailbox.Inbox) {
		t.same("the header", t.headerOf(id), header(raws[i]))
	}
}

func headerNoBody(t *tester) {
	raw := crlf("From: ann@example.org", "Subject: Nothing", "")
	t.same("the header", t.headerOf(t.one(raw)), raw)
}

func headerLarge(t *tester) {
	raw := t.large
	t.deliver(mailbox.Inbox, raw, numbered(1))
	ids := t.ids(mailbox.Inbox)
	for range 3 {
		t.same("the header", t.headerOf(ids[0]), header(raw))
		t.same("the next message", t.read(ids[1]), numbered(1))
	}
}

func headerUnknown(t *tester) {
	_, err := t.box.Open(t.ctx, unknownID(t.fill(1)[0]), &mailbox.OpenOptions{HeaderOnly: true})
	t.wantErr("Open with HeaderOnly", err, mailbox.ErrNotFound)
}

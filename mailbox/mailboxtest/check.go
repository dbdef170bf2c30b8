package mailboxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing/iotest"

	"github.com/postroom-go/postroom/mailbox"
)

const (
	// checkMessages is how many of the newest messages Check looks at.
	checkMessages = 20
	// checkBodies is how many of them it reads, the smallest ones.
	checkBodies = 5
	// checkOctets is the largest message that it reads.
	checkOctets = 1 << 20
	// noSuchFolder is a name that no account has.
	noSuchFolder = "postroom-check-no-such-folder"
)

// Check tries an open mailbox, such as a live account, without changing it:
// capabilities, folders, lists and their options, IDs, summaries, errors,
// cancelled contexts, and up to five small ones of the newest twenty messages
// of INBOX, read in every way that there is. It returns all that is wrong,
// joined; nil if nothing is. An account without mail proves less. The mailbox
// stays open. Mail that others move about meanwhile may disturb it.
func Check(ctx context.Context, mb mailbox.Mailbox) error {
	var all []error
	for _, c := range checks() {
		t := &tester{ctx: ctx, caps: mb.Caps(), box: mb}
		failures := t.run(func(t *tester) {
			defer t.catch()
			c.Run(t)
		})
		for _, text := range failures {
			all = append(all, fmt.Errorf("%s: %s (rule: %s)", c.Name, text, c.Why))
		}
		if err := ctx.Err(); err != nil {
			return errors.Join(append(all, err)...)
		}
	}
	return errors.Join(all...)
}

// checks are the rows of Check.
func checks() []testCase {
	return []testCase{
		{"check/caps", "Capabilities agree with one another and with the driver's methods.", nil, capsConsistent},
		{"check/folders", "INBOX is there, names are unique, roles have a reason.", nil, foldersInbox},
		{"check/ids", "IDs are unique, comparable, and survive their text form.", nil, checkIDs},
		{"check/options", "Newest, Reverse and IDs choose and order.", nil, checkOptions},
		{"check/fields", "Summary.Fields says what was asked for and told; all else is zero.", nil, checkFields},
		{"check/errors", "What is not there is ErrNotFound, another epoch is ErrStale, as an *Error.", nil, checkErrors},
		{"check/one-error", "A sequence yields at most one error, as the last thing, with a nil pointer.", nil, checkOneError},
		{"check/context", "A call whose context is over gives the context's error.", nil, checkContext},
		{"check/bodies", "Open, Fetch and HeaderOnly give the same octets.", nil, checkBodiesEqual},
		{"check/parts", "The parts of a message can be read, alone as out of the whole.", nil, checkParts},
		{"check/not-seen", "Reading sets no \\Seen.", []string{"flags"}, checkNotSeen},
	}
}

// newest are the newest messages of INBOX, oldest first.
func (t *tester) newest(fields mailbox.Fields) []*mailbox.Summary {
	return t.list(mailbox.Inbox, &mailbox.ListOptions{Newest: checkMessages, Fields: fields})
}

// small are the messages whose bodies Check reads.
func (t *tester) small() []mailbox.ID {
	all := t.newest(mailbox.FieldSize)
	all = slices.DeleteFunc(all, func(s *mailbox.Summary) bool { return s.Size > checkOctets })
	slices.SortStableFunc(all, func(a, b *mailbox.Summary) int { return int(a.Size - b.Size) })
	return idsOf(all[:min(len(all), checkBodies)])
}

func checkIDs(t *tester) {
	ids := idsOf(t.newest(mailbox.FieldsNone))
	seen := map[mailbox.ID]bool{}
	for _, id := range ids {
		if seen[id] || id.IsZero() || id.Folder() != mailbox.Inbox {
			t.Errorf("%v is zero, or there twice, or not of INBOX", id)
		}
		seen[id] = true
		if back, err := mailbox.ParseID(id.String()); err != nil || back != id {
			t.Errorf("%v reads back as %v, %v", id, back, err)
		}
	}
	again := idsOf(t.list(mailbox.Inbox, &mailbox.ListOptions{IDs: ids}))
	if ids == nil {
		again = nil
	}
	if !slices.Equal(again, ids) {
		t.Errorf("listed again by their IDs, %v are %v", ids, again)
	}
}

func checkOptions(t *tester) {
	ids := idsOf(t.newest(mailbox.FieldsNone))
	if len(ids) == 0 {
		return
	}
	back := idsOf(t.list(mailbox.Inbox, &mailbox.ListOptions{IDs: ids, Reverse: true}))
	if !slices.Equal(back, reversed(ids)) {
		t.Errorf("reversed, %v are %v", ids, back)
	}
	one := idsOf(t.list(mailbox.Inbox, &mailbox.ListOptions{Newest: 1, Reverse: true}))
	if len(one) != 1 {
		t.Errorf("the newest message is %v", one)
	}
	if none := t.list(mailbox.Inbox, &mailbox.ListOptions{IDs: []mailbox.ID{}}); len(none) != 0 {
		t.Errorf("no IDs list %d messages", len(none))
	}
}

func checkFields(t *tester) {
	ids := idsOf(t.newest(mailbox.FieldsNone))
	for _, fields := range fieldSets() {
		if len(ids) == 0 {
			return
		}
		for _, s := range t.list(mailbox.Inbox, &mailbox.ListOptions{IDs: ids, Fields: fields}) {
			for _, problem := range fieldProblems(s, fields) {
				t.Errorf("%v, asked for %b: %s", s.ID, fields, problem)
			}
			if extra := s.Fields &^ told(t.caps); extra != 0 {
				t.Errorf("%v: Fields has %b, which Caps says cannot be told", s.ID, extra)
			}
		}
	}
}

func checkErrors(t *tester) {
	typed := func(what string, err, want error) {
		t.wantErr(what, err, want)
		var e *mailbox.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%s: the error is the %T %q, want an *Error", what, err, err)
		}
	}
	typed("List of a missing folder", first(t.box.List(t.ctx, noSuchFolder, nil)), mailbox.ErrNotFound)
	ids := idsOf(t.newest(mailbox.FieldsNone))
	if len(ids) == 0 {
		return
	}
	for _, c := range t.reads(t.ctx, unknownID(ids[len(ids)-1])) {
		typed(c.name+" of an unknown message", c.err(), mailbox.ErrNotFound)
	}
	for _, c := range t.reads(t.ctx, staleID(ids[0])) {
		typed(c.name+" with a stale ID", c.err(), mailbox.ErrStale)
	}
}

func checkOneError(t *tester) {
	for what, problem := range map[string]string{
		"List of a missing folder": oneError(t.box.List(t.ctx, noSuchFolder, nil)),
		"List, dead context":       oneError(t.box.List(t.over(), mailbox.Inbox, nil)),
		"Folders, dead context":    oneError(t.box.Folders(t.over(), nil)),
	} {
		if problem != "" {
			t.Errorf("%s: %s", what, problem)
		}
	}
}

func checkContext(t *tester) {
	id := mailbox.NewID(mailbox.Inbox, "", "")
	if ids := idsOf(t.newest(mailbox.FieldsNone)); len(ids) > 0 {
		id = ids[0]
	}
	for _, c := range slices.Concat(t.reads(t.over(), id), t.scans(t.over(), id)) {
		t.wantErr(c.name+" with a cancelled context", c.err(), context.Canceled)
	}
}

func checkBodiesEqual(t *tester) {
	ids := t.small()
	raws := map[mailbox.ID][]byte{}
	for _, id := range ids {
		raws[id] = t.read(id)
		r, err := t.box.Open(t.ctx, id, nil)
		t.must("Open", err)
		if err := iotest.TestReader(r, raws[id]); err != nil {
			t.Errorf("%v: %v", id, err)
		}
		t.must("Close", r.Close())
		if head := t.headerOf(id); !bytes.HasPrefix(raws[id], head) {
			t.Errorf("%v: the header is not the beginning of the message", id)
		}
	}
	for id, raw := range t.fetch(ids) {
		t.same("a fetched message", raw, raws[id])
	}
}

func checkParts(t *tester) {
	for _, id := range t.small() {
		root, err := mailbox.Structure(t.ctx, t.box, id)
		t.must("Structure", err)
		own, defects, err := mailbox.ReadStructure(bytes.NewReader(t.read(id)), nil)
		t.must("ReadStructure", err)
		for p := range root.All() {
			if p.Multipart() || p.ID == "" {
				continue
			}
			got, err := readPart(t.ctx, t.box, id, p.ID, &mailbox.OpenPartOptions{Encoded: true})
			t.must(fmt.Sprintf("part %s of %v", p.ID, id), err)
			// Broken messages have no structure that all would agree on.
			if q := own.Find(p.ID); len(defects) == 0 && q != nil && q.Type == p.Type && q.Size == p.Size {
				want, err := readPart(t.ctx, core{t.box}, id, p.ID, &mailbox.OpenPartOptions{Encoded: true})
				t.must("the part out of the whole message", err)
				t.same(fmt.Sprintf("part %s of %v", p.ID, id), got, want)
			}
		}
	}
}

func checkNotSeen(t *tester) {
	if !t.caps.Flags {
		return
	}
	for _, id := range t.small() {
		before, err := mailbox.Get(t.ctx, t.box, id, mailbox.FieldFlags)
		t.must("Get", err)
		t.read(id)
		t.headerOf(id)
		for m, err := range mailbox.Fetch(t.ctx, t.box, []mailbox.ID{id}, nil) {
			t.must("Fetch", err)
			_, err = io.Copy(io.Discard, m.Body)
			t.must("reading a body", err)
		}
		if !hasFlag(before.Flags, mailbox.FlagSeen) {
			t.wantFlags(id, nil, flags(mailbox.FlagSeen))
		}
	}
}
